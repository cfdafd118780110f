"""What assignments are worth on the original instance, and which of two is better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U8, U64
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.problems.family import Family, PenalisedModel
from qhybrid_pipelines.problems.instance import Instance

Booleans = npt.NDArray[np.bool_]
#: Objective and feasibility of one assignment.
SolutionValue = tuple[float, bool]

#: Objectives that differ by less than this share of the larger one are equal.
RELATIVE_TOLERANCE = 1e-9
_ABSOLUTE_TOLERANCE = 1e-12

#: Cells (rows x variables or terms) that are worked on at once.
_BLOCK_CELLS = 1 << 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An instance with its family and its unconstrained form, so that the form is made once."""

    family: Family
    instance: Instance
    penalised_model: PenalisedModel

    @classmethod
    def of(cls, family: Family, instance: Instance) -> Problem:
        """Return the problem of an instance."""
        return cls(family=family, instance=instance, penalised_model=family.penalised_model(instance))

    @property
    def cells_per_row(self) -> int:
        """Numbers that are touched per assignment: variables, couplings, products."""
        model = self.penalised_model.model
        return self.instance.size + len(model.pairs) + len(model.products)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What ``m`` assignments are worth.

    Attributes:
        objective: shape ``(m,)``, in the family's unit, of feasible and infeasible rows.
        feasible: shape ``(m,)``.
        cost: shape ``(m,)``; orders rows of equal feasibility, lower is better: the objective turned to be minimised
            where a row is feasible, the penalised energy where it is not.
    """

    objective: F64
    feasible: Booleans
    cost: F64

    def ranking(self, *last: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return row indices, best first: feasible before infeasible, then by cost, then by the keys in ``last``."""
        return np.lexsort((*reversed(last), self.cost, ~self.feasible))

    def best_mask(self, number: int) -> Booleans:
        """Return which rows are at least as good as the ``number``-th best one; that are more where rows are equal."""
        if len(self.cost) <= number:
            return np.ones(len(self.cost), dtype=np.bool_)
        missing = number - np.count_nonzero(self.feasible)  # infeasible rows come after all feasible ones
        group, place = (self.feasible, number - 1) if missing <= 0 else (~self.feasible, missing - 1)
        last = np.partition(self.cost[group], place)[place]
        good: Booleans = (self.cost <= last) & group
        return good if missing <= 0 else good | self.feasible

    def rows(self, chosen: npt.NDArray[Any]) -> Evaluation:
        """Return the evaluation of some rows, by index or mask."""
        return Evaluation(objective=self.objective[chosen], feasible=self.feasible[chosen], cost=self.cost[chosen])


def evaluate(problem: Problem, assignments: U8) -> Evaluation:
    """Return what rows ``(m, n)`` are worth, computed on the original instance."""
    family, instance, penalised_model = problem.family, problem.instance, problem.penalised_model
    size = len(assignments)
    objective, cost = np.empty(size), np.empty(size)
    feasible = np.empty(size, dtype=np.bool_)
    for rows in row_blocks(size, problem.cells_per_row):
        block = assignments[rows]
        objective[rows] = family.objective(instance, block)
        feasible[rows] = family.feasible(instance, block)
        cost[rows] = penalised_model.sign * objective[rows]
        broken = ~feasible[rows]
        if broken.any():
            cost[rows][broken] = penalised_model.model.assignment_energies(block[broken])
    return Evaluation(objective=objective, feasible=feasible, cost=cost)


def evaluate_outcomes(problem: Problem, reduced_model: ReducedModel, bits: U64) -> Evaluation:
    """Return what packed reduced-model outcomes are worth as they are.

    Without a penalty the energy is the objective up to its sign (`PenalisedModel`), so the reduced model's diagonal answers for
    any number of outcomes of a large instance; otherwise every outcome is expanded and evaluated.
    """
    if problem.penalised_model.penalty_weight:
        return evaluate(problem, reduced_model.expand(bits))
    energies = reduced_model.model.energies(bits)
    feasible = np.empty(len(bits), dtype=np.bool_)
    for rows in row_blocks(len(bits), problem.instance.size):
        feasible[rows] = problem.family.feasible(problem.instance, reduced_model.expand(bits[rows]))
    return Evaluation(objective=problem.penalised_model.sign * energies, feasible=feasible, cost=energies)


def feasible_rows(problem: Problem, assignments: U8) -> Booleans:
    """Return which rows ``(m, n)`` satisfy every constraint."""
    feasible = np.empty(len(assignments), dtype=np.bool_)
    for rows in row_blocks(len(assignments), problem.cells_per_row):
        feasible[rows] = problem.family.feasible(problem.instance, assignments[rows])
    return feasible


def reevaluate(problem: Problem, known: Evaluation, *, old: U8, new: U8) -> Evaluation:
    """Return what rows ``new`` are worth, given that ``known`` is what rows ``old`` are: only changed rows are computed."""
    changed = np.flatnonzero((old != new).any(axis=1))
    if not len(changed):
        return known
    fresh = evaluate(problem, new[changed])
    updated = known.rows(np.arange(len(new)))
    updated.objective[changed], updated.feasible[changed] = fresh.objective, fresh.feasible
    updated.cost[changed] = fresh.cost
    return updated


def evaluate_distinct(problem: Problem, assignments: U8) -> Evaluation:
    """Return what rows are worth, evaluating equal rows once."""
    first, inverse = distinct_rows(assignments)
    return evaluate(problem, assignments[first]).rows(inverse)


def best_assignment(problem: Problem, assignments: U8) -> tuple[U8, SolutionValue]:
    """Return the best row of ``(m, n)`` and what it is worth; the first of equal ones."""
    found = evaluate(problem, assignments)
    first = int(found.ranking()[0])
    return assignments[first], (float(found.objective[first]), bool(found.feasible[first]))


def objective_sign(family: Family) -> int:
    """Return +1 where a larger objective is better, -1 where a smaller one is."""
    return 1 if family.sense == "max" else -1


def objective_tolerance(*objectives: float) -> float:
    """Return the difference up to which objectives of this magnitude are equal."""
    return RELATIVE_TOLERANCE * max((abs(value) for value in objectives), default=0.0) + _ABSOLUTE_TOLERANCE


def is_better(family: Family, new: SolutionValue, old: SolutionValue) -> bool:
    """Return whether one assignment is better than another: feasible first, then by the objective."""
    if new[1] != old[1]:
        return new[1]
    return objective_sign(family) * (new[0] - old[0]) > objective_tolerance(new[0], old[0])


def distinct_rows(assignments: U8) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return ``(first, inverse)``: where each distinct row of ``(m, n)`` occurs first, and which one each row is."""
    packed = np.packbits(assignments, axis=1)
    if not packed.shape[1]:
        return np.zeros(min(1, len(packed)), dtype=np.int64), np.zeros(len(packed), dtype=np.int64)
    words = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, inverse = np.unique(words, return_index=True, return_inverse=True)
    return first.astype(np.int64), inverse.astype(np.int64)


def row_blocks(rows: int, cells_per_row: int) -> Iterator[slice]:
    """Yield slices over ``rows`` rows of a bounded number of cells each."""
    size = max(1, _BLOCK_CELLS // max(1, cells_per_row))
    for first in range(0, rows, size):
        yield slice(first, min(first + size, rows))
