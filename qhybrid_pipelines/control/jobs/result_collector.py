"""Bringing results home: kept as received before anybody reads them, verified against the request.

A result that is refused was paid for all the same, and one answer may come too early. So the job stays open, its result is
fetched again, which is free, and only a person may give it up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qhybrid_pipelines.control.jobs.answers_to_recheck import needs_a_person
from qhybrid_pipelines.control.jobs.context import JobContext
from qhybrid_pipelines.control.jobs.submission_events import error_detail
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import JobRecord, StoredResult
from qhybrid_pipelines.control.policy.tiers import Tiers
from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors
from qhybrid_pipelines.core.errors import CorruptResult, InvalidInput, JobFailed, QHybridError, Rejected, Unavailable
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, RawResult
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.failpoints import failpoint
from qhybrid_pipelines.core.text.redaction import redact_content, vendor_text
from qhybrid_pipelines.execution.abilities import Ability, with_ability
from qhybrid_pipelines.execution.port import calling

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
        chain_breaks: of an annealed batch, the share of broken chains of each variable.
        readout_errors: returns those of each bit of a circuit's outcomes; None where they are not known.
    """

    job: JobRecord
    counts: pa.Table
    details: Mapping[str, Any]
    chain_breaks: npt.NDArray[np.float64] | None = None
    readout_errors: Callable[[], ReadoutErrors | None] = lambda: None


