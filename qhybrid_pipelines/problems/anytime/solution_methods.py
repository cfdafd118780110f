"""Anytime solving: a safe answer at once, and better ones, method by method, for as long as there is time.

Each method is bounded by steps, so that it gives the same answer for a seed; the clock only says which methods are run. Source of the idea: S. Zilberstein,
AI Magazine 17(3), 73 (1996), contract algorithms that are asked one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.seeds import derive_seed
from qhybrid_pipelines.problems.evaluation import (
    Problem,
    SolutionValue,
    best_assignment,
    is_better,
    objective_tolerance,
)
from qhybrid_pipelines.problems.incumbents import anneal_instance
from qhybrid_pipelines.problems.post_processing import improve

GREEDY, LOCAL_SEARCH, ANNEALING, EXACT = "greedy", "local_search", "annealing", "exact"
#: From the quickest to the one that may prove the optimum.
METHODS = (GREEDY, LOCAL_SEARCH, ANNEALING, EXACT)


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodAnswer:
    """What one method found.

    Attributes:
        method: of `METHODS`.
        assignment: shape ``(n,)``.
        value: its objective in the family's unit, and whether the family's own check calls it feasible.
        proved: nothing is better, and rounding cannot be the reason.
        seconds: that the method took, its check included.
    """

    method: str
    assignment: U8
    value: SolutionValue
    proved: bool
    seconds: float


def run_methods(
    problem: Problem,
    *,
    may_run: Callable[[str], bool],
    seed: int,
    methods: Sequence[str] = METHODS,
    start: U8 | None = None,
) -> Iterator[MethodAnswer]:
    """Yield the answer of each method that may run, until one has proved the optimum.

    Args:
        problem: the instance.
        may_run: is asked before each method, which is left out where it says no; the next one is asked all the same.
        seed: of every random choice.
        methods: those to be considered, in this order.
        start: best assignment known already, shape ``(n,)``; local search begins there.
    """
    best = start
    best_value = None if start is None else best_assignment(problem, start[None, :])[1]
    for method in methods:
        if not may_run(method):
            continue
        found = run_method(problem, method, best, seed)
        yield found
        if found.proved:
            return
        if best_value is None or is_better(problem.family, found.value, best_value):
            best, best_value = found.assignment, found.value


def run_method(problem: Problem, method: str, best: U8 | None, seed: int) -> MethodAnswer:
    """Return the answer of one method.

    Args:
        problem: the instance.
        method: of `METHODS`.
        best: where local search begins, ``(n,)``; the greedy answer where it is None.
        seed: of every random choice.
    """
    started = time.perf_counter()
    seed = derive_seed(seed, "ladder", method)
    claimed = False
    if method == EXACT:
        solved = problem.family.solve(problem.instance, seed)
        rows, claimed = solved.assignment[None, :], solved.optimal
    elif method == ANNEALING:
        rows = anneal_instance(problem, seed)
    else:
        rows = (best if best is not None and method == LOCAL_SEARCH else problem.family.greedy(problem.instance, seed))[
            None, :
        ]
        if method == LOCAL_SEARCH:
            rows = np.concatenate([rows, improve(problem, rows)])
    assignment, value = best_assignment(problem, rows)
    return MethodAnswer(
        method=method,
        assignment=assignment,
        value=value,
        proved=claimed and value[1] and _allows_proof(problem, value[0]),
        seconds=time.perf_counter() - started,
    )


def _allows_proof(problem: Problem, objective: float) -> bool:
    rounding = problem.family.objective_rounding(problem.instance)
    return rounding.allows_proof(objective_tolerance(objective))
