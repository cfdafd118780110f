"""Writing into the ledger: what one move changes, inside the caller's transaction."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from qhybrid_pipelines.control.ledger.budget import charge_usd, round_stored_usd
from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead, event_hash
from qhybrid_pipelines.control.ledger.errors import DuplicateJob, DuplicateProviderJob, StaleJob
from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, TERMINAL, next_state
from qhybrid_pipelines.control.ledger.records import ATTEMPT_OUTCOMES, JobRecord, Outcome, Plan, Transition
from qhybrid_pipelines.control.ledger.sql import tables
from qhybrid_pipelines.control.ledger.sql.budget_rows import (
    check_spending_limits,
    replace_reserved_quote,
    reserve_quote,
    settle_job,
)
from qhybrid_pipelines.control.ledger.sql.queries import chain_head
from qhybrid_pipelines.control.ledger.sql.sealed_facts import changed_facts
from qhybrid_pipelines.control.ledger.sql.stored_values import stored_json, stored_text, to_microseconds
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.job_states import JobState

#: Facts of a move that the job takes over as they are.
_COPIED_FIELDS = ("provider_job_id", "engine", "approved_by", "rerouted_to", "priority", "deadline_at")

_ATTEMPT_COLUMNS = frozenset({"token", "provider_job_id", "outcome"})


def write_plan(connection: Connection, plan: Plan) -> JobRecord:
    """Reserve the quote, write the job with its first attempt, and let it take its first steps.

    Raises:
        Refused: the budget, or a limit of the policy, does not hold the quote.
        DuplicateJob: another job has the token, or the same place among the jobs of the payload.
        StaleJob: the job whose work it takes over has changed since it was read.
    """
    if (left := plan.takes_over) is not None and _stored_version(connection, left.job_id) != left.version:
        raise StaleJob(f"job {left.job_id} has changed since it was read as {left.state}")
    reserve_quote(connection, plan)
    check_spending_limits(
        connection,
        plan.spending_limits,
        plan.cost_quoted_usd,
        backend=plan.backend,
        provider=plan.provider,
        at=plan.planned_at,
        job_id=plan.job_id,
    )
    planned = {field.name for field in fields(Plan)} & {field.name for field in fields(JobRecord)}
    derived = {
        "cost_quoted_usd": round_stored_usd(plan.cost_quoted_usd),
        "requested_backend": plan.resolved_requested_backend,
        "correlation_id": plan.resolved_correlation_id,
    }
    job = JobRecord(
        **({name: getattr(plan, name) for name in planned} | derived),
        state=JobState.PLANNED,
        version=0,
        attempt=1,
        provider_job_id=None,
        outcome=Outcome.OPEN,
        engine=None,
        cost_usd=None,
        cost_settled_usd=None,
        result_sha256=None,
        error=None,
        created_at=plan.planned_at,
        updated_at=plan.planned_at,
        approved_by=None,
        rerouted_to=None,
    )
    try:
        connection.execute(insert(tables.job).values(_job_columns(job)))
    except IntegrityError as error:
        raise DuplicateJob(
            f"job {job.job_id} would be number {job.run_number} of its payload, which another job is; nothing was written"
        ) from error
    _open_attempt(connection, job)
    first_steps = Transition(job=job, steps=plan.steps, observed_at=plan.planned_at)
    return write_transition(connection, first_steps, budget_usd=round_stored_usd(plan.budget_usd))


def write_transition(connection: Connection, transition: Transition, *, budget_usd: float | None = None) -> JobRecord:
    """Write the steps of a job and return the job after them.

    A job's time never runs backwards: a move that is observed before the job's last one, by a clock that was set back, is
    stored with the time of that one.

    Args:
        connection: in a transaction.
        transition: the move.
        budget_usd: of the experiment, where the job is new; sealed with its first steps.

    Raises:
        StaleJob: the job has changed since it was read, or has left its backend and another one has taken its work over.
        IllegalTransition: the life cycle has no such step.
        DuplicateProviderJob: the provider's id belongs to another job.
        Refused: the move brings a new quote, and the budget or a limit of the policy does not hold it; or somebody
            changed the ledger.
    """
    transition = transition.observed_not_before(transition.job.updated_at)
    before = transition.job
    job = _next_record(transition)
    if before.state is JobState.REROUTED and _stored_version(connection, before.rerouted_to) is not None:
        raise StaleJob(f"job {before.rerouted_to} has taken over the work of job {before.job_id}")
    changed = connection.execute(
        update(tables.job)
        .where(tables.job.c.job_id == before.job_id, tables.job.c.version == before.version)
        .values(_job_columns(job))
    )
    if changed.rowcount != 1:
        raise StaleJob(f"job {before.job_id} has changed since it was read as {before.state}")
    if job.attempt != before.attempt:
        _open_attempt(connection, job)
    if (job.outcome, job.provider_job_id) != (before.outcome, before.provider_job_id):
        _update_attempt(connection, job)  # an attempt that is opened may be adopted with the same move
    if transition.result is not None:
        # The place of a result that was refused before; its bytes stay in the raw store.
        connection.execute(delete(tables.result_ref).where(tables.result_ref.c.job_id == job.job_id))
        connection.execute(
            insert(tables.result_ref).values(
                job_id=job.job_id,
                sha256=transition.result.sha256,
                size_bytes=transition.result.size_bytes,
                content_type=transition.result.content_type,
                stored_at=transition.observed_at,
            )
        )
    if job.cost_quoted_usd != before.cost_quoted_usd:
        replace_reserved_quote(connection, before, job.cost_quoted_usd)
        check_spending_limits(
            connection,
            transition.spending_limits,
            job.cost_quoted_usd,
            backend=job.backend,
            provider=job.provider,
            at=job.created_at,
            job_id=job.job_id,
        )
    if job.cost_settled_usd is not None and job.cost_settled_usd != before.cost_settled_usd:
        settle_job(connection, job, charged_before_usd=before.cost_settled_usd)
    _append_events(connection, transition, changed_facts(before, job, result=transition.result, budget_usd=budget_usd))
    return job


def _stored_version(connection: Connection, job_id: str | None) -> int | None:
    version: int | None = connection.scalar(select(tables.job.c.version).where(tables.job.c.job_id == job_id))
    return version


def _next_record(transition: Transition) -> JobRecord:
    """Return the job as it will be, by the table of the life cycle."""
    job = transition.job
    state: JobState | None = job.state if job.version else None
    outcome = job.outcome
    for step in transition.steps:
        state = next_state(state, step.event)
        outcome = ATTEMPT_OUTCOMES.get(step.event, outcome)
    if state is None or not transition.steps:
        raise ValueError("a move has at least one step")
    after = replace(
        job,
        state=state,
        outcome=outcome,
        version=job.version + len(transition.steps),
        updated_at=transition.observed_at,
        **_changed_fields(transition),
    )
    if state not in TERMINAL or (job.state in TERMINAL and job.version):
        return after
    charged = charge_usd(
        quote_usd=after.cost_quoted_usd,
        reported_usd=after.cost_usd,
        accepted=after.provider_job_id is not None,
    )
    return replace(after, cost_settled_usd=charged)


def _changed_fields(transition: Transition) -> dict[str, Any]:
    """Return what becomes known about the job with its steps, as it is kept."""
    given = {name: getattr(transition, name) for name in _COPIED_FIELDS}
    given |= {name: getattr(transition, name) for name in ("cost_usd", "cost_quoted_usd", "error")}
    known = {name: value for name, value in given.items() if value is not None}
    known |= {name: round_stored_usd(known[name]) for name in ("cost_usd", "cost_quoted_usd") if name in known}
    if "error" in known:
        known["error"] = stored_text(known["error"])
    if transition.result is not None:
        known["result_sha256"] = transition.result.sha256
    if transition.new_token is not None:
        known |= {"attempt": transition.job.attempt + 1, "token": transition.new_token}
    return known


def _job_columns(job: JobRecord) -> dict[str, Any]:
    return {field.name: getattr(job, field.name) for field in fields(job) if field.name not in _ATTEMPT_COLUMNS}


def _open_attempt(connection: Connection, job: JobRecord) -> None:
    try:
        connection.execute(
            insert(tables.attempt).values(
                job_id=job.job_id,
                number=job.attempt,
                token=job.token,
                provider=job.provider,
                outcome=job.outcome,
                started_at=job.updated_at,
            )
        )
    except IntegrityError as error:
        raise DuplicateJob(f"the token of job {job.job_id} belongs to another attempt; nothing was written") from error


def _update_attempt(connection: Connection, job: JobRecord) -> None:
    try:
        connection.execute(
            update(tables.attempt)
            .where(tables.attempt.c.job_id == job.job_id, tables.attempt.c.number == job.attempt)
            .values(outcome=job.outcome, provider_job_id=job.provider_job_id)
        )
    except IntegrityError as error:
        raise DuplicateProviderJob(
            f"provider '{job.provider}' answered job {job.job_id} with id '{job.provider_job_id}', which belongs to "
            "another job. Ask the provider which of them it holds; nothing was written."
        ) from error


def _append_events(connection: Connection, transition: Transition, facts: dict[str, Any] | None) -> None:
    """Append one row for each step to the chain; the last one seals what changed with them."""
    head = chain_head(connection)
    state = transition.job.state if transition.job.version else None
    rows: list[dict[str, Any]] = []
    for sequence, step in enumerate(transition.steps, start=transition.job.version + 1):
        after = next_state(state, step.event)
        row: dict[str, Any] = {
            "position": head.position + 1,
            "job_id": transition.job.job_id,
            "sequence": sequence,
            "event": EVENT_NAMES[step.event],
            "from_state": None if state is None else str(state),
            "to_state": str(after),
            "at_us": to_microseconds(step.at),
            "observed_at_us": to_microseconds(transition.observed_at),
            "clock": step.clock,
            "raw_status": None if step.raw_status is None else stored_text(step.raw_status),
            "detail": stored_json(step.detail),
            "previous_hash": head.hash,
            "facts": stored_json(facts) if len(rows) == len(transition.steps) - 1 else None,
        }
        row["hash"] = event_hash(row)
        rows.append(row)
        head, state = ChainHead(position=row["position"], hash=row["hash"]), after
    try:
        connection.execute(insert(tables.event), rows)
    except IntegrityError as error:
        raise Refused(
            f"the ledger already has other events of job {transition.job.job_id} in place of these, so somebody changed it; "
            "nothing was written. `qhybrid doctor --full` names everything that differs."
        ) from error
    connection.execute(update(tables.chain_head).values(position=head.position, hash=head.hash))
