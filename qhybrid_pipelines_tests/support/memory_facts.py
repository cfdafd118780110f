"""What the events of the ledger in memory seal: every stored value that changed, written out column by column."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from qhybrid_pipelines.control.ledger.budget import to_micro_usd
from qhybrid_pipelines.control.ledger.records import JobRecord, StoredResult
from qhybrid_pipelines.control.ledger.sql.stored_values import to_microseconds


def changed_values(
    before: JobRecord, after: JobRecord, result: StoredResult | None, limit_usd: float | None
) -> dict[str, Any] | None:
    """Return what the last event of a move says beside its step."""
    is_new = not before.version
    said: dict[str, Any] = {}
    values, earlier = job_values(after), {} if is_new else job_values(before)
    if changed := {name: value for name, value in values.items() if is_new or earlier[name] != value}:
        said["job"] = changed
    attempt, known = attempt_values(after), attempt_values(before)
    if is_new or after.attempt != before.attempt:
        said["attempt"] = attempt | {"started_at_us": to_microseconds(after.updated_at)}
    elif attempt != known:
        said["attempt"] = {name: value for name, value in attempt.items() if name == "number" or known[name] != value}
    if result is not None:
        said["result"] = {
            "sha256": result.sha256,
            "size_bytes": result.size_bytes,
            "content_type": result.content_type,
        }
    if limit_usd is not None:
        said["budget"] = {"limit_microusd": to_micro_usd(limit_usd)}
    return said or None


def job_values(job: JobRecord) -> dict[str, Any]:
    """Return the columns of a job that do not follow from its last event."""
    same = (
        "job_id experiment backend provider payload_sha256 run_number tier circuits shots attempt engine price_source "
        "result_sha256 error requested_backend principal environment data_class correlation_id priority policy_sha256 "
        "approved_by rerouted_to"
    )
    return {name: getattr(job, name) for name in same.split()} | {
        "cost_quoted_microusd": _micro(job.cost_quoted_usd),
        "cost_microusd": _micro(job.cost_usd),
        "cost_settled_microusd": _micro(job.cost_settled_usd),
        "requested_at_us": _us(job.requested_at),
        "created_at_us": _us(job.created_at),
        "deadline_at_us": _us(job.deadline_at),
    }


def attempt_values(job: JobRecord) -> dict[str, Any]:
    """Return the columns of a job's last attempt, but for when it was opened."""
    return {
        "number": job.attempt,
        "token": job.token,
        "provider": job.provider,
        "provider_job_id": job.provider_job_id,
        "outcome": job.outcome.value,
    }


def _micro(usd: float | None) -> int | None:
    return None if usd is None else round(usd * 1_000_000)


def _us(at: datetime | None) -> int | None:
    return None if at is None else to_microseconds(at)
