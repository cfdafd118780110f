"""Jobs that are done when they are acknowledged: simulations in the caller's process, with their results on disk.

The result lies in a file under a name made from the token, written once. So looking for a token is a look at the disk,
nothing is lost by a kill, and a token can never have two results. All timestamps are this machine's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import CorruptResult, Rejected
from qhybrid_pipelines.core.jobs.batch_kinds import Batch, only_circuits
from qhybrid_pipelines.core.jobs.circuit_jobs import CancelOutcome, CircuitBatch, JobRef, RawResult, Snapshot
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.counts import verify_counts
from qhybrid_pipelines.execution.poll_one_by_one import poll_each
from qhybrid_pipelines.execution.port import before_sending
from qhybrid_pipelines.execution.results import CONTENT_TYPE, encode, read_counts, read_head
from qhybrid_pipelines.execution.write_once_store import ResultStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationResult:
    """What a simulation gave.

    Attributes:
        counts: in `COUNTS_SCHEMA`.
        started_at: when it began, after it was found that it can be run.
        details: what there is to say about it, ready for JSON; see `Provider.details`.
    """

    counts: pa.Table
    started_at: datetime
    details: dict[str, Any]


class StoredJobs(ABC):
    """What the port says about jobs, for a provider that simulates; safe for several processes and for being killed.

    Args:
        name: of the provider.
        folder: for the results.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._store = ResultStore(folder)
        self._store.sweep_temporary()

    @abstractmethod
    def _simulate(self, batch: CircuitBatch) -> SimulationResult:
        """Simulate a batch. Raises `Rejected` for one that cannot be run."""

    @before_sending()  # nothing leaves this machine
    def submit(self, batch: Batch, token: str) -> JobRef:
        """Simulate a batch and store its result. The same token gives the same job, without simulating again.

        Raises:
            Rejected: the batch is malformed, the backend cannot run it, or the token belongs to another batch.
        """
        batch = only_circuits(batch)
        ref = token_ref(self.name, batch.backend, token)
        content = self._store.read(ref.provider_job_id)
        if content is None:
            submitted_at = datetime.now(UTC)
            simulated = self._simulate(batch)
            head = {
                **simulated.details,
                "job": ref.provider_job_id,
                "backend": batch.backend,
                "payload_sha256": batch.payload_sha256,
                "n_qubits": batch.template.n_qubits,
                "submitted_at": submitted_at.isoformat(),
                "started_at": simulated.started_at.isoformat(),
                "completed_at": datetime.now(UTC).isoformat(),
            }
            content = self._store.write_once(ref.provider_job_id, encode(simulated.counts, head))
        stored = read_head(content)
        if (stored["payload_sha256"], stored["backend"]) != (batch.payload_sha256, batch.backend):
            raise Rejected("this token belongs to another batch")
        return ref

    def find(self, backend: str, token: str) -> JobRef | None:
        """Return the job that carries ``token``, or None."""
        ref = token_ref(self.name, backend, token)
        content = self._store.read(ref.provider_job_id)
        return ref if content is not None and read_head(content)["backend"] == backend else None

    def poll(self, refs: Sequence[JobRef]) -> list[Snapshot]:
        """Poll many jobs. Raises `Rejected` for a job that is not there; ``seen`` holds those before it."""
        return poll_each(refs, self._snapshot)

    def fetch(self, ref: JobRef) -> RawResult:
        """Return the result's bytes as they were stored. Raises `Rejected` for a job that is not there."""
        return RawResult(ref=ref, content=self._content(ref), content_type=CONTENT_TYPE)

    def decode(self, raw: RawResult, batch: Batch) -> pa.Table:
        """Return counts in `COUNTS_SCHEMA`.

        Raises:
            CorruptResult: the stream is damaged, or job, payload, width, points or shots do not match the batch.
        """
        return decode_stored(raw, only_circuits(batch))

    def details(self, raw: RawResult) -> dict[str, Any]:
        """Return what a result says about its making: engine, version, seconds, timestamps. Raises `CorruptResult`."""
        return read_head(raw.content)

    def cancel(self, ref: JobRef) -> CancelOutcome:
        """Return that it is too late: a job is done when it is submitted."""
        self._content(ref)
        return CancelOutcome.TOO_LATE

    def _content(self, ref: JobRef) -> bytes:
        content = self._store.read(ref.provider_job_id)
        if content is None:
            raise Rejected(f"no job {ref.provider_job_id}")
        return content

    def _snapshot(self, ref: JobRef) -> Snapshot:
        try:
            head = read_head(self._content(ref))
        except CorruptResult as error:
            return Snapshot(ref=ref, state=JobState.FAILED, raw_status="unreadable", message=str(error))
        return Snapshot(
            ref=ref,
            state=JobState.COMPLETED,
            raw_status="completed",
            submitted_at=datetime.fromisoformat(head["submitted_at"]),
            started_at=datetime.fromisoformat(head["started_at"]),
            completed_at=datetime.fromisoformat(head["completed_at"]),
            cost_usd=0.0,
        )


def token_ref(provider: str, backend: str, token: str) -> JobRef:
    """Return the job of a token, for a provider whose jobs' ids are made of tokens."""
    return JobRef(provider=provider, backend=backend, provider_job_id=f"{provider}-{sha256_hex(token)[:32]}")


def decode_stored(raw: RawResult, batch: CircuitBatch) -> pa.Table:
    """Return the counts of a stored job in `COUNTS_SCHEMA`. Pure.

    Raises:
        CorruptResult: the stream is damaged, or job, payload, width, points or shots do not match the batch.
    """
    head = read_head(raw.content)
    for word, found, expected in (
        ("job", head.get("job"), raw.ref.provider_job_id),
        ("backend", head.get("backend"), batch.backend),
        ("payload", head.get("payload_sha256"), batch.payload_sha256),
        ("width", head.get("n_qubits"), batch.template.n_qubits),
    ):
        if found != expected:
            raise CorruptResult(f"the result's {word} is {found}, expected {expected}")
    counts = read_counts(raw.content)
    verify_counts(counts, batch)
    return counts
