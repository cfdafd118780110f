"""The provider `ibm`: the vendor's client in its local testing mode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.core.jobs import (
    BackendStatus,
    Calibration,
    CancelOutcome,
    Capabilities,
    CircuitBatch,
    Compiled,
    Estimate,
    JobRef,
    RawResult,
    Snapshot,
    Template,
)
from qhybrid_pipelines.execution.ibm.local_testing import NAME, LocalTesting
from qhybrid_pipelines.execution.kept_jobs import decode_kept
from qhybrid_pipelines.execution.port import Provider
from qhybrid_pipelines.execution.results import read_head


def build(folder: Path) -> Provider:
    """Return the provider that keeps results and compiled circuits in ``folder``."""
    return IbmProvider(folder)


class IbmProvider:
    """IBM's devices as its client simulates them."""

    name = NAME

    def __init__(self, folder: Path) -> None:
        self.local = LocalTesting(folder)

    def backends(self) -> tuple[str, ...]:
        """Return the full names of the backends it offers."""
        return self.local.backends()

    def capabilities(self, backend: str) -> Capabilities:
        """Return the backend's limits and abilities. Raises `Rejected` for a backend it does not have."""
        return self.local.capabilities(backend)

    def calibration(self, backend: str) -> Calibration | None:
        """Return the newest calibration. Raises `Rejected` for a backend it does not have."""
        return self.local.calibration(backend)

    def status(self, backend: str) -> BackendStatus:
        """Return whether the backend takes jobs now. Raises `Rejected` for a backend it does not have."""
        return self.local.status(backend)

    def prepare(self, template: Template, backend: str, *, level: int, seed: int) -> Compiled:
        """Compile a template; parameters stay free. Raises `Rejected` for a faulty text or one too wide."""
        return self.local.prepare(template, backend, level=level, seed=seed)

    def estimate(self, batch: CircuitBatch) -> Estimate:
        """Return the cost range of a batch."""
        return self.local.estimate(batch)

    def submit(self, batch: CircuitBatch, token: str) -> JobRef:
        """Hand a batch over. The same token gives the same job. Raises `Rejected`."""
        return self.local.submit(batch, token)

    def find(self, backend: str, token: str) -> JobRef | None:
        """Return the job that carries ``token``, or None."""
        return self.local.jobs.find(backend, token)

    def poll(self, refs: Sequence[JobRef]) -> list[Snapshot]:
        """Take one look at many jobs. Raises `Rejected` for a job that is not there."""
        return self.local.jobs.poll(refs)

    def fetch(self, ref: JobRef) -> RawResult:
        """Return the result's bytes. Raises `Rejected` for a job that is not there."""
        return self.local.jobs.fetch(ref)

    def decode(self, raw: RawResult, batch: CircuitBatch) -> pa.Table:
        """Return counts in `COUNTS_SCHEMA`. Raises `CorruptResult` for a result that is not the batch's."""
        return decode_kept(raw, batch)

    def details(self, raw: RawResult) -> dict[str, Any]:
        """Return what a result says about its making. Raises `CorruptResult`."""
        return read_head(raw.content)

    def cancel(self, ref: JobRef) -> CancelOutcome:
        """Return that it is too late: a job is done when it is submitted."""
        return self.local.jobs.cancel(ref)
