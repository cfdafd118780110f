r"""Searches by single flips over models with products of more than two spins, many rows side by side.

The weighted value of every term is kept for every row. Flipping variable :math:`i` turns the sign of the terms that it is in, and so
changes the energy by :math:`-2 \sum_{t \ni i} w_t \prod_{j \in t} s_j`. Descent, annealing and tabu search need no more than that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.energy_resolution import energy_resolution
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.binary_models.spin_products import SpinProducts, pad_members
from qhybrid_pipelines.core.seeds import generator

Columns = npt.NDArray[np.integer[Any]]

#: Values of terms in one block of rows of a descent: 16 MiB.
_BLOCK = 1 << 21
#: What the reads of one annealing, and the searches of one tabu search, look at together, in terms of variables: about half a second.
_ANNEALED_TERMS, _TABU_TERMS = 40_000_000, 60_000_000
#: Sweeps of a read, and steps of a tabu search.
_SWEEPS, _STEPS = (25, 300), (100, 1000)


class ProductRows:
    """Rows of spins with the weighted values of all terms.

    Args:
        model: any; its constant does not count.
        assignments: 0 and 1, shape ``(m, n)``; not changed.
    """

    def __init__(self, model: IsingModel, assignments: U8) -> None:
        self.spins: F64 = np.asarray(1.0 - 2.0 * assignments, dtype=np.float64)
        terms = all_terms(model)
        self._incidence = terms.incidence(model.size)
        self._values = terms.values(self.spins) * terms.weights
        self._turn = (1 - 2 * self._incidence.toarray().T).astype(np.int8)

    def changes(self, rows: Columns | slice = slice(None)) -> F64:
        """Return by how much each flip would change the energy of some rows, of all without ``rows``; shape ``(rows, n)``."""
        return np.asarray(-2.0 * (self._values[rows] @ self._incidence))

    def changes_at(self, variables: Columns) -> F64:
        """Return by how much the flip of one variable in each row would change its energy, shape ``(m,)``."""
        return self.changes()[np.arange(len(self.spins)), variables]

    def changes_of(self, variable: int) -> F64:
        """Return by how much one variable's flip would change the energy of each row, shape ``(m,)``."""
        return np.asarray(-2.0 * self._values[:, self._turn[variable] < 0].sum(axis=1))

    def flip(self, rows: Columns, variables: Columns) -> None:
        """Flip one variable in each of some different rows."""
        self._values[rows] *= self._turn[variables]
        self.spins[rows, variables] *= -1.0

    @property
    def assignments(self) -> U8:
        """The spins as 0 and 1, shape ``(m, n)``."""
        return (self.spins < 0).astype(np.uint8)


def all_terms(model: IsingModel) -> SpinProducts:
    """Return fields, couplings and products of a model as terms of one kind."""
    products = model.products
    fields = np.flatnonzero(model.linear)
    width = products.members.shape[1]
    parts = [pad_members(fields[:, None], width), pad_members(model.pairs, width), products.members]
    return SpinProducts(
        members=np.concatenate(parts),
        weights=np.concatenate([model.linear[fields], model.couplings, products.weights]),
    )


def count_memberships(model: IsingModel) -> int:
    """Return how many variables all terms have together."""
    return int((model.linear != 0).sum() + 2 * len(model.couplings) + model.products.orders.sum())


def descend_products(model: IsingModel, assignments: U8, movable: Columns | None = None) -> U8:
    """Return for each row a row that no single flip of a movable variable improves; see `classical.local_search.one_flip_descent`."""
    blocked = np.zeros(model.size)
    if movable is not None:
        blocked[np.setdiff1d(np.arange(model.size), movable)] = np.inf
    tolerance = energy_resolution(model)
    result = assignments.copy()
    step = max(1, _BLOCK // max(1, len(model.products) + len(model.couplings)))
    for first in range(0, len(assignments), step):
        state = ProductRows(model, assignments[first : first + step])
        active = np.arange(len(state.spins))
        while len(active):
            changes = state.changes(active) + blocked
            best = changes.argmin(axis=1)
            improves = changes[np.arange(len(active)), best] < -tolerance
            active, best = active[improves], best[improves]
            state.flip(active, best)
        result[first : first + step] = state.assignments
    return result


def product_schedule(model: IsingModel) -> tuple[int, int]:
    """Return ``(reads, sweeps)`` of an annealing."""
    reads = 20
    return reads, int(np.clip(_ANNEALED_TERMS // (reads * count_memberships(model)), *_SWEEPS))


def anneal_products(model: IsingModel, *, reads: int, sweeps: int, seed: int) -> U8:
    """Return the last assignment of each read, shape ``(reads, n)``.

    Metropolis sweeps over the variables in order. The inverse temperature grows geometrically: at first a usual flip uphill is taken
    every second time, at last the smallest every hundredth.
    """
    random = generator(seed, "anneal_products")
    state = ProductRows(model, random.integers(0, 2, size=(reads, model.size), dtype=np.uint8))
    terms = all_terms(model)
    usual = 2.0 * float(np.sqrt((terms.weights**2 @ terms.incidence(model.size)).max()))
    coldest = max(np.log(100.0) / (2.0 * float(np.abs(terms.weights).min())), 1.0 / usual)
    for beta in np.geomspace(np.log(2.0) / usual, coldest, sweeps):
        # A flip is taken where exp(-beta change) is above a uniform number.
        allowed = random.standard_exponential((model.size, reads)) / beta
        for variable in range(model.size):
            taken = np.flatnonzero(state.changes_of(variable) < allowed[variable])
            state.flip(taken, np.full(len(taken), variable))
    return state.assignments


def tabu_steps(model: IsingModel, searches: int) -> int:
    """Return how many steps each of some searches has."""
    return int(np.clip(_TABU_TERMS // (searches * count_memberships(model)), *_STEPS))


def tabu_products(model: IsingModel, *, searches: int, seed: int) -> U8:
    """Return the best assignment of some tabu searches from random starts, shape ``(1, n)``.

    Each step takes the best flip that is not tabu, even uphill; a flipped variable then rests for a random number of steps, from
    4 to ``4 + n / 4``. A flip that beats the best of its search is always allowed. Source: F. Glover, ORSA Journal on Computing 1, 190 (1989).
    """
    random = generator(seed, "tabu_products")
    size, steps = model.size, tabu_steps(model, searches)
    state = ProductRows(model, random.integers(0, 2, size=(searches, size), dtype=np.uint8))
    every = np.arange(searches)
    energies = model.assignment_energies(state.assignments)
    lowest, best = energies.copy(), state.assignments
    rests = random.integers(5, 6 + max(1, size // 4), size=(steps, searches))
    tabu_until = np.zeros((searches, size), dtype=np.int64)
    tolerance = energy_resolution(model)
    for step in range(steps):
        changes = state.changes()
        barred = (tabu_until > step) & (energies[:, None] + changes >= lowest[:, None] - tolerance)
        barred[barred.all(axis=1)] = False
        chosen = np.where(barred, np.inf, changes).argmin(axis=1)
        energies += changes[every, chosen]
        state.flip(every, chosen)
        tabu_until[every, chosen] = step + rests[step]
        better = np.flatnonzero(energies < lowest - tolerance)
        lowest[better] = energies[better]
        best[better] = state.assignments[better]
    return best[[int(lowest.argmin())]]
