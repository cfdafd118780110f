"""The one door to the providers: submit, poll, collect, cancel, each step written to the ledger.

Everything here may be killed at any moment and called again. How a batch is submitted exactly once is
`control.submission`; what one look at a provider means is `control.observation`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import pyarrow as pa

from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger, Move, StaleJob, Step, StoredResult
from qhybrid_pipelines.control.lifecycle import OPEN, Event
from qhybrid_pipelines.control.observation import steps_seen
from qhybrid_pipelines.control.submission import Request, Submission, failure
from qhybrid_pipelines.core.errors import CorruptResult, InvalidInput, JobFailed, ProviderError, QHybridError, Rejected
from qhybrid_pipelines.core.failpoints import failpoint
from qhybrid_pipelines.core.jobs import CancelOutcome, CircuitBatch, JobState, RawResult, Snapshot
from qhybrid_pipelines.execution.port import Provider

#: States of a job that no provider has heard of, or that may not have been heard of.
_NOT_ACKNOWLEDGED = frozenset({JobState.PLANNED, JobState.AWAITING_APPROVAL, JobState.APPROVED, JobState.SUBMITTING})


#: What the ledger notes about a result that contradicts its request.
_CORRUPT = {"phase": "verify", "class": "CorruptResult", "retryable": False}


class RawStore(Protocol):
    """As much of `storage.raw.RawStore` as is needed: bytes kept under their SHA-256."""

    def put(self, content: bytes) -> str:
        """Keep ``content`` durably and return its SHA-256."""

    def get(self, digest: str) -> bytes:
        """Return the content of that SHA-256, checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A verified result.

    Attributes:
        counts: in `execution.port.COUNTS_SCHEMA`.
        details: what the provider says about the run, for example ``engine``, ``engine_version``, ``compile_seconds``.
    """

    job: JobRecord
    counts: pa.Table
    details: Mapping[str, Any]


class Dispatcher:
    """The only caller of a provider.

    Args:
        ledger: where every step is written.
        providers: by name, the first part of their backends' names.
        raw_store: where results are kept as they were received.
        clock: now, in UTC.
        sleep: waits for some seconds; used for quarantines only.
        patience_seconds: how long another process may take to hand over the same job.
    """

    def __init__(
        self,
        ledger: Ledger,
        providers: Mapping[str, Provider],
        raw_store: RawStore,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        patience_seconds: float = 900.0,
    ) -> None:
        self.ledger = ledger
        self._providers, self._raw_store, self._clock = providers, raw_store, clock
        self._submission = Submission(ledger, clock=clock, sleep=sleep, patience_seconds=patience_seconds)

    def submit(
        self,
        batch: CircuitBatch,
        *,
        tier: str,
        budget_usd: float,
        requested_at: datetime | None = None,
        repeat: bool = False,
    ) -> JobRecord:
        """Hand a batch to its provider, once: a batch that has a job already gets that job back.

        Args:
            batch: what to run; experiment, backend and payload decide which job it is.
            tier: interactive, batch or scheduled.
            budget_usd: what the experiment may spend over all its backends.
            requested_at: when somebody asked for it; the first part of the job's latency.
            repeat: if the last job of this batch ended without a result, run it again as a new job.

        Returns:
            The job, acknowledged by the provider; or REJECTED by it; or SUBMIT_UNKNOWN, where nobody can say whether the
            provider accepted it and a person has to `resolve` it.

        Raises:
            Refused: a limit or the budget said no; nothing was written or sent.
            Throttled: the provider accepted nothing; the job is APPROVED, and calling again continues it.
            Ambiguous: in doubt, even after looking; the job is SUBMITTING, and calling again continues it.
            ProviderError: the provider could not be reached; calling again continues.
            LockBusy: another process is handing the same job over and takes too long.
            InvalidInput: there is no such provider or backend.
        """
        request = Request(batch=batch, tier=tier, budget_usd=budget_usd, requested_at=requested_at, repeat=repeat)
        return self._submission.run(request, self._provider(batch.backend))

    def resolve(self, job_id: str, provider_job_id: str | None) -> JobRecord:
        """Record what a person found out about a job in SUBMIT_UNKNOWN.

        Args:
            job_id: our id of the job.
            provider_job_id: the provider's id of it, or None if the provider does not have it; then the next
                `submit` makes a further attempt.

        Raises:
            IllegalTransition: the job is in another state.
            ProviderJobTaken: that id belongs to another job.
        """
        job = self.ledger.job(job_id)
        event = Event.DISPROVE if provider_job_id is None else Event.ADOPT
        detail = {"resolved_by": "person"}
        return self.ledger.advance(Move.of(job, event, self._clock(), detail=detail, provider_job_id=provider_job_id))

    def poll(self, jobs: Sequence[JobRecord]) -> list[JobRecord]:
        """Take one look at many jobs, one request per provider, and return them as they stand, in the same order.

        A job never goes back; jobs that no provider holds are returned untouched. A provider that cannot be reached
        does not hide what the others report.

        Raises:
            ProviderError: a provider could not be reached, or said something unknown; everything else was recorded.
            InvalidInput: a provider is not configured here; everything else was recorded.
        """
        by_provider: dict[str, list[JobRecord]] = {}
        for job in jobs:
            if job.state in OPEN:
                by_provider.setdefault(job.provider, []).append(job)
        now_stands: dict[str, JobRecord] = {}
        failures: list[QHybridError] = []
        for group in by_provider.values():
            try:
                moves = self._look(self._provider(group[0].backend), group)
            except (ProviderError, InvalidInput) as error:
                failures.append(error)
                continue
            failpoint("poll.seen")
            now_stands |= {job.job_id: job for job in self.ledger.advance_all(moves)}
            failpoint("poll.recorded")
        if failures:
            raise failures[0]
        return [now_stands.get(job.job_id, job) for job in jobs]

    def collect(self, job_id: str, batch: CircuitBatch) -> Collected:
        """Return the verified result of a job; fetched once, kept as received, decoded from what was kept.

        Raises:
            JobFailed: the job is not finished, or ended without a usable result.
            CorruptResult: the result contradicts the batch; the job has failed, the raw result is kept.
            ProviderError: the provider could not be reached; calling again continues.
            InvalidInput: there is no such job, or it was made for another batch.
        """
        job = self.ledger.job(job_id)
        if job.payload_sha256 != batch.payload_sha256:
            raise InvalidInput(
                f"job {job_id} was made for another batch",
                remedy="Collect it with the batch that it was submitted with.",
            )
        if job.state in OPEN:
            [job] = self.poll([job])
        if job.state is JobState.COMPLETED:
            job = self._fetch(job)
        if job.state not in (JobState.FETCHED, JobState.VERIFIED):
            raise JobFailed(
                f"job {job_id} of experiment '{job.experiment}' on '{job.backend}' is {job.state} and has no result"
                + (f": {job.error}" if job.error else "")
            )
        return self._verify(job, batch)

    def cancel(self, job_id: str) -> JobRecord:
        """Ask for a job to be cancelled and return it as it stands.

        A request is only a request: the job is CANCELLED, or CANCELLING until the provider has decided, or unchanged
        when it came too late. A job in SUBMIT_UNKNOWN has to be resolved first and is returned untouched.

        Raises:
            ProviderError: the provider could not be reached.
        """
        job = self.ledger.job(job_id)
        if job.state in _NOT_ACKNOWLEDGED:
            with self._submission.holding(job_id):
                job = self.ledger.job(job_id)
                if job.state is JobState.SUBMITTING:
                    job = self._submission.clear_up(job, self._provider(job.backend))
                if job.state in _NOT_ACKNOWLEDGED:
                    return self._take(job, Event.CANCEL)
        if job.state not in OPEN:
            return job
        outcome = self._provider(job.backend).cancel(job.ref)
        if outcome is CancelOutcome.CANCELLED:
            return self._take(job, Event.CANCEL)
        if outcome is CancelOutcome.REQUESTED and job.state is not JobState.CANCELLING:
            return self._take(job, Event.ASK_CANCEL)
        return job

    def _provider(self, backend: str) -> Provider:
        name = backend.partition(":")[0]
        if name not in self._providers:
            raise InvalidInput(
                f"there is no provider '{name}' for backend '{backend}'",
                remedy=f"Choose a backend of {', '.join(sorted(self._providers))}.",
                field="backends",
            )
        return self._providers[name]

    def _look(self, provider: Provider, jobs: Sequence[JobRecord]) -> list[Move]:
        """Return the moves that one look at a provider's jobs asks for."""
        snapshots = {shot.ref.provider_job_id: shot for shot in provider.poll([job.ref for job in jobs])}
        now = self._clock()
        moves = []
        for job in jobs:
            snapshot = snapshots.get(job.ref.provider_job_id)
            if snapshot is not None and (steps := steps_seen(job.state, snapshot, now=now)):
                moves.append(_move(job, steps, snapshot, now))
        return moves

    def _fetch(self, job: JobRecord) -> JobRecord:
        """Bring the raw result home: on our disk before the ledger says so, and before anybody tries to read it."""
        try:
            failpoint("collect.before_fetch")
            raw = self._provider(job.backend).fetch(job.ref)
        except Rejected as error:
            return self._take(job, Event.FAIL, error=str(error), detail=failure(error))
        failpoint("collect.fetched")
        digest = self._raw_store.put(raw.content)
        failpoint("collect.stored")
        result = StoredResult(sha256=digest, size_bytes=len(raw.content), content_type=raw.content_type)
        if raw.ref != job.ref:
            problem = f"asked for the result of job {job.ref.provider_job_id}, got that of {raw.ref.provider_job_id}"
            now = self._clock()
            steps = (Step(event=Event.FETCH, at=now), Step(event=Event.FAIL, at=now, detail=_CORRUPT))
            self.ledger.advance(Move(job=job, steps=steps, observed_at=now, error=problem, result=result))
            raise CorruptResult(problem)
        job = self._take(job, Event.FETCH, result=result)
        failpoint("collect.recorded")
        return job

    def _verify(self, job: JobRecord, batch: CircuitBatch) -> Collected:
        """Decode what was kept; the first success is written down, a contradiction ends the job."""
        stored = self.ledger.stored_result(job.job_id)
        if stored is None:
            raise JobFailed(f"job {job.job_id} is {job.state}, but the ledger does not know where its result is kept")
        content = self._raw_store.get(stored.sha256)
        raw = RawResult(ref=job.ref, content=content, content_type=stored.content_type)
        provider = self._provider(job.backend)
        try:
            counts, details = provider.decode(raw, batch), provider.details(raw)
        except CorruptResult as error:
            if job.state is JobState.FETCHED:
                self._take(job, Event.FAIL, error=str(error), detail=_CORRUPT)
            raise
        failpoint("collect.decoded")
        if job.state is JobState.FETCHED:
            job = self._take(job, Event.VERIFY, engine=details.get("engine"), detail=details)
            failpoint("collect.verified")
        return Collected(job=job, counts=counts, details=details)

    def _take(self, job: JobRecord, event: Event, **facts: Any) -> JobRecord:
        """Take one step and return the job; where somebody else was quicker, return what they made of it."""
        try:
            return self.ledger.advance(Move.of(job, event, self._clock(), **facts))
        except StaleJob:
            return self.ledger.job(job.job_id)


def _move(job: JobRecord, steps: tuple[Step, ...], snapshot: Snapshot, now: datetime) -> Move:
    failed = steps[-1].event is Event.FAIL
    return Move(
        job=job,
        steps=steps,
        observed_at=now,
        cost_usd=snapshot.cost_usd,
        error=(snapshot.message or f"the provider reports {snapshot.raw_status}") if failed else None,
    )
