"""The ring mixer of `qaoa_gradient` compiled by numba: the same arithmetic, pair by pair and outcome by outcome.

Importing this module needs numba, which the extra ``fast`` installs.
"""

from __future__ import annotations

from math import cos, sin

import numpy as np
import numpy.typing as npt
from numba import njit

from qhybrid_pipelines.quantum.simulation.qaoa_phases import C128
from qhybrid_pipelines.quantum.simulation.ring_mixer import pair_partners

I64 = npt.NDArray[np.int64]


@njit(nogil=True, cache=True, error_model="numpy")
def _turn_pair(state: C128, here: I64, there: I64, c: float, s: float) -> None:
    for k in range(here.shape[0]):
        a, b = state[here[k]], state[there[k]]
        state[here[k]] = complex(c * a.real + s * b.imag, c * a.imag - s * b.real)
        state[there[k]] = complex(c * b.real + s * a.imag, c * b.imag - s * a.real)


@njit(nogil=True, cache=True, error_model="numpy")
def _turn_pairs(states: C128, here: I64, there: I64, ends: I64, c: float, s: float) -> None:
    for row in range(states.shape[0]):
        for pair in range(ends.shape[0] - 1):
            first, last = ends[pair], ends[pair + 1]
            _turn_pair(states[row], here[first:last], there[first:last], c, s)


@njit(nogil=True, cache=True, error_model="numpy")
def _undo_pairs(states: C128, here: I64, there: I64, ends: I64, c: float, s: float) -> float:
    psi, back = states[0], states[1]
    overlap = 0.0
    for pair in range(ends.shape[0] - 2, -1, -1):
        first, last = ends[pair], ends[pair + 1]
        for k in range(first, last):
            a, b, d, e = psi[here[k]], psi[there[k]], back[here[k]], back[there[k]]
            overlap += d.real * b.imag - d.imag * b.real + e.real * a.imag - e.imag * a.real
        _turn_pair(psi, here[first:last], there[first:last], c, -s)
        _turn_pair(back, here[first:last], there[first:last], c, -s)
    return overlap


class CompiledRingGenerator:
    """As `qaoa_gradient.RingGenerator`, to within rounding."""

    def __init__(self, *, ones: int, qubits: int) -> None:
        pairs = pair_partners(ones, qubits)
        self._here = np.concatenate([here for here, _ in pairs]).astype(np.int64)
        self._there = np.concatenate([there for _, there in pairs]).astype(np.int64)
        self._ends = np.cumsum([0, *(len(here) for here, _ in pairs)]).astype(np.int64)

    def apply(self, states: C128, beta: float) -> None:
        """Apply the mixer to every row."""
        _turn_pairs(states, self._here, self._there, self._ends, cos(beta), sin(beta))

    def undo(self, states: C128, beta: float) -> float:
        """Take the mixer back and return the sum over its pairs of ``Im <lambda|G|psi>``, each at its own place."""
        return float(_undo_pairs(states, self._here, self._there, self._ends, cos(beta), sin(beta)))
