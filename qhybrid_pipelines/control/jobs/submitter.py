"""From a request to jobs at a provider: plans and reservations in one transaction, then one submission after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from qhybrid_pipelines.control.backends.health import BackendHealth, CircuitOpen
from qhybrid_pipelines.control.jobs.admission import Admission, AdmissionControl, SubmitRequest, calibration_detail
from qhybrid_pipelines.control.jobs.approval import price_transition
from qhybrid_pipelines.control.jobs.context import JobContext
from qhybrid_pipelines.control.jobs.deadlines import deadline_for
from qhybrid_pipelines.control.jobs.job_ids import job_id_for, job_ids_for, next_job_id, token_for
from qhybrid_pipelines.control.jobs.limits import check_budget
from qhybrid_pipelines.control.jobs.spending import WARNING, budget_warning, check_quotes
from qhybrid_pipelines.control.jobs.state_transitions import open_cancel_request, reroute_detail
from qhybrid_pipelines.control.jobs.submission_events import error_detail
from qhybrid_pipelines.control.jobs.write_ahead_submission import WriteAheadSubmission
from qhybrid_pipelines.control.ledger.lifecycle import ENDED_WITHOUT_RESULT, Event
from qhybrid_pipelines.control.ledger.port import EventData, JobRecord, Plan, StaleJob
from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.control.policy.deployment import Deployment
from qhybrid_pipelines.control.policy.rules import Policy
from qhybrid_pipelines.core.errors import InvalidInput, ProviderError, QHybridError, Throttled
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch, split, split_by_size
from qhybrid_pipelines.core.system.failpoints import failpoint
from qhybrid_pipelines.execution.port import name_call


@dataclass(slots=True, kw_only=True)
class _PendingBatch:
    """One batch on its way: on whose behalf, its job as last read, and what admission said about it."""

    batch: Batch
    request: SubmitRequest
    job: JobRecord | None
    admission: Admission | None = None
    quote_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would happen to a batch: it has a job already, or it would get one, where and on which terms."""

    job: JobRecord | None
    admission: Admission | None


