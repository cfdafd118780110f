"""Looks at many jobs at once: one request per provider, everything that was seen is written down, problems are returned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from qhybrid_pipelines.control.backends.circuit_breaker import poll_breaker_name
from qhybrid_pipelines.control.backends.health import BackendHealth
from qhybrid_pipelines.control.jobs.answers_to_recheck import SEEN_AT, failure_reported_at
from qhybrid_pipelines.control.jobs.context import JobContext
from qhybrid_pipelines.control.jobs.job_ids import next_job_id
from qhybrid_pipelines.control.jobs.state_transitions import cancel_reason, events_from_snapshot
from qhybrid_pipelines.control.ledger.lifecycle import OPEN, Event
from qhybrid_pipelines.control.ledger.port import EventData, JobRecord, Transition
from qhybrid_pipelines.core.errors import InvalidInput, ProviderError, QHybridError, Rejected, UnknownProviderStatus
from qhybrid_pipelines.core.jobs.circuit_jobs import Snapshot
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.failpoints import failpoint
from qhybrid_pipelines.execution.port import Provider, calling

#: Requests that are spent on finding the one odd job of a poll among the others.
_SEARCH_REQUESTS = 24
#: A failure is believed when a poll so much later says the same.
FAILURE_CONFIRMED_AFTER = timedelta(seconds=2)


@dataclass(slots=True, kw_only=True)
class PollResult:
    """What some polls brought.

    Attributes:
        jobs: those that have changed, in their present state, by id.
        snapshots: what the provider said of the others that were seen, by id.
        requests: calls of `Provider.poll`.
        problems: what went wrong; everything else was recorded all the same.
    """

    jobs: dict[str, JobRecord] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    requests: int = 0
    problems: list[QHybridError] = field(default_factory=list)


class StatusPoller:
    """Looks at jobs and writes down what was seen.

    Args:
        context: ledger, providers and time.
        health: breakers.
    """

    def __init__(self, context: JobContext, *, health: BackendHealth) -> None:
        self._context, self._health = context, health

    def poll_provider(self, jobs: Sequence[JobRecord]) -> PollResult:
        """Poll jobs of one provider.

        The problems of one job, or of the whole provider, hide nothing else that was seen.
        """
        result = PollResult()
        if not jobs:
            return result
        try:
            provider = self._context.provider_for(jobs[0].backend)
        except InvalidInput as error:
            result.problems.append(error)
            return result
        transitions: list[Transition] = []
        self._poll(provider, jobs, result, transitions)
        self._record_health(provider.name, result)
        failpoint("poll.seen")
        before = {job.job_id: job for job in jobs}
        for job in self._context.ledger.advance_all(transitions):
            if job != before[job.job_id]:
                result.jobs[job.job_id] = job
        failpoint("poll.recorded")
        return result

    def poll_all(self, jobs: Sequence[JobRecord]) -> list[JobRecord]:
        """Poll jobs of any providers once and return them in their present state; raises the first problem at the end."""
        current_jobs: dict[str, JobRecord] = {}
        problems: list[QHybridError] = []
        for group in group_by_provider(jobs).values():
            result = self.poll_provider(group)
            current_jobs |= result.jobs
            problems += result.problems
        if problems:
            raise problems[0]
        return [current_jobs.get(job.job_id, job) for job in jobs]

    def _poll(
        self, provider: Provider, jobs: Sequence[JobRecord], result: PollResult, transitions: list[Transition]
    ) -> None:
        """Ask about jobs; where one of them spoils the poll for all, find out which."""
        result.requests += 1
        error: ProviderError | None = None
        try:
            with calling(provider.name, "poll"):
                snapshots: Sequence[Snapshot] = provider.poll([job.ref for job in jobs])
        except ProviderError as problem:
            error, snapshots = problem, problem.seen
        by_ref = {snapshot.ref.provider_job_id: snapshot for snapshot in snapshots}
        unseen = []
        for job in jobs:
            snapshot = by_ref.get(job.ref.provider_job_id)
            if snapshot is None:
                unseen.append(job)
            else:
                self._record_snapshot(job, snapshot, result, transitions)
        if error is None:
            return
        is_one_odd_job = isinstance(error, Rejected | UnknownProviderStatus)
        if is_one_odd_job and unseen and len(jobs) > 1 and result.requests < _SEARCH_REQUESTS:
            middle = (len(unseen) + 1) // 2
            for half in (unseen[:middle], unseen[middle:]):
                if half:
                    self._poll(provider, half, result, transitions)
            return
        result.problems.append(error)
        if not isinstance(error, Rejected) or len(jobs) > 1 or jobs[0].state not in OPEN:
            return
        if self._context.is_immediate(jobs[0].backend):
            # What a simulator on this machine does not have any more is gone; a vendor's 404 may be a wrong account.
            now = self._context.clock.now()
            detail = {"phase": "poll", "class": "Rejected", "retryable": False}
            transitions.append(Transition.single(jobs[0], Event.FAIL, now, error=str(error), detail=detail))

    def _record_snapshot(
        self, job: JobRecord, snapshot: Snapshot, result: PollResult, transitions: list[Transition]
    ) -> None:
        now = self._context.clock.now()
        result.snapshots[job.job_id] = snapshot
        try:
            with calling(job.provider, "poll"):
                steps = events_from_snapshot(job.state, snapshot, now=now)
        except UnknownProviderStatus as error:
            result.problems.append(error)
            return
        if steps and steps[-1].event is Event.FAIL:
            steps = self._confirm_failure(job, steps, now)
        if steps:
            transitions.append(self._make_transition(job, steps, snapshot, now))

    def _confirm_failure(self, job: JobRecord, steps: tuple[EventData, ...], now: datetime) -> tuple[EventData, ...]:
        """Return the steps for a failure that was just reported: its end only if an earlier poll said the same.

        A provider was seen to call a job failed that it had as completed a moment later; a second poll costs nothing.
        """
        if self._context.is_immediate(job.backend):
            return steps
        time = self._context.time
        reported_at, true_present = failure_reported_at(self._context.ledger.events(job.job_id)), None
        if reported_at is None or time.is_ahead(reported_at):
            true_present = time.true_present(job.provider)
            if reported_at is None or true_present is not None:
                detail = dict(steps[-1].detail or {}) | ({SEEN_AT: true_present.isoformat()} if true_present else {})
                report = replace(steps[-1], event=Event.REPORT_FAILURE, at=now, clock="observed", detail=detail or None)
                return (*steps[:-1], report)
            return ()
        has_passed = time.present() - reported_at >= FAILURE_CONFIRMED_AFTER
        return steps if has_passed and self._context.can_measure_time(job.backend) else ()

    def _make_transition(
        self, job: JobRecord, steps: tuple[EventData, ...], snapshot: Snapshot, now: datetime
    ) -> Transition:
        """Return the move; a job that was cancelled for a purpose ends as that purpose says."""
        last, rerouted_to = steps[-1], None
        if last.event is Event.CANCEL:
            reason, detail = cancel_reason(self._context.ledger.events(job.job_id))
            rerouted_to = next_job_id(job) if reason is Event.REROUTE else None
            if reason is not Event.CANCEL and job.state is not JobState.CANCELLING:
                # whoever asked died before the answer was written down
                steps = (*steps[:-1], replace(last, event=Event.REQUEST_CANCEL, raw_status=None), last)
            last = replace(last, event=reason, detail=detail or None)
        failed = last.event is Event.FAIL
        return Transition(
            job=job,
            steps=(*steps[:-1], last),
            observed_at=now,
            cost_usd=snapshot.cost_usd,
            rerouted_to=rerouted_to,
            error=(snapshot.message or f"the provider reports {snapshot.raw_status}") if failed else None,
        )

    def _record_health(self, name: str, result: PollResult) -> None:
        errors = [problem for problem in result.problems if isinstance(problem, ProviderError)]
        if errors and not result.snapshots:
            self._health.record_failure(poll_breaker_name(name), errors[0])
        elif result.snapshots:
            self._health.record_success(poll_breaker_name(name))


def group_by_provider(jobs: Sequence[JobRecord]) -> dict[str, list[JobRecord]]:
    """Return the jobs that a poll can tell something about, by provider."""
    groups: dict[str, list[JobRecord]] = {}
    for job in jobs:
        if job.state in OPEN:
            groups.setdefault(job.provider, []).append(job)
    return groups
