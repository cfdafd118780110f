"""The Ising model as dimod knows it, for solvers that take a binary quadratic model."""

from __future__ import annotations

from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import IsingModel


def to_bqm(model: IsingModel) -> Any:
    """Return the dimod model over spins with integer labels in the model's order; built from arrays, no loops."""
    import dimod

    model.require_quadratic("a binary quadratic model")
    i, j = model.pairs[:, 0], model.pairs[:, 1]
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        np.ascontiguousarray(model.linear), (i, j, np.ascontiguousarray(model.couplings)), model.offset, dimod.SPIN
    )


def has_constant_energy(model: IsingModel) -> bool:
    """Return whether every assignment has the same energy; solvers have nothing to scale their temperature by."""
    return not (np.any(model.linear) or np.any(model.couplings) or len(model.products))
