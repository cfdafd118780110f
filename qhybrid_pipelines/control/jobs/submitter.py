"""From a request to jobs at a provider: plans and reservations in one transaction, then one hand-over after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from qhybrid_pipelines.control.backends.health import Health, LeftAlone
from qhybrid_pipelines.control.jobs.admission import Admission, Admitted, Request, calibration_facts
from qhybrid_pipelines.control.jobs.approval import price_check
from qhybrid_pipelines.control.jobs.deadlines import deadline_of, is_overdue
from qhybrid_pipelines.control.jobs.limits import check_budget
from qhybrid_pipelines.control.jobs.submission_protocol import (
    Submission,
    failure,
    job_id_of,
    job_ids_of,
    next_job_id,
    token_of,
)
from qhybrid_pipelines.control.ledger.lifecycle import PUBLIC_NAMES, WITHOUT_RESULT, Event
from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger, Move, Plan, StaleJob, Step
from qhybrid_pipelines.control.policy.deployment import Site
from qhybrid_pipelines.control.policy.rules import Policy
from qhybrid_pipelines.core.errors import InvalidInput, ProviderError, QHybridError, Throttled
from qhybrid_pipelines.core.failpoints import failpoint
from qhybrid_pipelines.core.jobs import CircuitBatch, JobState
from qhybrid_pipelines.execution.port import Provider


@dataclass(slots=True, kw_only=True)
class _Item:
    """One batch on its way: its job as it stands, and what admission said about it."""

    batch: CircuitBatch
    job: JobRecord | None
    admitted: Admitted | None = None
    quote_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What would happen to a batch: it has a job already, or it would get one, where and on which terms."""

    job: JobRecord | None
    admitted: Admitted | None


