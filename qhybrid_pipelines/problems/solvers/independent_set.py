"""Weighted independent sets: exact reductions, greedy rules and CP-SAT, on plain arrays.

Throughout, ``weights`` has shape ``(n,)`` and is positive, ``edges`` has shape ``(m, 2)`` with ``i < j`` and no repeats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.exact import IntegerWeights, integers_as_written
from qhybrid_pipelines.classical.reduction.implication_network import ImplicationNetwork
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.seeds import derive_seed_31bit, generator
from qhybrid_pipelines.problems.family import FamilyReduction, SolverResult, Substitution
from qhybrid_pipelines.problems.solvers.cp_sat_solver import repeatable_solver
from qhybrid_pipelines.problems.solvers.row_blocks import apply_in_blocks, weighted_sums

Edges = npt.NDArray[np.int32]

#: What is still undecided: vertex -> undecided neighbours.
Remaining = dict[int, set[int]]

#: CP-SAT's own unit of work, close to a second; the same on every machine, unlike the clock.
MAX_DETERMINISTIC_TIME = 5.0

#: CP-SAT's integers: sums of weights in their common unit below this are exact. Larger ones are scaled to about this
#: and rounded up, each by less than float64 rounds their sum.
MAX_INTEGER_TOTAL = 2**60

#: Weights as integers: no rule rests on rounding.
Weights = tuple[int, ...]


def neighbours(size: int, edges: Edges) -> list[npt.NDArray[np.int64]]:
    """Return the neighbours of every vertex, each sorted."""
    both = np.concatenate([edges, edges[:, ::-1]]).astype(np.int64)
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    starts = np.searchsorted(both[:, 0], np.arange(1, size))
    return np.split(both[:, 1], starts) if size else []


def reductions(weights: F64, edges: Edges) -> list[FamilyReduction]:
    """Return the exact reductions, cheapest rule first, until none of them finds anything.

    All three rules keep at least one optimum, so they may be applied one after the other. Weights are compared and added
    as the decimals that they were written as:

    * ``heavy_vertex``: take a vertex that weighs at least as much as all its neighbours together. Degree 0, and degree
      1 with the lighter neighbour, are the common cases.
    * ``domination``: leave ``v`` out when a neighbour ``u`` weighs at least as much and has no neighbour that ``v``
      has not: in any set, ``u`` can stand in for ``v``.
    * ``linear_programme``: a variable that is 0 or 1 in a half-integral optimum of the edge relaxation keeps that
      value in some optimal set (G. Nemhauser, L. Trotter, Mathematical Programming 8, 232 (1975)).

    Source of the first two: S. Lamm et al., ALENEX 2019, section 3 (arXiv:1810.10834).
    """
    exact = integers_as_written(weights).integers
    remaining: Remaining = {v: set(near.tolist()) for v, near in enumerate(neighbours(len(weights), edges))}
    found: list[FamilyReduction] = []
    rules = {"heavy_vertex": _heavy_vertices, "domination": _dominated_vertices, "linear_programme": _linear_programme}
    while remaining:
        for step_name, rule in rules.items():
            fixed = rule(remaining, exact)
            if fixed:
                steps = tuple(Substitution(variable=v, constant=x) for v, x in fixed)
                members = sum(x for _, x in fixed)
                note = f"{members} taken, {len(fixed) - members} left out"
                found.append(FamilyReduction(step_name=step_name, exact=True, substitutions=steps, note=note))
                break
        else:
            break
    return found


def _leave_out(remaining: Remaining, vertex: int) -> None:
    for near in remaining.pop(vertex):
        remaining[near].discard(vertex)


def _take(remaining: Remaining, vertex: int) -> list[tuple[int, int]]:
    """Decide for ``vertex`` and thereby against its neighbours; return what that fixes."""
    near = sorted(remaining[vertex])
    for v in [vertex, *near]:
        _leave_out(remaining, v)
    return [(vertex, 1), *((v, 0) for v in near)]


def _heavy_vertices(remaining: Remaining, weights: Weights) -> list[tuple[int, int]]:
    fixed: list[tuple[int, int]] = []
    before = -1
    while before < len(fixed):
        before = len(fixed)
        for v in sorted(remaining):
            if v in remaining and weights[v] >= sum(weights[u] for u in remaining[v]):
                fixed += _take(remaining, v)
    return fixed


def _dominated_vertices(remaining: Remaining, weights: Weights) -> list[tuple[int, int]]:
    fixed: list[tuple[int, int]] = []
    for v in sorted(remaining):
        near = remaining[v]
        if any(weights[u] >= weights[v] and remaining[u] - {v} <= near for u in near):
            _leave_out(remaining, v)
            fixed.append((v, 0))
    return fixed


def _linear_programme(remaining: Remaining, weights: Weights) -> list[tuple[int, int]]:
    """Return what a half-integral optimum of the edge relaxation, found by a maximum flow, settles."""
    vertices = sorted(remaining)
    column = {v: k for k, v in enumerate(vertices)}
    network = ImplicationNetwork(len(vertices))
    for v in vertices:
        network.add_term(weights[v], 2 * column[v] + 1)
    conflict = 1 + sum(weights[v] for v in vertices)
    for v in vertices:
        for u in sorted(remaining[v]):
            if v < u:
                network.add_term(conflict, 2 * column[v], 2 * column[u])
    values = {vertices[k]: value for k, value in sorted(network.persistent_literals().items())}
    for v in values:
        _leave_out(remaining, v)
    return list(values.items())


def count_conflicts(edges: Edges, rows: U8) -> npt.NDArray[np.int64]:
    """Return the number of edges with both ends chosen, per row of ``(m, n)``."""

    def count(block: U8) -> npt.NDArray[np.int64]:
        number: npt.NDArray[np.int64] = (block[:, edges[:, 0]] & block[:, edges[:, 1]]).sum(axis=1, dtype=np.int64)
        return number

    return apply_in_blocks(count, rows, bytes_per_row=3 * len(edges))


def make_independent(weights: F64, edges: Edges, rows: U8) -> U8:
    """Return ``rows`` ``(m, n)`` with the conflicts resolved; rows without conflict stay as they are.

    Vertices are visited by ``weight / (degree + 1)``, the lower number first: one leaves where a chosen neighbour is
    left. Then, in the opposite order, repaired rows take every vertex that has become free. One pass over the
    vertices each, all rows at once; ties go by the vertex number.
    """
    near = neighbours(len(weights), edges)
    order = np.argsort(weights / (1 + np.array([len(v) for v in near])), kind="stable")
    broken = count_conflicts(edges, rows) > 0
    columns = np.ascontiguousarray(rows[broken].T)
    for v in order:
        columns[v] &= ~columns[near[v]].any(axis=0)
    for v in order[::-1]:
        columns[v] |= ~columns[near[v]].any(axis=0)
    repaired = rows.copy()
    repaired[broken] = columns.T
    return repaired


def greedy_set(weights: F64, edges: Edges, seed: int) -> U8:
    """Return a maximal set ``(n,)``: always the vertex with most ``weight / (degree + 1)`` of what is left.

    Ties go by a seeded order. Source: S. Sakai et al., Discrete Applied Mathematics 126, 313 (2003), rule GWMIN.
    """
    size = len(weights)
    near = neighbours(size, edges)
    order = generator(seed, "independent_set", "greedy").permutation(size)
    degree = np.array([len(v) for v in near])
    score = weights / (degree + 1)
    chosen = np.zeros(size, dtype=np.uint8)
    while np.isfinite(score).any():
        v = order[np.argmax(score[order])]
        chosen[v] = 1
        for gone in (v, *near[v]):
            if np.isfinite(score[gone]):
                score[gone] = -np.inf
                degree[near[gone]] -= 1
        left = np.isfinite(score)
        score[left] = weights[left] / (degree[left] + 1)
    return chosen


def cp_sat(weights: F64, edges: Edges, seed: int) -> SolverResult:
    """Return the best set that CP-SAT finds, started from the greedy one, and its proved upper bound.

    One worker, a fixed seed and a deterministic limit of work, so that the same call gives the same answer. CP-SAT
    counts in integers. Weights that are decimals go in as they are; where their sum is too large for 64 bits they are
    scaled and rounded up, so that the bound holds, and an optimum is one up to the rounding of a sum in float64.
    """
    from ortools.sat.python import cp_model

    size = len(weights)
    gains = _gains(integers_as_written(weights))
    start = greedy_set(weights, edges, seed)

    model = cp_model.CpModel()
    chosen = [model.new_bool_var(f"x{v}") for v in range(size)]
    for i, j in edges.tolist():
        model.add_at_most_one(chosen[i], chosen[j])
    model.maximize(cp_model.LinearExpr.weighted_sum(chosen, list(gains.integers)))
    for variable, value in zip(chosen, start.tolist(), strict=True):
        model.add_hint(variable, value)

    solver = repeatable_solver(
        seed=derive_seed_31bit(seed, "independent_set", "cp_sat"), max_work=MAX_DETERMINISTIC_TIME
    )
    solver.parameters.absolute_gap_limit = 0.0  # measured in float64, which does not tell large integers apart
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return SolverResult(assignment=start, optimal=False, bound=None, evaluations=solver.num_branches)
    assignment = np.array([solver.value(v) for v in chosen], dtype=np.uint8)
    optimal = status == cp_model.OPTIMAL
    if optimal and gains.exact:
        bound = float(weighted_sums(weights, assignment[None])[0])
    else:
        reached = sum(gain for gain, bit in zip(gains.integers, assignment.tolist(), strict=True) if bit)
        # CP-SAT states the float64 nearest to its integer bound: the next one above holds in any case.
        above = reached if optimal else Fraction(math.nextafter(solver.best_objective_bound, math.inf))
        bound = math.nextafter(float(above * gains.unit), math.inf)
    return SolverResult(assignment=assignment, optimal=optimal, bound=bound, evaluations=solver.num_branches)


@dataclass(frozen=True, slots=True)
class _Gains:
    """What CP-SAT counts: integers that are at least the weights over a unit, and equal to them where exact."""

    integers: tuple[int, ...]
    unit: Fraction
    exact: bool


def _gains(weights: IntegerWeights) -> _Gains:
    if weights.total < MAX_INTEGER_TOTAL:
        return _Gains(weights.integers, weights.unit, exact=True)
    scale = -(-weights.total // (MAX_INTEGER_TOTAL - len(weights.integers)))
    return _Gains(tuple(-(-value // scale) for value in weights.integers), weights.unit * scale, exact=False)
