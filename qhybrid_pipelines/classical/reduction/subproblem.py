"""A subproblem: a few variables around which an incumbent is likely to be improved, everything else frozen."""

from __future__ import annotations

import dataclasses
import heapq

import numpy as np

from qhybrid_pipelines.classical.reduction.substitution import I32, VariableMap, substitute
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel

_Order = np.ndarray[tuple[int], np.dtype[np.int64]]


def flip_costs(model: IsingModel, assignment: U8) -> F64:
    """Return what flipping each variable of an assignment ``(n,)`` alone would cost, in cost units."""
    spins = 1.0 - 2.0 * assignment
    fields = model.linear.copy()
    np.add.at(fields, model.pairs[:, 0], model.couplings * spins[model.pairs[:, 1]])
    np.add.at(fields, model.pairs[:, 1], model.couplings * spins[model.pairs[:, 0]])
    costs = np.asarray(-2.0 * spins * fields, dtype=np.float64)
    if not model.is_quadratic:
        products = model.products
        costs -= 2.0 * ((products.values(spins[None])[0] * products.weights) @ products.incidence(model.size))
    return costs


class Surroundings:
    """An assignment in its model: subproblems around it are drawn, and made, without looking at the whole model again.

    Args:
        model: what is left to be solved.
        assignment: the incumbent, shape ``(n,)``.
    """

    def __init__(self, model: IsingModel, assignment: U8) -> None:
        self._model, self._assignment, self._size = model, assignment, model.size
        self._costs = flip_costs(model, assignment)
        self._spins = 1.0 - 2.0 * assignment
        pairs, couplings = model.pairs, model.couplings
        if not model.is_quadratic:  # whoever meets in a term is a neighbour, at no coupling of its own
            pairs = np.unique(np.concatenate([pairs, model.products.neighbours()]), axis=0)
            couplings = np.zeros(len(pairs))
        i, j = pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)
        ends = np.concatenate([i, j])
        order = np.argsort(ends, kind="stable")
        #: Neighbours of a variable are `_others[_first[v]:_first[v + 1]]`, with their couplings beside them.
        self._others = np.concatenate([j, i])[order]
        self._strengths = np.concatenate([couplings, couplings])[order]
        self._first = np.searchsorted(ends[order], np.arange(model.size + 1))

    def draw(self, *, size: int, rng: np.random.Generator, keep_cardinality: bool, variety: float = 0.0) -> I32:
        """Return ``size`` variables in ascending order, connected where the model is.

        One of the ``size`` variables that are cheapest to flip is drawn as the start; then the cheapest neighbour of the
        subproblem joins until it is full. With ``keep_cardinality`` ones and zeros each get at least a third of the places, as
        far as there are so many: without both, nothing could be exchanged.

        Args:
            size: variables in the subproblem, fewer than the model has.
            rng: draws the start and breaks ties.
            keep_cardinality: the number of ones of the instance is fixed.
            variety: standard deviation of what chance adds to a cost, in that of the costs. Where everything is connected,
                the cheapest are always the same ones without it.
        """
        # Position in the order of cost, ties by lot: a total order, so that a heap of it is deterministic.
        lots = rng.permutation(self._size)
        costs = self._costs + variety * self._costs.std() * rng.standard_normal(self._size) if variety else self._costs
        order = np.lexsort((lots, costs))
        rank = np.empty(self._size, dtype=np.int64)
        rank[order] = np.arange(self._size)
        start = int(order[rng.integers(0, min(size, self._size))])

        quota = {0: size, 1: size}
        if keep_cardinality:
            ones = int(self._assignment.sum())
            reserved = size // 3
            quota = {
                0: size - min(reserved, ones),
                1: size - min(reserved, self._size - ones),
            }
        return self._grow(start=start, order=order, rank=rank, size=size, quota=quota)

    def window(self, variables: I32) -> IsingModel:
        """Return the energy over some variables, ascending, with all others at the assignment's values; without a constant."""
        if not self._model.is_quadratic:
            outside = np.setdiff1d(np.arange(self._size), variables)
            frozen = dict(zip(outside.tolist(), self._assignment[outside].tolist(), strict=True))
            left = substitute(self._model, VariableMap.from_constants(self._size, frozen))
            return dataclasses.replace(left, offset=0.0)
        place = np.full(self._size, -1, dtype=np.int64)
        place[variables] = np.arange(len(variables))
        # The cost of a flip contains the whole field of the variable; the share of its neighbours inside is subtracted again.
        linear = -self._costs[variables] * self._spins[variables] / 2.0
        pairs, couplings = [], []
        for i, variable in enumerate(variables.tolist()):
            here = slice(self._first[variable], self._first[variable + 1])
            others, strengths = self._others[here], self._strengths[here]
            inside = place[others] >= 0
            linear[i] -= float(np.sum(strengths[inside] * self._spins[others[inside]]))
            later = np.flatnonzero(place[others] > i)
            later = later[np.argsort(place[others[later]])]
            pairs += [(i, j) for j in place[others[later]].tolist()]
            couplings += strengths[later].tolist()
        return IsingModel(
            linear=linear,
            pairs=np.array(pairs, dtype=np.int32).reshape(-1, 2),
            couplings=np.array(couplings, dtype=np.float64),
            offset=0.0,
        )

    def _grow(self, *, start: int, order: _Order, rank: _Order, size: int, quota: dict[int, int]) -> I32:
        """Grow the subproblem from ``start``; ``quota`` is how many variables of value 0 and of value 1 it may take."""
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
            value = int(self._assignment[variable])
            if quota[value] == 0:
                continue
            quota[value] -= 1
            subproblem.add(variable)
            for neighbour in self._others[self._first[variable] : self._first[variable + 1]].tolist():
                if neighbour not in seen:
                    seen.add(neighbour)
                    heapq.heappush(border, (int(rank[neighbour]), neighbour))
        return np.array(sorted(subproblem), dtype=np.int32)
