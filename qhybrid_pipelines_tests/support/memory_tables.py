"""The tables of the ledger in memory, and what one move changes in them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from qhybrid_pipelines.control.ledger.budget import Account, charge_usd, reserve, round_stored_usd, settle
from qhybrid_pipelines.control.ledger.chain import event_chain
from qhybrid_pipelines.control.ledger.errors import DuplicateJob, DuplicateProviderJob, StaleJob
from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, TERMINAL, next_state
from qhybrid_pipelines.control.ledger.records import (
    ATTEMPT_OUTCOMES,
    AttemptRecord,
    Breaker,
    EventData,
    JobRecord,
    Outcome,
    Plan,
    StoredCalibration,
    StoredResult,
    Transition,
)
from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.control.ledger.sql.stored_values import stored_json, stored_text, to_microseconds
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.memory_facts import changed_values
from qhybrid_pipelines_tests.support.memory_indexes import EventTable, JobTable

_NOTHING = object()

#: What a transition says of a job under the job's own names.
_SHARED_NAMES = {field.name for field in fields(Transition)} & {field.name for field in fields(JobRecord)}


class MemoryTables:
    """Dictionaries that are changed together or not at all."""

    def __init__(self) -> None:
        self._mutex = threading.RLock()
        self.jobs = JobTable()
        self.attempts: dict[tuple[str, int], AttemptRecord] = {}
        self.events = EventTable()
        self.accounts: dict[str, Account] = {}
        self.results: dict[str, StoredResult] = {}
        self.breakers: dict[str, Breaker] = {}
        self.calibrations: dict[tuple[str, str], StoredCalibration] = {}
        self._places: dict[tuple[str, str, str, int], str] = {}
        self._tokens: dict[str, tuple[str, int]] = {}
        self._provider_jobs: dict[tuple[str, str], tuple[str, int]] = {}
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []

    @property
    def head(self) -> event_chain.ChainHead:
        """The last link of the chain of events."""
        position = len(self.events)
        return (
            event_chain.ChainHead(position=position, hash=self.events[position]["hash"])
            if position
            else event_chain.ChainHead()
        )

    def attempt_of(self, token: str) -> AttemptRecord | None:
        """Return the attempt that has a token, or None."""
        return self.attempts.get(self._tokens.get(token, ("", 0)))

    def read_lock(self) -> AbstractContextManager[bool]:
        """Keep writers off."""
        return self._mutex

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold everybody off, and take everything back if something goes wrong."""
        with self._mutex:
            self._undo.clear()
            try:
                yield
            except BaseException:  # an interrupt, too, must leave nothing half-written; it is raised again below
                for table, key, before in reversed(self._undo):
                    if before is _NOTHING:
                        del table[key]
                    else:
                        table[key] = before
                raise

    def put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        """Set an entry of a table, inside `transaction`."""
        self._undo.append((table, key, table.get(key, _NOTHING)))
        table[key] = value

    def write_plan(self, plan: Plan) -> JobRecord:
        """Reserve the quote, write the job with its first attempt, and let it take its first steps.

        Raises:
            Refused: the budget does not hold the quote.
            DuplicateJob: another job has the token, or the same place among the jobs of the payload.
            StaleJob: the job whose work it takes over has changed since it was read.
        """
        if plan.takes_over is not None and self.jobs[plan.takes_over.job_id].version != plan.takes_over.version:
            raise StaleJob(f"job {plan.takes_over.job_id} has changed since it was read")
        self._reserve(plan)
        self._check_limits(plan.spending_limits, plan.cost_quoted_usd, plan, plan.planned_at)
        place = (plan.experiment, plan.backend, plan.payload_sha256, plan.run_number)
        if place in self._places:
            other = self._places[place]
            raise DuplicateJob(f"job {plan.job_id} would be number {plan.run_number} of its payload, which {other} is")
        self.put(self._places, place, plan.job_id)
        job = JobRecord(
            job_id=plan.job_id,
            experiment=plan.experiment,
            backend=plan.backend,
            provider=plan.provider,
            payload_sha256=plan.payload_sha256,
            run_number=plan.run_number,
            tier=plan.tier,
            circuits=plan.circuits,
            shots=plan.shots,
            state=JobState.PLANNED,
            version=0,
            attempt=1,
            token=plan.token,
            provider_job_id=None,
            outcome=Outcome.OPEN,
            engine=None,
            cost_quoted_usd=round_stored_usd(plan.cost_quoted_usd),
            price_source=plan.price_source,
            cost_usd=None,
            cost_settled_usd=None,
            result_sha256=None,
            error=None,
            requested_at=_utc(plan.requested_at),
            created_at=plan.planned_at.astimezone(UTC),
            updated_at=plan.planned_at.astimezone(UTC),
            requested_backend=plan.resolved_requested_backend,
            principal=plan.principal,
            environment=plan.environment,
            data_class=plan.data_class,
            correlation_id=plan.resolved_correlation_id,
            priority=plan.priority,
            deadline_at=_utc(plan.deadline_at),
            policy_sha256=plan.policy_sha256,
            approved_by=None,
            rerouted_to=None,
        )
        self.put(self.jobs, job.job_id, job)
        self._open_attempt(job)
        first_steps = Transition(job=job, steps=plan.steps, observed_at=plan.planned_at)
        return self.write_transition(first_steps, limit_usd=plan.budget_usd)

    def write_transition(self, transition: Transition, *, limit_usd: float | None = None) -> JobRecord:
        """Write the steps of a job and return the job after them.

        Raises:
            IllegalTransition: the life cycle has no such step; nothing was written.
            StaleJob: the job has changed since it was read; nothing was written.
            DuplicateProviderJob: the provider's id belongs to another job.
            Refused: the move brings a new quote, and the budget does not hold it.
        """
        job, known = transition.job, self.jobs.get(transition.job.job_id)
        _check_steps(job, transition.steps)
        if known is None or known.version != job.version:
            raise StaleJob(f"job {job.job_id} has changed since it was read as {job.state}")
        if job.state is JobState.REROUTED and job.rerouted_to in self.jobs:
            raise StaleJob(f"job {job.rerouted_to} has taken over the work of job {job.job_id}")
        before, observed_at = job, max(transition.observed_at, job.updated_at)
        for step in transition.steps:
            outcome = ATTEMPT_OUTCOMES.get(step.event, job.outcome)
            state = next_state(job.state if job.version else None, step.event)
            job = replace(job, state=state, version=job.version + 1, outcome=outcome)
        job = replace(job, updated_at=observed_at.astimezone(UTC), **_changed_fields(transition))
        if transition.result is not None:
            self.put(self.results, job.job_id, transition.result)
        if transition.new_token is not None:
            self._open_attempt(job)
        self._record_outcome(job)
        if (
            transition.cost_quoted_usd is not None
            and round_stored_usd(transition.cost_quoted_usd) != job.cost_quoted_usd
        ):
            job = self._replace_reserved_quote(job, transition.cost_quoted_usd)
            self._check_limits(transition.spending_limits, transition.cost_quoted_usd, job, job.created_at)
        if job.state in TERMINAL and transition.job.state not in TERMINAL:
            job = self._settle(job)
        self.put(self.jobs, job.job_id, job)
        facts = changed_values(before, job, transition.result, limit_usd)
        state = before.state if before.version else None
        for sequence, step in enumerate(transition.steps, start=before.version + 1):
            moved = step.clock == "observed" and step.at == transition.observed_at
            step_at = observed_at if moved else step.at
            sealed = facts if sequence == job.version else None
            row = {"job_id": job.job_id, "sequence": sequence, "observed_at_us": to_microseconds(observed_at)}
            self._append_event(row | {"facts": stored_json(sealed)}, state, replace(step, at=step_at))
            state = next_state(state, step.event)
        return job

    def _append_event(self, known: dict[str, Any], before: JobState | None, step: EventData) -> None:
        """Append one event to the chain."""
        after = next_state(before, step.event)
        head = self.head
        row = known | {
            "position": head.position + 1,
            "event": EVENT_NAMES[step.event],
            "from_state": before and before.value,
            "to_state": after.value,
            "at_us": to_microseconds(step.at),
            "clock": step.clock,
            "raw_status": None if step.raw_status is None else stored_text(step.raw_status),
            "detail": stored_json(step.detail),
            "previous_hash": head.hash,
        }
        self.put(self.events, head.position + 1, row | {"hash": event_chain.event_hash(row)})

    def _open_attempt(self, job: JobRecord) -> None:
        if job.token in self._tokens:
            raise DuplicateJob(f"the token of job {job.job_id} belongs to another attempt; nothing was written")
        self.put(self._tokens, job.token, (job.job_id, job.attempt))
        opened = AttemptRecord(
            job_id=job.job_id,
            number=job.attempt,
            token=job.token,
            provider=job.provider,
            provider_job_id=None,
            outcome=job.outcome,
            started_at=job.updated_at,
        )
        self.put(self.attempts, (job.job_id, job.attempt), opened)

    def _record_outcome(self, job: JobRecord) -> None:
        key = (job.job_id, job.attempt)
        noted = replace(self.attempts[key], outcome=job.outcome, provider_job_id=job.provider_job_id)
        if noted == self.attempts[key]:
            return
        if job.provider_job_id is not None:
            name = (job.provider, job.provider_job_id)
            holder = self._provider_jobs.get(name, key)
            if holder != key and self.attempts[holder].provider_job_id == job.provider_job_id:
                raise DuplicateProviderJob(
                    f"provider '{job.provider}' answered job {job.job_id} with id '{job.provider_job_id}', which belongs "
                    "to another job; nothing was written"
                )
            self.put(self._provider_jobs, name, key)
        self.put(self.attempts, key, noted)

    def _reserve(self, plan: Plan) -> None:
        limit_usd = round_stored_usd(plan.budget_usd)
        account = self.accounts.get(plan.experiment) or Account(experiment=plan.experiment, limit_usd=limit_usd)
        if account.limit_usd != limit_usd:
            raise Refused(
                f"experiment '{plan.experiment}' was given a budget of ${account.limit_usd:.2f}, and now one of "
                f"${plan.budget_usd:.2f}. A budget belongs to its experiment."
            )
        self.put(self.accounts, plan.experiment, reserve(account, plan.cost_quoted_usd, backend=plan.backend))

    def _check_limits(
        self, limits: Sequence[SpendingLimit], quote_usd: float, asking: Plan | JobRecord, at: datetime
    ) -> None:
        """By strings and decimals, unlike the ledgers in a database."""
        asked = Decimal(str(round_stored_usd(quote_usd)))
        for limit in limits:
            needed = self.committed(limit, at, without=asking.job_id) + asked
            if asked and limit.provider in (None, asking.provider) and needed > Decimal(str(limit.limit_usd)):
                raise Refused(f"the policy lets {limit.label(at)} spend ${limit.limit_usd:.2f}, which is not enough")

    def committed(self, limit: SpendingLimit, at: datetime, *, without: str) -> Decimal:
        """Return how much of a limit is used, but for one job."""
        form = {"day": "%Y-%m-%d", "month": "%Y-%m", "ever": "ever"}[limit.per]
        counted = (
            job.cost_quoted_usd if job.cost_settled_usd is None else job.cost_settled_usd
            for job in self.jobs.values()
            if job.job_id != without
            and limit.provider in (None, job.provider)
            and limit.principal in (None, job.principal)
            and (limit.schedule is None or job.experiment.startswith(f"{limit.schedule}-20"))
            and f"{job.created_at.astimezone(UTC):{form}}" == f"{at.astimezone(UTC):{form}}"
        )
        return sum((Decimal(str(usd)) for usd in counted), Decimal(0))

    def _replace_reserved_quote(self, job: JobRecord, quote_usd: float) -> JobRecord:
        released = settle(self.accounts[job.experiment], quote_usd=job.cost_quoted_usd, charged_usd=0.0)
        self.put(self.accounts, job.experiment, reserve(released, quote_usd, backend=job.backend))
        return replace(job, cost_quoted_usd=round_stored_usd(quote_usd))

    def _settle(self, job: JobRecord) -> JobRecord:
        charged_usd = charge_usd(
            quote_usd=job.cost_quoted_usd, reported_usd=job.cost_usd, accepted=job.provider_job_id is not None
        )
        account = self.accounts[job.experiment]
        if job.cost_settled_usd is None:
            account = settle(account, quote_usd=job.cost_quoted_usd, charged_usd=charged_usd)
        else:  # it had ended before, and came to another end
            spent = round(account.settled_usd - job.cost_settled_usd + charged_usd, 6)
            account = replace(account, settled_usd=spent)
        self.put(self.accounts, job.experiment, account)
        return replace(job, cost_settled_usd=charged_usd)


def _check_steps(job: JobRecord, steps: Sequence[EventData]) -> None:
    if not steps:
        raise ValueError("a move has at least one step")
    state = job.state if job.version else None
    for step in steps:
        state = next_state(state, step.event)


def _changed_fields(transition: Transition) -> dict[str, Any]:
    """Return what becomes known about the job with its steps, as it is kept."""
    said = {name: getattr(transition, name) for name in _SHARED_NAMES - {"cost_quoted_usd"}}
    changed = {name: value for name, value in said.items() if value is not None}
    if "deadline_at" in changed:
        changed["deadline_at"] = _utc(transition.deadline_at)
    if "error" in changed:
        changed["error"] = stored_text(changed["error"])
    if "cost_usd" in changed:
        changed["cost_usd"] = round_stored_usd(changed["cost_usd"])
    if transition.new_token is not None:
        changed |= {"attempt": transition.job.attempt + 1, "token": transition.new_token}
    if transition.result is not None:
        changed["result_sha256"] = transition.result.sha256
    return changed


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)
