"""The endpoints of a home: where messages go, how far each one has got, and what it still has to be told.

One SQLite file beside the ledger. The events themselves are not copied: the ledger is the outbox, and an endpoint keeps the position up
to which its receiver has acknowledged everything. A crash between an acknowledgement and its note repeats a message, and loses none.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.service.webhooks.endpoints import DeadMessage, Endpoint, Kind, Notice, Replay
from qhybrid_pipelines.storage.sqlite_files import closed_unless_ready, create_tables, storage_errors, transaction

#: Endpoints of one principal, and of all: each has a task and a few connections of its own.
MOST_OF_ONE, MOST_OF_ALL = 10, 100
BUSY_TIMEOUT_SECONDS = 10

_TABLES = (
    """CREATE TABLE endpoint (
        id TEXT PRIMARY KEY,
        principal TEXT NOT NULL,
        sees_all INTEGER NOT NULL,
        kind TEXT NOT NULL,
        target TEXT NOT NULL,
        types TEXT,
        by_tier INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        rotated_at TEXT,
        pepper_mark TEXT NOT NULL,
        created_at TEXT NOT NULL,
        state TEXT NOT NULL,
        position INTEGER NOT NULL,
        notice INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        failing_since TEXT,
        next_attempt_at TEXT,
        problem TEXT,
        delivered_at TEXT
    )""",
    """CREATE TABLE notice (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        principal TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        at TEXT NOT NULL,
        data TEXT NOT NULL
    )""",
    """CREATE TABLE replay (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        endpoint TEXT NOT NULL,
        position INTEGER NOT NULL,
        until INTEGER NOT NULL
    )""",
    """CREATE TABLE dead (
        endpoint TEXT NOT NULL,
        message TEXT NOT NULL,
        position INTEGER,
        at TEXT NOT NULL,
        problem TEXT NOT NULL
    )""",
    "CREATE INDEX dead_by_endpoint ON dead (endpoint)",
)
#: Nothing was upgraded before these were counted.
_UPGRADE = ("ALTER TABLE endpoint ADD COLUMN upgrade INTEGER NOT NULL DEFAULT 0",)


_COLUMNS = tuple(field.name for field in fields(Endpoint))


class EndpointStore:
    """The endpoints of a home. Methods may be called from any thread.

    Args:
        path: the database; made when absent, readable for its owner only, because addresses may hold secrets.

    Raises:
        InvalidInput: it cannot be opened, or a newer release has written it.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._lock, self._changes = path, threading.RLock(), 0
        with storage_errors(path, "endpoints"):
            if not path.exists():  # closing one that is open elsewhere in this process would drop SQLite's locks on it
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            path.chmod(0o600)  # also where a backup was restored
            self._connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
            )
            with closed_unless_ready(self._connection):
                self._prepare()

    def version(self) -> tuple[int, int]:
        """Return what changes when somebody, here or in another process, has changed an endpoint."""
        with self._lock:
            return self._changes, int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def all(self) -> list[Endpoint]:
        """Return all endpoints, oldest first."""
        return list(self._endpoints("1 = 1", ()))

    def of(self, principal: str) -> list[Endpoint]:
        """Return the endpoints of a principal, oldest first."""
        return list(self._endpoints("principal = ?", (principal,)))

    def get(self, endpoint: str) -> Endpoint | None:
        """Return one endpoint, or None."""
        return next(self._endpoints("id = ?", (endpoint,)), None)

    def add(
        self,
        *,
        principal: str,
        sees_all: bool,
        kind: Kind,
        target: str,
        types: Sequence[str] | None,
        by_tier: bool,
        pepper_mark: str,
        position: int,
        upgrade: int,
        at: str,
    ) -> Endpoint:
        """Write a new endpoint down.

        Raises:
            InvalidInput: there are too many.
        """
        endpoint = f"w-{secrets.token_hex(8)}"
        with self._transaction():
            everybody, own = self._connection.execute(
                "SELECT count(*), coalesce(sum(principal = ?), 0) FROM endpoint", (principal,)
            ).fetchone()
            if own >= MOST_OF_ONE or everybody >= MOST_OF_ALL:
                raise InvalidInput(
                    f"there are {own} endpoints of {principal} and {everybody} in all, and no more are allowed",
                    remedy="Remove one first.",
                )
            notice = self._connection.execute("SELECT coalesce(max(number), 0) FROM notice").fetchone()[0]
            row = {
                "id": endpoint,
                "principal": principal,
                "sees_all": int(sees_all),
                "kind": kind,
                "target": target,
                "types": None if types is None else json.dumps(list(types)),
                "by_tier": int(by_tier),
                "generation": 0,
                "pepper_mark": pepper_mark,
                "created_at": at,
                "state": "pending",
                "position": position,
                "notice": notice,
                "upgrade": upgrade,
                "failures": 0,
            }
            marks = ", ".join("?" * len(row))
            self._connection.execute(f"INSERT INTO endpoint ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))  # noqa: S608  our own words
            self._changes += 1
        found = self.get(endpoint)
        assert found is not None
        return found

    def remove(self, endpoint: str) -> None:
        """Forget an endpoint with all that is noted of it."""
        with self._transaction():
            self._connection.execute("DELETE FROM endpoint WHERE id = ?", (endpoint,))
            self._connection.execute("DELETE FROM replay WHERE endpoint = ?", (endpoint,))
            self._connection.execute("DELETE FROM dead WHERE endpoint = ?", (endpoint,))
            self._changes += 1

    def rotate(self, endpoint: str, *, pepper_mark: str, at: str) -> None:
        """Give an endpoint its next secret."""
        self._change(endpoint, "generation = generation + 1, rotated_at = ?, pepper_mark = ?", (at, pepper_mark))

    def enable(self, endpoint: str) -> None:
        """Try an endpoint again at once, from where it was: also one that was disabled, or that waits after failures."""
        again = "state = CASE state WHEN 'disabled' THEN 'pending' ELSE state END"
        self._change(
            endpoint, f"{again}, failures = 0, failing_since = NULL, next_attempt_at = NULL, problem = NULL", ()
        )

    def replay(self, endpoint: str, *, after: int, until: int) -> None:
        """Have events sent once more."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO replay (endpoint, position, until) VALUES (?, ?, ?)", (endpoint, after, until)
            )
            self._changes += 1

    def first_replay(self, endpoint: str) -> Replay | None:
        """Return the replay that is under way, or None."""
        rows = self._rows(
            "SELECT number, position, until FROM replay WHERE endpoint = ? ORDER BY number LIMIT 1", (endpoint,)
        )
        return Replay(*rows[0]) if rows else None

    def notices_for(self, endpoint: Endpoint) -> list[Notice]:
        """Return what an endpoint is still to be told about others that it may know of, first first."""
        rows = self._rows(
            "SELECT number, endpoint, at, data FROM notice WHERE number > ? AND (principal = ? OR ?) AND endpoint <> ? "
            "ORDER BY number LIMIT 20",
            (endpoint.notice, endpoint.principal, endpoint.sees_all, endpoint.id),
        )
        return [Notice(number, about, at, json.loads(data)) for number, about, at, data in rows]

    def dead(self, endpoint: str) -> list[DeadMessage]:
        """Return the messages that were set aside, the last hundred of them, newest first."""
        query = "SELECT message, position, at, problem FROM dead WHERE endpoint = ? ORDER BY rowid DESC LIMIT 100"
        return [DeadMessage(*row) for row in self._rows(query, (endpoint,))]

    def note_success(self, endpoint: str, *, at: str) -> None:
        """Note that a receiver has acknowledged something: it lives, and nothing waits for a later attempt."""
        columns = "failures = 0, failing_since = NULL, next_attempt_at = NULL, problem = NULL, delivered_at = ?"
        self._note(endpoint, f"state = 'active', {columns}", (at,), where=" AND state <> 'disabled'")

    def note_position(self, endpoint: str, position: int) -> None:
        """Note up to which event everything is done with."""
        self._note(endpoint, "position = ?", (position,))

    def note_notice(self, endpoint: str, number: int) -> None:
        """Note up to which notice everything is done with."""
        self._note(endpoint, "notice = ?", (number,))

    def note_upgrade(self, endpoint: str, number: int) -> None:
        """Note up to which upgrade of a decision everything is done with."""
        self._note(endpoint, "upgrade = ?", (number,))

    def note_replayed(self, replay: Replay, position: int) -> None:
        """Note how far a replay has got; one that is at its end is over."""
        with self._transaction():
            if position >= replay.until:
                self._connection.execute("DELETE FROM replay WHERE number = ?", (replay.number,))
            else:
                self._connection.execute("UPDATE replay SET position = ? WHERE number = ?", (position, replay.number))

    def note_failure(self, endpoint: str, *, failures: int, since: str, next_attempt_at: str, problem: str) -> None:
        """Note that an attempt has failed, and when the next one is due."""
        columns = "failures = ?, failing_since = ?, next_attempt_at = ?, problem = ?"
        self._note(endpoint, columns, (failures, since, next_attempt_at, problem))

    def note_obstacle(self, endpoint: str, problem: str) -> None:
        """Note why nothing can be sent as things are on this machine; that is not a failure of the receiver."""
        self._note(endpoint, "problem = ?", (problem,))

    def note_dead(self, endpoint: str, *, message: str, position: int | None, at: str, problem: str) -> None:
        """Note that a message is set aside."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO dead (endpoint, message, position, at, problem) VALUES (?, ?, ?, ?, ?)",
                (endpoint, message, position, at, problem),
            )

    def disable(self, endpoint: Endpoint, *, problem: str, at: str) -> None:
        """Stop telling an endpoint anything, and have others told of that, in one transaction."""
        with self._transaction():
            self._connection.execute(
                "UPDATE endpoint SET state = 'disabled', problem = ? WHERE id = ?", (problem, endpoint.id)
            )
            data = json.dumps({"endpoint": endpoint.id, "principal": endpoint.principal, "reason": problem})
            self._connection.execute(
                "INSERT INTO notice (principal, endpoint, at, data) VALUES (?, ?, ?, ?)",
                (endpoint.principal, endpoint.id, at, data),
            )

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _change(self, endpoint: str, columns: str, values: tuple[Any, ...]) -> None:
        """Write what a person has changed, which the sender has to notice."""
        self._note(endpoint, columns, values)
        with self._lock:
            self._changes += 1

    def _note(self, endpoint: str, columns: str, values: tuple[Any, ...], *, where: str = "") -> None:
        with self._transaction():
            self._connection.execute(f"UPDATE endpoint SET {columns} WHERE id = ?{where}", (*values, endpoint))  # noqa: S608  our own words

    def _endpoints(self, where: str, values: tuple[Any, ...]) -> Iterator[Endpoint]:
        for row in self._rows(
            f"SELECT {', '.join(_COLUMNS)} FROM endpoint WHERE {where} ORDER BY rowid",  # noqa: S608  our own words
            values,
        ):
            found = dict(zip(_COLUMNS, row, strict=True))
            types = found["types"]
            found |= {
                "sees_all": bool(found["sees_all"]),
                "by_tier": bool(found["by_tier"]),
                "types": None if types is None else tuple(json.loads(types)),
            }
            yield Endpoint(**found)

    def _rows(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        # The last note may be lost in a power cut: then a message comes twice, which it may at any time.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        create_tables(self._connection, self._path, "endpoints", [_TABLES, _UPGRADE])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, transaction(self._connection):
            yield
