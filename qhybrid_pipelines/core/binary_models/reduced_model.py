"""The reduced model: what reduction leaves to be solved, and the way back to the instance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U8, U64, unpack
from qhybrid_pipelines.core.binary_models.ising import IsingModel


@dataclass(frozen=True, slots=True, kw_only=True)
class ReducedModel:
    """A reduced Ising model, and for every variable of the instance where its value comes from.

    Attributes:
        model: energy to minimise over the ``k`` reduced-model variables; equals the penalised energy of the instance at
            the expanded assignment, offset included. ``k`` may be 0: reduction solved the instance.
        root: shape ``(n,)``; the reduced-model variable that an instance variable copies, -1 where it is a constant.
        value: shape ``(n,)``; the constant where ``root`` is -1, else 1 when the copy is negated.
        cardinality: how many reduced-model variables must be 1, for families with that constraint; otherwise None.
        exact: True when every step kept at least one optimum, so that solving the reduced model solves the instance.
    """

    model: IsingModel
    root: npt.NDArray[np.int32]
    value: U8
    cardinality: int | None
    exact: bool

    @property
    def size(self) -> int:
        """Number of reduced-model variables (qubits)."""
        return self.model.size

    def expand(self, bits: U64) -> U8:
        """Return the ``(m, n)`` instance assignments of ``m`` packed reduced-model outcomes."""
        reduced_model = unpack(bits, self.size)
        rows = np.broadcast_to(self.value, (len(bits), len(self.value))).copy()
        copied = np.flatnonzero(self.root >= 0)
        rows[:, copied] ^= reduced_model[:, self.root[copied]]
        return rows
