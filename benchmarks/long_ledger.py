"""A ledger of many jobs within minutes: the rows of one real job, written again and again under other names.

The job is led through its life by the ledger itself. Its rows are then the pattern: names, times and money of each copy differ as
they would, every event is sealed by the one before it, and an audit of the whole finds nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from qhybrid_pipelines.control.ledger.chain.event_chain import event_hash
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import EventData, Plan, StoredResult, Transition
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger

BACKEND = "ionq:simulator"
JOBS_PER_EXPERIMENT = 10
#: Names in the pattern, which every copy replaces by its own.
JOB, EXPERIMENT, TOKEN, PAYLOAD, RESULT = (
    "job-pattern",
    "experiment-pattern",
    "token-pattern",
    "payload-pattern",
    "9" * 64,
)
SECONDS_APART = 30
TABLES = ("job", "attempt", "event", "result_ref")


def lead_one_job(ledger: SqlLedger, begin: datetime) -> None:
    """Write the pattern: planned, sent, queued, run, fetched and verified."""
    at = iter(begin + timedelta(seconds=n) for n in range(100))

    def steps(*events: Event) -> tuple[EventData, ...]:
        return tuple(EventData(event=event, at=next(at)) for event in events)

    job = ledger.plan(_plan(JOB, EXPERIMENT, begin, steps(Event.PLAN, Event.APPROVE)))
    result = StoredResult(sha256=RESULT, size_bytes=1000, content_type="application/json")
    moves: tuple[tuple[Event, dict[str, Any]], ...] = (
        (Event.SUBMIT, {}),
        (Event.ACKNOWLEDGE, {"provider_job_id": "id-pattern"}),
        (Event.QUEUE, {}),
        (Event.START, {}),
        (Event.COMPLETE, {"cost_usd": 0.5}),
        (Event.FETCH, {"result": result}),
        (Event.VERIFY, {}),
    )
    for event, facts in moves:
        done = steps(event)
        job = ledger.advance(Transition(job=job, steps=done, observed_at=done[0].at, **facts))


def _plan(job_id: str, experiment: str, at: datetime, steps: tuple[EventData, ...]) -> Plan:
    return Plan(
        job_id=job_id,
        experiment=experiment,
        backend=BACKEND,
        provider=BACKEND.partition(":")[0],
        payload_sha256=PAYLOAD,
        run_number=1,
        tier="batch",
        circuits=40,
        shots=40960,
        token=TOKEN,
        cost_quoted_usd=0.5,
        price_source="benchmark",
        budget_usd=1000.0,
        correlation_id=f"c{0:016x}",
        requested_at=at,
        planned_at=at,
        steps=steps,
    )


def write_jobs(path: Path, jobs: int, *, experiments: list[str] | None = None, first: int = 0) -> None:
    """Add jobs to a ledger in SQLite.

    Args:
        path: of the ledger; an absent one is made, and its first job is the pattern.
        jobs: how many.
        experiments: their experiments, one each; without it each ten jobs share one.
        first: number of the first one.
    """
    ledger = SqlLedger.open_sqlite(path)
    begin = datetime.now(UTC) - timedelta(seconds=SECONDS_APART * 2_000_000)
    if not ledger.events(JOB):
        lead_one_job(ledger, begin)
    ledger.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-200000")
        order = {"event": " ORDER BY sequence"}
        pattern = {
            name: [
                dict(r)
                for r in connection.execute(f"SELECT * FROM {name} WHERE job_id = ?{order.get(name, '')}", (JOB,))
            ]
            for name in TABLES
        }
        head = connection.execute("SELECT position, hash FROM chain_head").fetchone()
        position, last = head["position"], head["hash"]
        for start in range(first, first + jobs, 5000):
            rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
            budgets: dict[str, int] = {}
            for number in range(start, min(start + 5000, first + jobs)):
                name = experiments[number - first] if experiments else f"long-{number // JOBS_PER_EXPERIMENT:08x}"
                for table, row in _copies(pattern, number, name):
                    if table == "event":
                        position += 1
                        row |= {"position": position, "previous_hash": last}
                        row["hash"] = last = event_hash(row)
                    rows[table].append(row)
                budgets[name] = budgets.get(name, 0) + 500_000
            connection.execute("BEGIN")
            for table, some in rows.items():
                columns = list(some[0])
                places = ", ".join("?" * len(columns))
                values = [tuple(row.values()) for row in some]
                connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", values)
            connection.executemany(
                "INSERT INTO budget VALUES (?, 1000000000, 0, ?) "
                "ON CONFLICT (experiment) DO UPDATE SET settled_microusd = settled_microusd + excluded.settled_microusd",
                list(budgets.items()),
            )
            connection.execute("UPDATE chain_head SET position = ?, hash = ?", (position, last))
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def write_waiting_job(path: Path, experiment: str) -> None:
    """Add a job that a provider has put into its queue."""
    ledger, now = SqlLedger.open_sqlite(path), datetime.now(UTC)

    def steps(*events: Event) -> tuple[EventData, ...]:
        return tuple(EventData(event=event, at=now) for event in events)

    waiting = _plan(f"job-{experiment}", experiment, now, steps(Event.PLAN, Event.APPROVE, Event.SUBMIT))
    job = ledger.plan(replace(waiting, token=experiment, payload_sha256=experiment))
    accepted = steps(Event.ACKNOWLEDGE, Event.QUEUE)
    ledger.advance(Transition(job=job, steps=accepted, observed_at=now, provider_job_id=f"id-{experiment}"))
    ledger.close()


def _copies(
    pattern: dict[str, list[dict[str, Any]]], number: int, experiment: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    names = {
        JOB: f"j{number:012x}",
        EXPERIMENT: experiment,
        TOKEN: f"token-{number:016x}",
        PAYLOAD: f"{number:064x}",
        RESULT: f"{number:064x}",
        "id-pattern": f"provider-{number:012x}",
    }
    later = number * SECONDS_APART * 1_000_000
    for table, rows in pattern.items():
        for row in rows:
            copy = _copy(row, names, later)
            if copy.get("facts") is not None:
                facts = {part: _copy(values, names, later) for part, values in json.loads(copy["facts"]).items()}
                copy["facts"] = json.dumps(facts, sort_keys=True, separators=(",", ":"))
            yield table, copy


def _copy(row: dict[str, Any], names: dict[str, str], later: int) -> dict[str, Any]:
    return {
        name: value + later if name.endswith("_us") and value is not None else names.get(value, value)
        for name, value in row.items()
    }
