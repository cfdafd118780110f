"""The decisions of a home: every change is one transaction in which the states' own functions decide what it makes.

One connection writes, one change at a time; see `storage.decision_database` for what is on the disk when.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from qhybrid_pipelines.core.vocabulary.decision_words import CandidateOutcome, DecisionState
from qhybrid_pipelines.problems.anytime.error_gate import Gate
from qhybrid_pipelines.problems.anytime.method_times import MethodKey
from qhybrid_pipelines.service.decisions import decision_states
from qhybrid_pipelines.service.decisions.decision_records import AnswerRecord, DecisionRecord, KnownAnswer
from qhybrid_pipelines.service.decisions.decision_states import DecisionStatus, Moment
from qhybrid_pipelines.service.decisions.upgrade_log import last_number, read_upgrades, write_upgrade
from qhybrid_pipelines.storage.decision_database import checkpoint, connect
from qhybrid_pipelines.storage.sqlite_files import transaction

#: Decisions whose problems are stored, so that late candidates and outcomes can be judged; of older ones only the figures remain.
MOST_CONTENTS = 20_000
QUANTUM_OPEN = "open"
_OLDER = "negated IS NULL AND content IS NOT NULL"

_ANSWER_FIELDS = tuple(field.name for field in fields(AnswerRecord))
_OWN_FIELDS = tuple(
    field.name for field in fields(DecisionRecord) if field.name not in ("status", "answers", "revision")
)


class OutcomeKnown(Exception):
    """An outcome was reported before, and another one now; nothing was written."""


class DecisionStore:
    """The decisions of a home.

    Args:
        path: the database; made when absent.
        now: the present.

    Raises:
        InvalidInput: it cannot be opened, or a newer release has written it.
    """

    def __init__(self, path: Path, now: Callable[[], Moment]) -> None:
        self._path, self._now = path, now
        self._lock = threading.Lock()
        self._connection = connect(path)
        #: Number of the last upgrade.
        self.last_upgrade = last_number(self._connection)

    def add(self, record: DecisionRecord, content: Mapping[str, Any]) -> None:
        """Store a new decision with what was asked; the one that it supersedes gets no more upgrades."""
        packed = zlib.compress(json.dumps(content).encode(), level=1)
        columns = {**_own_columns(record), **_status_columns(record.status), "revision": 1, "content": packed}
        with self._writing() as connection:
            _insert(connection, "decision", columns)
            for place, answer in enumerate(record.answers):
                _insert(connection, "answer", _answer_columns(record.id, place, answer))
            if record.supersedes is not None:
                old = _find(connection, record.supersedes)
                if old is not None and old.principal == record.principal:
                    _update_status(connection, old, decision_states.superseded(_at(old, self._now())))
            _note_known(connection, record.principal, record.instance_sha256, record.family, record.answers)
            connection.execute(
                "UPDATE decision SET content = NULL WHERE number = (SELECT max(number) FROM decision) - ?",
                (MOST_CONTENTS,),
            )

    def get(self, decision: str) -> DecisionRecord | None:
        """Return a decision as time has left it; None where there is none."""
        with self._lock:
            found = _find(self._connection, decision)
        return None if found is None else replace(found, status=_at(found, self._now()))

    def content(self, decision: str) -> dict[str, Any] | None:
        """Return what was asked for a decision; None if it is no longer stored."""
        with self._lock:
            row = self._connection.execute("SELECT content FROM decision WHERE id = ?", (decision,)).fetchone()
        return None if row is None or row[0] is None else json.loads(zlib.decompress(row[0]))

    def offer(self, decision: str, answer: AnswerRecord, judged: CandidateOutcome) -> CandidateOutcome:
        """Store a candidate, which may become the current answer, and return what became of it.

        Raises:
            KeyError: there is no such decision.
        """
        with self._writing() as connection:
            record = _find(connection, decision)
            if record is None:
                raise KeyError(decision)
            gate = _gate(connection, record.principal, record.subject)
            now = self._now()
            status, outcome = decision_states.offered(
                record.status, now, judged, gate_closed=gate.closed and record.uncertain
            )
            judged_answer = replace(
                answer,
                outcome=outcome,
                version=status.version if outcome is CandidateOutcome.UPGRADED else None,
            )
            _insert(connection, "answer", _answer_columns(decision, len(record.answers), judged_answer))
            _update_status(connection, record, status, touch=True)
            _note_known(connection, record.principal, record.instance_sha256, record.family, [judged_answer])
            if outcome is CandidateOutcome.UPGRADED:
                write_upgrade(connection, record, judged_answer, now)
        if outcome is CandidateOutcome.UPGRADED:
            with self._lock:
                self.last_upgrade = last_number(self._connection)
        return outcome

    def upgrades(self, *, after: int, principal: str | None, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Return the upgrades after a number, of a principal or of all, and the number up to which all were looked through."""
        with self._lock:
            return read_upgrades(self._connection, after=after, principal=principal, limit=limit)

    def use(self, decision: str, version: int) -> None:
        """Note that the client has acted on a version.

        Raises:
            KeyError: there is no such decision.
            IllegalUse: there was no such version, or another one was used.
        """
        with self._writing() as connection:
            record = _find(connection, decision)
            if record is None:
                raise KeyError(decision)
            _update_status(connection, record, decision_states.used(record.status, version))

    def report(
        self,
        decision: str,
        outcome: Mapping[str, Any],
        realised: Mapping[int, float],
        counted: Callable[[Gate], Gate],
    ) -> None:
        """Store what the client says came of a decision, once.

        Args:
            decision: its id.
            outcome: as it was reported.
            realised: what answers turned out to be worth, by their place.
            counted: what that makes of the gate of its subject.

        Raises:
            KeyError: there is no such decision.
            OutcomeKnown: something else was reported before.
        """
        with self._writing() as connection:
            record = _find(connection, decision)
            if record is None:
                raise KeyError(decision)
            if record.outcome is not None:
                if record.outcome != dict(outcome):
                    raise OutcomeKnown
                return
            for place, value in realised.items():
                connection.execute(
                    "UPDATE answer SET realised = ? WHERE decision = ? AND place = ?", (value, decision, place)
                )
            gate = counted(_gate(connection, record.principal, record.subject))
            connection.execute(
                "INSERT OR REPLACE INTO gate VALUES (?, ?, ?)",
                (record.principal, record.subject, json.dumps(asdict(gate))),
            )
            connection.execute(
                "UPDATE decision SET outcome = ?, revision = revision + 1 WHERE id = ?",
                (json.dumps(dict(outcome)), decision),
            )

    def note_quantum(
        self, decision: str, status: str, *, detail: str | None = None, experiment: str | None = None
    ) -> None:
        """Note what is done about a quantum answer."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE decision SET quantum = ?, quantum_detail = ?, experiment = coalesce(?, experiment), "
                "revision = revision + 1 WHERE id = ?",
                (status, detail, experiment, decision),
            )

    def settle(self) -> None:
        """Store which decisions have passed their deadlines, and move the log into the file."""
        now = self._now()
        with self._lock:
            # Only those that are over: every answer waits for this lock, and thousands may be open for a day.
            rows = self._connection.execute(
                "SELECT id FROM decision WHERE state = 'open' AND (boot <> ? OR deadline <= ?)", (now.boot, now.seconds)
            ).fetchall()
            records = [_find(self._connection, row["id"]) for row in rows]
        changed = [record for record in records if record is not None and _at(record, now) != record.status]
        if changed:
            with self._writing() as connection:
                for each in changed:
                    record = _find(connection, each.id)
                    assert record is not None
                    _update_status(connection, record, _at(record, now))
        checkpoint(self._path)

    def with_open_quantum(self) -> list[DecisionRecord]:
        """Return the decisions for which a quantum answer is sought, first first."""
        with self._lock:
            rows = self._connection.execute("SELECT id FROM decision WHERE quantum = 'open' ORDER BY number").fetchall()
            found = [_find(self._connection, row["id"]) for row in rows]
        return [record for record in found if record is not None]

    def without_sense(self) -> list[str]:
        """Return, for each instance of which an earlier release noted no sense, a decision that has its content."""
        with self._lock:
            rows = self._connection.execute(f"SELECT max(id) FROM decision WHERE {_OLDER} GROUP BY instance_sha256")  # noqa: S608
            return [row[0] for row in rows]

    def note_sense(self, instance_sha256: str, *, negated: bool) -> None:
        """Note whether an instance is maximised; what was reported of it is as its source means it, until then."""
        unknown = "negated IS NULL AND instance_sha256 = ?"
        with self._writing() as connection:
            turned = f"UPDATE answer SET realised = 0 - realised WHERE ? AND decision IN (SELECT id FROM decision WHERE {unknown})"  # noqa: S608
            noted = f"UPDATE decision SET negated = ?, revision = revision + 1 WHERE {unknown}"  # noqa: S608
            for statement in (turned, noted):
                connection.execute(statement, (negated, instance_sha256))

    def known(self, principal: str, instance_sha256: str) -> KnownAnswer | None:
        """Return the best answer that a principal's earlier decisions have left about the same content."""
        with self._lock:
            return _known(self._connection, principal, instance_sha256)

    def gate(self, principal: str, subject: str) -> Gate:
        """Return the gate of a subject."""
        with self._lock:
            return _gate(self._connection, principal, subject)

    def gates(self, principal: str | None) -> list[tuple[str, str, Gate]]:
        """Return principal, subject and gate of a principal, or of all; by these names."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT * FROM gate WHERE ? IS NULL OR principal = ? ORDER BY principal, subject",
                (principal, principal),
            ).fetchall()
        return [(row["principal"], row["subject"], _read_gate(row["state"])) for row in rows]

    def method_times(self) -> dict[MethodKey, list[float]]:
        """Return the stored times of the methods."""
        with self._lock:
            rows = self._connection.execute("SELECT * FROM method_time").fetchall()
        return {(row["family"], row["size"], row["method"]): json.loads(row["seconds"]) for row in rows}

    def save_method_times(self, times: Mapping[MethodKey, Sequence[float]]) -> None:
        """Store the times of the methods."""
        with self._writing() as connection:
            for key, seconds in times.items():
                connection.execute(
                    "INSERT OR REPLACE INTO method_time VALUES (?, ?, ?, ?)", (*key, json.dumps(list(seconds)))
                )

    def close(self) -> None:
        """End; what was committed is in the file."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, transaction(self._connection):
            yield self._connection


