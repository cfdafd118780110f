"""Threshold accepting: like simulated annealing, but any step is taken that does not make things worse by more than a threshold.

The threshold falls to 0, so that the search ends as a descent. Source: G. Dueck, T. Scheuer, Journal of Computational
Physics 90, 161 (1990). That the thresholds are taken from the changes which random steps cause follows
P. Winker, K.-T. Fang, SIAM Journal on Numerical Analysis 34, 2028 (1997).
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.classical.resolution import energy_resolution
from qhybrid_pipelines.core.bits import U8
from qhybrid_pipelines.core.ising import F64, IsingModel
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.problems.baseline import Baseline, BaselineAnswer
from qhybrid_pipelines.problems.evaluation import Problem
from qhybrid_pipelines.problems.post_processing import improve, repair
from qhybrid_pipelines.problems.solvers.spins import adjacency, to_spins

#: Independent searches, side by side in the rows of one matrix.
_SEARCHES = 20
#: Passes over all variables; fewer for large instances, so that a run looks at this many variables: about a second.
_MAX_SWEEPS, _MIN_SWEEPS, _MAX_VISITS = 200, 10, 100_000


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
        rows = improve(
            problem, repair(problem, threshold_accepting(model, searches=_SEARCHES, sweeps=sweeps, seed=seed))
        )
        return BaselineAnswer(rows=rows, evaluations=_SEARCHES * sweeps * model.size)


def count_sweeps(size: int) -> int:
    """Return how often each search passes over ``size`` variables."""
    return int(np.clip(_MAX_VISITS // size, _MIN_SWEEPS, _MAX_SWEEPS))


def threshold_accepting(model: IsingModel, *, searches: int, sweeps: int, seed: int) -> U8:
    """Return the last assignment of each search, shape ``(searches, n)``.

    Each starts at random and visits the variables in a new random order in every sweep, the same for all searches.
    A variable is flipped where the energy rises by less than the threshold. That begins at the mean size of the change by a single
    flip at the starts, and falls linearly to 0, which it is in the last sweep.

    Args:
        model: energy to be lowered.
        searches: how many there are.
        sweeps: passes over all variables, at least 1.
        seed: of all random choices.
    """
    random = generator(seed, "threshold_accepting")
    spins = to_spins(random.integers(0, 2, size=(searches, model.size), dtype=np.uint8))
    neighbours, couplings = adjacency(model)
    fields = np.empty_like(spins)
    for variable in range(model.size):
        fields[:, variable] = model.linear[variable] + spins[:, neighbours[variable]] @ couplings[variable]
    first = float(np.abs(2 * fields).mean())
    tolerance = energy_resolution(model)
    thresholds: F64 = np.linspace(first, 0.0, sweeps) if sweeps > 1 else np.zeros(1)
    for threshold in thresholds:
        # A rise within rounding is not taken for a descent; at threshold 0 only flips that lower the energy count.
        limit = threshold - tolerance
        for variable in random.permutation(model.size):
            taken = np.flatnonzero(-2 * spins[:, variable] * fields[:, variable] < limit)
            if not len(taken):
                continue
            spins[taken, variable] *= -1
            near = neighbours[variable]
            steps = 2 * spins[taken, variable]
            fields[np.ix_(taken, near)] += steps[:, None] * couplings[variable]
    return (spins < 0).astype(np.uint8)


BASELINE: Baseline = ThresholdAccepting()
