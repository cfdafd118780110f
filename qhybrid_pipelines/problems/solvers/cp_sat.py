r"""Proving the optimum of a sparse Ising model with the CP-SAT solver of OR-Tools.

A variable per coupling says whether its two spins differ. Around any cycle the number of differences is even; stated
for all triangles and for a shortest cycle through every edge, this is what makes proofs quick: without it, the
relaxation is worth nothing. Fields count as couplings to one more spin that is always +1, and so take part in cycles.
Source of the cycle constraints: F. Barahona, A. R. Mahjoub, Mathematical Programming 36, 157 (1986).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.seeds import derive_seed_31bit
from qhybrid_pipelines.problems.solvers.cp_sat_solver import repeatable_solver
from qhybrid_pipelines.problems.solvers.granularity import energy_step, round_bound_to_step

#: Above this, proofs no longer come within seconds.
MAX_COUPLINGS = 2000

#: Dense models have more triangles than constraints can be of use.
MAX_TRIANGLES = 5000

#: CP-SAT's own unit of work, one to three seconds; the same on every machine, unlike the clock.
MAX_DETERMINISTIC_TIME = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the solver ended with.

    Attributes:
        assignment: the best one it knows, ``(n,)``; at least as good as the hint.
        lower_bound: no energy is below it.
        optimal: the assignment has the lowest energy.
    """

    assignment: U8
    lower_bound: float
    optimal: bool


def prove_optimum(model: IsingModel, hint: U8, seed: int) -> Proof | None:
    """Return the optimum, or the best of a bounded search and a bound.

    Args:
        model: energy to be minimised.
        hint: assignment to start from, ``(n,)``.
        seed: seed of the solver.

    Returns:
        None where the model has too many couplings, or coefficients that are not multiples of one decimal step.
    """
    step = energy_step(model)
    if step is None or not 0 < len(model.pairs) <= MAX_COUPLINGS:
        return None
    from ortools.sat.python import cp_model

    problem = cp_model.CpModel()
    bits = [problem.new_bool_var("") for _ in range(model.size)]
    for bit, value in zip(bits, hint.tolist(), strict=True):
        problem.add_hint(bit, bool(value))
    differ = {}
    for i, j in model.pairs.tolist():
        both = differ[i, j] = problem.new_bool_var("")
        problem.add_hint(both, bool(hint[i] ^ hint[j]))
        problem.add(both <= bits[i] + bits[j])
        problem.add(both <= 2 - bits[i] - bits[j])
        problem.add(both >= bits[i] - bits[j])
        problem.add(both >= bits[j] - bits[i])
    # E = constant - 2 sum h_i x_i - 2 sum J_ij d_ij; twice the coefficients over 0 and 1 are half steps at least.
    fixed = np.flatnonzero(model.linear).tolist()
    coefficients = np.concatenate([model.couplings, model.linear[fixed]])
    weights = np.rint(-4 * coefficients / step).astype(np.int64).tolist()
    problem.minimize(sum(w * d for w, d in zip(weights, [*differ.values(), *(bits[i] for i in fixed)], strict=True)))
    if fixed:
        differ |= {(i, model.size): bits[i] for i in fixed}
    else:
        # Without fields, flipping all spins changes nothing: one of the two is enough.
        problem.add(bits[0] == int(hint[0]))
    for cycle in short_cycles(list(differ)):
        around = [differ[min(edge), max(edge)] for edge in pairwise([*cycle, cycle[0]])]
        problem.add(sum(around) == 2 * problem.new_int_var(0, len(around) // 2, ""))
        if len(around) == 3:
            for side in around:
                problem.add(2 * side <= sum(around))

    solver = repeatable_solver(seed=derive_seed_31bit(seed, "cp_sat"), max_work=MAX_DETERMINISTIC_TIME)
    solver.parameters.linearization_level = 2
    solver.parameters.absolute_gap_limit = 0.0  # a gap is a whole number of half steps
    status = solver.solve(problem)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    constant = model.offset + float(model.linear.sum() + model.couplings.sum())
    half_steps = math.ceil(solver.best_objective_bound - 1e-6)  # an integer below 2**53, give or take
    return Proof(
        assignment=np.array([solver.boolean_value(bit) for bit in bits], dtype=np.uint8),
        lower_bound=round_bound_to_step(model, constant + step / 2 * half_steps),
        optimal=status == cp_model.OPTIMAL,
    )


def short_cycles(edges: list[tuple[int, int]]) -> list[list[int]]:
    """Return all triangles (up to a limit) and a shortest cycle through every edge that is on one, as lists of nodes.

    Args:
        edges: distinct pairs ``i < j``.
    """
    near: dict[int, dict[int, None]] = {}
    for i, j in edges:
        near.setdefault(i, {})[j] = None
        near.setdefault(j, {})[i] = None
    triangles = ([i, j, k] for i, j in edges for k in near[i] if k > j and k in near[j])
    found = {frozenset(cycle): cycle for cycle in islice(triangles, MAX_TRIANGLES)}
    for start, end in edges:
        cycle = _shortest_cycle(near, start, end)
        if cycle:
            found.setdefault(frozenset(cycle), cycle)
    return list(found.values())


def _shortest_cycle(near: dict[int, dict[int, None]], start: int, end: int) -> list[int]:
    """Return the nodes of a shortest cycle through an edge, found in breadth; empty if there is none."""
    previous = {start: start}
    queue = deque([start])
    while queue and end not in previous:
        node = queue.popleft()
        for other in near[node]:
            if other not in previous and (node, other) != (start, end):
                previous[other] = node
                queue.append(other)
    if end not in previous:
        return []
    cycle = [end]
    while cycle[-1] != start:
        cycle.append(previous[cycle[-1]])
    return cycle
