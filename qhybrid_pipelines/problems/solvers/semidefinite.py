r"""The semidefinite relaxation of an Ising model: good starts by rounding, and a proved lower bound.

Spins are replaced by unit vectors, :math:`s_i s_j \to v_i \cdot v_j`; fields couple to one spin more, which stands for
+1. The minimum over vectors is found by coordinate descent, one vector after the other turned against the pull of its
neighbours, with so many dimensions that no local minimum lies above it in general.
Sources: M. Goemans, D. Williamson, J. ACM 42, 1115 (1995); P.-W. Wang, W.-C. Chang, J. Z. Kolter, "The Mixing method",
arXiv:1706.00476.
"""

from __future__ import annotations

import math

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.problems.solvers.spins import adjacency

#: The bound needs all eigenvalues of a dense matrix of this size: about a second and 100 MB.
MAX_SPINS = 2000

#: Sweeps over all vectors; fewer where the work below would be exceeded. Sweeping ends when a sweep gains less than
#: this share of the sum of all couplings.
_SWEEPS, _WORK, _GAIN = 60, 2_000_000_000, 1e-6


def relaxation_vectors(model: IsingModel, seed: int) -> F64:
    """Return unit vectors of the relaxation, shape ``(n, k)``, or ``(n + 1, k)`` where the model has fields."""
    whole = _absorb_fields(model)
    rank = math.isqrt(2 * whole.size) + 2
    found = generator(seed, "semidefinite").normal(size=(whole.size, rank))
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    neighbours, couplings = adjacency(whole)
    total = float(np.abs(whole.couplings).sum())
    sweeps = min(_SWEEPS, max(5, _WORK // (2 * len(whole.pairs) * rank + 1)))
    for _ in range(sweeps):
        gain = 0.0
        for i, near in enumerate(neighbours):
            pull = couplings[i] @ found[near]
            strength = math.sqrt(pull @ pull)
            if strength > 0:
                gain += strength + float(found[i] @ pull)
                found[i] = pull / -strength
        if gain <= _GAIN * total:
            break
    return found


def hyperplane_roundings(model: IsingModel, found: F64, seed: int, *, count: int) -> U8:
    """Return the assignments of ``count`` random hyperplanes, shape ``(count, n)``."""
    normals = generator(seed, "hyperplanes").normal(size=(found.shape[1], count))
    positive = (found @ normals).T >= 0
    if len(found) > model.size:
        positive = positive[:, :-1] == positive[:, -1:]
    return (~positive).astype(np.uint8)


def lower_bound(model: IsingModel, found: F64) -> float:
    r"""Return a number that no energy of the model is below.

    With :math:`A` the symmetric matrix of the couplings and any :math:`y`, spins satisfy
    :math:`\tfrac12 s^T A s = \tfrac12 s^T (A - \mathrm{diag}\, y)\, s + \tfrac12 \sum y
    \ge \tfrac12 (n \lambda_{\min} + \sum y)`. The choice :math:`y_i = -\lVert (A V)_i \rVert` makes this tight at the
    relaxation's optimum; the bound holds for any vectors. Rounding of the eigenvalue is taken off.
    """
    whole = _absorb_fields(model)
    matrix = np.zeros((whole.size, whole.size))
    matrix[whole.pairs[:, 0], whole.pairs[:, 1]] = whole.couplings
    matrix += matrix.T
    y = -np.linalg.norm(matrix @ found, axis=1)
    np.fill_diagonal(matrix, -y)
    lowest = float(np.linalg.eigvalsh(matrix)[0])
    largest = float(np.abs(matrix).sum(axis=1).max())
    rounding = (whole.size + 2) ** 2 * np.finfo(np.float64).eps * (largest + abs(model.offset))
    return float(model.offset + (whole.size * lowest + y.sum()) / 2 - rounding)


def _absorb_fields(model: IsingModel) -> IsingModel:
    """Return the model with its fields as couplings to one more spin, the last; unchanged where there are none."""
    coupled = np.flatnonzero(model.linear)
    if not len(coupled):
        return model
    to_last = np.stack([coupled, np.full_like(coupled, model.size)], axis=1).astype(np.int32)
    return IsingModel(
        linear=np.zeros(model.size + 1),
        pairs=np.concatenate([model.pairs, to_last]),
        couplings=np.concatenate([model.couplings, model.linear[coupled]]),
        offset=model.offset,
    )
