"""Bringing results home: fetched once, kept as received before anybody reads them, verified against the request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import pyarrow as pa

from qhybrid_pipelines.control.jobs.submission_protocol import error_detail
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import EventData, JobRecord, Ledger, StaleJob, StoredResult, Transition
from qhybrid_pipelines.core.errors import CorruptResult, JobFailed, Rejected
from qhybrid_pipelines.core.failpoints import failpoint
from qhybrid_pipelines.core.jobs import CircuitBatch, JobState, RawResult
from qhybrid_pipelines.execution.port import Provider

#: What the ledger notes about a result that contradicts its request.
_CORRUPT = {"phase": "verify", "class": "CorruptResult", "retryable": False}


class RawStore(Protocol):
    """As much of `storage.content_store.RawStore` as is needed: bytes kept under their SHA-256."""

    def put(self, content: bytes) -> str:
        """Keep ``content`` durably and return its SHA-256."""

    def get(self, digest: str) -> bytes:
        """Return the content of that SHA-256, checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedResult:
    """A verified result.

    Attributes:
        counts: in `execution.port.COUNTS_SCHEMA`.
        details: what the provider says about the run, for example ``engine``, ``engine_version``, ``compile_seconds``.
    """

    job: JobRecord
    counts: pa.Table
    details: Mapping[str, Any]


class ResultCollector:
    """Fetches and verifies results.

    Args:
        ledger: where that is written.
        get_provider: the provider of a backend's name.
        raw_store: where results are kept as they were received.
        clock: now, in UTC.
    """

    def __init__(
        self,
        ledger: Ledger,
        get_provider: Callable[[str], Provider],
        raw_store: RawStore,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._ledger, self._get_provider, self._raw_store, self._clock = ledger, get_provider, raw_store, clock

    def fetch(self, job: JobRecord) -> JobRecord:
        """Bring the raw result home: on our disk before the ledger says so, and before anybody tries to read it.

        Raises:
            CorruptResult: it is the result of another job.
            ProviderError: the provider could not be reached; calling again continues.
        """
        try:
            failpoint("collect.before_fetch")
            raw = self._get_provider(job.backend).fetch(job.ref)
        except Rejected as error:
            return self._record(job, Event.FAIL, error=str(error), detail=error_detail(error))
        failpoint("collect.fetched")
        result = self._store(raw)
        failpoint("collect.stored")
        if raw.ref != job.ref:
            problem = f"asked for the result of job {job.ref.provider_job_id}, got that of {raw.ref.provider_job_id}"
            now = self._clock()
            steps = (EventData(event=Event.FETCH, at=now), EventData(event=Event.FAIL, at=now, detail=_CORRUPT))
            self._ledger.advance(Transition(job=job, steps=steps, observed_at=now, error=problem, result=result))
            raise CorruptResult(problem)
        job = self._record(job, Event.FETCH, result=result)
        failpoint("collect.recorded")
        return job

    def store_late(self, job: JobRecord) -> JobRecord:
        """Keep the result of a job that had ended before it came; the state stays what it is.

        Raises:
            CorruptResult: it is the result of another job, and not kept.
            ProviderError: the provider does not deliver.
        """
        raw = self._get_provider(job.backend).fetch(job.ref)
        if raw.ref != job.ref:
            raise CorruptResult(f"asked for the late result of job {job.job_id}, got that of another")
        result = self._store(raw)
        failpoint("collect.stored_late")
        return self._record(job, Event.ARRIVE_LATE, result=result)

    def verify(self, job: JobRecord, batch: CircuitBatch) -> CollectedResult:
        """Decode what was kept; the first success is written down, a contradiction ends the job.

        Raises:
            CorruptResult: the result contradicts the batch.
            JobFailed: the ledger does not know where the result is.
        """
        stored = self._ledger.stored_result(job.job_id)
        if stored is None:
            raise JobFailed(f"job {job.job_id} is {job.state}, but the ledger does not know where its result is kept")
        content = self._raw_store.get(stored.sha256)
        raw = RawResult(ref=job.ref, content=content, content_type=stored.content_type)
        provider = self._get_provider(job.backend)
        try:
            counts, details = provider.decode(raw, batch), provider.details(raw)
        except CorruptResult as error:
            if job.state is JobState.FETCHED:
                self._record(job, Event.FAIL, error=str(error), detail=_CORRUPT)
            raise
        failpoint("collect.decoded")
        if job.state is JobState.FETCHED:
            job = self._record(job, Event.VERIFY, engine=details.get("engine"), detail=details)
            failpoint("collect.verified")
        return CollectedResult(job=job, counts=counts, details=details)

    def _store(self, raw: RawResult) -> StoredResult:
        digest = self._raw_store.put(raw.content)
        return StoredResult(sha256=digest, size_bytes=len(raw.content), content_type=raw.content_type)

    def _record(self, job: JobRecord, event: Event, **fields: Any) -> JobRecord:
        """Take one step and return the job; where somebody else was quicker, return what they made of it."""
        try:
            return self._ledger.advance(Transition.single(job, event, self._clock(), **fields))
        except StaleJob:
            return self._ledger.job(job.job_id)
