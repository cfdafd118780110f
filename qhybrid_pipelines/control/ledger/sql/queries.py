"""Reading from the ledger: rows of an open connection as the records of the port."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, func, or_, select

from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead
from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.control.ledger.records import (
    AttemptRecord,
    EventRecord,
    JobRecord,
    Plan,
    StoredResult,
)
from qhybrid_pipelines.control.ledger.sql import tables
from qhybrid_pipelines.control.ledger.sql.stored_values import from_microseconds
from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.core.jobs.job_states import JobState

#: A statement with more values than this is slow to prepare, and databases have limits.
VALUES_PER_STATEMENT = 500

#: How a job finds its attempt that counts.
LAST_ATTEMPT = and_(tables.attempt.c.job_id == tables.job.c.job_id, tables.attempt.c.number == tables.job.c.attempt)
_JOB = select(
    *(column.label(column.key) for column in tables.job.c),
    *(tables.attempt.c[name] for name in ("token", "provider_job_id", "outcome")),
).select_from(tables.job.join(tables.attempt, LAST_ATTEMPT))


#: Backends of jobs in the order of their names, one at a time.
_NEXT_BACKEND = select(func.min(tables.job.c.backend)).where(tables.job.c.backend > bindparam("after"))


def job_conditions(
    *,
    experiment: str | None = None,
    states: Collection[JobState] | None = None,
    place: str | None = None,
    cancel_intended: bool = False,
) -> list[ColumnElement[bool]]:
    """Return what a job fulfils that is of an experiment, in one of some states, on a backend or of a provider, and wanted back.

    Wanted back is a job that somebody meant to have cancelled, as long as the provider is not known to have been too late for it.
    """
    job, conditions = tables.job.c, []
    if experiment is not None:
        conditions.append(job.experiment == experiment)
    if states is not None:
        conditions.append(job.state.in_(sorted(states)))
    if place is not None:
        conditions.append(or_(job.backend == place, job.provider == place))
    if cancel_intended:
        request, answer = tables.event.alias().c, tables.event.alias().c
        answered = exists().where(
            answer.job_id == request.job_id,
            answer.sequence > request.sequence,
            answer.event == EVENT_NAMES[Event.CANCEL_TOO_LATE],
        )
        meant = and_(request.job_id == job.job_id, request.event == EVENT_NAMES[Event.INTEND_CANCEL])
        conditions.append(exists().where(meant, ~answered))
    return conditions


def select_jobs(connection: Connection, *conditions: ColumnElement[bool]) -> list[JobRecord]:
    """Return the jobs that fulfil all conditions, by run_number of their payload, then by id."""
    rows = connection.execute(_JOB.where(*conditions).order_by(tables.job.c.run_number, tables.job.c.job_id))
    return [JobRecord(**row) for row in rows.mappings()]


def select_newest_jobs(
    connection: Connection, *conditions: ColumnElement[bool], limit: int, without: str | None
) -> tuple[list[JobRecord], int]:
    """Return the jobs that were written down last of those that fulfil all conditions, and how many these are.

    Args:
        connection: in a transaction.
        conditions: to be fulfilled.
        limit: at most so many.
        without: jobs of this experiment are left out.
    """
    job = tables.job.c
    wanted = conditions if without is None else (*conditions, job.experiment != without)
    newest_first = _JOB.where(*wanted).order_by(job.created_at.desc(), job.run_number, job.job_id)
    rows = connection.execute(newest_first.limit(limit))
    found = [JobRecord(**row) for row in rows.mappings()]
    number = _count(connection, *conditions)
    if without is not None:  # counted apart, because the others are most of the ledger
        number -= _count(connection, *conditions, job.experiment == without)
    return found, number


def _count(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    return int(connection.scalar(select(func.count()).select_from(tables.job).where(*conditions)) or 0)


def select_backends_used(connection: Connection) -> set[str]:
    """Return the backends of all jobs, by one look into the index for each."""
    found: set[str] = set()
    newest = ""
    while (backend := connection.scalar(_NEXT_BACKEND, {"after": newest})) is not None:
        found.add(backend)
        newest = backend
    return found


def select_histories(connection: Connection, job_ids: Collection[str]) -> dict[str, list[EventRecord]]:
    """Return the events of some jobs by job, in the order they were written."""
    found: dict[str, list[EventRecord]] = {}
    for some in parts(job_ids):
        wanted = select(tables.event).where(tables.event.c.job_id.in_(some))
        for row in connection.execute(wanted.order_by(tables.event.c.job_id, tables.event.c.sequence)):
            found.setdefault(row.job_id, []).append(_event(row._asdict()))
    return found


def find_planned(connection: Connection, plan: Plan) -> JobRecord | None:
    """Return the job of a plan, if it was written down before."""
    found = select_jobs(connection, tables.job.c.job_id == plan.job_id)
    return found[0] if found else None


def select_jobs_by_id(
    connection: Connection, job_ids: Collection[str], *conditions: ColumnElement[bool]
) -> list[JobRecord]:
    """Return the jobs of some ids that fulfil all conditions, in the order of `select_jobs`."""
    found = [
        job for ids in parts(job_ids) for job in select_jobs(connection, tables.job.c.job_id.in_(ids), *conditions)
    ]
    return sorted(found, key=lambda job: (job.run_number, job.job_id))


def parts(values: Collection[str]) -> Iterator[list[str]]:
    """Yield values in sorted parts, each of which one statement can name."""
    every = sorted(set(values))
    for start in range(0, len(every), VALUES_PER_STATEMENT):
        yield every[start : start + VALUES_PER_STATEMENT]


def select_page_of_jobs(connection: Connection, *conditions: ColumnElement[bool], limit: int) -> list[JobRecord]:
    """Return up to ``limit`` jobs that fulfil all conditions, by id."""
    rows = connection.execute(_JOB.where(*conditions).order_by(tables.job.c.job_id).limit(limit))
    return [JobRecord(**row) for row in rows.mappings()]


def select_events(
    connection: Connection, *conditions: ColumnElement[bool], limit: int | None = None
) -> list[EventRecord]:
    """Return the events that fulfil all conditions, in the order they were written, at most ``limit`` of them."""
    return [_event(row) for row in iter_event_rows(connection, *conditions, limit=limit)]


def iter_event_rows(
    connection: Connection, *conditions: ColumnElement[bool], limit: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the stored columns of events, in the order they were written, at most ``limit`` of them."""
    wanted = select(tables.event).where(*conditions).order_by(tables.event.c.position).limit(limit)
    for row in connection.execute(wanted):
        yield row._asdict()


