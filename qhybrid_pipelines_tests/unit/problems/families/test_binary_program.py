"""Binary programmes against enumeration of the constraints as they were given, CP-SAT and HiGHS."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ortools.sat.python import cp_model
from scipy.optimize import Bounds, LinearConstraint, milp

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.families.binary_program import FAMILY, Options, make_instance
from qhybrid_pipelines.problems.linear_constraints import BinaryProgram, make_linear_constraint
from qhybrid_pipelines.problems.quadratic import make_quadratic_form
from qhybrid_pipelines_tests.support.family_cases import FamilyCases
from qhybrid_pipelines_tests.support.instance_files import named


def objective_and_feasibility(payload, x):
    own = len(payload["linear"])
    value = payload["offset"] + sum(c * x[i] for i, c in enumerate(payload["linear"]))
    value += sum(c * x[i] * x[j] for (i, j), c in zip(payload["pairs"], payload["quadratic"], strict=True))
    allowed, place = True, own
    for rule in payload["rules"]:
        total = sum(w * x[i] for i, w in zip(rule["places"], rule["weights"], strict=True))
        for weight in rule["slack"]:
            total += weight * x[place]
            place += 1
        allowed = allowed and (total == rule["bound"] if rule["equal"] or rule["slack"] else total <= rule["bound"])
    return value, allowed


CASES = FamilyCases(
    small={
        "random": [
            {"variables": 5, "constraints": 1, "seed": 1},
            {"variables": 6, "constraints": 1, "equalities": True, "seed": 2},
            {"variables": 2, "constraints": 3, "density": 1.0, "seed": 3},
        ],
    },
    reduced=[
        {"generator": "random", "variables": 5, "constraints": 1},
        {"generator": "random", "variables": 8, "constraints": 2, "equalities": True},
    ],
    definition=objective_and_feasibility,
)


def build(linear, products, constraints, offset=0.0):
    names = [f"x{place}" for place in range(len(linear))]
    entries = [(i, i, float(value)) for i, value in enumerate(linear)]
    entries += [(i, j, float(value)) for (i, j), value in products.items()]
    form = make_quadratic_form(names, entries, offdiagonal_factor=1.0, offset=offset)
    made = [make_linear_constraint(*constraint) for constraint in constraints]
    program = BinaryProgram(objective=form, constraints=tuple(made))
    return make_instance(program, name="by hand", source="generator:by hand", best_known=None)


def keeps(constraints, x):
    relations = {"<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b, "==": lambda a, b: a == b}
    return all(relations[rel](sum(c * x[i] for i, c in terms), bound) for _, terms, rel, bound in constraints)


def enumerated(linear, products, constraints):
    """The least objective over all assignments that keep the constraints as they were given; None where there are none."""
    found = [
        sum(c * v for c, v in zip(linear, x, strict=True)) + sum(c * x[i] * x[j] for (i, j), c in products.items())
        for x in itertools.product((0, 1), repeat=len(linear))
        if keeps(constraints, x)
    ]
    return min(found, default=None)


def cp_sat(linear, products, constraints):
    """The same by CP-SAT, without anything of the package."""
    model = cp_model.CpModel()
    bits = [model.new_bool_var("") for _ in linear]
    cost = [c * bit for c, bit in zip(linear, bits, strict=True)]
    for (i, j), value in products.items():
        both = model.new_bool_var("")
        model.add_multiplication_equality(both, [bits[i], bits[j]])
        cost.append(value * both)
    for _, terms, relation, bound in constraints:
        total = sum(c * bits[i] for i, c in terms)
        model.add(total <= bound if relation == "<=" else total >= bound if relation == ">=" else total == bound)
    model.minimize(sum(cost))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    return None if status == cp_model.INFEASIBLE else round(solver.objective_value)


def drawn(seed):
    """A random programme of whole numbers, with constraints of every relation and length, some without a solution."""
    random = np.random.default_rng(seed)
    size = int(random.integers(2, 7))
    linear = random.integers(-9, 10, size=size).tolist()
    pairs = [pair for pair in itertools.combinations(range(size), 2) if random.random() < 0.5]
    products = dict(zip(pairs, random.integers(1, 10, size=len(pairs)).tolist(), strict=True))
    constraints = []
    for number in range(int(random.integers(1, 4))):
        places = random.choice(size, size=int(random.integers(1, size + 1)), replace=False).tolist()
        weights = random.choice([-2, -1, 1, 1, 1, 2, 3], size=len(places)).tolist()
        relation = str(random.choice(["<=", ">=", "=="]))
        constraints.append(
            (f"c{number}", list(zip(places, weights, strict=True)), relation, int(random.integers(-2, 5)))
        )
    return linear, products, constraints


def test_the_penalised_minimum_is_the_optimum_of_cp_sat_on_200_random_programmes():
    tried = contradictions = 0
    for seed in range(10_000):
        problem = drawn(seed)
        expected = cp_sat(*problem)
        if expected is None:
            contradictions += 1
            with pytest.raises(InvalidInput, match="no assignment satisfies"):
                build(*problem)
            continue
        assert expected == enumerated(*problem)
        instance = build(*problem)
        if instance.size > 16:
            continue
        penalised = FAMILY.penalised_model(instance)
        rows = unpack(np.arange(2**instance.size, dtype=np.uint64), instance.size)
        energies = penalised.model.assignment_energies(rows)
        lowest = energies.min()
        assert lowest == pytest.approx(expected, abs=1e-9 * np.abs(energies).max())
        best = rows[np.isclose(energies, lowest, rtol=0, atol=1e-6)]
        assert FAMILY.feasible(instance, best).all()
        assert all(keeps(problem[2], row[: len(problem[0])].tolist()) for row in best)
        # Whoever keeps the constraints has slack bits that say so, and nobody else has.
        allowed = rows[FAMILY.feasible(instance, rows)]
        own = {tuple(row[: len(problem[0])].tolist()) for row in allowed}
        assert own == {x for x in itertools.product((0, 1), repeat=len(problem[0])) if keeps(problem[2], x)}
        solved = FAMILY.solve(instance, seed=1)
        assert solved.optimal
        assert solved.bound == expected
        tried += 1
        if tried == 200:
            break
    assert tried == 200
    assert contradictions > 20


def test_a_linear_programme_of_thirty_variables_is_what_highs_proves():
    random = np.random.default_rng(5)
    linear = -random.integers(1, 30, size=30)
    rows = random.integers(1, 20, size=(3, 30))
    bounds = rows.sum(axis=1) // 3
    constraints = [
        (f"knapsack {k}", list(enumerate(row.tolist())), "<=", int(bound))
        for k, (row, bound) in enumerate(zip(rows, bounds, strict=True))
    ]
    instance = build(linear.tolist(), {}, constraints)
    truth = milp(linear, constraints=LinearConstraint(rows, ub=bounds), bounds=Bounds(0, 1), integrality=np.ones(30))
    solved = FAMILY.solve(instance, seed=3)
    assert solved.optimal
    assert FAMILY.objective(instance, solved.assignment[None])[0] == round(truth.fun)
    greedy = FAMILY.greedy(instance, seed=3)
    assert FAMILY.feasible(instance, greedy[None])[0]
    assert round(truth.fun) <= FAMILY.objective(instance, greedy[None])[0] < 0


def test_how_many_ones_is_a_cardinality_only_over_all_variables():
    everything = [("c", [(0, 2), (1, 2), (2, 2)], "==", 4)]
    assert FAMILY.cardinality(build([1, 2, 3], {}, everything)) == 2
    assert FAMILY.cardinality(build([1, 2, 3, 4], {}, everything)) is None
    assert FAMILY.cardinality(build([1, 2, 3], {}, [("c", everything[0][1], "<=", 4)])) is None
    assert FAMILY.cardinality(build([1, 2, 3], {}, [*everything, ("d", [(0, 1), (1, 1)], "<=", 1)])) is None


def test_slack_bits_are_named_and_their_disagreement_is_said():
    instance = build([1, 1, 1], {}, [("load", [(0, 3), (1, 4), (2, 5)], "<=", 7)])
    assert instance.variables == ("x0", "x1", "x2", "slack of load: 1", "slack of load: 2", "slack of load: 4")
    row = np.array([1, 0, 0, 0, 0, 1], dtype=np.uint8)
    assert FAMILY.violation(instance, row) == ""
    row[3] = 1
    assert FAMILY.violation(instance, row) == "load: 4 are left over, and the slack bits say 5"
    assert FAMILY.violation(instance, np.array([1, 1, 1, 0, 0, 0], dtype=np.uint8)) == "load: 12 instead of at most 7"


def test_constraints_that_share_a_name_keep_their_slack_apart():
    terms = [(0, 1.0), (1, 2.0), (2, 2.0)]
    instance = build([1, 1, 1], {}, [("c", terms, "<=", 3), ("c", terms, ">=", 1)])
    assert len(set(instance.variables)) == instance.size


def test_constraints_that_contradict_each_other_together_are_refused():
    with pytest.raises(InvalidInput, match="contradict each other"):
        build([1, 1, 1], {}, [("a", [(0, 1), (1, 1), (2, 1)], ">=", 2), ("b", [(0, 1), (1, 1), (2, 1)], "<=", 1)])


def test_a_function_without_constraints_belongs_to_another_family():
    with pytest.raises(InvalidInput, match="no constraints") as refused:
        FAMILY.parsers["lp"]("Minimize\n obj: x\nBinary\n x\nEnd\n", Options(), "a.lp")
    assert "qubo" in refused.value.remedy


def test_the_knapsack_of_the_instances_is_best_at_30():
    best = 0
    for tent, stove, lamp, rope, chart, book, food in itertools.product((0, 1), repeat=7):
        if 5 * tent + 3 * stove + 2 * lamp + 4 * rope + chart + 2 * book + 6 * food > 13 or stove > lamp:
            continue
        if book + stove + tent > 2:
            continue
        value = 9 * tent + 5 * stove + 4 * lamp + 7 * rope + 6 * chart + 3 * book + 8 * food
        best = max(best, value + 3 * stove * lamp + 2 * chart * rope - 5 * tent * food)
    text = named("knapsack").path.read_text()
    solved = FAMILY.solve(instance := FAMILY.parsers["lp"](text, Options(), "knapsack.lp"), seed=0)
    assert solved.optimal
    assert FAMILY.objective(instance, solved.assignment[None])[0] == -best == -30
