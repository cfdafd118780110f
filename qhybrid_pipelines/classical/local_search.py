r"""Steepest descent from many assignments at once: single flips, and swaps that keep the number of ones.

Flipping variable :math:`i` changes the energy by :math:`-2 s_i F_i` with the local field
:math:`F_i = h_i + \sum_j J_{ij} s_j`. Every step takes the best move of each row (the first one of several), so the
result depends on nothing but the start. Each step lowers the energy by more than rounding, hence the search ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.energy_resolution import energy_resolution
from qhybrid_pipelines.classical.product_search import descend_products
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel

Columns = npt.NDArray[np.integer[Any]]

#: Numbers in one array of a block of rows: 8 MiB of float64, and about eight such arrays are alive at once.
_BLOCK = 1 << 20


def descend(model: IsingModel, assignments: U8, *, keep_cardinality: bool, movable: Columns | None = None) -> U8:
    """Return a local optimum for each row: by swaps where the number of ones has to stay, else by single flips."""
    if not model.is_quadratic:
        if keep_cardinality:
            model.require_quadratic("a descent by swaps")
        return descend_products(model, assignments, movable)
    search = swap_descent if keep_cardinality else one_flip_descent
    return search(model, assignments, movable)


def one_flip_descent(model: IsingModel, assignments: U8, movable: Columns | None = None) -> U8:
    """Return for each row of an ``(m, n)`` matrix of 0 and 1 a row that no single flip improves.

    Args:
        model: energy to be lowered.
        assignments: shape ``(m, n)``; not changed.
        movable: variables that may be flipped, all if None.
    """
    columns = np.arange(model.size) if movable is None else np.asarray(movable)
    neighbours = _matrix(model)
    inside = neighbours[columns][:, columns]
    tolerance = energy_resolution(model)
    result = assignments.copy()
    for rows in _blocks(len(assignments), model.size):
        spins: F64 = 1.0 - 2.0 * assignments[rows].astype(np.float64)
        fields = model.linear[columns] + spins @ neighbours[:, columns]
        moved = _flip_until_stuck(spins[:, columns], fields, inside, tolerance)
        result[rows, columns] = (moved < 0).astype(np.uint8)
    return result


def _flip_until_stuck(spins: F64, fields: F64, couplings: Any, tolerance: float) -> F64:
    """Flip the best variable of each row until no flip helps; ``couplings`` is CSR over the movable variables."""
    start, neighbour, strength = couplings.indptr, couplings.indices, couplings.data
    active = np.arange(len(spins) if spins.shape[1] else 0)
    while len(active):
        change = -2.0 * spins[active] * fields[active]
        best = change.argmin(axis=1)
        improves = change[np.arange(len(active)), best] < -tolerance
        active, best = active[improves], best[improves]
        # All entries of the chosen rows of the sparse matrix, laid end to end.
        degree = start[best + 1] - start[best]
        entry = np.arange(degree.sum()) + np.repeat(start[best] - (np.cumsum(degree) - degree), degree)
        row = np.repeat(active, degree)
        fields[row, neighbour[entry]] -= 2.0 * np.repeat(spins[active, best], degree) * strength[entry]
        spins[active, best] *= -1.0
    return spins


def swap_descent(model: IsingModel, assignments: U8, movable: Columns | None = None) -> U8:
    """Return for each row a row with as many ones that no exchange of a one and a zero improves.

    Arguments as in :func:`one_flip_descent`.
    """
    columns = np.arange(model.size) if movable is None else np.asarray(movable)
    neighbours = _matrix(model)
    inside = np.asarray(neighbours[columns][:, columns].toarray(), dtype=np.float64)
    tolerance = energy_resolution(model)
    result = assignments.copy()
    for rows in _blocks(len(assignments), max(model.size, len(columns) ** 2)):
        spins: F64 = 1.0 - 2.0 * assignments[rows].astype(np.float64)
        fields = model.linear[columns] + spins @ neighbours[:, columns]
        moved = _swap_until_stuck(spins[:, columns], fields, inside, tolerance)
        result[rows, columns] = (moved < 0).astype(np.uint8)
    return result


def _swap_until_stuck(spins: F64, fields: F64, couplings: F64, tolerance: float) -> F64:
    """Exchange the best pair of each row until no exchange helps; ``couplings`` is dense over the movable variables."""
    width = spins.shape[1]
    active = np.arange(len(spins) if width else 0)
    while len(active):
        s = spins[active]
        flip = -2.0 * s * fields[active]
        ones, zeros = np.where(s < 0, flip, np.inf), np.where(s > 0, flip, np.inf)
        # Both flips together leave J_ij s_i s_j as it was, which each alone would have turned round.
        change = (ones[:, :, None] + zeros[:, None, :] - 4.0 * couplings).reshape(len(active), width * width)
        best = change.argmin(axis=1)
        improves = change[np.arange(len(active)), best] < -tolerance
        active, best = active[improves], best[improves]
        for variable in (best // width, best % width):
            fields[active] -= 2.0 * spins[active, variable][:, None] * couplings[variable]
            spins[active, variable] *= -1.0
    return spins


def _matrix(model: IsingModel) -> Any:
    """Return the symmetric ``(n, n)`` coupling matrix in compressed sparse rows."""
    from scipy.sparse import csr_array

    i, j = model.pairs[:, 0], model.pairs[:, 1]
    values = np.concatenate([model.couplings, model.couplings])
    places = (np.concatenate([i, j]), np.concatenate([j, i]))
    return csr_array((values, places), shape=(model.size, model.size))


def _blocks(rows: int, numbers_per_row: int) -> list[slice]:
    size = max(1, _BLOCK // max(1, numbers_per_row))
    return [slice(first, min(first + size, rows)) for first in range(0, rows, size)]
