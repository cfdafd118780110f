"""The kinds of batch that a provider may be given, and what each plane asks of the other's."""

from __future__ import annotations

from typing import TypeAlias

from qhybrid_pipelines.core.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs import CircuitBatch

#: Both have experiment, backend, plane, points, repetitions, shots, seeds, width, qubits, program_id and payload_sha256.
Batch: TypeAlias = CircuitBatch | AnnealBatch


def only_circuits(batch: Batch) -> CircuitBatch:
    """Return a batch for a backend that runs circuits. Raises `Rejected` for any other."""
    if isinstance(batch, CircuitBatch):
        return batch
    raise Rejected(f"{batch.backend} runs circuits, and this is a model for an annealer", request_sent=False)


def only_anneals(batch: Batch) -> AnnealBatch:
    """Return a batch for an annealer. Raises `Rejected` for any other."""
    if isinstance(batch, AnnealBatch):
        return batch
    raise Rejected(f"{batch.backend} anneals models, and this is a circuit", request_sent=False)
