"""Looks at many jobs at once: one request per provider, everything that was seen is written down, problems are returned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from qhybrid_pipelines.control.backends.circuit_breaker import looks_of
from qhybrid_pipelines.control.backends.health import Health
from qhybrid_pipelines.control.jobs.cancel_reason import purpose_of
from qhybrid_pipelines.control.jobs.status_changes import steps_seen
from qhybrid_pipelines.control.jobs.submission_protocol import next_job_id
from qhybrid_pipelines.control.ledger.lifecycle import OPEN, Event
from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger, Move, Step
from qhybrid_pipelines.core.errors import InvalidInput, ProviderError, QHybridError, Rejected, UnknownProviderStatus
from qhybrid_pipelines.core.failpoints import failpoint
from qhybrid_pipelines.core.jobs import JobState, Snapshot
from qhybrid_pipelines.execution.port import Provider

#: Requests that are spent on telling the one odd job of a look from the others.
_SEARCH_REQUESTS = 24


@dataclass(slots=True, kw_only=True)
class Looked:
    """What some looks brought.

    Attributes:
        jobs: those that have changed, as they stand now, by id.
        snapshots: what the provider said of the others that were seen, by id.
        requests: calls of `Provider.poll`.
        problems: what went wrong; everything else was recorded all the same.
    """

    jobs: dict[str, JobRecord] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    requests: int = 0
    problems: list[QHybridError] = field(default_factory=list)


class Looking:
    """Looks at jobs and writes down what was seen.

    Args:
        ledger: where it is written.
        provider_of: the provider of a backend's name; raises `InvalidInput` if there is none.
        health: breakers.
        clock: now, in UTC.
    """

    def __init__(
        self,
        ledger: Ledger,
        provider_of: Callable[[str], Provider],
        *,
        health: Health,
        clock: Callable[[], datetime],
    ) -> None:
        self._ledger, self._provider_of, self._health, self._clock = ledger, provider_of, health, clock

    def look(self, jobs: Sequence[JobRecord]) -> Looked:
        """Look at jobs of one provider.

        The problems of one job, or of the whole provider, hide nothing else that was seen.
        """
        looked = Looked()
        if not jobs:
            return looked
        try:
            provider = self._provider_of(jobs[0].backend)
        except InvalidInput as error:
            looked.problems.append(error)
            return looked
        moves: list[Move] = []
        self._ask(provider, jobs, looked, moves)
        self._note_health(provider.name, looked)
        failpoint("poll.seen")
        before = {job.job_id: job for job in jobs}
        for job in self._ledger.advance_all(moves):
            if job != before[job.job_id]:
                looked.jobs[job.job_id] = job
        failpoint("poll.recorded")
        return looked

    def look_at_all(self, jobs: Sequence[JobRecord]) -> list[JobRecord]:
        """Take one look at jobs of any providers and return them as they stand; raises the first problem at the end."""
        now_stands: dict[str, JobRecord] = {}
        problems: list[QHybridError] = []
        for group in of_providers(jobs).values():
            looked = self.look(group)
            now_stands |= looked.jobs
            problems += looked.problems
        if problems:
            raise problems[0]
        return [now_stands.get(job.job_id, job) for job in jobs]

    def _ask(self, provider: Provider, jobs: Sequence[JobRecord], looked: Looked, moves: list[Move]) -> None:
        """Ask about jobs; where one of them spoils the look for all, find out which."""
        looked.requests += 1
        error: ProviderError | None = None
        try:
            snapshots: Sequence[Snapshot] = provider.poll([job.ref for job in jobs])
        except ProviderError as problem:
            error, snapshots = problem, problem.seen
        by_ref = {shot.ref.provider_job_id: shot for shot in snapshots}
        unseen = []
        for job in jobs:
            shot = by_ref.get(job.ref.provider_job_id)
            if shot is None:
                unseen.append(job)
            else:
                self._seen(job, shot, looked, moves)
        if error is None:
            return
        is_one_odd_job = isinstance(error, Rejected | UnknownProviderStatus)
        if is_one_odd_job and unseen and len(jobs) > 1 and looked.requests < _SEARCH_REQUESTS:
            middle = (len(unseen) + 1) // 2
            for half in (unseen[:middle], unseen[middle:]):
                if half:
                    self._ask(provider, half, looked, moves)
            return
        looked.problems.append(error)
        if not isinstance(error, Rejected) or len(jobs) > 1 or jobs[0].state not in OPEN:
            return
        if provider.capabilities(jobs[0].backend).immediate:
            # What a simulator on this machine does not have any more is gone; a vendor's 404 may be a wrong account.
            now = self._clock()
            detail = {"phase": "poll", "class": "Rejected", "retryable": False}
            moves.append(Move.of(jobs[0], Event.FAIL, now, error=str(error), detail=detail))

    def _seen(self, job: JobRecord, snapshot: Snapshot, looked: Looked, moves: list[Move]) -> None:
        now = self._clock()
        looked.snapshots[job.job_id] = snapshot
        try:
            steps = steps_seen(job.state, snapshot, now=now)
        except UnknownProviderStatus as error:
            looked.problems.append(error)
            return
        if steps:
            moves.append(self._move(job, steps, snapshot, now))

    def _move(self, job: JobRecord, steps: tuple[Step, ...], snapshot: Snapshot, now: datetime) -> Move:
        """Return the move; a job that was cancelled for a purpose ends as that purpose says."""
        last, rerouted_to = steps[-1], None
        if last.event is Event.CANCEL:
            purpose, detail = purpose_of(self._ledger, job)
            rerouted_to = next_job_id(job) if purpose is Event.REROUTE else None
            if purpose is not Event.CANCEL and job.state is not JobState.CANCELLING:
                # whoever asked died before the answer was written down
                steps = (*steps[:-1], replace(last, event=Event.ASK_CANCEL, raw_status=None), last)
            last = replace(last, event=purpose, detail=detail or None)
        failed = last.event is Event.FAIL
        return Move(
            job=job,
            steps=(*steps[:-1], last),
            observed_at=now,
            cost_usd=snapshot.cost_usd,
            rerouted_to=rerouted_to,
            error=(snapshot.message or f"the provider reports {snapshot.raw_status}") if failed else None,
        )

    def _note_health(self, name: str, looked: Looked) -> None:
        errors = [problem for problem in looked.problems if isinstance(problem, ProviderError)]
        if errors and not looked.snapshots:
            self._health.failed(looks_of(name), errors[0])
        elif looked.snapshots:
            self._health.succeeded(looks_of(name))


def of_providers(jobs: Sequence[JobRecord]) -> dict[str, list[JobRecord]]:
    """Return the jobs that a look can tell something about, by provider."""
    groups: dict[str, list[JobRecord]] = {}
    for job in jobs:
        if job.state in OPEN:
            groups.setdefault(job.provider, []).append(job)
    return groups
