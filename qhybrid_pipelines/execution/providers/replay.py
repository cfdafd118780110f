"""The provider `replay`: results that were recorded, through today's decoders. It runs nothing and costs nothing.

Put recordings (`execution.recorded_results.record_result`) into the folder ``recordings`` under this provider's; its backends are
``replay:<provider>.<backend>``, one for each backend that was recorded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import CorruptResult, Rejected
from qhybrid_pipelines.core.jobs import circuit_jobs
from qhybrid_pipelines.core.jobs.backend_declaration import THIS_MACHINE, Declaration
from qhybrid_pipelines.core.jobs.batch_kinds import Batch, only_circuits
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines.execution.engines.aer import NATIVE_GATES, compile_template
from qhybrid_pipelines.execution.poll_one_by_one import poll_each
from qhybrid_pipelines.execution.port import Provider, before_sending
from qhybrid_pipelines.execution.recorded_results import SUFFIX, batch_key, recorded_backends, unpack_recording
from qhybrid_pipelines.execution.stored_jobs import token_ref
from qhybrid_pipelines.execution.write_once_store import ResultStore

NAME = "replay"
_DECLARATION = Declaration(
    backends=f"{NAME}:*",
    vendor="this package",
    plane="gate",
    price_model="free",
    price_source="nothing is run",
    dedupe="token",
    states=(JobState.COMPLETED,),
    times=("submitted", "started", "completed"),
    queue_figures=(),
    queue="none: results are there already",
    limits="only what was recorded",
    calibration="none: what held when a result was recorded is stored with it",
    credential="none needed",
    transport="it reads files",
    region="this machine",
    sdks="this package",
    observability="what was recorded",
    integration="files with recorded results",
    evidence="conformance suite, with recorded results of the local simulators",
    evidence_on=date(2026, 11, 29),
)
DECLARED = (_DECLARATION,)
CONTENT_TYPE = "application/vnd.qhybrid.recording"


def wrap(folder: Path, providers: Mapping[str, Provider]) -> Provider | None:
    """Return the provider if anything was recorded."""
    recordings = folder / "recordings"
    return ReplayProvider(folder, providers) if recorded_backends(recordings) else None


class ReplayProvider:
    """Jobs that are done at once, because their results lie there already."""

    name = NAME
    abilities: frozenset[Ability] = frozenset()

    def __init__(self, folder: Path, providers: Mapping[str, Provider]) -> None:
        self._recordings, self._providers = folder / "recordings", providers
        self._jobs = ResultStore(folder / "jobs")
        self._jobs.sweep_temporary()

    def backends(self) -> tuple[str, ...]:
        """Return one name for each backend that was recorded."""
        return tuple(f"{NAME}:{name}" for name in recorded_backends(self._recordings))

    def capabilities(self, backend: str) -> circuit_jobs.Capabilities:
        """Return that anything goes that was recorded."""
        self._recording_folder(backend)
        return circuit_jobs.Capabilities(
            backend=backend,
            max_qubits=1_000,
            max_shots=100_000_000,
            max_circuits_per_job=1_000_000,
            native_gates=NATIVE_GATES,
            parametric=True,
            simulator=True,
            noisy=False,
            listing_lag_seconds=0.0,
            mode="simulator",
            immediate=True,
            region=THIS_MACHINE,
            **_DECLARATION.capability_fields(),
        )

    def calibration(self, backend: str) -> circuit_jobs.Calibration | None:
        """Return None: what was true when the result was recorded is stored with it."""
        self._recording_folder(backend)
        return None

    def status(self, backend: str) -> circuit_jobs.BackendStatus:
        """Return that it is here and has no queue."""
        self._recording_folder(backend)
        return circuit_jobs.BackendStatus(online=True, queued_jobs=0, queue_seconds=0.0)

    def prepare(self, template: circuit_jobs.Template, backend: str, *, level: int, seed: int) -> circuit_jobs.Compiled:
        """Compile for a simulator, for the circuit's figures only."""
        self._recording_folder(backend)
        return compile_template(template, level=level, seed=seed)

    def estimate(self, batch: Batch) -> circuit_jobs.Estimate:
        """Return a price of nothing: nothing is run."""
        self._recording_folder(batch.backend)
        return circuit_jobs.Estimate(low_usd=0.0, high_usd=0.0, assumptions="nothing is run", source="recordings")

    @before_sending()  # nothing leaves this machine
    def submit(self, batch: Batch, token: str) -> circuit_jobs.JobRef:
        """Return the job of a token; its result is the recording of the same template, bindings, shots and seeds.

        Raises:
            Rejected: nothing of that kind was recorded, or the token belongs to another batch.
        """
        key = batch_key(only_circuits(batch))
        if not (self._recording_folder(batch.backend) / f"{key}{SUFFIX}").is_file():
            raise Rejected("no result of this batch was recorded")
        ref = token_ref(NAME, batch.backend, token)
        note = canonical_json({"backend": batch.backend, "batch": key, "submitted_at": datetime.now(UTC).isoformat()})
        stored = json.loads(self._jobs.write_once(ref.provider_job_id, note.encode()))
        if (stored["backend"], stored["batch"]) != (batch.backend, key):
            raise Rejected("this token belongs to another batch")
        return ref

    def find(self, backend: str, token: str) -> circuit_jobs.JobRef | None:
        """Return the job of a token, or None."""
        ref = token_ref(NAME, backend, token)
        note = self._jobs.read(ref.provider_job_id)
        return ref if note is not None and json.loads(note)["backend"] == backend else None

    def poll(self, refs: Sequence[circuit_jobs.JobRef]) -> list[circuit_jobs.Snapshot]:
        """Return that every job is completed. Raises `Rejected` for one that is not there, with those before in ``seen``."""
        return poll_each(refs, self._snapshot)

    def fetch(self, ref: circuit_jobs.JobRef) -> circuit_jobs.RawResult:
        """Return the recording. Raises `Rejected` for a job that is not there, or whose recording is gone."""
        key = self._job_note(ref)["batch"]
        try:
            content = (self._recording_folder(ref.backend) / f"{key}{SUFFIX}").read_bytes()
        except FileNotFoundError:
            raise Rejected("the recording is gone") from None
        return circuit_jobs.RawResult(ref=ref, content=content, content_type=CONTENT_TYPE)

    def decode(self, raw: circuit_jobs.RawResult, batch: Batch) -> pa.Table:
        """Decode with the decoder of the provider that ran it. Raises `CorruptResult` as that does."""
        recorded = unpack_recording(raw.content)
        return self._recorder(recorded).decode(recorded, replace(batch, backend=recorded.ref.backend))

    def details(self, raw: circuit_jobs.RawResult) -> dict[str, Any]:
        """Return what the result says about its making, and which backend made it."""
        recorded = unpack_recording(raw.content)
        return {**self._recorder(recorded).details(recorded), "recorded_on": recorded.ref.backend}

    def cancel(self, ref: circuit_jobs.JobRef) -> circuit_jobs.CancelOutcome:
        """Return that it is too late: a job is done when it is submitted."""
        self._job_note(ref)
        return circuit_jobs.CancelOutcome.TOO_LATE

    def _recorder(self, recorded: circuit_jobs.RawResult) -> Provider:
        try:
            return self._providers[recorded.ref.provider]
        except KeyError:
            raise CorruptResult(f"there is no decoder for results of '{recorded.ref.provider}' here") from None

    def _recording_folder(self, backend: str) -> Path:
        if backend not in self.backends():
            known = ", ".join(self.backends())
            raise Rejected(f"no backend {backend!r}; there are {known}")
        return self._recordings / backend.partition(":")[2]

    def _job_note(self, ref: circuit_jobs.JobRef) -> dict[str, Any]:
        note = self._jobs.read(ref.provider_job_id)
        if note is None:
            raise Rejected(f"no job {ref.provider_job_id}")
        found: dict[str, Any] = json.loads(note)
        return found

    def _snapshot(self, ref: circuit_jobs.JobRef) -> circuit_jobs.Snapshot:
        at = datetime.fromisoformat(self._job_note(ref)["submitted_at"])
        return circuit_jobs.Snapshot(
            ref=ref,
            state=JobState.COMPLETED,
            raw_status="recorded",
            submitted_at=at,
            started_at=at,
            completed_at=at,
            cost_usd=0.0,
        )
