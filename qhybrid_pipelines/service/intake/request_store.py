"""The requests that were accepted: on the disk before anybody is told, and each once.

One thread writes, and one transaction stores whatever has arrived meanwhile: a disk that commits some hundred times a second takes
thousands of requests that way, and nobody waits for a lock of SQLite's. A request is found again by who sent it, where to, and the
Idempotency-Key that came with it; the same key with another body is refused.
"""

from __future__ import annotations

import json
import queue
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet

from qhybrid_pipelines.storage.sqlite_files import create_tables, storage_errors, transaction

#: Requests in one transaction: some tens of milliseconds.
MOST_TOGETHER = 256
#: Requests that wait for the writer; more are refused, so that none waits for long.
MOST_WAITING = 2048
BUSY_TIMEOUT_SECONDS = 30

_TABLES = (
    """CREATE TABLE request (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        principal TEXT NOT NULL,
        route TEXT NOT NULL,
        idempotency_key TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        experiment TEXT NOT NULL,
        learning INTEGER NOT NULL,
        specification TEXT NOT NULL,
        labels TEXT NOT NULL,
        content BLOB,
        circuit BLOB,
        answer TEXT NOT NULL,
        accepted_at TEXT NOT NULL,
        registered_at TEXT,
        problem TEXT,
        UNIQUE (principal, route, idempotency_key)
    )""",
    "CREATE INDEX request_by_experiment ON request (experiment, principal)",
    "CREATE INDEX request_to_register ON request (number) WHERE registered_at IS NULL AND problem IS NULL",
)
_COLUMNS = (
    "id, principal, route, idempotency_key, fingerprint, experiment, learning, specification, labels, content, circuit, "
    "answer, accepted_at"
)


class KeyReused(Exception):
    """The Idempotency-Key belongs to another body; nothing was written."""


class OwnedByOther(Exception):
    """Another principal has this experiment; nothing was written."""


