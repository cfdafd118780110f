"""What the emulator remembers: one SQLite file in its folder, enough to go on after it was killed.

Results are not stored. They are a function of the seed, the job and the characterization in force when it started,
and are computed when somebody asks.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from qhybrid_pipelines.emulator.faults import FaultRule, chance, matching_rules

_TABLES = """
create table if not exists meta (key text primary key, value text not null) without rowid;
create table if not exists bodies (
    seq integer primary key autoincrement, at_real real not null, route text not null, query text not null,
    body blob not null);
create table if not exists jobs (
    seq integer primary key, id text not null unique, body_seq integer not null, body_sha256 text not null,
    backend text not null, type text not null, name text, metadata text, shots integer not null,
    circuits integer not null, qubits integer not null, one_qubit_gates integer not null,
    two_qubit_gates integer not null, noise text, settings text not null, dry_run integer not null,
    estimated_usd real not null, accepted_at real not null, accepted_real real not null,
    starts_at real not null, ends_at real not null, outcome text, canceled_at real, deleted integer not null default 0,
    result_polls integer not null default 0);
create index if not exists jobs_by_end on jobs (backend, ends_at) where canceled_at is null;
create index if not exists jobs_by_name on jobs (name);
create table if not exists rules (place integer primary key, rule text not null, seen integer not null,
    fired integer not null);