def _at(record: DecisionRecord, now: Moment) -> DecisionStatus:
    return decision_states.at(record.status, now)


def _own_columns(record: DecisionRecord) -> dict[str, Any]:
    columns = {name: getattr(record, name) for name in _OWN_FIELDS}
    columns["variables"] = json.dumps(record.variables)
    columns |= {"uncertain": int(record.uncertain), "negated": int(record.negated)}
    columns["outcome"] = None if record.outcome is None else json.dumps(record.outcome)
    return columns


def _status_columns(status: DecisionStatus) -> dict[str, Any]:
    return {
        "state": str(status.state),
        "version": status.version,
        "reason": status.reason,
        "boot": status.deadline.boot,
        "deadline": status.deadline.seconds,
        "used_version": status.used_version,
        "last_outcome": None if status.last_outcome is None else str(status.last_outcome),
    }


def _answer_columns(decision: str, place: int, answer: AnswerRecord) -> dict[str, Any]:
    columns = {name: getattr(answer, name) for name in _ANSWER_FIELDS}
    columns |= {"jobs": json.dumps(answer.jobs), "feasible": int(answer.feasible), "proved": int(answer.proved)}
    columns["outcome"] = None if answer.outcome is None else str(answer.outcome)
    return {"decision": decision, "place": place, **columns}


