"""One round of the poller: which open jobs are due, at most one page of them at a time, and what came of it.

What a round must remember is when each provider's jobs were polled last: the cursor, a small mapping that the caller keeps
and passes in again. Without one everything open is due, which costs one poll and breaks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from qhybrid_pipelines.control.backends.circuit_breaker import blocks_calls, poll_breaker_name
from qhybrid_pipelines.control.jobs.cancellation import Cancellation
from qhybrid_pipelines.control.jobs.context import JobContext
from qhybrid_pipelines.control.jobs.deadlines import is_due
from qhybrid_pipelines.control.jobs.provider_job_search import LISTING_LAG_FACTOR
from qhybrid_pipelines.control.jobs.result_collector import ResultCollector
from qhybrid_pipelines.control.jobs.status_poller import PollResult, StatusPoller, group_by_provider
from qhybrid_pipelines.control.jobs.write_ahead_submission import WriteAheadSubmission
from qhybrid_pipelines.control.ledger.lifecycle import OPEN
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.control.policy.tiers import Tiers
from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.core.jobs.job_states import JobState

#: Jobs in one request to a provider; between two requests the time limit is checked.
PAGE = 250

_ENDED_EARLY = (JobState.EXPIRED, JobState.CANCELLED)
#: Ends after which a provider may have a result all the same.
_LATE_STATES = (*_ENDED_EARLY, JobState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSummary:
    """What one round brought.

    Attributes:
        polled_jobs: jobs that were polled.
        requests: calls of `Provider.poll`.
        changed: jobs whose state has changed.
        waiting: open jobs whose next poll comes later.
        problems: what went wrong; it hid nothing else.
        to_notify: those of ``changed`` that the rules of their tier want people to hear of.
        cursor: pass it to the next round.
    """

    polled_jobs: int = 0
    requests: int = 0
    changed: tuple[JobRecord, ...] = ()
    waiting: int = 0
    problems: tuple[QHybridError, ...] = ()
    to_notify: tuple[JobRecord, ...] = ()
    cursor: Mapping[str, str] = field(default_factory=dict)


class PollSchedule:
    """Makes rounds of polls.

    Args:
        context: ledger, providers and time.
        poller: polls the open jobs.
        collector: keeps results that came late.
        tiers: how often jobs of each tier are polled.
        protocol: lists what was sent.
        cancellation: asks providers for what somebody wanted cancelled and did not live to ask for.
    """

    def __init__(
        self,
        context: JobContext,
        *,
        poller: StatusPoller,
        collector: ResultCollector,
        tiers: Tiers,
        protocol: WriteAheadSubmission,
        cancellation: Cancellation,
    ) -> None:
        self._context, self._protocol, self._cancellation = context, protocol, cancellation
        self._ledger, self._clock = context.ledger, context.time.present_clock
        self._poller, self._collector, self._tiers = poller, collector, tiers

    def poll_due(self, cursor: Mapping[str, str], *, limit_seconds: float | None) -> PollSummary:
        """Poll every job that is due, the provider that waited longest first, and carry out cancellations that wait.

        A round that runs out of time goes on behind the last job it polled, so no job waits for ever.
        """
        end = None if limit_seconds is None else self._clock.monotonic() + limit_seconds
        groups = group_by_provider(self._ledger.jobs(states=OPEN))
        for name, late in self._late_candidates().items():
            groups.setdefault(name, []).extend(late)
        total, after = PollResult(), {name: mark for name, mark in cursor.items() if name in groups}
        polled_jobs = waiting = 0
        for name in sorted(groups, key=lambda name: cursor.get(name, "")):
            now = self._clock.now()
            last_poll, resume_after = _parse_cursor(cursor.get(name))
            due = [job for job in groups[name] if self._is_due(job, last_poll, now)]
            waiting += len(groups[name]) - len(due)
            if blocks_calls(self._ledger.breaker(poll_breaker_name(name)), now):
                waiting += len(due)
                continue
            due = sorted(due, key=lambda job: (job.job_id <= resume_after, job.job_id))
            for start in range(0, len(due), PAGE):
                if end is not None and self._clock.monotonic() >= end:
                    after[name] = _format_cursor(last_poll, due[start - 1].job_id if start else resume_after)
                    waiting += len(due) - start
                    break
                page = due[start : start + PAGE]
                self._poll_page(page, total)
                polled_jobs += len(page)
            else:
                after[name] = _format_cursor(now, "")
            self._find_twins(groups[name], last_poll, now, total)
        if end is None or self._clock.monotonic() < end:
            carried_out = self._cancellation.carry_out(self._poller)
            total.requests, total.jobs = total.requests + carried_out.requests, total.jobs | carried_out.jobs
            total.problems += carried_out.problems
        changed = tuple(total.jobs.values())
        return PollSummary(
            polled_jobs=polled_jobs,
            requests=total.requests,
            changed=changed,
            waiting=waiting,
            problems=tuple(total.problems),
            to_notify=tuple(job for job in changed if job.state.value in self._tiers.of(job.tier).notify),
            cursor=after,
        )

    def _find_twins(
        self, jobs: Sequence[JobRecord], last_poll: datetime | None, now: datetime, total: PollResult
    ) -> None:
        """List what was sent once its provider has to list it: a copy of this home may have sent the same at the same time.

        Within the lag nobody can know; afterwards the home has a question for a person, and sends nothing more.
        """
        if self._context.guard is None or last_poll is None:  # a round that remembers nothing would list everything
            return
        by_backend: dict[str, list[JobRecord]] = {}
        for job in jobs:
            if job.state in OPEN and job.provider_job_id is not None:
                by_backend.setdefault(job.backend, []).append(job)
        for backend, sent in by_backend.items():
            try:
                capabilities = self._context.capabilities(backend)
                lag = timedelta(seconds=LISTING_LAG_FACTOR * capabilities.listing_lag_seconds)
                listed = [job for job in sent if job.updated_at + lag <= now]
                new = [job for job in listed if job.updated_at + lag > last_poll]
                if new and capabilities.dedupe == "tag_lookup":
                    self._protocol.list_labelled(backend, [job.token for job in new])
            except QHybridError as error:
                total.problems.append(error)

    def _is_due(self, job: JobRecord, last_poll: datetime | None, now: datetime) -> bool:
        return is_due(job.updated_at, self._tiers.of(job.tier), last_poll=last_poll, now=now)

    def _poll_page(self, page: Sequence[JobRecord], total: PollResult) -> None:
        seen = self._poller.poll_provider(page)
        total.requests += seen.requests
        total.problems += seen.problems
        total.jobs |= seen.jobs
        for job in page:
            snapshot = seen.snapshots.get(job.job_id)
            if job.state in _LATE_STATES and snapshot is not None and snapshot.state is JobState.COMPLETED:
                try:
                    total.jobs[job.job_id] = self._collector.store_late_result(job, cost_usd=snapshot.cost_usd)
                except QHybridError as error:
                    total.problems.append(error)

    def _late_candidates(self) -> dict[str, list[JobRecord]]:
        """Return ended jobs that their provider may still finish: polled for as long again as they had."""
        groups: dict[str, list[JobRecord]] = {}
        now = self._clock.now()
        for job in self._ledger.jobs(states=_LATE_STATES):
            grace = timedelta(seconds=self._tiers.of(job.tier).deadline_seconds)
            # A failed job may have a result that was refused, and that is another one by now.
            wanted = job.result_sha256 is None or job.state is JobState.FAILED
            if job.provider_job_id is not None and wanted and now - job.updated_at <= grace and self._is_newest(job):
                groups.setdefault(job.provider, []).append(job)
        return groups

    def _is_newest(self, job: JobRecord) -> bool:
        """Tell whether no later job has taken the work over; else a result found now would only be in its way."""
        if job.state is not JobState.FAILED:
            return True
        newest = self._ledger.latest(job.experiment, job.backend, job.payload_sha256)
        return newest is None or newest.job_id == job.job_id


def _format_cursor(last_poll: datetime | None, resume_after: str) -> str:
    return f"{last_poll.isoformat() if last_poll else ''}|{resume_after}"


def _parse_cursor(mark: str | None) -> tuple[datetime | None, str]:
    """Return when a provider's jobs were polled last, and the job behind which a broken round goes on."""
    at, _, resume_after = (mark or "").partition("|")
    return (datetime.fromisoformat(at) if at else None), resume_after
