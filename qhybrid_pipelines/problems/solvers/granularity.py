"""The step between possible energies of a model whose coefficients are decimals: it turns bounds into proofs."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from qhybrid_pipelines.classical.exact import is_exact_in_floats
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel

#: Sums of coefficients above this many steps are not told apart by 64-bit integers and floats.
_MAX_STEPS = 2**50

_MAX_DIGITS = 15
_EPSILON = float(np.finfo(np.float64).eps)


def energy_step(model: IsingModel) -> float | None:
    """Return the largest of 1, 0.1, ... 1e-15 that every coefficient over 0 and 1 is a multiple of, or None.

    All energies are then the offset over 0 and 1 plus a multiple of it. A coefficient is taken for a multiple where it
    misses one by no more than its own rounding, and only where rounding is far below the step.
    """
    linear, _, quadratic, _ = model.to_qubo()
    coefficients = np.concatenate([linear, quadratic])
    rounding = coefficient_rounding(model)
    for digits in range(_MAX_DIGITS + 1):
        factor = 10.0**digits
        scaled = coefficients * factor
        off = np.abs(scaled - np.rint(scaled))
        if np.abs(scaled).sum() >= _MAX_STEPS or (rounding * factor).max(initial=0.0) > 0.05:
            return None
        if (off <= rounding * factor + _EPSILON * np.abs(scaled) * (digits > 0)).all():
            return float(10.0**-digits)
    return None


def coefficient_rounding(model: IsingModel) -> F64:
    """Return how far each coefficient over 0 and 1 may be from the true one, linear ones first; 0 where sums are exact.

    A linear coefficient is a sum over the couplings of its variable.
    """
    size = model.size
    if is_exact_in_floats(model):
        return np.zeros(size + len(model.pairs))
    degree = np.bincount(model.pairs.ravel(), minlength=size)
    terms = 2 * np.abs(model.linear) + np.bincount(
        model.pairs.ravel(), weights=np.repeat(2 * np.abs(model.couplings), 2), minlength=size
    )
    linear = 2 * _EPSILON * (degree + 2) * terms
    return np.concatenate([linear, 8 * _EPSILON * np.abs(model.couplings)])


def offset_rounding(model: IsingModel) -> float:
    """Return how far the model's offset over 0 and 1 may be from the true one; 0 where sums are exact."""
    if is_exact_in_floats(model):
        return 0.0
    terms = abs(model.offset) + float(np.abs(model.linear).sum() + np.abs(model.couplings).sum())
    return 2 * _EPSILON * (model.size + len(model.pairs) + 2) * terms


def round_bound_to_step(model: IsingModel, bound: float) -> float:
    """Return the lowest energy not below ``bound`` that the model can have; ``bound`` itself where there is no step."""
    step = energy_step(model)
    if step is None:
        return bound
    offset = model.to_qubo()[3]
    above = Fraction(bound) - Fraction(offset) - Fraction(offset_rounding(model))
    return offset + step * math.ceil(above / Fraction(repr(step)))
