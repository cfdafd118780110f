"""The provider `replay`: results that were recorded, through today's decoders. It runs nothing and costs nothing.

Put recordings (`execution.recordings.record`) into the folder ``recordings`` under this provider's; its backends are
``replay:<provider>.<backend>``, one for each backend that was recorded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.errors import CorruptResult, Rejected
from qhybrid_pipelines.core.jobs import (
    BackendStatus,
    Calibration,
    CancelOutcome,
    Capabilities,
    CircuitBatch,
    Compiled,
    Estimate,
    JobRef,
    JobState,
    RawResult,
    Snapshot,
    Template,
)
from qhybrid_pipelines.execution.engines.aer import NATIVE_GATES, compile_template
from qhybrid_pipelines.execution.port import Provider
from qhybrid_pipelines.execution.recordings import SUFFIX, batch_key, recorded_backends, unpack_recording
from qhybrid_pipelines.execution.store import ResultStore

NAME = "replay"
CONTENT_TYPE = "application/vnd.qhybrid.recording"


def wrap(folder: Path, providers: Mapping[str, Provider]) -> Provider | None:
    """Return the provider if anything was recorded."""
    recordings = folder / "recordings"
    return ReplayProvider(folder, providers) if recorded_backends(recordings) else None


class ReplayProvider:
    """Jobs that are done at once, because their results lie there already."""

    name = NAME

    def __init__(self, folder: Path, providers: Mapping[str, Provider]) -> None:
        self._recordings, self._providers = folder / "recordings", providers
        self._jobs = ResultStore(folder / "jobs")
        self._jobs.sweep_temporary()

    def backends(self) -> tuple[str, ...]:
        """Return one name for each backend that was recorded."""
        return tuple(f"{NAME}:{name}" for name in recorded_backends(self._recordings))

    def capabilities(self, backend: str) -> Capabilities:
        """Return that anything goes that was recorded."""
        self._folder_of(backend, "capabilities")
        return Capabilities(
            backend=backend,
            max_qubits=1_000,
            max_shots=100_000_000,
            max_circuits_per_job=1_000_000,
            native_gates=NATIVE_GATES,
            parametric=True,
            simulator=True,
            noisy=False,
            dedupe="token",
            listing_lag_seconds=0.0,
            states=(JobState.COMPLETED,),
            queue="none: results are there already",
            security="none needed: it reads files",
            mode="simulator",
            immediate=True,
            sdks="this package",
            observability="what was recorded",
            integration="files with recorded results",
        )

    def calibration(self, backend: str) -> Calibration | None:
        """Return None: what was true when the result was recorded stands with the result."""
        self._folder_of(backend, "calibration")
        return None

    def status(self, backend: str) -> BackendStatus:
        """Return that it is here and has no queue."""
        self._folder_of(backend, "status")
        return BackendStatus(online=True, queued_jobs=0, queue_seconds=0.0)

    def prepare(self, template: Template, backend: str, *, level: int, seed: int) -> Compiled:
        """Compile for a simulator, for the circuit's figures only."""
        self._folder_of(backend, "prepare")
        return compile_template(template, level=level, seed=seed, provider=NAME)

    def estimate(self, batch: CircuitBatch) -> Estimate:
        """Return a price of nothing: nothing is run."""
        self._folder_of(batch.backend, "estimate")
        return Estimate(low_usd=0.0, high_usd=0.0, assumptions="nothing is run", source="recordings")

    def submit(self, batch: CircuitBatch, token: str) -> JobRef:
        """Return the job of a token; its result is the recording of the same template, bindings, shots and seeds.

        Raises:
            Rejected: nothing of that kind was recorded, or the token belongs to another batch.
        """
        key = batch_key(batch)
        if not (self._folder_of(batch.backend, "submit") / f"{key}{SUFFIX}").is_file():
            raise Rejected("no result of this batch was recorded", provider=NAME, phase="submit")
        ref = self._ref(batch.backend, token)
        note = canonical_json({"backend": batch.backend, "batch": key, "submitted_at": datetime.now(UTC).isoformat()})
        stored = json.loads(self._jobs.write_once(ref.provider_job_id, note.encode()))
        if (stored["backend"], stored["batch"]) != (batch.backend, key):
            raise Rejected("this token belongs to another batch", provider=NAME, phase="submit")
        return ref

    def find(self, backend: str, token: str) -> JobRef | None:
        """Return the job of a token, or None."""
        ref = self._ref(backend, token)
        note = self._jobs.read(ref.provider_job_id)
        return ref if note is not None and json.loads(note)["backend"] == backend else None

    def poll(self, refs: Sequence[JobRef]) -> list[Snapshot]:
        """Return that every job is completed. Raises `Rejected` for one that is not there."""
        return [self._snapshot(ref) for ref in refs]

    def fetch(self, ref: JobRef) -> RawResult:
        """Return the recording. Raises `Rejected` for a job that is not there, or whose recording is gone."""
        key = self._note(ref, "fetch")["batch"]
        try:
            content = (self._folder_of(ref.backend, "fetch") / f"{key}{SUFFIX}").read_bytes()
        except FileNotFoundError:
            raise Rejected("the recording is gone", provider=NAME, phase="fetch") from None
        return RawResult(ref=ref, content=content, content_type=CONTENT_TYPE)

    def decode(self, raw: RawResult, batch: CircuitBatch) -> pa.Table:
        """Decode with the decoder of the provider that ran it. Raises `CorruptResult` as that does."""
        recorded = unpack_recording(raw.content)
        return self._recorder(recorded).decode(recorded, replace(batch, backend=recorded.ref.backend))

    def details(self, raw: RawResult) -> dict[str, Any]:
        """Return what the result says about its making, and which backend made it."""
        recorded = unpack_recording(raw.content)
        return {**self._recorder(recorded).details(recorded), "recorded_on": recorded.ref.backend}

    def cancel(self, ref: JobRef) -> CancelOutcome:
        """Return that it is too late: a job is done when it is submitted."""
        self._note(ref, "cancel")
        return CancelOutcome.TOO_LATE

    def _recorder(self, recorded: RawResult) -> Provider:
        try:
            return self._providers[recorded.ref.provider]
        except KeyError:
            raise CorruptResult(f"there is no decoder for results of '{recorded.ref.provider}' here") from None

    def _folder_of(self, backend: str, phase: str) -> Path:
        if backend not in self.backends():
            known = ", ".join(self.backends())
            raise Rejected(f"no backend {backend!r}; there are {known}", provider=NAME, phase=phase)
        return self._recordings / backend.partition(":")[2]

    def _ref(self, backend: str, token: str) -> JobRef:
        return JobRef(provider=NAME, backend=backend, provider_job_id=f"{NAME}-{sha256_hex(token)[:32]}")

    def _note(self, ref: JobRef, phase: str) -> dict[str, Any]:
        note = self._jobs.read(ref.provider_job_id)
        if note is None:
            raise Rejected(f"no job {ref.provider_job_id}", provider=NAME, phase=phase)
        found: dict[str, Any] = json.loads(note)
        return found

    def _snapshot(self, ref: JobRef) -> Snapshot:
        at = datetime.fromisoformat(self._note(ref, "poll")["submitted_at"])
        return Snapshot(
            ref=ref,
            state=JobState.COMPLETED,
            raw_status="recorded",
            submitted_at=at,
            started_at=at,
            completed_at=at,
            cost_usd=0.0,
        )