def _insert(connection: sqlite3.Connection, table: str, columns: Mapping[str, Any]) -> None:
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(columns.values()))  # noqa: S608  our own words


def _update_status(
    connection: sqlite3.Connection, record: DecisionRecord, status: DecisionStatus, *, touch: bool = False
) -> None:
    if status == record.status and not touch:
        return
    columns = _status_columns(status)
    changes = ", ".join(f"{name} = ?" for name in columns)
    connection.execute(
        f"UPDATE decision SET {changes}, revision = revision + 1 WHERE id = ?",  # noqa: S608  our own words
        (*columns.values(), record.id),
    )


def _find(connection: sqlite3.Connection, decision: str) -> DecisionRecord | None:
    row = connection.execute("SELECT * FROM decision WHERE id = ?", (decision,)).fetchone()
    if row is None:
        return None
    answers = connection.execute("SELECT * FROM answer WHERE decision = ? ORDER BY place", (decision,)).fetchall()
    own = {name: row[name] for name in _OWN_FIELDS}
    own["variables"] = tuple(json.loads(own["variables"]))
    own |= {name: bool(own[name]) for name in ("uncertain", "negated")}
    own["outcome"] = None if own["outcome"] is None else json.loads(own["outcome"])
    return DecisionRecord(**own, status=_status(row), revision=row["revision"], answers=tuple(map(_answer, answers)))


