r"""QAOA on MaxCut of regular graphs without short cycles: the exact cut fraction, for any degree and depth.

On a ``d``-regular graph whose shortest cycle is longer than ``2p + 1``, an edge sees only a tree, and all edges see the
same one. Its expectation follows from an iteration over the ``2p + 1`` moments of one qubit, at a cost of
``O(p^2 4^p)`` with the Walsh-Hadamard transform, whatever the degree.
Source: J. Basso, E. Farhi, K. Marwaha, B. Villalonga, L. Zhou, arXiv:2110.14206, section 3 (their finite ``D``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64

C128 = npt.NDArray[np.complex128]


def cut_fraction(degree: int, gammas: F64, betas: F64) -> float:
    """Return the expected share of cut edges of unweighted MaxCut on a ``degree``-regular graph of large girth.

    Args:
        degree: edges per vertex.
        gammas: shape ``(p,)``, radians, for the energy ``sum s_i s_j / 2`` over edges (minus the cut, up to a constant).
        betas: shape ``(p,)``, radians, for ``exp(-i beta X)``; good ones are negative where gammas are positive.
    """
    p = len(gammas)
    moments = 2 * p + 1
    spins = 1 - 2 * ((np.arange(1 << moments)[:, None] >> np.arange(moments)) & 1)
    # One qubit's path: forwards through the layers, the measured spin in the middle, backwards through the layers.
    path = np.full(1 << moments, 0.5, dtype=np.complex128)
    for layer, beta in enumerate(betas):
        for left, sign in ((layer, 1), (moments - 2 - layer, -1)):
            stays = spins[:, left] == spins[:, left + 1]
            path *= np.where(stays, np.cos(beta), -1j * sign * np.sin(beta))
    phases = spins @ np.concatenate([gammas, [0.0], -gammas[::-1]]) / 2
    # Sums over b of kernel(a b) x(b): the product of spins is XOR of bits, so they are convolutions.
    even, odd = _transform(np.cos(phases) + 0j), _transform(np.sin(phases) + 0j)
    branch = np.ones(1 << moments, dtype=np.complex128)
    for _ in range(p):
        branch = (_transform(_transform(path * branch) * even) / (1 << moments)) ** (degree - 1)
    measured = spins[:, p] * path * branch
    zz = -1j * np.sum(measured * _transform(_transform(measured) * odd)) / (1 << moments)
    return float((1 - zz.real) / 2)


def _transform(values: C128) -> C128:
    """Return the unnormalised Walsh-Hadamard transform."""
    out = values.copy()
    half = 1
    while half < len(out):
        pairs = out.reshape(-1, 2, half)
        pairs[:, 0], pairs[:, 1] = pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]
        half *= 2
    return out
