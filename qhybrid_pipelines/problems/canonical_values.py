"""What dimod says of assignments by a family's canonical model: the second opinion on objective and feasibility."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64

if TYPE_CHECKING:
    from dimod import ConstrainedQuadraticModel
    from dimod.higherorder.polynomial import BinaryPolynomial


def canonical_values(
    model: ConstrainedQuadraticModel | BinaryPolynomial, variables: Sequence[str], assignments: U8
) -> tuple[F64, npt.NDArray[np.bool_]]:
    """Return the value to be minimised of each row ``(m, n)`` of 0 and 1, and whether it satisfies every constraint.

    Args:
        model: of `Family.model`; a polynomial over spins reads bit ``b`` as ``1 - 2 b`` and has no constraints.
        variables: names of the columns.
        assignments: rows of 0 and 1.
    """
    from dimod import SPIN, ConstrainedQuadraticModel
    from dimod.higherorder.polynomial import BinaryPolynomial

    if isinstance(model, BinaryPolynomial):
        values = 1 - 2 * assignments.astype(np.int8) if model.vartype is SPIN else assignments
        energies = np.asarray(model.energies((values, list(variables))), dtype=np.float64)
        return energies, np.ones(len(assignments), dtype=np.bool_)
    assert isinstance(model, ConstrainedQuadraticModel)
    energies = np.asarray(model.objective.energies((assignments, list(variables))), dtype=np.float64)
    feasible = [model.check_feasible(dict(zip(variables, row.tolist(), strict=True))) for row in assignments]
    return energies, np.array(feasible, dtype=np.bool_)
