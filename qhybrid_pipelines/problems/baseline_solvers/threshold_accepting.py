"""Threshold accepting: like simulated annealing, but any step is taken that does not make things worse by more than a threshold.

The threshold falls to 0, so that the search ends as a descent. Source: G. Dueck, T. Scheuer, Journal of Computational
Physics 90, 161 (1990). That the thresholds are taken from the changes which random steps cause follows
P. Winker, K.-T. Fang, SIAM Journal on Numerical Analysis 34, 2028 (1997).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.energy_resolution import energy_resolution
from qhybrid_pipelines.classical.product_search import ProductRows, count_memberships
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.problems.baseline_interface import Baseline, BaselineAnswer
from qhybrid_pipelines.problems.evaluation import Problem
from qhybrid_pipelines.problems.post_processing import improve, repair
from qhybrid_pipelines.problems.solvers.spins import adjacency, to_spins

#: Independent searches, side by side in the rows of one matrix.
_SEARCHES = 20
#: Passes over all variables; fewer for large instances, so that a run looks at this many variables: about a second.
_MAX_SWEEPS, _MIN_SWEEPS, _MAX_VISITS = 200, 10, 100_000
#: The same for a model with products of more than two spins, in terms of variables.
_MAX_TERMS = 200_000_000


class ThresholdAccepting:
    """See the module."""

    name = "threshold_accepting"
    title = "threshold accepting (Dueck and Scheuer 1990)"
    always_on = False
    speed_rank = 70

    def solve(self, problem: Problem, samples: int, seed: int) -> BaselineAnswer:  # noqa: ARG002 - its searches are fixed
        """Return where each search ends."""
        model = problem.penalised_model.model
        sweeps = count_sweeps(model.size)
        if not model.is_quadratic:  # a look at one variable costs all terms
            affordable = _MAX_TERMS // (_SEARCHES * model.size * count_memberships(model))
            sweeps = int(np.clip(affordable, _MIN_SWEEPS, sweeps))
        rows = improve(
            problem, repair(problem, threshold_accepting(model, searches=_SEARCHES, sweeps=sweeps, seed=seed))
        )
        return BaselineAnswer(rows=rows, evaluations=_SEARCHES * sweeps * model.size)


def count_sweeps(size: int) -> int:
    """Return how often each search passes over ``size`` variables."""
    return int(np.clip(_MAX_VISITS // size, _MIN_SWEEPS, _MAX_SWEEPS))


def threshold_accepting(model: IsingModel, *, searches: int, sweeps: int, seed: int) -> U8:
    """Return the best assignment that each search saw, shape ``(searches, n)``.

    Each starts at random and visits the variables in every sweep in a new random order of its own: in one order for all,
    searches of small models run into the same cycle, and all end near the optimum.
    A variable is flipped where the energy rises by less than the threshold. That begins at the mean size of the change by a single
    flip at the starts, and falls linearly to 0, which it is in the last sweep. Where a search ends may be worse than what it saw: a
    threshold between two barriers lets searches out of a deep valley that they cannot come back to.

    Args:
        model: energy to be lowered.
        searches: how many there are.
        sweeps: passes over all variables, at least 1.
        seed: of all random choices.
    """
    random = generator(seed, "threshold_accepting")
    starts = random.integers(0, 2, size=(searches, model.size), dtype=np.uint8)
    state = _FieldRows(model, starts) if model.is_quadratic else ProductRows(model, starts)
    first = float(np.abs(state.changes()).mean())
    tolerance = energy_resolution(model)
    energies, lowest, best = np.zeros(searches), np.zeros(searches), starts.copy()  # relative to the starts
    thresholds: F64 = np.linspace(first, 0.0, sweeps) if sweeps > 1 else np.zeros(1)
    for threshold in thresholds:
        # A rise within rounding is not taken for a descent; at threshold 0 only flips that lower the energy count.
        limit = threshold - tolerance
        orders = random.permuted(np.tile(np.arange(model.size), (searches, 1)), axis=1)
        for visited in orders.T:
            changes = state.changes_at(visited)
            accepted = np.flatnonzero(changes < limit)
            if len(accepted):
                flipped = visited[accepted]
                energies[accepted] += changes[accepted]
                state.flip(accepted, flipped)
                better = accepted[energies[accepted] < lowest[accepted] - tolerance]
                lowest[better], best[better] = energies[better], state.spins[better] < 0
    return best


class _FieldRows:
    """Rows of spins with the field at each of them, shape ``(m, n)``; the counterpart of `classical.product_search.ProductRows`."""

    def __init__(self, model: IsingModel, assignments: U8) -> None:
        self.spins = to_spins(assignments)
        self._neighbours, self._couplings = _padded_adjacency(model)
        self._fields = np.zeros((len(assignments), model.size + 1))  # the last column takes what the padding adds
        for variable in range(model.size):
            near = self._neighbours[variable]
            self._fields[:, variable] = (
                model.linear[variable] + self.spins[:, near % model.size] @ self._couplings[variable]
            )

    def changes(self) -> F64:
        """Return by how much each flip would change the energy of each row, shape ``(m, n)``."""
        return np.asarray(-2 * self.spins * self._fields[:, :-1])

    def changes_at(self, variables: npt.NDArray[np.integer[Any]]) -> F64:
        """Return by how much the flip of one variable in each row would change its energy, shape ``(m,)``."""
        every = np.arange(len(self.spins))
        return np.asarray(-2 * self.spins[every, variables] * self._fields[every, variables])

    def flip(self, rows: npt.NDArray[np.integer[Any]], variables: npt.NDArray[np.integer[Any]]) -> None:
        """Flip one variable in each of some different rows."""
        self.spins[rows, variables] *= -1
        steps = 2 * self.spins[rows, variables]
        self._fields[rows[:, None], self._neighbours[variables]] += steps[:, None] * self._couplings[variables]


def _padded_adjacency(model: IsingModel) -> tuple[npt.NDArray[np.int64], F64]:
    """Return the neighbours of each variable and the couplings to them, shape ``(n, largest degree)``.

    Rows are filled up with the variable ``n``, which is not there, and a coupling of 0.
    """
    neighbours, couplings = adjacency(model)
    width = max(map(len, neighbours), default=0)
    padded = np.full((model.size, width), model.size, dtype=np.int64)
    weights = np.zeros((model.size, width))
    for variable, near in enumerate(neighbours):
        padded[variable, : len(near)] = near
        weights[variable, : len(near)] = couplings[variable]
    return padded, weights


BASELINE: Baseline = ThresholdAccepting()
