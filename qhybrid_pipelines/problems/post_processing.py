"""What is done to a measured outcome after expansion: one function for quantum and random samples alike."""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.classical.local_search import Columns, descend
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.problems.evaluation import Problem, evaluate, feasible_rows, row_blocks


def repair(problem: Problem, assignments: U8) -> U8:
    """Return rows repaired by the family's own rule, block by block to bound the memory."""
    result = np.empty_like(assignments)
    for rows in row_blocks(len(assignments), problem.cells_per_row):
        result[rows] = problem.family.repair(problem.instance, assignments[rows])
    return result


def improve(problem: Problem, assignments: U8, movable: Columns | None = None) -> U8:
    """Return a local optimum of the penalised energy for each row, never worse than the row itself if that is feasible.

    Swaps where the number of ones has to stay, single flips elsewhere. Where the penalty was too weak to keep a row
    feasible, its repaired form is taken if that is better than the start.

    Args:
        problem: the instance, whose penalised energy is lowered.
        assignments: shape ``(m, n)``, usually repaired; not changed.
        movable: variables that may change, all if None.
    """
    swaps = problem.family.cardinality(problem.instance) is not None
    improved = descend(problem.penalised_model.model, assignments, keep_cardinality=swaps, movable=movable)
    lost = np.flatnonzero(~feasible_rows(problem, improved))
    if len(lost):
        start, again = assignments[lost], repair(problem, improved[lost])
        before, after = (evaluate(problem, rows) for rows in (start, again))
        gained = (after.feasible & ~before.feasible) | (
            (after.feasible == before.feasible) & (after.cost < before.cost)
        )
        improved[lost] = np.where(gained[:, None], again, start)
    return improved
