"""Taking a job back: because somebody asked, because its deadline came, or because its work goes elsewhere.

A job that was never sent to a provider just ends. One that a provider may hold ends only by way of a request to cancel,
which may lose the race against its completion; then its result counts. So nothing is paid twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from qhybrid_pipelines.control.backends.circuit_breaker import blocks_calls, poll_breaker_name
from qhybrid_pipelines.control.jobs.context import JobContext
from qhybrid_pipelines.control.jobs.deadlines import is_overdue
from qhybrid_pipelines.control.jobs.job_ids import next_job_id
from qhybrid_pipelines.control.jobs.ledger_clock import ClockDisagreement
from qhybrid_pipelines.control.jobs.state_transitions import cancel_reason, open_cancel_request, reroute_detail
from qhybrid_pipelines.control.jobs.status_poller import PollResult, StatusPoller, group_by_provider
from qhybrid_pipelines.control.jobs.write_ahead_submission import WriteAheadSubmission
from qhybrid_pipelines.control.ledger.databases.file_locks import LockBusy
from qhybrid_pipelines.control.ledger.lifecycle import CANCEL_REQUEST_MAY_WAIT, OPEN, UNCANCELLED, Event, next_state
from qhybrid_pipelines.control.ledger.port import EventData, EventRecord, JobRecord, StaleJob, Transition
from qhybrid_pipelines.control.policy.tiers import Tier, Tiers
from qhybrid_pipelines.core.errors import Ambiguous, InvalidInput, ProviderError, QHybridError
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.circuit_jobs import CancelOutcome
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.failpoints import failpoint
from qhybrid_pipelines.execution.port import Provider, calling

#: States of a job that was not sent to any provider, or perhaps not.
NOT_ACKNOWLEDGED = frozenset({JobState.PLANNED, JobState.AWAITING_APPROVAL, JobState.APPROVED, JobState.SUBMITTING})
#: Those of which nobody sends one as it is.
_NOT_TO_BE_SENT = frozenset({JobState.PLANNED, JobState.AWAITING_APPROVAL})


def check_same_work(job: JobRecord, batch: Batch) -> Batch:
    """Return a batch as it was requested, if it is the work of ``job`` for another backend than the job's.

    Raises:
        InvalidInput: it is other work, or for the same backend.
        IllegalTransition: the job has ended, or nobody knows whether its provider has it.
    """
    requested = replace(batch, backend=job.requested_backend)
    if requested.payload_sha256 != job.payload_sha256:
        raise InvalidInput(f"job {job.job_id} was made for another batch", remedy="Take the job's own batch.")
    if job.state not in NOT_ACKNOWLEDGED | OPEN:
        next_state(job.state, Event.REROUTE)
    if batch.backend == job.backend and job.state is not JobState.REROUTED:
        raise InvalidInput(f"job {job.job_id} is on '{job.backend}' already", remedy="Name another backend.")
    return requested


class Cancellation:
    """Ends jobs before they are done.

    Args:
        context: ledger, providers and time.
        protocol: clears up what became of a job that may have been sent.
    """

    def __init__(self, context: JobContext, protocol: WriteAheadSubmission) -> None:
        self._context, self._protocol = context, protocol

    def cancel(
        self, job: JobRecord, end: Event, *, detail: Mapping[str, Any] | None = None, rerouted_to: str | None = None
    ) -> JobRecord:
        """Take a job back and return it in its new state: ended, CANCELLING, or going on because it was too late.

        Args:
            job: as it was read.
            end: CANCEL, EXPIRE or REROUTE.
            detail: what the ledger notes.
            rerouted_to: for REROUTE, the job that takes the work over.

        Raises:
            ProviderError: the provider could not be reached.
            LockBusy: another process is submitting it and takes too long; a person's request is in the ledger.
        """
        fields: dict[str, Any] = {"detail": detail, "rerouted_to": rerouted_to}
        job = self._end_unsent(job, end, _NOT_TO_BE_SENT, **fields)
        job = self._record_cancel_request(job, end, detail)
        if job.state in NOT_ACKNOWLEDGED:
            with self._recorded_lock(job, end, detail):
                job = self._record_cancel_request(self._context.ledger.job(job.job_id), end, detail)
                if job.state is JobState.SUBMITTING:
                    job = self._protocol.settle_unacknowledged(job)
                job = self._end_unsent(job, end, NOT_ACKNOWLEDGED - {JobState.SUBMITTING}, **fields)
        if job.state is JobState.REROUTED:
            return self._end_rerouted(job, end, **fields)
        if job.state not in OPEN:
            return job
        with self._protocol.job_lock(job.job_id):  # as long as it is held, whoever recorded the request lives and asks
            job = self._context.ledger.job(job.job_id)
            if job.state in OPEN:
                job = self._record_intent(job, end, detail)
            return self._request_cancel(job, end, **fields) if job.state in OPEN else job

    def _record_cancel_request(
        self, job: JobRecord, end: Event, detail: Mapping[str, Any] | None, *, is_busy: bool = False
    ) -> JobRecord:
        """Write that a person wants a job cancelled or elsewhere that its provider may get, or have, without our knowing it.

        A deadline needs no such event: it is in the ledger, and nothing is sent after it.

        Args:
            job: as it was read.
            end: CANCEL, EXPIRE or REROUTE.
            detail: what the ledger notes.
            is_busy: another process holds its lock, and may be about to send it.
        """
        recorded = {JobState.SUBMITTING, JobState.SUBMIT_UNKNOWN} | ({JobState.APPROVED} if is_busy else set())
        return self._record_intent(job, end, detail) if end is not Event.EXPIRE and job.state in recorded else job

    @contextmanager
    def _recorded_lock(self, job: JobRecord, end: Event, detail: Mapping[str, Any] | None) -> Iterator[None]:
        """Hold the lock of a job; where somebody else has it, a person's request is in the ledger before it is waited for.

        Whoever holds it may be about to send the job, and sees the request before that.
        """
        with ExitStack() as held:
            try:
                held.enter_context(self._context.ledger.job_lock(job.job_id, timeout_seconds=0.0))
            except LockBusy:
                self._record_while_busy(job.job_id, end, detail)
                try:
                    held.enter_context(self._protocol.job_lock(job.job_id))
                except LockBusy as error:
                    if not self._record_while_busy(job.job_id, end, detail):
                        raise
                    raise LockBusy(
                        f"another process is at work on job {job.job_id}. What you asked for is in the ledger: that process sees it "
                        f"before it sends anything, and else the next tick of the sensor qpu_poll carries it out"
                    ) from error
            yield

    def _record_while_busy(self, job_id: str, end: Event, detail: Mapping[str, Any] | None) -> bool:
        """Write a person's request about a job that another process holds, and tell whether it stands in the ledger.

        It is written again where somebody else's event has come in between.
        """
        while True:
            job = self._context.ledger.job(job_id)
            written = self._record_cancel_request(job, end, detail, is_busy=True)
            is_recorded = open_cancel_request(self._context.ledger.events(job_id)) == (end, dict(detail or {}))
            if is_recorded or written.version == job.version:
                return is_recorded

    def _end_unsent(self, job: JobRecord, end: Event, states: Collection[JobState], **fields: Any) -> JobRecord:
        """End a job in some states, although somebody may approve it or put it first at this very moment."""
        while job.state in states:
            try:
                return self._context.advance(job, end, **fields)
            except StaleJob:
                job = self._context.ledger.job(job.job_id)
        return job

    def _end_rerouted(
        self, job: JobRecord, end: Event, *, detail: Mapping[str, Any] | None, rerouted_to: str | None
    ) -> JobRecord:
        """Let a later word count about work that has left its backend, as long as no other job has taken it over.

        The ledger writes the word or the job that takes the work over, never both; where that was quicker, it is the one that
        is meant.
        """
        if end is Event.EXPIRE or (
            end is Event.REROUTE and reroute_detail(self._context.ledger.events(job.job_id)) == dict(detail or {})
        ):
            return job
        while job.state is JobState.REROUTED:
            if (successor := self._successor(job)) is not None:
                return self.cancel(successor, end, detail=detail) if end is Event.CANCEL else job
            try:
                return self._context.advance(job, end, detail=detail, rerouted_to=rerouted_to)
            except StaleJob:
                job = self._context.ledger.job(job.job_id)
        return job

    def _successor(self, job: JobRecord) -> JobRecord | None:
        """Return the job that has taken the work of ``job`` over; None where none was written down."""
        found = self._context.ledger.jobs(ids=[job.rerouted_to]) if job.rerouted_to else []
        return found[0] if found else None

    def intend(self, jobs: Sequence[JobRecord], detail: Mapping[str, Any]) -> None:
        """Write in one transaction that jobs are to be cancelled, before the first of their providers is asked, or one of them is sent.

        A process that dies while it asks them one by one leaves no job behind: `carry_out` asks for the others.
        """
        recorded = CANCEL_REQUEST_MAY_WAIT | {JobState.CANCELLING, JobState.SUBMIT_UNKNOWN}
        events = self._context.ledger.histories([job.job_id for job in jobs if job.state in recorded])
        steps = [
            Transition.single(
                job, Event.INTEND_CANCEL, self._context.clock.now(), detail={"purpose": Event.CANCEL} | dict(detail)
            )
            for job in jobs
            if job.job_id in events and not _is_recorded(job, events[job.job_id], Event.CANCEL, detail)
        ]
        self._context.ledger.advance_all(steps)

    def carry_out(self, poller: StatusPoller) -> PollResult:
        """Ask for what somebody wanted cancelled, where the process that was to ask for it has died; each request once.

        The jobs are polled first, so that a result that came meanwhile counts. What goes wrong is a problem of the result, and
        the next round tries again. Deadlines are left to `expire_all`, because clocks have a say in those. A job that was being
        submitted is looked up first, and ends where its provider does not have it; nothing is sent.
        """
        total = PollResult()
        self._cancel_unaccepted(total)
        wanted = self._context.ledger.jobs(states=UNCANCELLED, cancel_intended=True)
        for name, group in group_by_provider(wanted).items():
            if blocks_calls(self._context.ledger.breaker(poll_breaker_name(name)), self._context.time.present()):
                continue
            seen = poller.poll_provider(group)
            total.requests, total.jobs = total.requests + seen.requests, total.jobs | seen.jobs
            total.problems += seen.problems
            for before in group:
                if before.job_id not in seen.snapshots:
                    continue
                try:
                    job = self._carry_out_one(before.job_id)
                except QHybridError as error:
                    total.problems.append(error)
                    continue
                if job != before:
                    total.jobs[job.job_id] = job
        return total

    def _cancel_unaccepted(self, total: PollResult) -> None:
        """Look for jobs that somebody wants back and of which nobody knew whether their provider has them; note what changed."""
        for before in self._context.ledger.jobs(states=CANCEL_REQUEST_MAY_WAIT - UNCANCELLED, cancel_intended=True):
            if blocks_calls(
                self._context.ledger.breaker(poll_breaker_name(before.provider)), self._context.time.present()
            ):
                continue
            try:
                job = self.cancel_unaccepted(before.job_id)
            except Ambiguous:
                continue  # it may still be accepted; a later round knows
            except QHybridError as error:
                total.problems.append(error)
                continue
            if job != before:
                total.jobs[job.job_id] = job

    def cancel_unaccepted(self, job_id: str) -> JobRecord:
        """End a job that somebody wants back and that its provider does not have, unless it is just being submitted.

        Raises:
            Ambiguous: nobody can tell yet.
        """
        ledger = self._context.ledger
        try:
            with ledger.job_lock(job_id, timeout_seconds=0.0):
                job = ledger.job(job_id)
                request = (
                    open_cancel_request(ledger.events(job_id))
                    if job.state in CANCEL_REQUEST_MAY_WAIT - UNCANCELLED
                    else None
                )
                if request is None:
                    return job
                if job.state is JobState.SUBMITTING:
                    job = self._protocol.settle_unacknowledged(job, wait=False)
                if job.state is not JobState.APPROVED:
                    return job
                failpoint("cancel.unsent")
                end, detail = request
                rerouted_to = next_job_id(job) if end is Event.REROUTE else None
                return self._context.advance_or_reload(job, end, detail=detail, rerouted_to=rerouted_to)
        except LockBusy:
            return ledger.job(job_id)

    def _carry_out_one(self, job_id: str) -> JobRecord:
        """Ask for one job, unless whoever wanted it is just doing that."""
        ledger = self._context.ledger
        try:
            with ledger.job_lock(job_id, timeout_seconds=0.0):
                job = ledger.job(job_id)
                request = open_cancel_request(ledger.events(job_id)) if job.state in UNCANCELLED else None
                if request is None or request[0] is Event.EXPIRE:
                    return job
                end, detail = request
                rerouted_to = next_job_id(job) if end is Event.REROUTE else None
                return self._request_cancel(job, end, detail=detail, rerouted_to=rerouted_to)
        except LockBusy:
            return ledger.job(job_id)

    def _request_cancel(self, job: JobRecord, end: Event, **fields: Any) -> JobRecord:
        """Ask the provider to cancel a job that it holds, and write its answer."""
        failpoint("cancel.before_call")
        provider = self._context.provider_for(job.backend)
        with calling(provider.name, "cancel"):
            outcome = provider.cancel(job.ref)
        failpoint("cancel.answered")
        if outcome is CancelOutcome.CANCELLED:
            return self._record_confirmed(job, end, cost_usd=_cost_usd(provider, job), **fields)
        if outcome is CancelOutcome.REQUESTED or end is Event.EXPIRE:
            return self._record_request(job, end, fields["detail"])
        if job.state is JobState.CANCELLING:
            return job
        detail = {"purpose": end} | dict(fields["detail"] or {})
        return self._context.advance_or_reload(job, Event.CANCEL_TOO_LATE, detail=detail)

    def expire(self, job: JobRecord, tier: Tier) -> JobRecord:
        """End a job whose deadline has passed; one that its provider never confirms to be cancelled ends all the same.

        Raises:
            ProviderError: the provider could not be reached, and its time of grace is not over yet.
        """
        now, grace = self._context.time.present(), timedelta(seconds=tier.cancel_grace_seconds)
        if job.state is JobState.CANCELLING:
            if now - job.updated_at < grace:
                return job
            return self._context.advance_or_reload(job, Event.EXPIRE, detail={"confirmed": False})
        try:
            return self.cancel(job, Event.EXPIRE)
        except ProviderError:
            if job.state not in OPEN or job.deadline_at is None or now - job.deadline_at < grace:
                raise
            self._record_request(job, Event.EXPIRE, {"answered": False})
            raise

    def expire_all(self, poller: StatusPoller, tiers: Tiers) -> list[JobRecord]:
        """Check all jobs whose deadline has passed, end those that are not done, and return those that changed."""
        alive = self._context.ledger.jobs(states=NOT_ACKNOWLEDGED | OPEN)
        overdue = [job for job in alive if is_overdue(job.deadline_at, self._context.time.present())]
        seen: dict[str, JobRecord] = {}
        for group in group_by_provider(overdue).values():
            seen |= poller.poll_provider(group).jobs
        changed = []
        for before in overdue:
            job = seen.get(before.job_id, before)
            if job.state in NOT_ACKNOWLEDGED | OPEN:
                try:
                    self._context.check_clock(job.backend, ask=True)
                    job = self.expire(job, tiers.of(job.tier))
                # The next round of polls meets and reports it.
                except (ProviderError, InvalidInput, ClockDisagreement, LockBusy):
                    job = self._context.ledger.job(job.job_id)
            if job != before:
                changed.append(job)
        return changed

    def _record_confirmed(
        self,
        job: JobRecord,
        end: Event,
        *,
        detail: Mapping[str, Any] | None,
        rerouted_to: str | None,
        cost_usd: float | None,
    ) -> JobRecord:
        """Write the end of a job that its provider has cancelled; expiry and rerouting lead over CANCELLING."""
        if end is Event.CANCEL or job.state is JobState.CANCELLING:
            return self._context.advance_or_reload(job, end, detail=detail, rerouted_to=rerouted_to, cost_usd=cost_usd)
        now = self._context.clock.now()
        steps = (
            EventData(event=Event.REQUEST_CANCEL, at=now, detail={"purpose": end}),
            EventData(event=end, at=now, detail=detail),
        )
        return self._context.write_or_reload(
            Transition(job=job, steps=steps, observed_at=now, rerouted_to=rerouted_to, cost_usd=cost_usd)
        )

    def _record_intent(self, job: JobRecord, end: Event, detail: Mapping[str, Any] | None) -> JobRecord:
        """Write for which purpose the provider is asked next, and who wants it; the same request is not written twice.

        Whoever sees the provider's answer after a crash knows both from here.
        """
        if _is_recorded(job, self._context.ledger.events(job.job_id), end, detail):
            return job
        return self._context.advance_or_reload(job, Event.INTEND_CANCEL, detail={"purpose": end} | dict(detail or {}))

    def _record_request(self, job: JobRecord, end: Event, detail: Mapping[str, Any] | None) -> JobRecord:
        """Write that the provider was asked, and for which purpose."""
        if job.state is JobState.CANCELLING:
            return job
        return self._context.advance_or_reload(job, Event.REQUEST_CANCEL, detail={"purpose": end} | dict(detail or {}))


def _is_recorded(job: JobRecord, events: Sequence[EventRecord], end: Event, detail: Mapping[str, Any] | None) -> bool:
    """Tell whether the ledger has a request already; of a job that is CANCELLING only another purpose is news."""
    if job.state is JobState.CANCELLING:
        return cancel_reason(events)[0] is end
    return open_cancel_request(events) == (end, dict(detail or {}))


def _cost_usd(provider: Provider, job: JobRecord) -> float | None:
    """Return what the provider charges for a job that it has cancelled, None where it does not say; then the quote counts."""
    try:
        with calling(provider.name, "poll"):
            snapshots = provider.poll([job.ref])
    except ProviderError:
        return None
    return next((snapshot.cost_usd for snapshot in snapshots if snapshot.state is JobState.CANCELLED), None)
