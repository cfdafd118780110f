"""Maximum satisfiability against enumeration of the clauses as they were given, HiGHS, and theorems."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.families.max_sat import FAMILY, Options, Random, make_instance
from qhybrid_pipelines.problems.formats import cnf
from qhybrid_pipelines_tests.support.family_cases import FamilyCases
from qhybrid_pipelines_tests.support.instance_files import named


def holds(literal, x):
    return x[abs(literal) - 1] == (literal > 0)


def objective_and_feasibility(payload, x):
    lost = sum(weight for weight, clause in payload["soft"] if not any(holds(literal, x) for literal in clause))
    allowed = all(any(holds(literal, x) for literal in clause) for clause in payload["hard"])
    for place, pair in enumerate(payload["helpers"], start=payload["variables"]):
        allowed = allowed and x[place] == any(holds(literal, x) for literal in pair)
    return lost, allowed


CASES = FamilyCases(
    small={
        "random": [
            {"variables": 6, "clauses": 4, "literals": 3, "seed": 1},
            {"variables": 7, "clauses": 16, "literals": 2, "hard": 3, "weighted": True, "seed": 2},
            {"variables": 5, "clauses": 3, "literals": 3, "hard": 1, "weighted": True, "seed": 3},
        ],
    },
    reduced=[
        {"generator": "random", "variables": 5, "clauses": 4, "literals": 3},
        {"generator": "random", "variables": 8, "clauses": 24, "literals": 2, "hard": 2, "weighted": True},
    ],
    definition=objective_and_feasibility,
)


def build(size, soft, hard=()):
    formula = cnf.Formula(size=size, hard=tuple(hard), soft=tuple(soft))
    return make_instance(formula, name="by hand", source="generator:by hand", best_known=None)


def falsified_weight(soft, x):
    return sum(weight for weight, clause in soft if not any(holds(literal, x) for literal in clause))


def optimum(size, soft, hard):
    """The least falsified weight over all values of the formula's own variables; None where no hard clause may stay."""
    values = [
        falsified_weight(soft, x)
        for x in itertools.product((0, 1), repeat=size)
        if all(any(holds(literal, x) for literal in clause) for clause in hard)
    ]
    return min(values, default=None)


def highs(size, soft, hard):
    """The optimum as a mixed-integer programme of the clauses, without helpers."""
    columns = size + len(soft)
    rows, least = [], []
    for place, clause in enumerate([*(clause for _, clause in soft), *hard]):
        row = np.zeros(columns)
        for literal in clause:
            row[abs(literal) - 1] += 1 if literal > 0 else -1
        if place < len(soft):
            row[size + place] = 1
        rows.append(row)
        least.append(1 - sum(literal < 0 for literal in clause))
    cost = np.concatenate([np.zeros(size), [weight for weight, _ in soft]])
    found = milp(
        cost,
        constraints=LinearConstraint(np.array(rows), lb=least),
        integrality=np.ones(columns),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0},
    )
    return found.fun


@st.composite
def formulas(draw):
    size = draw(st.integers(1, 5))
    literals = st.sampled_from([sign * v for v in range(1, size + 1) for sign in (1, -1)])
    clause = st.lists(literals, min_size=1, max_size=4, unique_by=abs).map(
        lambda found: tuple(sorted(found, key=lambda literal: (abs(literal), literal)))
    )
    soft = draw(st.lists(st.tuples(st.integers(1, 9), clause), min_size=1, max_size=4))
    return size, soft, draw(st.lists(clause, max_size=2))


@settings(deadline=None, max_examples=80)
@given(formulas(), st.integers(0, 3))
def test_solver_greedy_and_lowest_energy_against_enumeration_of_the_clauses_as_given(formula, seed):
    size, soft, hard = formula
    least = optimum(size, soft, hard)
    if least is None:
        with pytest.raises(InvalidInput, match="satisfies all hard clauses"):
            build(size, soft, hard)
        return
    instance = build(size, soft, hard)
    answer = FAMILY.solve(instance, seed)
    assert answer.optimal
    assert answer.bound == falsified_weight(soft, answer.assignment.tolist()) == least
    greedy = FAMILY.greedy(instance, seed)
    assert FAMILY.feasible(instance, greedy[None])[0]
    assert FAMILY.objective(instance, greedy[None])[0] == falsified_weight(soft, greedy.tolist()) >= least
    if instance.size <= 14:
        rows = unpack(np.arange(2**instance.size, dtype=np.uint64), instance.size)
        energies = FAMILY.penalised_model(instance).model.assignment_energies(rows)
        best = rows[energies == energies.min()]
        assert energies.min() == least
        assert {falsified_weight(soft, row) for row in best.tolist()} == {least}
        assert all(any(holds(literal, row) for literal in clause) for row in best.tolist() for clause in hard)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("literals", [2, 3, 5])
