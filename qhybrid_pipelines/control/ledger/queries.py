"""Reading from the ledger: rows of an open connection as the records of the port."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select

from qhybrid_pipelines.control.ledger import tables
from qhybrid_pipelines.control.ledger.event_chain import ChainHead
from qhybrid_pipelines.control.ledger.records import (
    AttemptRecord,
    EventRecord,
    JobRecord,
    StoredResult,
)
from qhybrid_pipelines.control.ledger.stored_values import from_microseconds
from qhybrid_pipelines.core.job_states import JobState

_LAST_ATTEMPT = and_(tables.attempt.c.job_id == tables.job.c.job_id, tables.attempt.c.number == tables.job.c.attempt)
_JOB = select(
    *(column.label(column.key) for column in tables.job.c),
    *(tables.attempt.c[name] for name in ("token", "provider_job_id", "outcome")),
).select_from(tables.job.join(tables.attempt, _LAST_ATTEMPT))


def select_jobs(connection: Connection, *conditions: ColumnElement[bool]) -> list[JobRecord]:
    """Return the jobs that fulfil all conditions, by run_number of their payload, then by id."""
    rows = connection.execute(_JOB.where(*conditions).order_by(tables.job.c.run_number, tables.job.c.job_id))
    return [JobRecord(**row) for row in rows.mappings()]


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
    """Return the last link of the chain of events."""
    row = connection.execute(select(tables.chain_head.c.position, tables.chain_head.c.hash)).one()
    return ChainHead(position=row.position, hash=row.hash)


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
