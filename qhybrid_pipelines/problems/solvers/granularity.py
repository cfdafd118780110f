"""The step between possible energies of a model whose coefficients are decimals: it turns bounds into proofs."""

from __future__ import annotations

import math

import numpy as np

from qhybrid_pipelines.core.ising import IsingModel

#: Sums of coefficients above this many steps are not told apart by 64-bit integers and floats.
_MAX_STEPS = 2**50

#: Share of a step that is taken for rounding.
_ROUNDING = 1e-6


def energy_step(model: IsingModel) -> float | None:
    """Return the largest of 1, 0.1, ... 1e-6 that every coefficient over 0 and 1 is a multiple of, or None.

    All energies are then the offset over 0 and 1 plus a multiple of it.
    """
    linear, _, quadratic, _ = model.to_qubo()
    coefficients = np.concatenate([linear, quadratic])
    for digits in range(7):
        scaled = coefficients * 10.0**digits
        if np.abs(scaled).sum() < _MAX_STEPS and np.allclose(scaled, np.rint(scaled), rtol=0, atol=_ROUNDING):
            return float(10.0**-digits)
    return None


def round_bound_to_step(model: IsingModel, bound: float) -> float:
    """Return the lowest energy not below ``bound`` that the model can have; ``bound`` itself where there is no step."""
    step = energy_step(model)
    if step is None:
        return bound
    offset = model.to_qubo()[3]
    return offset + step * math.ceil((bound - offset) / step - _ROUNDING)