def test_a_mixed_integer_solver_finds_the_same_optimum(literals, seed):
    parameters = Random(variables=14, clauses=90, literals=literals, hard=6, weighted=True, seed=seed)
    instance = FAMILY.generators["random"][1](parameters)
    answer = FAMILY.solve(instance, seed)
    payload = instance.payload
    helpers = {payload["variables"] + 1 + k: pair for k, pair in enumerate(payload["helpers"])}

    def written_out(clause):
        return [
            end for literal in clause for end in (written_out(helpers[literal]) if literal in helpers else [literal])
        ]

    soft = [(weight, written_out(clause)) for weight, clause in payload["soft"]]
    hard = [written_out(clause) for clause in payload["hard"]]
    assert {len(clause) for clause in (*hard, *(clause for _, clause in soft))} == {literals}
    assert answer.optimal
    assert answer.bound == falsified_weight(soft, answer.assignment) == pytest.approx(highs(14, soft, hard))


@pytest.mark.parametrize("seed", [0, 5])
def test_of_all_clauses_over_the_same_variables_exactly_one_is_falsified_and_the_lightest_can_be(seed):
    every = [
        tuple(sign * v for v, sign in zip((1, 2, 3, 4), signs, strict=True))
        for signs in itertools.product((1, -1), repeat=4)
    ]
    weights = np.random.default_rng(seed).permutation(16) + 3
    instance = build(4, [(int(weight), clause) for weight, clause in zip(weights, every, strict=True)])
    assert FAMILY.solve(instance, seed).bound == 3


def test_one_pigeon_too_many_costs_one_clause():
    """The pigeonhole principle: all clauses but one can be satisfied."""
    file = named("pigeons4")
    instance = FAMILY.parsers["dimacs_cnf"](file.text, Options(), file.path.name)
    assert instance.payload["variables"] == 12
    assert FAMILY.solve(instance, 0).bound == file.best_known == 1


def test_the_file_with_hard_clauses_has_the_optimum_that_highs_proves():
    file = named("timetable")
    formula = cnf.read_wcnf(file.text, file=file.path.name)
    assert formula.hard
    assert highs(formula.size, formula.soft, formula.hard) == pytest.approx(file.best_known)


def test_helpers_are_shared_and_named_after_what_they_stand_for():
    instance = build(5, [(1, (1, -2, 3)), (1, (1, -2, 4)), (1, (1, -2, 5))])
    assert instance.variables == ("x1", "x2", "x3", "x4", "x5", "~x2|x1")
    longer = build(4, [(1, (1, 2, 3, 4))])
    assert longer.variables[4:] == ("x1|x2", "x3|x4")


def test_equal_clauses_add_up_and_order_does_not_matter():
    one = build(2, [(2, (1, 2)), (3, (-1,)), (5, (1, 2))])
    other = build(2, [(3, (-1,)), (7, (1, 2))])
    assert one.sha256 == other.sha256


def test_hard_clauses_and_pure_literals_settle_variables_and_helpers():
    instance = build(6, [(1, (1, 2, 3)), (4, (-4, 5, 2)), (2, (-2, -3)), (1, (-2, 6)), (1, (2, -6, 3))], hard=[(4,)])
    found = {reduction.step_name: reduction for reduction in FAMILY.reductions(instance, 4)}
    values = {step.variable: step.constant for step in found["unit_and_pure_literals"].substitutions}
    assert (values[3], values[0], values[4]) == (1, 1, 1)
    assert all(reduction.exact for reduction in found.values())


def test_a_violation_says_what_does_not_hold():
    instance = build(3, [(1, (1, 2, 3))], hard=[(-1, 2)])
    assert instance.variables[3:] == ("x1|x2",)
    row = np.array([[1, 0, 0, 0]], dtype=np.uint8)
    assert FAMILY.violation(instance, row[0]) == "hard clause: ~x1 or x2 does not hold; 1 in all"
    row = np.array([0, 0, 0, 1], dtype=np.uint8)
    assert FAMILY.violation(instance, row) == "helper: x1|x2 is not 1; 1 in all"


def test_large_weights_stay_exact():
    instance = build(3, [(2**35 - 1, (1, 2, 3)), (2**35 - 2, (-1, -2)), (1, (-3,))])
    rows = unpack(np.arange(2**instance.size, dtype=np.uint64), instance.size)
    allowed = FAMILY.feasible(instance, rows)
    energies = FAMILY.penalised_model(instance).model.assignment_energies(rows)
    expected = [
        falsified_weight([(2**35 - 1, (1, 2, 3)), (2**35 - 2, (-1, -2)), (1, (-3,))], row) for row in rows.tolist()
    ]
    np.testing.assert_array_equal(energies[allowed], np.array(expected, dtype=float)[allowed])


def test_formulas_that_are_no_optimisation_problem_are_refused():
    with pytest.raises(InvalidInput, match="no soft clause"):
        build(2, [], hard=[(1, 2)])
    with pytest.raises(InvalidInput, match="add up to"):
        build(2, [(2**36, (1,)), (1, (2,))])
    with pytest.raises(InvalidInput, match="needs 5001 variables"):
        build(5001, [(1, (1, 2))])
