"""QAOA with the ring mixer, on the outcomes with ``K`` ones alone: the mixer never leaves them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U64
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.circuit_jobs import ring_pairs

Index = npt.NDArray[np.intp]


def outcomes_with_ones(ones: int, n: int) -> U64:
    """Return the packed outcomes of ``n`` bits with ``ones`` ones, ascending."""
    words = np.arange(1 << n, dtype=np.uint64)
    return np.asarray(words[np.bitwise_count(words) == ones], dtype=np.uint64)


@lru_cache(maxsize=4)
def pair_partners(ones: int, n: int) -> list[tuple[Index, Index]]:
    """Return, for every pair of the ring, the positions of the outcomes 01 and of their partners 10."""
    words = outcomes_with_ones(ones, n)
    tables = []
    for i, j in ring_pairs(n):
        bit_i, bit_j = np.uint64(1 << i), np.uint64(1 << j)
        here = np.flatnonzero((words & bit_i != 0) & (words & bit_j == 0))
        tables.append((here, np.searchsorted(words, words[here] ^ (bit_i | bit_j))))
    return tables


class RingMixer:
    """Probabilities of :func:`outcomes_with_ones`, point by point; an object for one thread, like the X mixer's.

    ``exp(-i beta (XX + YY) / 2)`` leaves 00 and 11 alone and turns 01 into 10 by the angle beta. All arrays have the
    shape of the subspace, so a point's result does not depend on its neighbours.

    Attributes:
        points: most points of a call.

    Args:
        energies: shape ``(C(n, ones),)``, of :func:`outcomes_with_ones`.
        ones: how many of the ``n`` bits are 1.
        n: number of qubits.
    """

    points = 1

    def __init__(self, energies: F64, *, ones: int, n: int) -> None:
        self._energies = energies
        self._partners = pair_partners(ones, n)

    def __call__(self, angles: F64) -> F64:
        """Return the probabilities of one point, shape ``(1, C(n, ones))``.

        Args:
            angles: shape ``(1, 2 p)``, gammas first, then betas, in radians.
        """
        [point] = angles
        layers = len(point) // 2
        state = np.full(len(self._energies), 1 / np.sqrt(len(self._energies)), dtype=np.complex128)
        for gamma, beta in zip(point[:layers], point[layers:], strict=True):
            state *= np.exp(-1j * gamma * self._energies)
            stay, turn = np.cos(beta), -1j * np.sin(beta)
            for here, there in self._partners:
                a, b = state[here], state[there]
                state[here] = stay * a + turn * b
                state[there] = stay * b + turn * a
        return np.asarray(np.square(state.real) + np.square(state.imag), dtype=np.float64)[None]
