"""Looking shots up in probabilities, compiled by numba: the same outcomes as `sampling.outcomes_from_uniforms`, to the last shot.

Importing this module needs numba, which the extra ``fast`` installs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from qhybrid_pipelines.core.binary_models.ising import F64

Index = npt.NDArray[np.intp]

#: Outcomes per shot up to which the way to the next shot is walked, not searched.
MAX_LINEAR_SEARCH_OUTCOMES = 8


@njit(nogil=True, cache=True, error_model="numpy")
def _cumulate(probabilities: F64, cumulated: F64) -> int:
    """Fill the cumulated sums, one after the other; return where the total is reached first."""
    total, reached = 0.0, 0
    for k in range(probabilities.shape[0]):
        total += probabilities[k]
        cumulated[k] = total
    while cumulated[reached] < total:
        reached += 1
    return reached


@njit(nogil=True, cache=True, error_model="numpy")
def _first_above(cumulated: F64, wanted: float, begin: int, last: int) -> int:
    """Return the first place from ``begin`` to ``last`` whose sum is above ``wanted``, or ``last``.

    Steps double until they are past it: the next of many sorted shots is near.
    """
    step, low, high = 1, begin, begin
    while high < last and cumulated[high] <= wanted:
        low = high + 1
        high = min(last, high + step)
        step *= 2
    while low < high:
        middle = (low + high) // 2
        if cumulated[middle] <= wanted:
            low = middle + 1
        else:
            high = middle
    return low


@njit(nogil=True, cache=True, error_model="numpy")
def _outcomes_from_uniforms(probabilities: F64, uniforms: F64, found: Index, cumulated: F64) -> None:
    points, repetitions, shots = uniforms.shape
    near = cumulated.shape[0] <= MAX_LINEAR_SEARCH_OUTCOMES * shots
    for point in range(points):
        last = _cumulate(probabilities[point], cumulated)
        total = cumulated[last]
        for repetition in range(repetitions):
            place = 0
            for shot in range(shots):
                wanted = uniforms[point, repetition, shot] * total
                if near:
                    while place < last and cumulated[place] <= wanted:
                        place += 1
                else:
                    place = _first_above(cumulated, wanted, place, last)
                found[point, repetition, shot] = place


def outcomes_from_uniforms(probabilities: F64, uniforms: F64) -> Index:
    """As `sampling.outcomes_from_uniforms`."""
    found = np.empty(uniforms.shape, dtype=np.intp)
    _outcomes_from_uniforms(probabilities, uniforms, found, np.empty(probabilities.shape[1]))
    return found