class StoreBusy(Exception):
    """Too many requests wait to be written; nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A request that was checked and is to be accepted.

    Attributes:
        id: ours, given out.
        principal: who sent it.
        route: where to.
        idempotency_key: that came with it.
        fingerprint: SHA-256 of its canonical body.
        experiment: key of the experiment that it means.
        learning: whether that is a learning experiment.
        specification: its JSON, with hashes in place of files.
        labels: that it gives.
        content: of its problem or data file.
        circuit: the text of its circuit.
        answer: the body that is sent, now and to every repetition.
        accepted_at: ISO 8601, UTC.
    """

    id: str
    principal: str
    route: str
    idempotency_key: str
    fingerprint: str
    experiment: str
    learning: bool
    specification: str
    labels: dict[str, Any]
    content: bytes | None
    circuit: bytes | None
    answer: str
    accepted_at: str

    @property
    def row(self) -> tuple[Any, ...]:
        """The values of its columns."""
        return (
            self.id,
            self.principal,
            self.route,
            self.idempotency_key,
            self.fingerprint,
            self.experiment,
            int(self.learning),
            self.specification,
            json.dumps(self.labels),
            self.content,
            self.circuit,
            self.answer,
            self.accepted_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedRequest(NewRequest):
    """A request that was accepted.

    Attributes:
        number: in the order of acceptance.
        registered_at: when its experiment was registered; None before.
        problem: why it could not be; None where nothing was wrong.
    """

    number: int
    registered_at: str | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What became of a request: its answer, and whether it is new or was sent before."""

    answer: str
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What became of an accepted request.

    Attributes:
        number: of the request.
        at: when its experiment was registered; ISO 8601, UTC.
        problem: why it cannot be; None where nothing was wrong.
    """

    number: int
    at: str
    problem: str | None = None


class _Reader:
    """A thread's connection, closed when the thread ends: SQLite's own would stay open until somebody collects garbage."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


class RequestStore:
    """The accepted requests of a home.

    Args:
        path: the database; made when absent.

    Raises:
        InvalidInput: it cannot be opened, or a newer release has written it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.Queue[_Order | None] = queue.Queue(MOST_WAITING)
        self._readers = threading.local()
        self._open_readers: WeakSet[_Reader] = WeakSet()
        with storage_errors(path, "requests"):
            self._prepare()
        self._writer = threading.Thread(target=self._write, name="request-writer", daemon=True)
        self._writer.start()

    @property
    def is_alive(self) -> bool:
        """Whether requests can be written."""
        return self._writer.is_alive()

    def accept(self, request: NewRequest, *, shared: bool) -> Future[Acceptance]:
        """Have a request written; the future is done once it is on the disk.

        Its exception is `KeyReused`, `OwnedByOther` or sqlite3's where the disk took nothing.

        Args:
            request: to be written.
            shared: everybody is one, so that nobody's experiment is another's.

        Raises:
            StoreBusy: too many wait.
        """
        return self._order(_Order(request=request, shared=shared))

    def note_registered(self, registrations: Sequence[Registration]) -> None:
        """Note that the experiments of requests are registered, or why they cannot be, in one transaction."""
        if not registrations:
            return
        order = _Order(registrations=registrations)
        self._queue.put(order)
        order.future.result()

    def find(self, *, principal: str, route: str, idempotency_key: str) -> AcceptedRequest | None:
        """Return the request of a principal with a key; None where there is none."""
        where = "principal = ? AND route = ? AND idempotency_key = ?"
        return next(self._select(where, (principal, route, idempotency_key)), None)

    def of_experiment(self, experiment: str) -> list[AcceptedRequest]:
        """Return the requests for an experiment, first first."""
        return list(self._select("experiment = ?", (experiment,)))

    def to_register(self, *, after: int = 0, limit: int) -> list[AcceptedRequest]:
        """Return requests behind a number whose experiments wait to be registered, first first."""
        waiting = "registered_at IS NULL AND problem IS NULL AND number > ?"
        return list(self._select(waiting, (after,), limit=limit))

    def requested(self, principal: str) -> frozenset[str]:
        """Return the keys of the experiments that a principal has asked for."""
        rows = self._reader().execute("SELECT DISTINCT experiment FROM request WHERE principal = ?", (principal,))
        return frozenset(row[0] for row in rows)

    def owns(self, principal: str, experiment: str) -> bool:
        """Tell whether a principal has asked for an experiment."""
        return bool(
            self._reader()
            .execute("SELECT 1 FROM request WHERE experiment = ? AND principal = ? LIMIT 1", (experiment, principal))
            .fetchone()
        )

    def count(self) -> int:
        """Return how many requests were accepted."""
        return int(self._reader().execute("SELECT count(*) FROM request").fetchone()[0])

    def close(self) -> None:
        """Write what waits, and end; nobody reads any more."""
        self._queue.put(None)
        self._writer.join()
        for reader in list(self._open_readers):
            reader.connection.close()

    def _order(self, order: _Order) -> Future[Acceptance]:
        try:
            self._queue.put_nowait(order)
        except queue.Full:
            raise StoreBusy from None
        return order.future

    def _select(self, where: str, values: Sequence[Any], *, limit: int = -1) -> Iterator[AcceptedRequest]:
        rows = self._reader().execute(
            f"SELECT number, registered_at, problem, {_COLUMNS} FROM request WHERE {where} ORDER BY number LIMIT ?",  # noqa: S608  our own words
            (*values, limit),
        )
        names = ("number", "registered_at", "problem", *_COLUMNS.split(", "))
        for row in rows:
            fields = dict(zip(names, row, strict=True))
            fields |= {"learning": bool(fields["learning"]), "labels": json.loads(fields["labels"])}
            yield AcceptedRequest(**fields)

    def _reader(self) -> sqlite3.Connection:
        """Return this thread's own connection, which sees what is committed and waits for nobody."""
        found: _Reader | None = getattr(self._readers, "reader", None)
        if found is None:
            found = self._readers.reader = _Reader(self._connect())
            self._open_readers.add(found)
            found.connection.execute("PRAGMA query_only=ON")
        return found.connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA synchronous=FULL")
        return connection

    def _prepare(self) -> None:
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            create_tables(connection, self._path, "requests", [_TABLES])

    def _write(self) -> None:
        """Write orders as they come, all that wait in one transaction."""
        with closing(self._connect()) as connection:
            going = True
            while going:
                orders = [self._queue.get()]
                while len(orders) < MOST_TOGETHER:
                    try:
                        orders.append(self._queue.get_nowait())
                    except queue.Empty:
                        break
                going = None not in orders
                self._write_together(connection, [order for order in orders if order is not None])

    def _write_together(self, connection: sqlite3.Connection, orders: Sequence[_Order]) -> None:
        outcomes: list[Acceptance | Exception] = []
        try:
            with transaction(connection):
                outcomes = [_write_one(connection, order) for order in orders]
        except sqlite3.Error as error:  # nothing of it was written: the disk is full, or gone
            outcomes = [error] * len(orders)
        for order, outcome in zip(orders, outcomes, strict=True):
            if isinstance(outcome, Exception):
                order.future.set_exception(outcome)
            else:
                order.future.set_result(outcome)


class _Order:
    """Something to be written, and who waits for it."""

    def __init__(
        self,
        *,
        request: NewRequest | None = None,
        shared: bool = True,
        registrations: Sequence[Registration] = (),
    ) -> None:
        self.request, self.shared, self.registrations = request, shared, registrations
        self.future: Future[Acceptance] = Future()


def _write_one(connection: sqlite3.Connection, order: _Order) -> Acceptance | Exception:
    """Write one order, or return why not; the others of its transaction are not concerned."""
    if order.registrations:
        # What was sent with it is in the register now, and need not be kept twice.
        connection.executemany(
            "UPDATE request SET registered_at = ?, problem = ?, content = NULL, circuit = NULL WHERE number = ?",
            [(one.at if one.problem is None else None, one.problem, one.number) for one in order.registrations],
        )
        return Acceptance("", new=False)
    request = order.request
    assert request is not None
    found = connection.execute(
        "SELECT fingerprint, answer FROM request WHERE principal = ? AND route = ? AND idempotency_key = ?",
        (request.principal, request.route, request.idempotency_key),
    ).fetchone()
    if found is not None:
        return Acceptance(found[1], new=False) if found[0] == request.fingerprint else KeyReused()
    if not order.shared:
        other = connection.execute(
            "SELECT 1 FROM request WHERE experiment = ? AND principal <> ? LIMIT 1",
            (request.experiment, request.principal),
        ).fetchone()
        if other is not None:
            return OwnedByOther()
    marks = ", ".join("?" * len(request.row))
    connection.execute(f"INSERT INTO request ({_COLUMNS}) VALUES ({marks})", request.row)  # noqa: S608  our own words
    return Acceptance(request.answer, new=True)
