"""A subproblem: a few variables around which an incumbent is likely to be improved, everything else frozen."""

from __future__ import annotations

import heapq

import numpy as np

from qhybrid_pipelines.classical.reduction.substitution import I32
from qhybrid_pipelines.core.bits import U8
from qhybrid_pipelines.core.ising import F64, IsingModel


def flip_costs(model: IsingModel, assignment: U8) -> F64:
    """Return what flipping each variable of an assignment ``(n,)`` alone would cost, in cost units."""
    spins = 1.0 - 2.0 * assignment
    fields = model.linear.copy()
    np.add.at(fields, model.pairs[:, 0], model.couplings * spins[model.pairs[:, 1]])
    np.add.at(fields, model.pairs[:, 1], model.couplings * spins[model.pairs[:, 0]])
    return np.asarray(-2.0 * spins * fields, dtype=np.float64)


def select_subproblem(
    model: IsingModel, assignment: U8, *, size: int, rng: np.random.Generator, keep_cardinality: bool
) -> I32:
    """Return ``size`` variables in ascending order, connected where the model is.

    One of the ``size`` variables that are cheapest to flip is drawn as the start; then the cheapest neighbour of the
    subproblem joins until it is full. With ``keep_cardinality`` ones and zeros each get at least a third of the places, as
    far as there are so many: without both, nothing could be exchanged.

    Args:
        model: what is left to be solved, more than ``size`` variables.
        assignment: the incumbent, shape ``(n,)``.
        size: variables in the subproblem.
        rng: draws the start and breaks ties.
        keep_cardinality: the number of ones of the instance is fixed.
    """
    costs = flip_costs(model, assignment)
    # Position in the order of cost, ties by lot: a total order, so that a heap of it is deterministic.
    order = np.lexsort((rng.permutation(model.size), costs))
    rank = np.empty(model.size, dtype=np.int64)
    rank[order] = np.arange(model.size)
    start = int(order[rng.integers(0, min(size, model.size))])

    quota = {0: size, 1: size}
    if keep_cardinality:
        ones = int(assignment.sum())
        reserved = size // 3
        quota = {
            0: size - min(reserved, ones),
            1: size - min(reserved, model.size - ones),
        }
    return _grow(model, assignment, start=start, order=order, rank=rank, size=size, quota=quota)


def _grow(
    model: IsingModel,
    assignment: U8,
    *,
    start: int,
    order: np.ndarray[tuple[int], np.dtype[np.int64]],
    rank: np.ndarray[tuple[int], np.dtype[np.int64]],
    size: int,
    quota: dict[int, int],
) -> I32:
    """Grow the subproblem from ``start``; ``quota`` is how many variables of value 0 and of value 1 it may take."""
    neighbours: list[list[int]] = [[] for _ in range(model.size)]
    for i, j in model.pairs.tolist():
        neighbours[i].append(j)
        neighbours[j].append(i)
    subproblem: set[int] = set()
    seen = {start}
    border = [(int(rank[start]), start)]
    elsewhere = iter(order.tolist())
    while len(subproblem) < size:
        if border:
            _, variable = heapq.heappop(border)
        else:  # this part of the model is used up: go on at the cheapest variable elsewhere
            variable = next(v for v in elsewhere if v not in seen)
            seen.add(variable)
        value = int(assignment[variable])
        if quota[value] == 0:
            continue
        quota[value] -= 1
        subproblem.add(variable)
        for neighbour in neighbours[variable]:
            if neighbour not in seen:
                seen.add(neighbour)
                heapq.heappush(border, (int(rank[neighbour]), neighbour))
    return np.array(sorted(subproblem), dtype=np.int32)