class Handover:
    """Plans jobs and hands them over.

    Args:
        ledger: where plans are written.
        provider_of: the provider of a backend's name.
        admission: whether, where and for how much.
        submission: the protocol of a single hand-over.
        health: breakers.
        site: where this process stands.
        policy: what is allowed.
        clock: now, in UTC.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        provider_of: Callable[[str], Provider],
        *,
        admission: Admission,
        submission: Submission,
        health: Health,
        site: Site,
        policy: Policy,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._ledger, self._provider_of, self._admission, self._submission = ledger, provider_of, admission, submission
        self._health, self._site, self._policy, self._clock, self._sleep = health, site, policy, clock, sleep

    def run(self, batches: Sequence[CircuitBatch], request: Request) -> list[JobRecord]:
        """Return the job of each batch, handed over as far as that is possible; `Dispatcher.submit_all` says the rest."""
        items = [_Item(batch=batch, job=self.latest(batch)) for batch in batches]
        self._admit(items, request)
        self._plan(items, request)
        failures: list[QHybridError] = []
        calibrations: dict[str, dict[str, Any]] = {}
        jobs = [item.job for item in items if item.job is not None]
        for index in sorted(range(len(jobs)), key=lambda i: -jobs[i].priority):
            try:
                jobs[index] = self._hand_over(items[index], jobs[index], calibrations)
            except QHybridError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return jobs

    def preview(self, batches: Sequence[CircuitBatch], request: Request) -> list[Outlook]:
        """Return what `run` would do with each batch; no job is written down, and nothing is sent."""
        items = [_Item(batch=batch, job=self.latest(batch)) for batch in batches]
        self._admit(items, request)
        return [Outlook(job=item.job, admitted=item.admitted) for item in items]

    def latest(self, batch: CircuitBatch) -> JobRecord | None:
        """Return the last job of a batch as it was requested, wherever that ran; None if it has none."""
        found = None
        for job_id in job_ids_of(batch):
            try:
                found = self._ledger.job(job_id)
            except InvalidInput:
                break
        return found

    def current(self, job_id: str) -> JobRecord:
        """Return the job that stands for ``job_id`` now."""
        job = self._ledger.job(job_id)
        while job.rerouted_to is not None:
            try:
                job = self._ledger.job(job.rerouted_to)
            except InvalidInput:  # not written down yet; the next submit of the batch does that
                break
        return job

    def cut_off(self) -> list[JobRecord]:
        """Return the jobs that only go on when their batch is submitted again."""
        waiting = self._ledger.jobs(states=[JobState.PLANNED, JobState.APPROVED, JobState.SUBMITTING])
        moved = self._ledger.jobs(states=[JobState.REROUTED])
        return waiting + [job for job in moved if self.current(job.job_id).state is JobState.REROUTED]

    def _admit(self, items: Sequence[_Item], request: Request) -> None:
        """Ask limits, price, policy and health for all that is new or was not sent yet, in groups that ask the same."""
        groups: dict[tuple[tuple[str, ...], str], list[_Item]] = {}
        for item in items:
            if names := self._candidates(item, request):
                groups.setdefault((names, item.batch.template.template_id), []).append(item)
        for (names, _), group in groups.items():
            admitted = self._admission.admit([item.batch for item in group], request, names)
            for item, quote in zip(group, admitted.quotes, strict=True):
                item.admitted, item.quote_usd = admitted, quote.high_usd

    def _candidates(self, item: _Item, request: Request) -> tuple[str, ...]:
        """Return the backends that may take a batch, the wanted one first; none if its job needs no admission."""
        wanted, job = item.batch.backend, item.job
        usual = (wanted, *self._policy.routing.failover.get(wanted, ()))
        if job is None:
            return usual
        if job.state is JobState.APPROVED:  # it stays where it is, if it can; and where a person agreed to, in any case
            others = () if job.approved_by else tuple(name for name in usual if name != job.backend)
            return (job.backend, *others)
        if job.state is JobState.REROUTED:  # taken away from its backend, but not written down for another one yet
            return (self._destination(job) or wanted,)
        return usual if request.repeat and job.state in WITHOUT_RESULT else ()

    def _destination(self, job: JobRecord) -> str | None:
        for event in reversed(self._ledger.events(job.job_id)):
            if event.event == PUBLIC_NAMES[Event.REROUTE]:
                return (event.detail or {}).get("backend")
        return None

    def _plan(self, items: Sequence[_Item], request: Request) -> None:
        """Write down what is new, all or none, with its reservations."""
        new = []
        for item in items:
            job, admitted = item.job, item.admitted
            if admitted is None:
                continue
            if job is not None and job.state is JobState.APPROVED and admitted.route.backend != job.backend:
                check_budget(self._ledger, job, item.quote_usd, backend=admitted.route.backend)
                item.job = job = self._move_away(job, admitted)
            if job is None or job.state in WITHOUT_RESULT:
                new.append(item)
        if not new:
            return
        failpoint("submit.before_intent")
        planned = self._ledger.plan_all([self._plan_of(item, request) for item in new])
        failpoint("submit.planned")
        for item, job in zip(new, planned, strict=True):
            item.job = job
            rejected = item.admitted.rejected if item.admitted else None
            if rejected is not None and job.state is JobState.PLANNED:
                item.job = self._take(job, Event.REJECT, error=str(rejected), detail=failure(rejected))

    def _move_away(self, job: JobRecord, admitted: Admitted) -> JobRecord:
        detail = {"backend": admitted.route.backend, "reason": admitted.route.reason}
        return self._take(job, Event.REROUTE, rerouted_to=next_job_id(job), detail=detail)

    def _plan_of(self, item: _Item, request: Request) -> Plan:
        batch, admitted = item.batch, item.admitted
        if admitted is None:
            raise ValueError("only what was admitted is planned")
        occurrence = item.job.occurrence + 1 if item.job else 1
        job_id, now = job_id_of(batch, occurrence), self._clock()
        circuits = batch.points * batch.repetitions
        return Plan(
            job_id=job_id,
            experiment=batch.experiment,
            backend=admitted.route.backend,
            provider=self._provider_of(admitted.route.backend).name,
            payload_sha256=batch.payload_sha256,
            occurrence=occurrence,
            tier=request.tier,
            circuits=circuits,
            shots=circuits * batch.shots,
            token=token_of(job_id, 1),
            cost_quoted_usd=item.quote_usd,
            price_source=admitted.quotes[0].source,
            budget_usd=request.budget_usd,
            requested_at=request.requested_at,
            planned_at=now,
            steps=_first_steps(admitted, now),
            requested_backend=batch.backend,
            principal=request.principal,
            environment=self._site.environment,
            data_class=request.data_class,
            priority=request.priority,
            deadline_at=deadline_of(self._policy.tiers.of(request.tier), now),
            policy_sha256=self._policy.sha256,
        )

    def _hand_over(self, item: _Item, job: JobRecord, calibrations: dict[str, dict[str, Any]]) -> JobRecord:
        """Hand one job over; a provider that asks for a moment is given it, as far as the tier is patient."""
        if job.state not in (JobState.APPROVED, JobState.SUBMITTING):
            return job
        batch, provider = replace(item.batch, backend=job.backend), self._provider_of(job.backend)
        detail = self._calibration_now(job, calibrations)
        retry = self._policy.tiers.of(job.tier).retry
        tries_left = retry.submissions
        while True:
            try:
                job = self._submission.run(
                    job, batch, provider, before=lambda held: self._before(held, item), detail=detail
                )
            except Throttled as error:
                self._health.failed(job.backend, error)
                wait = error.retry_after_seconds
                if wait is None or wait > retry.wait_seconds or not tries_left:
                    raise
                tries_left -= 1
                self._sleep(wait)
                job = self._ledger.job(job.job_id)
            except ProviderError as error:
                self._health.failed(job.backend, error)
                raise
            else:
                break
        if job.state is JobState.SUBMITTED:
            self._health.succeeded(job.backend)
        # Somebody may have run it again meanwhile, which is another job; theirs is the newer one.
        return (self.latest(item.batch) or job) if job.state in WITHOUT_RESULT else job

    def _before(self, job: JobRecord, item: _Item) -> JobRecord:
        """Look at a job right before it is sent: in time, agreed to at today's price, and its backend in health."""
        now = self._clock()
        if is_overdue(job.deadline_at, now):
            return self._ledger.advance(Move.of(job, Event.EXPIRE, now))
        if item.admitted is not None:
            move = price_check(job, item.admitted.decision, item.quote_usd, now)
            job = self._ledger.advance(move) if move else job
        if job.state is JobState.APPROVED:
            self._health.admit(job.backend, provider=job.provider, phase="submit")
            if item.admitted is not None and item.admitted.route.offline:
                reason = f"{item.admitted.route.reason}; the job is kept, and nothing was sent"
                raise LeftAlone(reason, provider=job.provider, phase="submit")
        return job

    def _calibration_now(self, job: JobRecord, seen: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Return what the intent notes where the calibration is another one than when the job was planned.

        Args:
            job: about to be sent.
            seen: what was read during this call, by backend.
        """
        if job.state is not JobState.APPROVED:
            return {}
        if job.backend not in seen:
            try:
                seen[job.backend] = calibration_facts(self._admission.calibration(job.backend))
            except ProviderError as error:
                seen[job.backend] = {"calibration_unread": str(error)}
        now = seen[job.backend]
        if not now:
            return {}
        planned = (self._ledger.events(job.job_id)[0].detail or {}).get("calibration_id")
        return {} if now.get("calibration_id") == planned else now | {"calibration_before": planned}

    def _take(self, job: JobRecord, event: Event, **facts: Any) -> JobRecord:
        """Take one step and return the job; where somebody else was quicker, return what they made of it."""
        try:
            return self._ledger.advance(Move.of(job, event, self._clock(), **facts))
        except StaleJob:
            return self._ledger.job(job.job_id)


def _first_steps(admitted: Admitted, now: datetime) -> tuple[Step, ...]:
    planned = Step(event=Event.PLAN, at=now, detail=admitted.detail or None)
    if admitted.rejected is not None:
        return (planned,)
    decision = admitted.decision
    asks = decision.verdict == "approve"
    because = {"rule": decision.rule, "reason": decision.reason}
    return (planned, Step(event=Event.ASK_APPROVAL if asks else Event.APPROVE, at=now, detail=because))