class Submitter:
    """Plans jobs and submits them.

    Args:
        context: ledger, providers and time.
        admission: whether, where and for how much.
        protocol: the protocol of a single submission.
        health: breakers.
        deployment: environment and principal of this process.
        policy: what is allowed.
    """

    def __init__(
        self,
        context: JobContext,
        *,
        admission: AdmissionControl,
        protocol: WriteAheadSubmission,
        health: BackendHealth,
        deployment: Deployment,
        policy: Policy,
    ) -> None:
        self._context, self._ledger, self._admission, self._protocol = context, context.ledger, admission, protocol
        self._health, self._deployment, self._policy = health, deployment, policy

    def split(self, batch: Batch, *, to_submit: bool = False) -> tuple[SubBatch, ...]:
        """Return the parts that a batch has jobs of already, or else parts that each fit into one job of its backend."""
        earlier = self._earlier_split(batch)
        if earlier:
            return earlier
        try:
            capabilities = self._admission.capabilities(batch.backend)
        except ProviderError as error:
            if to_submit:  # who only asks for a price writes nothing down
                self._health.record_failure(batch.backend, error)
            raise
        return split(batch, capabilities, self._admission.gates_per_circuit(batch, capabilities))

    def _earlier_split(self, batch: Batch) -> tuple[SubBatch, ...] | None:
        """Return the parts of which the ledger has jobs, None if it has none."""
        jobs = [job for job in self._ledger.jobs(experiment=batch.experiment) if job.requested_backend == batch.backend]
        payloads = {job.payload_sha256 for job in jobs}
        for max_circuits in sorted({job.circuits for job in jobs}, reverse=True):
            sub_batches = split_by_size(batch, max_circuits)
            if any(sub_batch.batch.payload_sha256 in payloads for sub_batch in sub_batches):
                return sub_batches
        return None

    def submit_jobs(self, batches: Sequence[Batch], request: SubmitRequest) -> list[JobRecord]:
        """Return the job of each batch, submitted as far as that is possible now.

        All jobs are written down with their reservations in one transaction, then submitted one by one, those of high
        priority first. One that fails does not keep the others from being tried; the first failure is raised at the end.

        Raises:
            Refused: a limit, the policy or the budget said no; nothing was written or sent.
            InvalidInput: there is no such provider or backend.
            ProviderError: as `WriteAheadSubmission.submit_once`; calling again continues.
        """
        items = [self._pending(batch, request) for batch in batches]
        self._admit(items)
        self._plan(items)
        failures: list[QHybridError] = []
        calibrations: dict[str, dict[str, Any]] = {}
        jobs = [item.job for item in items if item.job is not None]
        self._protocol.expect(jobs)
        for index in sorted(range(len(jobs)), key=lambda i: -jobs[i].priority):
            try:
                jobs[index] = self._submit_job(items[index], jobs[index], calibrations)
            except QHybridError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return jobs

    def preview(self, batches: Sequence[Batch], request: SubmitRequest) -> list[Preview]:
        """Return what `submit_jobs` would do with each batch; no job is written down, and nothing is sent.

        Raises:
            Refused: a limit, the policy or one of its budgets says no.
        """
        items = [self._pending(batch, request) for batch in batches]
        self._admit(items)
        new = [item for item in items if item.job is None or item.job.state in ENDED_WITHOUT_RESULT]
        if limits := self._limits(items):
            check_quotes(limits, self._ledger, _quotes(new), self._context.clock.now())
        return [Preview(job=item.job, admission=item.admission) for item in items]

    def latest_job(self, batch: Batch) -> JobRecord | None:
        """Return the last job of a batch as it was requested, wherever that ran; None if it has none."""
        found = None
        for job_id in job_ids_for(batch):
            try:
                found = self._ledger.job(job_id)
            except InvalidInput:
                break
        return found

    def current_job(self, job_id: str) -> JobRecord:
        """Return the job that stands for ``job_id`` now."""
        job = self._ledger.job(job_id)
        while job.rerouted_to is not None:
            try:
                job = self._ledger.job(job.rerouted_to)
            except InvalidInput:  # not written down yet; the next submit of the batch does that
                break
        return job

    def jobs_to_resubmit(self) -> list[JobRecord]:
        """Return the jobs that only go on when their batch is submitted again."""
        waiting = self._ledger.jobs(states=[JobState.PLANNED, JobState.APPROVED, JobState.SUBMITTING])
        moved = self._ledger.jobs(states=[JobState.REROUTED])
        return waiting + [job for job in moved if self.current_job(job.job_id).state is JobState.REROUTED]

    def _pending(self, batch: Batch, request: SubmitRequest) -> _PendingBatch:
        """Return a batch with its job; what a person took elsewhere goes on in that person's name, whoever goes on with it."""
        job = self.latest_job(batch)
        if (
            job is not None
            and job.state is JobState.REROUTED
            and (by := reroute_detail(self._ledger.events(job.job_id)).get("by"))
        ):
            request = replace(request, **(job.request_terms | {"principal": by}))
        return _PendingBatch(batch=batch, request=request, job=job)

    def _admit(self, items: Sequence[_PendingBatch]) -> None:
        """Ask limits, price, policy and health for all that is new or was not sent yet, in groups that ask the same."""
        groups: dict[tuple[tuple[str, ...], str, SubmitRequest], list[_PendingBatch]] = {}
        for item in items:
            if names := self._candidates(item):
                groups.setdefault((names, item.batch.program_id, item.request), []).append(item)
        for (names, _, request), group in groups.items():
            admission = self._admission.admit([item.batch for item in group], request, names)
            for item, quote in zip(group, admission.quotes, strict=True):
                item.admission, item.quote_usd = admission, quote.high_usd

    def _candidates(self, item: _PendingBatch) -> tuple[str, ...]:
        """Return the backends that may take a batch, the wanted one first; none if its job needs no admission."""
        wanted, job = item.batch.backend, item.job
        usual = (wanted, *self._policy.routing.failover.get(wanted, ()))
        if job is None:
            return usual
        if job.state is JobState.APPROVED:  # it stays where it is, if it can; and where a person agreed to, in any case
            others = () if job.approved_by else tuple(name for name in usual if name != job.backend)
            return (job.backend, *others)
        if job.state is JobState.REROUTED:  # taken away from its backend, but not written down for another one yet
            return (reroute_detail(self._ledger.events(job.job_id)).get("backend") or wanted,)
        return usual if item.request.repeat and job.state in ENDED_WITHOUT_RESULT else ()

    def _plan(self, items: Sequence[_PendingBatch]) -> None:
        """Write down what is new, all or none, with its reservations."""
        new = [item for item in items if self._needs_job(item)]
        if not new:
            return
        failpoint("submit.before_intent")
        now, limits = self._context.clock.now(), self._limits(new)
        warning = budget_warning(limits, self._ledger, _quotes(new), now) if limits else None
        try:
            planned = self._ledger.plan_all([self._make_plan(item, warning) for item in new])
        except StaleJob:  # a person was quicker about work that has left its backend; the others are planned without it
            for item in new:
                if item.job is not None and (current := self._ledger.job(item.job.job_id)).version != item.job.version:
                    item.job, item.admission = current, None
            self._plan(items)
            return
        failpoint("submit.planned")
        for item, job in zip(new, planned, strict=True):
            item.job = job
            rejected = item.admission.rejected if item.admission else None
            if rejected is not None and job.state is JobState.PLANNED:
                item.job = self._context.advance_or_reload(
                    job, Event.REJECT, error=str(rejected), detail=error_detail(rejected)
                )

    def _needs_job(self, item: _PendingBatch) -> bool:
        """Tell whether a new job is to be written down for a batch; one that the policy takes elsewhere leaves its backend first."""
        job, admission = item.job, item.admission
        if admission is None:
            return False
        if job is None or job.state is not JobState.APPROVED or admission.route.backend == job.backend:
            return job is None or job.state in ENDED_WITHOUT_RESULT
        if open_cancel_request(self._ledger.events(job.job_id)) is not None:
            return False  # nobody wants it any more, and that is what happens before it would be sent
        check_budget(
            self._ledger,
            job,
            item.quote_usd,
            backend=admission.route.backend,
            limits=self._limits([item]),
            now=self._context.clock.now(),
        )
        item.job = job = self._reroute(job, admission)
        if job.state is JobState.REROUTED and "by" not in reroute_detail(self._ledger.events(job.job_id)):
            return True
        item.admission = None  # a person was quicker, and has ended it, taken it elsewhere or changed its place
        return False

    def _reroute(self, job: JobRecord, admission: Admission) -> JobRecord:
        detail = {"backend": admission.route.backend, "reason": admission.route.reason}
        return self._context.advance_or_reload(job, Event.REROUTE, rerouted_to=next_job_id(job), detail=detail)

    def _limits(self, items: Iterable[_PendingBatch]) -> tuple[SpendingLimit, ...]:
        """Return what the policy, and the schedules that made some experiments, let somebody and all together spend."""
        asked = ((item.batch.experiment, item.request.principal) for item in items)
        return tuple(dict.fromkeys(limit for one in asked for limit in self._context.limits_of(*one)))

    def _make_plan(self, item: _PendingBatch, warning: str | None) -> Plan:
        batch, request, admission = item.batch, item.request, item.admission
        if admission is None:
            raise ValueError("only what was admitted is planned")
        run_number = item.job.run_number + 1 if item.job else 1
        job_id, now = job_id_for(batch, run_number), self._context.clock.now()
        circuits = batch.points * batch.repetitions
        return Plan(
            **request.request_terms,
            job_id=job_id,
            experiment=batch.experiment,
            backend=admission.route.backend,
            provider=self._context.provider_for(admission.route.backend).name,
            payload_sha256=batch.payload_sha256,
            run_number=run_number,
            circuits=circuits,
            shots=circuits * batch.shots,
            token=token_for(job_id, 1, tenant=self._context.tenant, backend=admission.route.backend),
            cost_quoted_usd=item.quote_usd,
            price_source=admission.quotes[0].source,
            budget_usd=request.budget_usd,
            planned_at=now,
            spending_limits=self._limits([item]),
            steps=_initial_events(admission, now, warning if item.quote_usd else None),
            requested_backend=batch.backend,
            environment=self._deployment.environment,
            deadline_at=deadline_for(self._policy.tiers.of(request.tier), now),
            policy_sha256=self._policy.sha256,
            takes_over=item.job if item.job and item.job.state is JobState.REROUTED else None,
        )

    def _submit_job(self, item: _PendingBatch, job: JobRecord, calibrations: dict[str, dict[str, Any]]) -> JobRecord:
        """Submit one job; a provider that asks for a moment is given it, as far as the tier is patient."""
        if job.state not in (JobState.APPROVED, JobState.SUBMITTING):
            return job
        batch = replace(item.batch, backend=job.backend)
        detail = self._calibration_change(job, calibrations)
        retry = self._policy.tiers.of(job.tier).retry
        tries_left = retry.submissions
        while True:
            try:
                with name_call(job.provider, "submit"):
                    job = self._protocol.submit_once(
                        job,
                        batch,
                        pre_submit_check=lambda held: self._check_before_submit(held, item),
                        detail=detail,
                    )
            except Throttled as error:
                self._health.record_failure(job.backend, error)
                wait = error.retry_after_seconds
                if wait is None or wait > retry.wait_seconds or not tries_left:
                    raise
                tries_left -= 1
                self._context.clock.sleep(wait)
                job = self._ledger.job(job.job_id)
            except ProviderError as error:
                self._health.record_failure(job.backend, error)
                raise
            else:
                break
        if job.state is JobState.SUBMITTED:
            self._health.record_success(job.backend)
        # Somebody may have run it again meanwhile, which is another job; theirs is the newer one.
        return (self.latest_job(item.batch) or job) if job.state in ENDED_WITHOUT_RESULT else job

    def _check_before_submit(self, job: JobRecord, item: _PendingBatch) -> JobRecord:
        """Check a job right before it is sent: agreed to at today's price, and its backend in health."""
        self._context.check_clock(job.backend)
        if item.admission is not None:
            limits, now = self._context.limits_of(item.batch.experiment, job.principal), self._context.clock.now()
            transition = price_transition(job, item.admission.decision, item.quote_usd, now, spending_limits=limits)
            job = self._ledger.advance(transition) if transition else job
        if job.state is JobState.APPROVED:
            self._health.admit(job.backend)
            if item.admission is not None and item.admission.route.offline:
                reason = f"{item.admission.route.reason}; the job is kept, and nothing was sent"
                raise CircuitOpen(reason)
        return job

    def _calibration_change(self, job: JobRecord, seen: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Return what the intent notes where the calibration is another one than when the job was planned.

        Args:
            job: about to be sent.
            seen: what was read during this call, by backend.
        """
        if job.state is not JobState.APPROVED:
            return {}
        if job.backend not in seen:
            try:
                seen[job.backend] = calibration_detail(self._admission.calibration(job.backend))
            except ProviderError as error:
                seen[job.backend] = {"calibration_unread": str(error)}
        now = seen[job.backend]
        if not now:
            return {}
        planned = (self._ledger.events(job.job_id)[0].detail or {}).get("calibration_id")
        return {} if now.get("calibration_id") == planned else now | {"calibration_before": planned}


def _quotes(items: Iterable[_PendingBatch]) -> dict[str, float]:
    """Return what some new jobs are quoted together, by the backend where they would run."""
    quotes: dict[str, float] = defaultdict(float)
    for item in items:
        if item.admission is not None:
            quotes[item.admission.route.backend] += item.quote_usd
    return quotes


def _initial_events(admission: Admission, now: datetime, warning: str | None) -> tuple[EventData, ...]:
    detail = {**admission.detail, **({WARNING: warning} if warning else {})}
    planned = EventData(event=Event.PLAN, at=now, detail=detail or None)
    if admission.rejected is not None:
        return (planned,)
    decision = admission.decision
    needs_approval = decision.verdict == "approve"
    decision_detail = {"rule": decision.rule, "reason": decision.reason}
    return (
        planned,
        EventData(event=Event.REQUEST_APPROVAL if needs_approval else Event.APPROVE, at=now, detail=decision_detail),
    )
