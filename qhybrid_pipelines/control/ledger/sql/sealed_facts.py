"""What an event seals in addition to its step: every stored value of the job that changed with it, digit for digit.

The rows of a job can be rebuilt from its events (`control.ledger.sql.row_audit`), so a row that somebody changed behind the
ledger's back shows. State, version and time of the last change are the event's own columns and are not said twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import Table

from qhybrid_pipelines.control.ledger.budget import to_micro_usd
from qhybrid_pipelines.control.ledger.records import JobRecord, StoredResult
from qhybrid_pipelines.control.ledger.sql import tables

Columns = dict[str, Any]

#: Columns of `job` that follow from the columns of its last event.
IMPLIED_COLUMNS = ("state", "version", "updated_at_us")


def job_columns(job: JobRecord) -> Columns:
    """Return the row of a job as it is stored, by the names that the columns have in the database."""
    return _stored(tables.job, {field.name: getattr(job, field.name) for field in fields(job)})


def attempt_columns(job: JobRecord) -> Columns:
    """Return the row of a job's last attempt as it is stored, but for the time at which it was opened."""
    values = {field.name: getattr(job, field.name) for field in fields(job)} | {"number": job.attempt}
    stored = _stored(tables.attempt, values)
    return {name: stored[name] for name in ("number", "token", "provider", "provider_job_id", "outcome")}


def changed_facts(
    before: JobRecord, after: JobRecord, *, result: StoredResult | None = None, budget_usd: float | None = None
) -> Columns | None:
    """Return what the last event of a move seals, ready for JSON; None where nothing but the state changed.

    Args:
        before: the job as it was; everything is sealed where it has no event yet.
        after: the job as it is stored with the move.
        result: where its result is kept, if that became known.
        budget_usd: what its experiment may spend, where the job is new.
    """
    is_new = before.version == 0
    facts: Columns = {}
    stored = job_columns(after)
    job = _changed({} if is_new else job_columns(before), stored)
    if sealed := {name: value for name, value in job.items() if name not in IMPLIED_COLUMNS}:
        facts["job"] = sealed
    opens_attempt = is_new or after.attempt != before.attempt
    attempt = _changed({} if opens_attempt else attempt_columns(before), attempt_columns(after))
    if attempt:
        opened = {"started_at_us": stored["updated_at_us"]} if opens_attempt else {}
        facts["attempt"] = attempt | {"number": after.attempt} | opened
    if result is not None:
        facts["result"] = result_columns(result)
    if budget_usd is not None:
        facts["budget"] = {"limit_microusd": to_micro_usd(budget_usd)}
    return facts or None


def result_columns(result: StoredResult) -> Columns:
    """Return the row of a stored result, but for the time at which it was stored, which is its event's."""
    return {field.name: getattr(result, field.name) for field in fields(result)}


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Columns:
    return {name: value for name, value in after.items() if name not in before or before[name] != value}


def _stored(table: Table, values: Mapping[str, Any]) -> Columns:
    """Return values by column as the database is given them."""
    stored = {}
    for column in table.c:
        if column.key not in values:
            continue
        value, kind = values[column.key], column.type
        if isinstance(kind, tables.UtcTimestamp | tables.UsdAmount):
            value = kind.process_bind_param(value, None)
        stored[column.name] = str(value) if isinstance(value, str) else value
    return stored
