"""A quadratic objective over rules: a first feasible assignment, descent that stays feasible, and the proof by CP-SAT."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.exact import EXACT_FLOAT_TOTAL, integers_as_written
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.seeds import derive_seed_31bit
from qhybrid_pipelines.problems.quadratic import QuadraticForm, pair_sums, sum_of_products
from qhybrid_pipelines.problems.solvers.cp_sat_solver import repeatable_solver
from qhybrid_pipelines.problems.solvers.linear_rules import LinearRules
from qhybrid_pipelines.problems.solvers.row_blocks import weighted_sums

#: CP-SAT's own unit of work, close to a second; the same on every machine, unlike the clock.
MAX_DETERMINISTIC_TIME = 5.0

#: Above this many variables only single flips are tried, not exchanges of two.
_MAX_EXCHANGED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What CP-SAT ended with.

    Attributes:
        assignment: of the own variables, ``(own,)``; None where none was found.
        optimal: it has the least objective.
        bound: no objective is below it; None where nothing was proved.
        impossible: no assignment keeps all rules.
        branches: that the solver explored.
    """

    assignment: U8 | None
    optimal: bool
    bound: float | None
    impossible: bool
    branches: int


def values(form: QuadraticForm, own: U8) -> F64:
    """Return the objective of each row ``(m, own)``, shape ``(m,)``."""
    return form.offset + weighted_sums(form.linear, own) + pair_sums(own, form.pairs, form.quadratic)


def penalised(form: QuadraticForm, rules: LinearRules, penalty: float) -> tuple[F64, npt.NDArray[np.int32], F64, float]:
    """Return the objective plus ``penalty`` for each unit of broken rule, over own variables and slack bits.

    Returns:
        ``(linear, pairs, quadratic, offset)`` over 0 and 1.
    """
    linear, pairs, quadratic, offset = rules.penalty()
    joined, products = sum_of_products(rules.size, (form.pairs, form.quadratic), (pairs, penalty * quadratic))
    own = np.concatenate([form.linear, np.zeros(len(rules.slack))])
    return own + penalty * linear, joined, products, form.offset + penalty * offset


def prove(form: QuadraticForm, rules: LinearRules, *, seed: int, hint: U8 | None, feasibility_only: bool) -> Found:
    """Run CP-SAT on the rules and the objective, products as variables of their own.

    Args:
        form: objective, to be minimised.
        rules: to be kept.
        seed: of the solver.
        hint: assignment to start from, ``(own,)``.
        feasibility_only: leave the objective out, and stop at the first assignment that keeps all rules.
    """
    from ortools.sat.python import cp_model

    problem = cp_model.CpModel()
    bits = [problem.new_bool_var("") for _ in range(rules.own)]
    if hint is not None:
        for bit, value in zip(bits, hint.tolist(), strict=True):
            problem.add_hint(bit, bool(value))
    for rule in rules.rules:
        total = cp_model.LinearExpr.weighted_sum([bits[place] for place in rule.places], rule.weights)
        problem.add(total == rule.bound if rule.equal else total <= rule.bound)
    weights = integers_as_written([*form.linear.tolist(), *form.quadratic.tolist()])
    exact = weights.total < EXACT_FLOAT_TOTAL
    if not feasibility_only and exact:
        both = []
        for i, j in form.pairs.tolist():
            product = problem.new_bool_var("")
            problem.add_implication(product, bits[i])
            problem.add_implication(product, bits[j])
            problem.add_bool_or(product, bits[i].negated(), bits[j].negated())
            if hint is not None:
                problem.add_hint(product, bool(hint[i] and hint[j]))
            both.append(product)
        problem.minimize(cp_model.LinearExpr.weighted_sum([*bits, *both], weights.integers))
    solver = repeatable_solver(seed=derive_seed_31bit(seed, "binary_program"), max_work=MAX_DETERMINISTIC_TIME)
    solver.parameters.absolute_gap_limit = 0.0
    status = solver.solve(problem)
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    bound = None
    if not feasibility_only and exact and found:
        least = math.ceil(solver.best_objective_bound - 1e-6)  # a whole number below 2**53, give or take
        bound = float(least * weights.unit) + form.offset
    return Found(
        assignment=np.array([solver.boolean_value(bit) for bit in bits], dtype=np.uint8) if found else None,
        optimal=status == cp_model.OPTIMAL and exact and not feasibility_only,
        bound=bound,
        impossible=status == cp_model.INFEASIBLE,
        branches=int(solver.num_branches),
    )


def descend(form: QuadraticForm, rules: LinearRules, start: U8) -> U8:
    """Return where steepest descent ends that flips one variable or exchanges two, and keeps all rules.

    Args:
        form: objective, to be minimised.
        rules: to be kept.
        start: keeps them, ``(own,)``.
    """
    own = start.copy()
    singles = np.eye(rules.own, dtype=np.uint8)
    while True:
        moves = singles
        if rules.own <= _MAX_EXCHANGED:
            out, into = np.flatnonzero(own == 1), np.flatnonzero(own == 0)
            exchanges = (singles[out][:, None, :] | singles[into][None, :, :]).reshape(-1, rules.own)
            moves = np.concatenate([singles, exchanges])
        candidates = own[None] ^ moves
        candidates = candidates[~rules.excess(candidates).any(axis=1)]
        if not len(candidates):
            return own
        reached = values(form, candidates)
        best = int(reached.argmin())
        if not reached[best] < values(form, own[None])[0]:
            return own
        own = candidates[best]