def select_attempts(connection: Connection, job_id: str) -> list[AttemptRecord]:
    """Return the attempts to submit a job, by number."""
    rows = connection.execute(
        select(*(column.label(column.key) for column in tables.attempt.c))
        .where(tables.attempt.c.job_id == job_id)
        .order_by(tables.attempt.c.number)
    )
    return [AttemptRecord(**row) for row in rows.mappings()]


def select_result(connection: Connection, job_id: str) -> StoredResult | None:
    """Return where the raw result of a job is kept, or None."""
    stored = tables.result_ref.c
    row = (
        connection.execute(select(stored.sha256, stored.size_bytes, stored.content_type).where(stored.job_id == job_id))
        .mappings()
        .one_or_none()
    )
    return None if row is None else StoredResult(**row)


def chain_head(connection: Connection) -> ChainHead:
    """Return the last link of the chain of events.

    Raises:
        CorruptFile: somebody has removed it.
    """
    row = connection.execute(select(tables.chain_head.c.position, tables.chain_head.c.hash)).one_or_none()
    if row is None:
        raise damaged(connection, "the row with the last link of the chain of events is missing")
    return ChainHead(position=row.position, hash=row.hash)


def damaged(connection: Connection, problem: str) -> CorruptFile:
    """Return the error about a ledger in which something is missing that every ledger has."""
    place = connection.engine.url
    name = place.database if place.get_backend_name() == "sqlite" else place.render_as_string(hide_password=True)
    remedy = "Put the newest backup of the ledger back; docs/runbook.md says how, under 'The ledger was changed'."
    return CorruptFile(str(name), f"{problem}: the ledger was changed from outside", remedy=remedy)


def chain_link(connection: Connection, position: int) -> ChainHead | None:
    """Return the link of the chain at a position, or None."""
    stored = tables.event.c
    found = connection.scalar(select(stored.hash).where(stored.position == position))
    return None if found is None else ChainHead(position=position, hash=found)


def newest_event_time(connection: Connection) -> datetime:
    """Return when the last event of the chain was observed; 1970 where there is none."""
    last = select(tables.chain_head.c.position).scalar_subquery()
    found = connection.scalar(select(tables.event.c.observed_at_us).where(tables.event.c.position == last))
    return from_microseconds(found or 0)


def _event(row: Mapping[str, Any]) -> EventRecord:
    return EventRecord(
        position=row["position"],
        job_id=row["job_id"],
        sequence=row["sequence"],
        event=row["event"],
        from_state=None if row["from_state"] is None else JobState(row["from_state"]),
        to_state=JobState(row["to_state"]),
        at=from_microseconds(row["at_us"]),
        observed_at=from_microseconds(row["observed_at_us"]),
        clock=row["clock"],
        raw_status=row["raw_status"],
        detail=None if row["detail"] is None else json.loads(row["detail"]),
        hash=row["hash"],
    )
