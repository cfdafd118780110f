"""From the spins of qubits back to the variables of the model: each chain votes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.embedding import Embedding


@dataclass(frozen=True, kw_only=True)
class Unembedded:
    """Samples of the model, and how whole the chains were.

    Attributes:
        assignments: shape ``(reads, n)`` of 0 and 1 in the order of the variables; 0 is spin +1, 1 is spin -1.
        broken: shape ``(reads, n)``, whether the qubits of a chain disagreed.
    """

    assignments: U8
    broken: npt.NDArray[np.bool_]

    @property
    def broken_fraction(self) -> float:
        """Share of broken chains over all reads and variables; 0 where there are none."""
        return float(self.broken.mean()) if self.broken.size else 0.0

    @property
    def broken_by_variable(self) -> F64:
        """Share of the reads in which the chain of each variable was broken, shape ``(n,)``."""
        return self.broken.mean(axis=0) if len(self.broken) else np.zeros(self.broken.shape[1])


def majority_vote(spins: npt.NDArray[np.int8], embedding: Embedding, gauge: npt.NDArray[np.int8]) -> Unembedded:
    """Return what the majority of each chain says, turned back from the gauge; no sample is thrown away.

    Args:
        spins: shape ``(reads, k)`` of +1 and -1, one column for each of `Embedding.qubits`.
        embedding: which qubits stand for which variable.
        gauge: per variable -1 where it was programmed upside down, else +1.

    A tie is decided by the first qubit of the chain. Nothing is improved: a vote knows nothing of the energy.

    Raises:
        ValueError: the spins have another width than the embedding, or are not +1 and -1.
    """
    if spins.ndim != 2 or spins.shape[1] != len(embedding.qubits):
        raise ValueError(f"the spins have shape {spins.shape}, the embedding has {len(embedding.qubits)} qubits")
    if not np.isin(spins, (-1, 1)).all():
        raise ValueError("a spin is neither +1 nor -1")
    if not embedding.chains:
        return Unembedded(
            assignments=np.zeros((len(spins), 0), dtype=np.uint8), broken=np.zeros((len(spins), 0), dtype=bool)
        )
    lengths = np.bincount(embedding.variables)
    starts = np.cumsum(lengths) - lengths
    sums = np.add.reduceat(spins.astype(np.int32), starts, axis=1)
    voted = np.where(sums == 0, spins[:, starts], np.sign(sums)) * gauge
    return Unembedded(assignments=(voted < 0).astype(np.uint8), broken=np.abs(sums) < lengths)
