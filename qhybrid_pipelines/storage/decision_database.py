"""The database of the decision service: its tables, opening it, and its rows as the warehouse shows them.

Whoever writes is `service.decisions`. Commits reach the file at once, so that a killed process loses none; the disk is asked to
flush them every few seconds and not each time, because an answer within milliseconds cannot wait for a disk: a power cut may take
the decisions of the last seconds, whose answers their clients have. Nothing paid hangs on that: experiments have their own database.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from qhybrid_pipelines.storage.sqlite_files import closed_unless_ready, create_tables, storage_errors

BUSY_TIMEOUT_SECONDS = 10

_TABLES = (
    """CREATE TABLE decision (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        principal TEXT NOT NULL,
        subject TEXT NOT NULL,
        family TEXT NOT NULL,
        variables TEXT NOT NULL,
        instance_sha256 TEXT NOT NULL,
        content_sha256 TEXT NOT NULL,
        min_gain REAL NOT NULL,
        confidence REAL NOT NULL,
        uncertain INTEGER NOT NULL,
        state TEXT NOT NULL,
        version INTEGER NOT NULL,
        reason TEXT,
        boot TEXT NOT NULL,
        deadline REAL NOT NULL,
        used_version INTEGER,
        last_outcome TEXT,
        opened_at TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        deadline_seconds REAL NOT NULL,
        answer_seconds REAL NOT NULL,
        quantum TEXT NOT NULL,
        quantum_detail TEXT,
        experiment TEXT,
        supersedes TEXT,
        outcome TEXT,
        revision INTEGER NOT NULL,
        content BLOB
    )""",
    "CREATE INDEX decision_open ON decision (number) WHERE state = 'open'",
    "CREATE INDEX decision_leg ON decision (number) WHERE quantum = 'open'",
    "CREATE INDEX decision_by_principal ON decision (principal, number)",
    """CREATE TABLE answer (
        decision TEXT NOT NULL,
        place INTEGER NOT NULL,
        source TEXT NOT NULL,
        assignment TEXT NOT NULL,
        objective REAL,
        feasible INTEGER NOT NULL,
        proved INTEGER NOT NULL,
        seconds REAL,
        after_seconds REAL NOT NULL,
        version INTEGER,
        outcome TEXT,
        gain REAL,
        wins INTEGER,
        scenarios INTEGER,
        confidence_low REAL,
        low_gain REAL,
        realised REAL,
        jobs TEXT NOT NULL,
        cost_usd REAL,
        PRIMARY KEY (decision, place)
    ) WITHOUT ROWID""",
    """CREATE TABLE known (
        principal TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        assignment TEXT NOT NULL,
        objective REAL NOT NULL,
        proved INTEGER NOT NULL,
        source TEXT NOT NULL,
        PRIMARY KEY (principal, sha256)
    ) WITHOUT ROWID""",
    """CREATE TABLE gate (
        principal TEXT NOT NULL,
        subject TEXT NOT NULL,
        state TEXT NOT NULL,
        PRIMARY KEY (principal, subject)
    ) WITHOUT ROWID""",
    "CREATE TABLE rung_time (family TEXT, size INTEGER, rung TEXT, seconds TEXT, PRIMARY KEY (family, size, rung)) WITHOUT ROWID",
)
#: States and outcomes had other words, which later ones replace.
_STANDARD_WORDS = (
    "ALTER TABLE rung_time RENAME TO method_time",
    "ALTER TABLE method_time RENAME COLUMN rung TO method",
    "DROP INDEX decision_leg",
    "CREATE INDEX decision_quantum_open ON decision (number) WHERE quantum = 'open'",
    "UPDATE decision SET state = 'retained' WHERE state = 'kept'",
    *(
        f"UPDATE {table} SET {column} = CASE substr({column}, 6) WHEN 'noise_gate' THEN 'noise_like' "  # noqa: S608  our own words
        f"WHEN 'upgraded_before' THEN 'already_upgraded' WHEN 'used_before' THEN 'already_used' "
        f"ELSE substr({column}, 6) END WHERE substr({column}, 1, 5) = 'kept_'"
        for table, column in (("decision", "reason"), ("decision", "last_outcome"), ("answer", "outcome"))
    ),
)
#: What was judged before has no upper quantile.
_HIGH_GAIN = ("ALTER TABLE answer ADD COLUMN high_gain REAL",)
#: What somebody is told of, in its order: it is written with the upgrade, so that no end of the service loses it.
_UPGRADES = (
    """CREATE TABLE upgrade (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        decision TEXT NOT NULL UNIQUE,
        principal TEXT NOT NULL,
        at TEXT NOT NULL,
        data TEXT NOT NULL
    )""",
)
#: What is computed with is the negative of what a source maximises. Two families could have such sources; null, until the service has
#: read the instance again.
_NEGATED = (
    "ALTER TABLE decision ADD COLUMN negated INTEGER",
    "UPDATE decision SET negated = 0 WHERE family NOT IN ('binary_program', 'qubo')",
)
_VERSIONS = (_TABLES, _STANDARD_WORDS, _HIGH_GAIN, _UPGRADES, _NEGATED)


def connect(path: Path) -> sqlite3.Connection:
    """Open the database, and make it where it is absent.

    Raises:
        InvalidInput: it cannot be opened, or a newer release has written it.
    """
    with storage_errors(path, "decisions"):
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)
        with closed_unless_ready(connection):
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            # Moving the log into the file waits for the disk: that is done beside the answers, by `checkpoint`.
            connection.execute("PRAGMA wal_autocheckpoint=0")
            connection.row_factory = sqlite3.Row
            create_tables(connection, path, "decisions", _VERSIONS)
    return connection


def checkpoint(path: Path) -> None:
    """Move what was committed from the log into the file, on a connection of its own so that nobody waits for the disk."""
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def changed_ns(path: Path) -> int:
    """Return when the database was written to, in nanoseconds since 1970; 0 without one."""
    return max(
        (file.stat().st_mtime_ns for file in (path, path.with_name(f"{path.name}-wal")) if file.exists()), default=0
    )


def last_upgrade(path: Path) -> int:
    """Return the number of the last upgrade of a decision; 0 where there is none, or no service has opened these decisions yet."""
    if not path.is_file():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_SECONDS)) as connection:
            return int(connection.execute("SELECT coalesce(max(number), 0) FROM upgrade").fetchone()[0])
    except sqlite3.DatabaseError:
        return 0


def warehouse_rows(path: Path) -> list[dict[str, Any]]:
    """Return one row per answer, in the columns of the warehouse's table `service_decisions`.

    There are none without a database, or where it cannot be read or has older tables, until the service has opened it: the rest of the
    warehouse does not wait for it.
    """
    if not path.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_SECONDS)) as connection:
            connection.row_factory = sqlite3.Row
            if connection.execute("PRAGMA user_version").fetchone()[0] != len(_VERSIONS):
                return []
            rows = connection.execute(_WAREHOUSE_QUERY).fetchall()
    except sqlite3.DatabaseError:
        return []
    return [_warehouse_row(dict(row)) for row in rows]


_WAREHOUSE_QUERY = """
SELECT d.id AS decision, a.place, d.principal, d.subject, d.family, d.instance_sha256, d.experiment, d.opened_at, d.expires_at,
       d.state, d.reason, d.version AS final_version, d.used_version, d.quantum, d.min_gain, d.confidence,
       d.deadline_seconds, d.answer_seconds, d.outcome AS reported,
       a.source, a.assignment, a.objective, a.feasible, a.proved, a.seconds, a.after_seconds, a.version, a.outcome, a.gain,
       a.wins, a.scenarios, a.confidence_low, a.low_gain, a.high_gain, a.realised, a.jobs, a.cost_usd,
       CASE d.negated WHEN 1 THEN -1 ELSE 1 END AS stored_sign
FROM decision d JOIN answer a ON a.decision = d.id
"""


def _warehouse_row(row: dict[str, Any]) -> dict[str, Any]:
    reported = json.loads(row.pop("reported") or "{}")
    row["reported_value"] = reported.get("value")
    row["jobs"] = json.loads(row["jobs"])
    if row["stored_sign"] < 0:
        row |= {name: 0 - row[name] for name in ("objective", "realised") if row[name] is not None}
    for name in ("feasible", "proved"):
        row[name] = bool(row[name])
    for name in ("opened_at", "expires_at"):
        row[name] = datetime.fromisoformat(row[name])
    return row
