"""Which energy differences are real, and which are rounding."""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import IsingModel

#: About 450 units in the last place of the largest sum that an energy can be.
RELATIVE_RESOLUTION = 1e-13


def energy_resolution(model: IsingModel) -> float:
    """Return the smallest energy difference that counts, in cost units of the model.

    An energy is a sum whose terms are at most ``sum |h| + sum |J|`` together, and so is its rounding error.
    """
    sizes = float(np.abs(model.linear).sum() + np.abs(model.couplings).sum())
    return RELATIVE_RESOLUTION * (sizes + float(np.abs(model.products.weights).sum()))
