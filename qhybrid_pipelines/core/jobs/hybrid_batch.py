"""What goes to a hybrid solver: a whole model and a time limit. It has neither settings nor shots, and no qubits are chosen for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from qhybrid_pipelines.core.binary_models.bits import U64
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.canonical import content_hash
from qhybrid_pipelines.core.jobs.backend_declaration import Plane
from qhybrid_pipelines.core.jobs.payload_hash import payload_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class HybridBatch:
    """Model x repetitions for one hybrid solver. A repetition is one problem there, and its answer is one assignment.

    Attributes:
        model: to be minimised.
        time_limit: seconds that the solver may work on each repetition; what is billed.
        shots: answers per repetition, 1.
        seeds: shape ``(1, repetitions)``; a solver takes none, so they only tell one run from another.
    """

    plane: ClassVar[Plane] = "hybrid"

    experiment: str
    backend: str
    model: IsingModel
    time_limit: float
    seeds: U64
    shots: int = 1

    @property
    def points(self) -> int:
        """Number of settings, 1."""
        return int(self.seeds.shape[0])

    @property
    def repetitions(self) -> int:
        """Number of independent runs."""
        return int(self.seeds.shape[1])

    @property
    def width(self) -> int:
        """Bits of an outcome: variables of the model."""
        return self.model.size

    @property
    def qubits(self) -> int:
        """Variables that the solver is given; the vendor does not say which qubits work on them, if any."""
        return self.model.size

    @property
    def program_id(self) -> str:
        """Hash of model and time limit: batches of equal ones have equal prices."""
        return content_hash({"model": self.model.to_dict(), "time_limit": self.time_limit})

    @property
    def payload_sha256(self) -> str:
        """Hash of all that decides the result. Not the experiment's name."""
        said = {
            "plane": self.plane,
            "backend": self.backend,
            "shots": self.shots,
            "model": self.model.to_dict(),
            "time_limit": self.time_limit,
        }
        return payload_hash(said, seeds=self.seeds)
