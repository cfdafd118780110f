"""The kinds of batch that a provider may be given, and what each plane asks of the others'."""

from __future__ import annotations

from typing import TypeAlias

from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.jobs.hybrid_batch import HybridBatch

#: All have experiment, backend, plane, points, repetitions, shots, seeds, width, qubits, program_id and payload_sha256.
Batch: TypeAlias = CircuitBatch | AnnealBatch | HybridBatch

_KINDS = {
    "gate": "a circuit",
    "annealing": "a model for an annealer",
    "hybrid": "a model for a hybrid solver",
}


def only_circuits(batch: Batch) -> CircuitBatch:
    """Return a batch for a backend that runs circuits. Raises `Rejected` for any other."""
    if isinstance(batch, CircuitBatch):
        return batch
    raise Rejected(f"{batch.backend} runs circuits, and this is {_KINDS[batch.plane]}", request_sent=False)


def only_anneals(batch: Batch) -> AnnealBatch:
    """Return a batch for an annealer. Raises `Rejected` for any other."""
    if isinstance(batch, AnnealBatch):
        return batch
    raise Rejected(f"{batch.backend} anneals models, and this is {_KINDS[batch.plane]}", request_sent=False)


def only_hybrids(batch: Batch) -> HybridBatch:
    """Return a batch for a hybrid solver. Raises `Rejected` for any other."""
    if isinstance(batch, HybridBatch):
        return batch
    raise Rejected(f"{batch.backend} is a hybrid solver, and this is {_KINDS[batch.plane]}", request_sent=False)
