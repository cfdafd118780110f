"""The provider `ibm`: fake devices in the vendor's local testing mode, and real ones where there is a key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors
from qhybrid_pipelines.core.jobs import circuit_jobs
from qhybrid_pipelines.core.jobs.batch_kinds import Batch, only_circuits
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines.execution.ibm.client import NAME, RuntimeClient
from qhybrid_pipelines.execution.ibm.declarations import FAKE_DEVICES, SERVICE
from qhybrid_pipelines.execution.ibm.local_testing import LocalTesting
from qhybrid_pipelines.execution.ibm.service import Service
from qhybrid_pipelines.execution.poll_one_by_one import poll_each
from qhybrid_pipelines.execution.port import Provider

DECLARED = (FAKE_DEVICES, SERVICE)


def build(folder: Path) -> Provider:
    """Return the provider that keeps results and compiled circuits in ``folder``."""
    return IbmProvider(folder)


class IbmProvider:
    """IBM's devices: ``ibm:fake_*`` on this machine, any other name at the service."""

    name = NAME
    abilities: frozenset[Ability] = frozenset({Ability.LIST_TOKENS, Ability.LABEL_JOBS, Ability.READOUT_ERRORS})

    def __init__(self, folder: Path, client: RuntimeClient | None = None) -> None:
        self.local = LocalTesting(folder)
        self.service = Service(folder, client)

    def backends(self) -> tuple[str, ...]:
        """Return the full names of the backends it offers, without asking the service."""
        return self.local.backends() + self.service.backends()

    def capabilities(self, backend: str) -> circuit_jobs.Capabilities:
        """Return the backend's limits and abilities. Raises `Rejected` for a backend it does not have."""
        return self._owner(backend).capabilities(backend)

    def calibration(self, backend: str) -> circuit_jobs.Calibration | None:
        """Return the newest calibration. Raises `Rejected` for a backend it does not have."""
        return self._owner(backend).calibration(backend)

    def status(self, backend: str) -> circuit_jobs.BackendStatus:
        """Return whether the backend takes jobs now. Raises `Rejected` for a backend it does not have."""
        return self._owner(backend).status(backend)

    def prepare(self, template: circuit_jobs.Template, backend: str, *, level: int, seed: int) -> circuit_jobs.Compiled:
        """Compile a template; parameters stay free. Raises `Rejected` for a faulty text or one too wide."""
        return self._owner(backend).prepare(template, backend, level=level, seed=seed)

    def estimate(self, batch: Batch) -> circuit_jobs.Estimate:
        """Return the cost range of a batch."""
        return self._owner(batch.backend).estimate(only_circuits(batch))

    def submit(self, batch: Batch, token: str) -> circuit_jobs.JobRef:
        """Submit a batch. Raises `Rejected`, `Throttled` or `Ambiguous`.

        On fake devices the same token gives the same job; for the service, look a token up before sending again.
        """
        return self._owner(batch.backend).submit(only_circuits(batch), token)

    def find(self, backend: str, token: str) -> circuit_jobs.JobRef | None:
        """Return the job that carries ``token``, or None."""
        return self._owner(backend).find(backend, token)

    def list_tokens(
        self, backend: str, tokens: Sequence[str], *, known_jobs: Sequence[str] = ()
    ) -> circuit_jobs.TokenListing:
        """Return the listed jobs that carry some tokens; fake devices merge equal tokens, and list none."""
        if self._owner(backend) is self.local:
            return circuit_jobs.TokenListing(jobs={})
        return self.service.list_tokens(backend, tokens, known_jobs=known_jobs)

    def label_jobs(self, home_id: str) -> None:
        """Name a home in the tags of every job that the service is sent from now on."""
        self.service.home_id = home_id

    def poll(self, refs: Sequence[circuit_jobs.JobRef]) -> list[circuit_jobs.Snapshot]:
        """Poll many jobs once; the service is asked once or twice per job.

        Raises:
            ProviderError: a poll failed; ``seen`` holds the snapshots of the jobs before it.
        """
        return poll_each(refs, lambda ref: self._owner(ref.backend).poll([ref])[0])

    def fetch(self, ref: circuit_jobs.JobRef) -> circuit_jobs.RawResult:
        """Return the result's bytes as received."""
        return self._owner(ref.backend).fetch(ref)

    def decode(self, raw: circuit_jobs.RawResult, batch: Batch) -> pa.Table:
        """Return counts in `COUNTS_SCHEMA`. Raises `CorruptResult` for a result that is not the batch's."""
        return self._owner(raw.ref.backend).decode(raw, only_circuits(batch))

    def details(self, raw: circuit_jobs.RawResult) -> dict[str, Any]:
        """Return what a result says about its making: the service's says no more than which device it was."""
        return self._owner(raw.ref.backend).details(raw)

    def readout_errors(
        self,
        raw: circuit_jobs.RawResult,
        batch: circuit_jobs.CircuitBatch,
        calibration: circuit_jobs.Calibration | None,  # noqa: ARG002 - a fake device has one
    ) -> ReadoutErrors | None:
        """Return the readout errors behind a fake device's result; the service does not say which qubits a job ran on."""
        owner = self._owner(raw.ref.backend)
        return owner.readout_errors(raw, batch) if isinstance(owner, LocalTesting) else None

    def cancel(self, ref: circuit_jobs.JobRef) -> circuit_jobs.CancelOutcome:
        """Ask for a job to be cancelled; on fake devices it is always too late."""
        return self._owner(ref.backend).cancel(ref)

    def _owner(self, backend: str) -> LocalTesting | Service:
        return self.local if backend.startswith(f"{NAME}:fake_") else self.service