create table if not exists backends (name text primary key, changes text not null) without rowid;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A row of the book: an accepted job and its course as it was fixed on acceptance.

    Times are virtual Unix seconds, except ``accepted_real``. ``starts_at`` and ``ends_at`` are plans that hold unless
    the job is cancelled before or has another outcome.
    """

    seq: int
    id: str
    body_seq: int
    body_sha256: str
    backend: str
    type: str
    name: str | None
    metadata: str | None
    shots: int
    circuits: int
    qubits: int
    one_qubit_gates: int
    two_qubit_gates: int
    noise: str | None
    settings: str
    dry_run: int
    estimated_usd: float
    accepted_at: float
    accepted_real: float
    starts_at: float
    ends_at: float
    outcome: str | None = None
    canceled_at: float | None = None
    deleted: int = 0
    result_polls: int = 0

    @property
    def outcome_rule(self) -> dict[str, Any]:
        """The fault that rules this job, as ``{"fault": ..., "params": ...}``; empty without one."""
        return json.loads(self.outcome) if self.outcome else {}

    @property
    def outcome_fault(self) -> str | None:
        """Name of that fault."""
        return self.outcome_rule.get("fault")


_COLUMNS = ", ".join(entry.name for entry in fields(Job))
_PLACEHOLDERS = ", ".join("?" for _ in fields(Job))


class EmulatorStore:
    """The file. One thread uses it: that of the event loop.

    Args:
        file: created when absent.
    """

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, isolation_level=None)
        # written pages reach the kernel before the answer leaves: that survives a kill of this process
        self._database.executescript("pragma journal_mode=wal; pragma synchronous=normal;" + _TABLES)
        self._rules: list[FaultRule] = [
            FaultRule(**json.loads(text)) for (text,) in self._all("select rule from rules order by place")
        ]

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def read(self, key: str) -> Any:
        """Return a remembered JSON value, or None."""
        found = self._database.execute("select value from meta where key = ?", (key,)).fetchone()
        return json.loads(found[0]) if found else None

    def write_setting(self, key: str, value: Any) -> None:
        """Keep a JSON value."""
        self._database.execute("insert or replace into meta values (?, ?)", (key, json.dumps(value)))

    def store_body(self, *, at_real: float, route: str, query: str, body: bytes) -> int:
        """Keep what a client sent and return its number."""
        cursor = self._database.execute(
            "insert into bodies (at_real, route, query, body) values (?, ?, ?, ?)", (at_real, route, query, body)
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def bodies(self) -> list[tuple[int, float, str, str, bytes]]:
        """Return everything that clients sent: number, real time, route, query, body."""
        return self._all("select seq, at_real, route, query, body from bodies order by seq")

    def body(self, seq: int) -> bytes:
        """Return one kept body."""
        (found,) = self._database.execute("select body from bodies where seq = ?", (seq,)).fetchone()
        return bytes(found)

    def next_seq(self) -> int:
        """Return the number that the next accepted job gets."""
        (last,) = self._database.execute("select coalesce(max(seq), 0) from jobs").fetchone()
        return int(last) + 1

    def add(self, job: Job) -> None:
        """Write an accepted job into the book."""
        values = [getattr(job, entry.name) for entry in fields(Job)]
        self._database.execute(f"insert into jobs ({_COLUMNS}) values ({_PLACEHOLDERS})", values)  # noqa: S608

    def job(self, identifier: str) -> Job | None:
        """Return a job of the book, deleted ones too."""
        found = self._jobs("where id = ?", (identifier,))
        return found[0] if found else None

    def named(self, name: str, backends: Sequence[str]) -> Job | None:
        """Return the first job of some backends with a name."""
        marks = ", ".join("?" for _ in backends)
        found = self._jobs(f"where name = ? and backend in ({marks}) order by seq limit 1", (name, *backends))
        return found[0] if found else None

    def job_log(self) -> list[Job]:
        """Return every job ever accepted, in order."""
        return self._jobs("order by seq", ())

    def newest(
        self, *, before_seq: int, limit: int, accepted_before_real: float, backends: Sequence[str], ids: Sequence[str]
    ) -> list[Job]:
        """Return jobs that clients may see, newest first.

        Args:
            before_seq: only jobs with smaller numbers.
            limit: at most so many.
            accepted_before_real: only jobs accepted up to this real time.
            backends: only these; empty is all.
            ids: only these; empty is all.
        """
        conditions = ["seq < ?", "accepted_real <= ?", "deleted = 0"]
        values: list[Any] = [before_seq, accepted_before_real]
        for column, wanted in (("backend", backends), ("id", ids)):
            if wanted:
                conditions.append(f"{column} in ({', '.join('?' for _ in wanted)})")
                values.extend(wanted)
        return self._jobs(f"where {' and '.join(conditions)} order by seq desc limit ?", (*values, limit))

    def last_ends_at(self, backend: str) -> float:
        """Return when the last job of a machine's queue ends, virtual seconds; 0 with an empty book."""
        (found,) = self._database.execute(
            "select coalesce(max(ends_at), 0) from jobs where backend = ? and canceled_at is null", (backend,)
        ).fetchone()
        return float(found)

    def waiting(self, backend: str, now: float) -> int:
        """Return how many jobs of a machine have not started yet."""
        (found,) = self._database.execute(
            "select count(*) from jobs where backend = ? and canceled_at is null and starts_at > ?", (backend, now)
        ).fetchone()
        return int(found)

    def jobs_ahead(self, job: Job, now: float) -> int:
        """Return how many jobs of the same machine start before this one and have not started yet."""
        (found,) = self._database.execute(
            "select count(*) from jobs where backend = ? and canceled_at is null and starts_at > ? and starts_at < ?",
            (job.backend, now, job.starts_at),
        ).fetchone()
        return int(found)

    def change(self, identifier: str, **values: Any) -> None:
        """Set columns of one job."""
        columns = ", ".join(f"{name} = ?" for name in values)
        self._database.execute(f"update jobs set {columns} where id = ?", (*values.values(), identifier))  # noqa: S608

    @property
    def rules(self) -> Sequence[FaultRule]:
        """The fault plan."""
        return self._rules

    def replace_rules(self, rules: Iterable[FaultRule]) -> None:
        """Put another fault plan into force, nothing seen or fired yet."""
        self._rules = list(rules)
        self._database.execute("begin")
        self._database.execute("delete from rules")
        self._database.executemany(
            "insert into rules values (?, ?, 0, 0)",
            [(place, json.dumps(rule.as_json())) for place, rule in enumerate(self._rules)],
        )
        self._database.execute("commit")

    def rule_counts(self) -> list[tuple[int, int]]:
        """Return per rule how many requests it has seen and how often it fired."""
        return self._all("select seen, fired from rules order by place")

    def next_fault(self, *, stage: Any, route: str, backend: str | None, seed: int) -> FaultRule | None:
        """Count a request on all rules that concern it and return the one that fires, if any."""
        fault_rule: FaultRule | None = None
        for place in matching_rules(self._rules, stage=stage, route=route, backend=backend):
            rule = self._rules[place]
            seen, fired = self._database.execute("select seen, fired from rules where place = ?", (place,)).fetchone()
            seen += 1
            if fault_rule is None and rule.fires(seen=seen, fired=fired, chance=chance(seed, place, seen)):
                fault_rule, fired = rule, fired + 1
            self._database.execute("update rules set seen = ?, fired = ? where place = ?", (seen, fired, place))
        return fault_rule

    def permanent_fault_seconds(self, fault: str) -> float:
        """Return the ``seconds`` of a standing fault; 0 when it is not in the plan."""
        return sum(float(rule.params["seconds"]) for rule in self._rules if rule.fault == fault)

    def backend_changes(self, name: str) -> Mapping[str, Any]:
        """Return what an administrator changed about a backend."""
        found = self._database.execute("select changes from backends where name = ?", (name,)).fetchone()
        return json.loads(found[0]) if found else {}

    def change_backend(self, name: str, changes: Mapping[str, Any]) -> None:
        """Keep what an administrator changed about a backend."""
        self._database.execute("insert or replace into backends values (?, ?)", (name, json.dumps(changes)))

    def _jobs(self, rest: str, values: Sequence[Any]) -> list[Job]:
        """Select jobs."""
        rows = self._database.execute(f"select {_COLUMNS} from jobs {rest}", values)  # noqa: S608
        names = [entry.name for entry in fields(Job)]
        return [Job(**dict(zip(names, row, strict=True))) for row in rows]

    def _all(self, statement: str) -> list[Any]:
        """Select rows."""
        return self._database.execute(statement).fetchall()