def _status(row: sqlite3.Row) -> DecisionStatus:
    last = row["last_outcome"]
    return DecisionStatus(
        state=DecisionState(row["state"]),
        version=row["version"],
        reason=row["reason"],
        deadline=Moment(row["boot"], row["deadline"]),
        used_version=row["used_version"],
        last_outcome=None if last is None else CandidateOutcome(last),
    )


def _answer(row: sqlite3.Row) -> AnswerRecord:
    own = {name: row[name] for name in _ANSWER_FIELDS}
    own |= {"feasible": bool(own["feasible"]), "proved": bool(own["proved"]), "jobs": tuple(json.loads(own["jobs"]))}
    own["outcome"] = None if own["outcome"] is None else CandidateOutcome(own["outcome"])
    return AnswerRecord(**own)


def _known(connection: sqlite3.Connection, principal: str, sha256: str) -> KnownAnswer | None:
    row = connection.execute("SELECT * FROM known WHERE principal = ? AND sha256 = ?", (principal, sha256)).fetchone()
    if row is None:
        return None
    return KnownAnswer(
        assignment=row["assignment"], objective=row["objective"], proved=bool(row["proved"]), source=row["source"]
    )


def _note_known(
    connection: sqlite3.Connection, principal: str, sha256: str, family: str, answers: Sequence[AnswerRecord]
) -> None:
    """Keep the best feasible answer about a content."""
    from qhybrid_pipelines.problems.evaluation import is_better
    from qhybrid_pipelines.problems.registry import family_named

    best = _known(connection, principal, sha256)
    before = best
    for answer in answers:
        if not answer.feasible or answer.objective is None:
            continue
        better = best is None or is_better(family_named(family), (answer.objective, True), (best.objective, True))
        if better or (answer.proved and best is not None and not best.proved):
            best = KnownAnswer(
                assignment=answer.assignment, objective=answer.objective, proved=answer.proved, source=answer.source
            )
    if best is not None and best != before:
        connection.execute(
            "INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, ?, ?)",
            (principal, sha256, best.assignment, best.objective, int(best.proved), best.source),
        )


def _gate(connection: sqlite3.Connection, principal: str, subject: str) -> Gate:
    row = connection.execute(
        "SELECT state FROM gate WHERE principal = ? AND subject = ?", (principal, subject)
    ).fetchone()
    return Gate() if row is None else _read_gate(row[0])


def _read_gate(text: str) -> Gate:
    state: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()
    }
    return Gate(**state)
