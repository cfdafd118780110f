"""What goes to an annealer: a model and its embedding, at some annealing times, chain strengths and gauges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U64
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.jobs.backend_declaration import Plane
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.core.jobs.payload_hash import payload_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnealBatch:
    """Model x points x reads x repetitions for one annealer. A point and repetition is one problem there, programmed anew.

    Attributes:
        model: to be minimised.
        embedding: of the model, on the qubit graph that the backend had when this was planned.
        annealing_times: of each point, microseconds, shape ``(points,)``.
        chain_strengths: of each point, as a factor of Ocean's default, shape ``(points,)``.
        gauges: number of the gauge of each point, 0 turns nothing, shape ``(points,)``.
        gauge_seed: root of the gauges.
        shots: reads per point and repetition.
        seeds: shape ``(points, repetitions)``; an annealer takes none, so they only tell one run from another.
    """

    plane: ClassVar[Plane] = "annealing"
    #: How spins of chains become variables: every chain votes, no read is thrown away, and nothing is improved. What local
    #: search gains is shown apart, and random samples get the same.
    unembedding: ClassVar[str] = "majority_vote"

    experiment: str
    backend: str
    model: IsingModel
    embedding: Embedding
    annealing_times: F64
    chain_strengths: F64
    gauges: npt.NDArray[np.int64]
    gauge_seed: int
    shots: int
    seeds: U64

    @property
    def points(self) -> int:
        """Number of settings."""
        return len(self.annealing_times)

    @property
    def repetitions(self) -> int:
        """Number of independent runs of every point."""
        return int(self.seeds.shape[1])

    @property
    def width(self) -> int:
        """Bits of an outcome: variables of the model, which are fewer than the qubits."""
        return self.model.size

    @property
    def qubits(self) -> int:
        """Qubits that the embedding uses."""
        return len(self.embedding.qubits)

    @property
    def program_id(self) -> str:
        """Hash of the embedding: batches of equal ones have equal prices, and are asked about together."""
        return self.embedding.sha256

    @property
    def payload_sha256(self) -> str:
        """Hash of all that decides the result, the qubit graph included. Not the experiment's name."""
        said = {
            "plane": self.plane,
            "backend": self.backend,
            "shots": self.shots,
            "model": self.model.to_dict(),
            "embedding": self.embedding.to_dict(),
            "gauge_seed": self.gauge_seed,
            "annealing_times": self.annealing_times.tolist(),
            "chain_strengths": self.chain_strengths.tolist(),
            "gauges": self.gauges.tolist(),
        }
        return payload_hash(said, seeds=self.seeds)
