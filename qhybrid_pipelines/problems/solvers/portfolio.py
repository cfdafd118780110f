"""Portfolio solvers: repair, greedy choice, swap search and enumeration over exactly ``K`` of ``n`` assets."""

from __future__ import annotations

import itertools
import math

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.problems.family import SolverResult
from qhybrid_pipelines.problems.solvers.choice import CardinalityProblem, fix_by_bound, lower_bound, relax
from qhybrid_pipelines.problems.solvers.row_blocks import apply_in_blocks

#: Independent starts of the swap search, and the most swaps of each.
STARTS = 20
MAX_SWAPS = 1000

#: Largest enumeration: number of choices times pairs in each, about two seconds.
MAX_PAIR_TERMS = 100_000_000
CHUNK = 1 << 17


def repair_cardinality(problem: CardinalityProblem, rows: U8) -> U8:
    """Return ``rows`` ``(m, n)`` with exactly ``chosen`` ones; rows that have them stay as they are.

    Too many: the candidate goes that saves most; too few: the one comes that costs least; one at a time, ties to the
    lower index. All rows at once, each by itself: the result does not depend on other rows.
    """
    return apply_in_blocks(lambda block: _repair_block(problem, block), rows, bytes_per_row=40 * problem.size)


def _repair_block(problem: CardinalityProblem, rows: U8) -> U8:
    repaired = rows.copy()
    broken = np.flatnonzero(rows.sum(axis=1, dtype=np.int64) != problem.chosen)
    x = repaired[broken]
    doubled = 2 * problem.matrix
    np.fill_diagonal(doubled, 0)
    costs = np.tile(problem.linear + np.diag(problem.matrix), (len(x), 1))
    for i in range(problem.size):  # element by element and not by a product, whose rounding depends on the row's place
        costs += x[:, i, None] * doubled[i]
    missing = problem.chosen - x.sum(axis=1, dtype=np.int64)
    for sign in (1, -1):  # first the rows that need more, then those that need fewer
        while len(active := np.flatnonzero(sign * missing > 0)):
            allowed = x[active] == (sign < 0)
            pick = np.where(allowed, sign * costs[active], np.inf).argmin(axis=1)
            x[active, pick] ^= 1
            costs[active] += sign * doubled[pick]
            missing[active] -= sign
    repaired[broken] = x
    return repaired


def greedy_portfolio(problem: CardinalityProblem, seed: int) -> U8:
    """Return ``(n,)``: from nothing, always the candidate that costs least given those chosen; ties by a seeded order."""
    order = generator(seed, "portfolio", "greedy").permutation(problem.size)
    x = np.zeros(problem.size, dtype=np.uint8)
    for _ in range(problem.chosen):
        costs = np.where(x == 1, np.inf, problem.costs(x))
        x[order[np.argmin(costs[order])]] = 1
    return x


def swap_descent(problem: CardinalityProblem, x: U8) -> tuple[U8, int]:
    """Return where steepest descent by exchanging one in for one out ends, and the number of swaps."""
    x = x.copy()
    for swaps in range(MAX_SWAPS):
        inside, outside = np.flatnonzero(x == 1), np.flatnonzero(x == 0)
        if not len(inside) or not len(outside):
            return x, swaps
        costs = problem.costs(x)
        change = costs[outside] - costs[inside, None] - 2 * problem.matrix[np.ix_(inside, outside)]
        best = int(np.argmin(change))
        if change.flat[best] >= -problem.tolerance:
            return x, swaps
        x[inside[best // len(outside)]] = 0
        x[outside[best % len(outside)]] = 1
    return x, MAX_SWAPS


def swap_search(problem: CardinalityProblem, seed: int) -> tuple[U8, int]:
    """Return the best of several swap searches, and the swaps in all; from the greedy choice and from random ones."""
    random = generator(seed, "portfolio", "search")
    starts = [greedy_portfolio(problem, seed)]
    for _ in range(STARTS - 1):
        start = np.zeros(problem.size, dtype=np.uint8)
        start[random.permutation(problem.size)[: problem.chosen]] = 1
        starts.append(start)
    found = [swap_descent(problem, start) for start in starts]
    return min((x for x, _ in found), key=problem.value), sum(swaps for _, swaps in found)


def enumerate_choices(problem: CardinalityProblem) -> U8:
    """Return the best of all choices, the first in lexicographic order; memory is bounded by chunks of them."""
    diagonal, matrix = problem.linear + np.diag(problem.matrix), 2 * problem.matrix
    choices = itertools.combinations(range(problem.size), problem.chosen)
    best, best_choice = math.inf, np.arange(problem.chosen)
    while True:
        flat = itertools.chain.from_iterable(itertools.islice(choices, CHUNK))
        members = np.fromiter(flat, dtype=np.int64).reshape(-1, problem.chosen).T
        if not members.size:
            break
        values = diagonal[members].sum(axis=0)
        for a, b in itertools.combinations(range(problem.chosen), 2):
            values += matrix[members[a], members[b]]
        lowest = int(np.argmin(values))
        if values[lowest] < best:
            best, best_choice = float(values[lowest]), members[:, lowest]
    x = np.zeros(problem.size, dtype=np.uint8)
    x[best_choice] = 1
    return x


def solve(problem: CardinalityProblem, seed: int) -> SolverResult:
    """Return the best choice: swap search, exact fixing by bounds, then enumeration where what is left is small enough.

    ``evaluations`` counts the swaps and the choices enumerated.
    """
    x, evaluations = swap_search(problem, seed)
    ones, zeros = fix_by_bound(problem, problem.value(x))
    free = np.setdiff1d(np.arange(problem.size), np.concatenate([ones, zeros]))
    rest = problem.subproblem(ones, free)
    count = math.comb(rest.size, rest.chosen)
    if count * (rest.chosen + 1) ** 2 // 2 > MAX_PAIR_TERMS:
        bound = lower_bound(problem, relax(problem))
        return SolverResult(assignment=x, optimal=False, bound=bound, evaluations=evaluations)
    best = np.zeros(problem.size, dtype=np.uint8)
    best[ones] = 1
    if rest.chosen:
        best[free] = enumerate_choices(rest)
    if problem.value(best) > problem.value(x):
        best = x
    return SolverResult(assignment=best, optimal=True, bound=problem.value(best), evaluations=evaluations + count)