class ResultCollector:
    """Fetches and verifies results.

    Args:
        context: ledger, providers and time.
        raw_store: where results are kept as they were received.
        tiers: how long a refused result is fetched again.
    """

    def __init__(self, context: JobContext, raw_store: RawStore, tiers: Tiers) -> None:
        self._context, self._raw_store, self._tiers = context, raw_store, tiers

    def fetch(self, job: JobRecord) -> JobRecord:
        """Bring the raw result home: on our disk before the ledger says so, and before anybody tries to read it.

        Raises:
            Unavailable: the provider has no such result, or sent that of another job; calling again continues.
            CorruptResult: as before, and it has been so for too long: a person has to decide.
            ProviderError: the provider could not be reached; calling again continues.
        """
        try:
            failpoint("collect.before_fetch")
            raw = self._download(job)
        except Rejected as error:
            raise self._doubt(job, str(error), error_detail(error)) from None
        failpoint("collect.fetched")
        result = self._store(raw)
        failpoint("collect.stored")
        if raw.ref != job.ref:
            problem = f"asked for the result of job {job.ref.provider_job_id}, got that of {raw.ref.provider_job_id}"
            raise self._doubt(job, problem, _CORRUPT | {"sha256": result.sha256})
        job = self._context.advance_or_reload(job, Event.FETCH, result=result)
        failpoint("collect.recorded")
        return job

    def store_late_result(self, job: JobRecord, *, cost_usd: float | None) -> JobRecord:
        """Do what a provider's "completed" means for a job that has ended without a result.

        One that counted as failed is collected like any other; one that was cancelled, or too late, keeps its state.

        Raises:
            CorruptResult: it is the result of another job, and not kept.
            ProviderError: the provider does not deliver.
        """
        if job.state is JobState.FAILED:
            return self._context.advance_or_reload(job, Event.RECOVER, error="", cost_usd=cost_usd)
        return self.store_late(job)

    def store_late(self, job: JobRecord) -> JobRecord:
        """Keep the result of a job that had ended before it came; the state stays what it is.

        Raises:
            CorruptResult: it is the result of another job, and not kept.
            ProviderError: the provider does not deliver.
        """
        raw = self._download(job)
        if raw.ref != job.ref:
            raise CorruptResult(f"asked for the late result of job {job.job_id}, got that of another")
        result = self._store(raw)
        failpoint("collect.stored_late")
        return self._context.advance_or_reload(job, Event.ARRIVE_LATE, result=result)

    def verify(self, job: JobRecord, batch: Batch) -> CollectedResult:
        """Decode what was kept; the first success is written down, and so is a contradiction.

        Raises:
            Unavailable: the result is not whole, or contradicts the batch; fetching it again may help, and is free.
            CorruptResult: as before, and it has been so for too long: a person has to decide.
            JobFailed: the ledger does not know where the result is.
        """
        stored = self._context.ledger.stored_result(job.job_id)
        if stored is None:
            raise JobFailed(f"job {job.job_id} is {job.state}, but the ledger does not know where its result is kept")
        raw, provider = self._read(job, stored), self._context.provider_for(job.backend)
        try:
            counts, details = provider.decode(raw, batch), _clean(provider.details(raw))
            able = with_ability(provider, Ability.CHAIN_BREAKS)
            chain_breaks = (
                able.chain_breaks(raw, batch) if able is not None and isinstance(batch, AnnealBatch) else None
            )
        except CorruptResult as error:
            if job.state is not JobState.FETCHED:
                raise
            raise self._doubt(job, str(error), _CORRUPT | {"sha256": stored.sha256}) from None
        failpoint("collect.decoded")
        if job.state is JobState.FETCHED:
            # What was said of an earlier answer holds no more.
            believed = _failures(details.get("failed_circuits"), batch) or (None if job.error is None else "")
            job = self._context.advance_or_reload(
                job, Event.VERIFY, engine=details.get("engine"), error=believed, detail=details
            )
            failpoint("collect.verified")
        return CollectedResult(
            job=job,
            counts=counts,
            details=details,
            chain_breaks=chain_breaks,
            readout_errors=partial(self._readout_errors, job, raw, batch, details),
        )

    def _readout_errors(
        self, job: JobRecord, raw: RawResult, batch: Batch, details: Mapping[str, Any]
    ) -> ReadoutErrors | None:
        """Return the readout errors behind a result, from the calibration that it names, else the one that was noted when it was sent."""
        if not isinstance(batch, CircuitBatch):
            return None
        provider, ledger = self._context.provider_for(job.backend), self._context.ledger
        able = with_ability(provider, Ability.READOUT_ERRORS)
        capabilities = self._context.capabilities(job.backend)
        if not capabilities.noisy:
            return ReadoutErrors.none(batch.width)
        if able is None or not capabilities.readout_calibrated:
            return None
        noted = [(event.detail or {}).get("calibration_id") for event in ledger.events(job.job_id)]
        named = [details.get("calibration_id"), *reversed(noted)]
        kept = {one.calibration.calibration_id: one.calibration for one in ledger.calibrations(job.backend)}
        return able.readout_errors(raw, batch, next((kept[each] for each in named if each in kept), None))

    def decode_stored(self, job: JobRecord, batch: Batch) -> pa.Table:
        """Decode what was kept again, through today's decoder: no provider is asked, and nothing is written.

        Args:
            job: also one that failed because its result was refused.
            batch: what it ran.

        Returns:
            The counts in `execution.port.COUNTS_SCHEMA`.

        Raises:
            InvalidInput: no result of this job was ever received.
            CorruptResult: today's decoder refuses it.
            CorruptFile: the kept bytes are gone or changed.
        """
        stored = self._context.ledger.stored_result(job.job_id)
        if stored is None:
            raise InvalidInput(
                f"job {job.job_id} is {job.state}, and no result of it was ever received",
                remedy=f"`qhybrid jobs show {job.job_id}` says what can be done.",
            )
        return self._context.provider_for(job.backend).decode(self._read(job, stored), batch)

    def _doubt(self, job: JobRecord, problem: str, detail: Mapping[str, Any]) -> QHybridError:
        """Write down that what came is not believed, and return what to raise; on this machine it is the end.

        What a simulator here has computed will not change; what a cloud says may, and it was paid.
        """
        if self._context.is_immediate(job.backend):
            self._context.advance_or_reload(job, Event.FAIL, error=problem, detail=detail)
            return CorruptResult(problem)
        job = self._context.advance_or_reload(job, Event.DOUBT_RESULT, error=problem, detail=detail)
        now, tier = self._context.time.present(), self._tiers.of(job.tier)
        said = f"job {job.job_id} was paid, and its result is refused: {problem.rstrip('.')}. The answer is kept"
        if needs_a_person(job, self._context.ledger, tier, now) and self._context.can_measure_time(job.backend):
            return CorruptResult(
                f"{said}, and has been refused for more than {tier.result_grace_seconds:g} seconds: "
                f"`qhybrid jobs fetch {job.job_id}` fetches it once more, which is free"
            )
        return Unavailable(
            f"{said}, and it is fetched again automatically, which costs nothing; `qhybrid jobs fetch {job.job_id}` does it now"
        )

    def _download(self, job: JobRecord) -> RawResult:
        with calling(job.provider, "fetch"):
            return self._context.provider_for(job.backend).fetch(job.ref)

    def _store(self, raw: RawResult) -> StoredResult:
        """Keep a result as it was received, except for our own key where the vendor repeats it."""
        content = redact_content(raw.content)
        digest = self._raw_store.put(content)
        return StoredResult(sha256=digest, size_bytes=len(content), content_type=raw.content_type)

    def _read(self, job: JobRecord, stored: StoredResult) -> RawResult:
        content = self._raw_store.get(stored.sha256)
        return RawResult(ref=job.ref, content=content, content_type=stored.content_type)


def _clean(details: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: vendor_text(value, max_characters=200) if isinstance(value, str) else value
        for name, value in details.items()
    }


def _failures(failed: Sequence[str] | None, batch: Batch) -> str | None:
    """Return which circuits of a job failed one by one, as a sentence; None if none did."""
    if not failed:
        return None
    return f"{len(failed)} of {batch.points * batch.repetitions} circuits failed: {'; '.join(failed[:5])}" + (
        "; and others" if len(failed) > 5 else ""
    )
