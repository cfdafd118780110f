"""The one door to the providers: submit, poll, collect, cancel, each step written to the ledger.

Everything here may be killed at any moment and called again. What happens behind the door: `control.jobs.admission` (whether,
where, for how much), `control.jobs.submitter` (plans and reservations), `control.jobs.write_ahead_submission` (each job once), `control.jobs.status_poller`
and `control.jobs.poll_schedule` (what became of them), `control.jobs.result_collector` (results), `control.jobs.cancellation` (taking a job back), `control.operator_decisions` (what persons decide).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from qhybrid_pipelines.control.backends.embedding import Embedder
from qhybrid_pipelines.control.backends.health import BackendHealth
from qhybrid_pipelines.control.home_identity import HomeGuard
from qhybrid_pipelines.control.jobs.admission import AdmissionControl, SubmitRequest
from qhybrid_pipelines.control.jobs.cancellation import Cancellation
from qhybrid_pipelines.control.jobs.context import JobContext
from qhybrid_pipelines.control.jobs.ledger_clock import ClockDisagreement, LedgerClock
from qhybrid_pipelines.control.jobs.poll_schedule import PollSchedule, PollSummary
from qhybrid_pipelines.control.jobs.result_collector import CollectedResult, RawStore, ResultCollector
from qhybrid_pipelines.control.jobs.status_poller import StatusPoller
from qhybrid_pipelines.control.jobs.submitter import Preview, Submitter
from qhybrid_pipelines.control.jobs.write_ahead_submission import WriteAheadSubmission
from qhybrid_pipelines.control.ledger.lifecycle import OPEN
from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger
from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.control.operator_decisions import OperatorDecisions
from qhybrid_pipelines.control.policy.deployment import Deployment
from qhybrid_pipelines.control.policy.rules import Policy, read_policy
from qhybrid_pipelines.core.errors import InvalidInput, JobFailed, ProviderError, Unavailable
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.circuit_jobs import BackendStatus, Calibration, Capabilities, Estimate, Snapshot
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK, Clock
from qhybrid_pipelines.execution.abilities import Ability, with_ability
from qhybrid_pipelines.execution.port import Provider, calling

#: States of a job that is with its provider, or whose result is there: all of them may be collected.
COLLECTABLE = OPEN | {JobState.COMPLETED, JobState.FETCHED, JobState.VERIFIED}


class Dispatcher:
    """The only caller of a provider.

    Args:
        ledger: where every step is written.
        providers: by name, the first part of their backends' names.
        raw_store: where results are kept as they were received.
        deployment: environment and principal; the default is what the environment variables say.
        policy: what is allowed; the default is the built-in one.
        clock: this machine's time, which counts where the ledger is not on a server; sleeping waits for quarantines, and for providers
            that ask for a moment.
        timeout_seconds: how long another process may take to submit the same job.
        anchor: file with the link of the ledger that was noted outside it, which it must contain before anything is sent.
        home_id: of the home that the ledger belongs to; copies and restored backups keep it.
        guard: checks before anything is sent that this is the home that it says it is; None checks nothing.
        schedule_limits: what the schedule that made an experiment lets its runs spend, by the experiment's key.
    """

    def __init__(
        self,
        ledger: Ledger,
        providers: Mapping[str, Provider],
        raw_store: RawStore,
        *,
        deployment: Deployment | None = None,
        policy: Policy | None = None,
        clock: Clock = SYSTEM_CLOCK,
        timeout_seconds: float = 900.0,
        anchor: Path | None = None,
        home_id: str = "",
        guard: HomeGuard | None = None,
        schedule_limits: Callable[[str], tuple[SpendingLimit, ...]] = lambda _: (),
    ) -> None:
        self.ledger, self.deployment = ledger, deployment or Deployment.from_environment()
        self.policy = policy or read_policy(None)
        self.time = LedgerClock(ledger, clock)
        self._clock = self.time.clock
        self._context = context = JobContext(
            ledger=ledger,
            providers=providers,
            time=self.time,
            anchor=anchor,
            tenant=self.deployment.tenant,
            home_id=home_id,
            guard=guard,
            limits_of=lambda experiment, principal: (
                *self.policy.spending_limits_for(principal),
                *schedule_limits(experiment),
            ),
        )
        for provider in providers.values():
            if able := with_ability(provider, Ability.LABEL_JOBS):
                able.label_jobs(home_id)
        health = BackendHealth(ledger, self.policy.routing.breaker, clock=self.time.present_clock)
        #: Finds embeddings for annealers.
        self.embedder = Embedder(context.provider_for)
        self._protocol = WriteAheadSubmission(context, timeout_seconds=timeout_seconds)
        self._admission = AdmissionControl(context, deployment=self.deployment, policy=self.policy, health=health)
        self._submitter = Submitter(
            context,
            admission=self._admission,
            protocol=self._protocol,
            health=health,
            deployment=self.deployment,
            policy=self.policy,
        )
        self._poller = StatusPoller(context, health=health)
        self._collector = ResultCollector(context, raw_store, self.policy.tiers)
        self._cancellation = Cancellation(context, self._protocol)
        #: What persons decide about single jobs.
        self.decisions = OperatorDecisions(
            context,
            admission=self._admission,
            submitter=self._submitter,
            cancellation=self._cancellation,
            principal=self.deployment.principal,
        )
        self._poll_schedule = PollSchedule(
            context,
            poller=self._poller,
            collector=self._collector,
            cancellation=self._cancellation,
            protocol=self._protocol,
            tiers=self.policy.tiers,
        )

    def capabilities(self, backend: str) -> Capabilities:
        """Return a backend's limits and abilities.

        Raises:
            InvalidInput: there is no such provider.
            ProviderError: it has no such backend, or did not answer.
        """
        return self._context.capabilities(backend)

    def calibration(self, backend: str) -> Calibration | None:
        """Return a backend's newest calibration, None for one that has nothing to calibrate. Raises as `capabilities`."""
        return self._context.calibration(backend)

    def status(self, backend: str) -> BackendStatus:
        """Return whether a backend takes jobs now, and how long its queue is. Raises as `capabilities`."""
        return self._context.status(backend)

    def estimate(self, batch: Batch) -> Estimate:
        """Return the cost range of a batch, before policy and budget are asked. Raises as `capabilities`."""
        return self._context.estimate(batch)

    def missing_setting(self, backend: str) -> str | None:
        """Return what has to be set before a backend's provider can be used; None where it is ready, or does not say.

        Only jobs may ask a provider that nobody has set up; snapshots of the fleet leave it alone.
        """
        provider = with_ability(self._context.provider_for(backend), Ability.MISSING_SETTING)
        return provider.missing_setting() if provider is not None else None

    def key_checks(self) -> Mapping[str, Callable[[], None]]:
        """Return, by provider, a call that needs a valid key; it raises `ProviderError` for any other.

        Only providers that tell everybody their backends' state have one, see `Ability.CHECK_KEY`; of others that is asked.
        """
        able = {name: with_ability(provider, Ability.CHECK_KEY) for name, provider in self._context.providers.items()}
        return {name: partial(_check_key, name, provider.check_key) for name, provider in able.items() if provider}

    # -- submitting ------------------------------------------------------------------------------------------------

    def split(self, batch: Batch, *, to_submit: bool = False) -> tuple[SubBatch, ...]:
        """Return the parts of a batch that each fit into one job of its backend.

        A batch that has jobs already keeps the parts that it was split into, whatever the limits are today: other parts
        would be other jobs, and their circuits would be paid again. That a provider is away is noted for what is `to_submit`.

        Raises:
            Refused: not even one circuit fits.
            InvalidInput: there is no such provider or backend.
        """
        return self._submitter.split(batch, to_submit=to_submit)

    def submit(self, batch: Batch, request: SubmitRequest) -> JobRecord:
        """Submit one batch and return its job. Raises as `submit_all`."""
        [job] = self._submitter.submit_jobs([batch], self._complete(request))
        return job

    def submit_all(self, sub_batches: Sequence[SubBatch], request: SubmitRequest) -> list[JobRecord]:
        """Submit parts to their provider, each once: one that has a job already gets that job back.

        Limits, prices, policy and health are asked first; then all jobs are written down with their reservations in one
        transaction; then they are submitted one by one. One that fails does not keep the others from being tried.

        Args:
            sub_batches: what to run; experiment, requested backend and payload decide which job each is.
            request: who asks for what.

        Returns:
            The jobs in the order of the parts: acknowledged by a provider (the requested one, or one that the policy
            lets stand in for it); or AWAITING_APPROVAL by a person, and submitted by the next call after that; or
            REJECTED; or SUBMIT_UNKNOWN, where nobody can say whether the provider accepted it and a person has to
            `resolve` it.

        Raises:
            Refused: a limit, the policy or the budget said no; nothing was written or sent.
            Throttled: a provider takes nothing for now; its jobs are APPROVED, and calling again continues them.
            Ambiguous: still in doubt after the token was looked up; the job is SUBMITTING, and calling again continues it.
            ProviderError: a provider could not be reached; calling again continues.
            LockBusy: another process is submitting the same job and takes too long.
            InvalidInput: there is no such provider or backend.
        """
        return self._submitter.submit_jobs([sub_batch.batch for sub_batch in sub_batches], self._complete(request))

    def preview(self, sub_batches: Sequence[SubBatch], request: SubmitRequest) -> list[Preview]:
        """Say what `submit_all` would do with each part; no job is written down, and nothing is sent.

        Raises:
            Refused: a limit or the policy says no; says why.
            ProviderError: a provider could not be asked.
        """
        return self._submitter.preview([sub_batch.batch for sub_batch in sub_batches], self._complete(request))

    def latest_job(self, batch: Batch) -> JobRecord | None:
        """Return the last job of a batch as it was requested, wherever that ran; None if it has none."""
        return self._submitter.latest_job(batch)

    def jobs_to_resubmit(self) -> list[JobRecord]:
        """Return jobs that only go on when their batch is submitted again: approved, cut off, or taken elsewhere."""
        return self._submitter.jobs_to_resubmit()

    def find_copies(self, backends: Iterable[str]) -> dict[str, str]:
        """Check all jobs with the home's label; those that the ledger has not sent become a question for a person.

        Nothing is sent. Providers that cannot be asked by token are passed over, and those that nobody has set up.

        Args:
            backends: to be asked.

        Returns:
            By backend, why it could not be asked.
        """
        used = {backend.partition(":")[0] for backend in self.ledger.backends_used()}
        failed = {}
        for backend in backends:
            provider = self._context.provider_for(backend)
            able = with_ability(provider, Ability.MISSING_SETTING)
            missing = able.missing_setting() if able is not None else None
            if missing and provider.name not in used:
                continue
            try:
                if missing:
                    raise Unavailable(missing)
                if with_ability(provider, Ability.LIST_TOKENS) is not None:
                    self._protocol.list_labelled(backend)
            except ProviderError as error:
                failed[backend] = str(error)
        return failed

    def clock_problems(self) -> list[str]:
        """Return why nothing is sent and nothing expires by the clock, one sentence per reason; nobody is asked anything."""
        problems = []
        for provider in self._context.providers:
            try:
                self.time.check(provider)
            except ClockDisagreement as error:
                problems.append(str(error))
        return list(dict.fromkeys(problems))

    def expire_due(self) -> list[JobRecord]:
        """End the jobs whose deadline has passed and return those that changed.

        A provider's jobs are polled first, so that a result that came meanwhile counts, then cancelled. One that its
        provider does not confirm within the tier's time of grace ends EXPIRED all the same; if its result comes
        later, `poll_due` keeps it. What went wrong with a provider is for `poll_due` to report. Nothing ends while two
        clocks disagree, see `clock_problems`.
        """
        return self._cancellation.expire_all(self._poller, self.policy.tiers)

    # -- what became of them ---------------------------------------------------------------------------------------

    def current_job(self, job_id: str) -> JobRecord:
        """Return the job that stands for ``job_id`` now: itself, or the one that took its work over.

        Raises:
            InvalidInput: there is no such job.
        """
        return self._submitter.current_job(job_id)

    def poll(self, jobs: Sequence[JobRecord]) -> list[JobRecord]:
        """Poll many jobs, one request per provider, and return them in their present state, in the same order.

        A job never goes back; jobs that no provider holds are returned untouched. A provider that cannot be reached
        does not hide what the others report, nor does one odd job.

        Raises:
            ProviderError: a provider could not be reached, or said something unknown; everything else was recorded.
            InvalidInput: a provider is not configured here; everything else was recorded.
        """
        return self._poller.poll_all(jobs)

    def poll_due(self, *, limit_seconds: float | None = None, cursor: Mapping[str, str] | None = None) -> PollSummary:
        """Poll the open jobs that are due, each tier at its own pace, and say what came of it; raises nothing of theirs.

        Args:
            limit_seconds: no further request is made after this time.
            cursor: `Polled.cursor` of the round before; without it everything open is due.
        """
        return self._poll_schedule.poll_due(cursor or {}, limit_seconds=limit_seconds)

    def collect(self, job_id: str, batch: Batch) -> CollectedResult:
        """Return the verified result of a job; fetched once, kept as received, decoded from what was kept.

        Args:
            job_id: our id of the job, or of one whose work it took over.
            batch: what was asked for, for whichever backend.

        Raises:
            JobFailed: the job is not finished, or ended without a usable result.
            Unavailable: the result is not whole, or contradicts the batch; it is kept, and calling again fetches it again.
            CorruptResult: as before, and for so long that a person has to decide; on this machine, the job has failed.
            ProviderError: the provider could not be reached; calling again continues.
            InvalidInput: there is no such job, or it was made for another batch.
        """
        job = self.current_job(job_id)
        if replace(batch, backend=job.requested_backend).payload_sha256 != job.payload_sha256:
            raise InvalidInput(
                f"job {job_id} was made for another batch",
                remedy="Collect it with the batch that it was submitted with.",
            )
        if job.state in OPEN:
            [job] = self.poll([job])
        if job.state is JobState.COMPLETED:
            job = self._collector.fetch(job)
        if job.state is JobState.COMPLETED:  # another process fetched it too, and has refused what it got
            raise Unavailable(
                f"the result of job {job.job_id} is not whole yet ({job.error or 'another process looks at it'}); it is "
                f"fetched again by itself, which costs nothing; `qhybrid jobs fetch {job.job_id}` does it now"
            )
        if job.state not in (JobState.FETCHED, JobState.VERIFIED):
            raise JobFailed(
                f"job {job.job_id} of experiment '{job.experiment}' on '{job.backend}' is {job.state} and has no result"
                + (f": {job.error}" if job.error else "")
            )
        return self._collector.verify(job, replace(batch, backend=job.backend))

    def fetch_again(self, job_id: str, batch: Batch) -> JobRecord:
        """Ask the provider once more for the result of a job, which costs nothing, and return the job as it stands.

        Args:
            job_id: our id of a job that its provider has accepted, also one that was taken for failed, was cancelled or
                came too late; the result of the last two is kept and changes nothing.
            batch: what it ran, for whichever backend.

        Raises:
            InvalidInput: the provider never had the job.
            JobFailed: the provider has no result of it.
            ProviderError: the result is not whole yet, or the provider could not be reached.
        """
        job = self.ledger.job(job_id)
        if job.provider_job_id is None:
            raise InvalidInput(
                f"job {job_id} is {job.state}, and no provider has it",
                remedy=f"`qhybrid jobs show {job_id}` says what can be done.",
            )
        if job.state in (JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED):
            [snapshot] = self._poll_one(job)
            if snapshot.state is not JobState.COMPLETED:
                said = f", {snapshot.message}" if snapshot.message else ""
                raise JobFailed(f"job {job_id} has no result: its provider says {snapshot.raw_status}{said}")
            job = self._collector.store_late_result(job, cost_usd=snapshot.cost_usd)
        return self.collect(job_id, batch).job if job.state in COLLECTABLE else job

    def _poll_one(self, job: JobRecord) -> Sequence[Snapshot]:
        provider = self._context.provider_for(job.backend)
        with calling(provider.name, "poll"):
            return provider.poll([job.ref])

    def decode_stored(self, job: JobRecord, batch: Batch) -> pa.Table:
        """Decode a result that was kept again, through today's decoder: no provider is asked, and nothing is written.

        Args:
            job: also one that failed because its result was refused.
            batch: what it ran, for the job's own backend.

        Raises:
            InvalidInput: no result of this job was ever received.
            CorruptResult: today's decoder refuses it.
            CorruptFile: the kept bytes are gone or changed.
        """
        return self._collector.decode_stored(job, batch)

    def _complete(self, request: SubmitRequest) -> SubmitRequest:
        return replace(request, principal=request.principal or self.deployment.principal)


def _check_key(provider: str, check: Callable[[], object]) -> None:
    with calling(provider, "check_key"):
        check()
