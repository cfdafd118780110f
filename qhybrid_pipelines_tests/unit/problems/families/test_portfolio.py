"""Portfolios against enumeration, a general optimiser of SciPy, the formula written out, and dimod."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.families.portfolio import FAMILY, FactorModel, Options, make_instance
from qhybrid_pipelines.problems.formats.orlib_port import Assets
from qhybrid_pipelines.problems.solvers import portfolio
from qhybrid_pipelines.problems.solvers.choice import (
    CardinalityProblem,
    fix_by_bound,
    lower_bound,
    relax,
    smallest_exact_penalty,
)
from qhybrid_pipelines_tests.support.family_cases import FamilyCases
from qhybrid_pipelines_tests.support.instance_files import named


def objective_and_feasibility(payload, x):
    """Risk aversion x variance - mean of the portfolio that holds ``1 / K`` of every chosen asset."""
    held = payload["cardinality"]
    covariances = iter(payload["covariance_upper"])
    variance = 0.0
    for i in range(len(x)):
        for j in range(i, len(x)):
            covariance = next(covariances)
            variance += covariance * x[i] * x[j] * (1 if i == j else 2)
    mean = sum(m for m, chosen in zip(payload["means"], x, strict=True) if chosen)
    return payload["risk_aversion"] * variance / held**2 - mean / held, sum(x) == held


CASES = FamilyCases(
    small={
        "factor_model": [
            {"assets": 8, "cardinality": 3, "seed": 10},
            {"assets": 6, "cardinality": 6, "seed": 11},
        ],
    },
    reduced=[
        {"generator": "factor_model", "assets": 10, "cardinality": 4},
    ],
    definition=objective_and_feasibility,
)


def all_rows(size):
    return unpack(np.arange(2**size, dtype=np.uint64), size)


def build(means, covariance, cardinality, risk_aversion=10.0):
    return make_instance(
        Assets(means=np.array(means), covariance=np.array(covariance)),
        cardinality=cardinality,
        risk_aversion=risk_aversion,
        name="test",
        source="generator:test",
        best_known=None,
    )


def generate(**parameters):
    return FAMILY.generators["factor_model"][1](FactorModel(**parameters))


def loss(instance, row):
    """The formula of the module, written out."""
    weights = row / instance.payload["cardinality"]
    size = len(weights)
    covariance = np.zeros((size, size))
    covariance[np.triu_indices(size)] = instance.payload["covariance_upper"]
    covariance = covariance + covariance.T - np.diag(np.diag(covariance))
    risk = sum(weights[i] * covariance[i, j] * weights[j] for i in range(size) for j in range(size))
    return instance.payload["risk_aversion"] * risk - sum(np.array(instance.payload["means"]) * weights)


def choices(size, chosen):
    rows = np.zeros((0, size), dtype=np.uint8)
    for members in itertools.combinations(range(size), chosen):
        row = np.zeros(size, dtype=np.uint8)
        row[list(members)] = 1
        rows = np.vstack([rows, row])
    return rows


@st.composite
def problems(draw):
    """Symmetric matrices, convex or not, with ties; any number to choose."""
    size = draw(st.integers(1, 8))
    numbers = st.one_of(st.integers(-3, 3), st.floats(-3, 3, allow_subnormal=False)).map(float)
    square = np.array(draw(st.lists(numbers, min_size=size**2, max_size=size**2))).reshape(size, size)
    linear = np.array(draw(st.lists(numbers, min_size=size, max_size=size)))
    return CardinalityProblem(linear=linear, matrix=(square + square.T) / 2, chosen=draw(st.integers(1, size)))


@st.composite
def instances(draw):
    size = draw(st.integers(1, 8))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    returns = random.standard_normal((draw(st.integers(2, 12)), size)) * random.uniform(0.01, 0.05, size)
    covariance = returns.T @ returns / len(returns)
    return build(
        random.normal(0.004, 0.004, size),
        (covariance + covariance.T) / 2,
        draw(st.integers(1, size)),
        draw(st.sampled_from([0.0, 1.0, 10.0, 200.0])),
    )


@settings(deadline=None, max_examples=60)
@given(instances())
def test_objective_energy_and_penalty(instance):
    rows, chosen = all_rows(instance.size), instance.payload["cardinality"]
    objective = FAMILY.objective(instance, rows)
    for k in range(0, len(rows), 7):
        assert objective[k] == pytest.approx(loss(instance, rows[k]), rel=1e-9, abs=1e-12)
    penalised_model = FAMILY.penalised_model(instance)
    violations = (rows.sum(axis=1, dtype=float) - chosen) ** 2
    energies = penalised_model.model.assignment_energies(rows)
    np.testing.assert_allclose(energies, objective + penalised_model.penalty_weight * violations, rtol=1e-9, atol=1e-12)
    assert energies[violations > 0].min(initial=np.inf) > energies[violations == 0].min()
    np.testing.assert_array_equal(FAMILY.feasible(instance, rows), violations == 0)


@settings(deadline=None, max_examples=80)
@given(problems())
def test_above_the_least_penalty_every_minimum_has_the_right_number(problem):
    rows = all_rows(problem.size)
    values = np.array([problem.value(row) for row in rows])
    distance = np.abs(rows.sum(axis=1, dtype=float) - problem.chosen)
    weight = max(smallest_exact_penalty(problem), 0.0) + 1e-6
    energies = values + weight * distance**2
    assert energies[distance > 0].min(initial=np.inf) > energies[distance == 0].min()


@settings(deadline=None, max_examples=25)
@given(problems())
def test_bounds_hold_and_fixing_keeps_every_optimum(problem):
    rows = choices(problem.size, problem.chosen)
    values = np.array([problem.value(row) for row in rows])
    assert lower_bound(problem, relax(problem)) <= values.min() + 1e-9
    for incumbent in (values.min(), np.median(values)):
        ones, zeros = fix_by_bound(problem, incumbent)
        assert not set(ones) & set(zeros)
        kept = rows[values <= incumbent]
        assert kept[:, ones].all()
        assert not kept[:, zeros].any()


@settings(deadline=None, max_examples=40)
@given(problems(), st.integers(0, 3))
def test_solver_equals_enumeration(problem, seed):
    values = [problem.value(row) for row in choices(problem.size, problem.chosen)]
    answer = portfolio.solve(problem, seed)
    assert answer.optimal
    assert answer.assignment.sum() == problem.chosen
    assert problem.value(answer.assignment) == pytest.approx(min(values), abs=1e-9)
    assert answer.bound == problem.value(answer.assignment)
    enumerated = portfolio.enumerate_choices(problem)
    assert problem.value(enumerated) == pytest.approx(min(values), abs=1e-9)
    assert portfolio.greedy_portfolio(problem, seed).sum() == problem.chosen


@settings(deadline=None, max_examples=40)
@given(instances(), st.randoms(use_true_random=False))
def test_repair_reaches_the_cardinality_row_by_row(instance, random):
    rows = all_rows(instance.size)
    order = np.array(random.sample(range(len(rows)), len(rows)))
    repaired = FAMILY.repair(instance, rows)
    feasible = FAMILY.feasible(instance, rows)
    assert FAMILY.feasible(instance, repaired).all()
    np.testing.assert_array_equal(repaired[feasible], rows[feasible])
    np.testing.assert_array_equal(FAMILY.repair(instance, rows[order]), repaired[order])
    # Only what is missing comes, only what is too much goes.
    wanted = instance.payload["cardinality"]
    few = rows.sum(axis=1) < wanted
    assert (repaired[few] >= rows[few]).all()
    assert (repaired[~few] <= rows[~few]).all()
    np.testing.assert_array_equal(FAMILY.objective(instance, rows[order]), FAMILY.objective(instance, rows)[order])


def test_repair_takes_the_cheapest_step():
    instance = generate(assets=9, cardinality=4, seed=3)
    rows = all_rows(9)
    for held, step in ((3, 1), (5, -1)):
        some = rows[rows.sum(axis=1) == held][::11]
        for row, repaired in zip(some, FAMILY.repair(instance, some), strict=True):
            neighbours = np.array([np.bitwise_xor(row, unit) for unit in np.eye(9, dtype=np.uint8)])
            neighbours = neighbours[neighbours.sum(axis=1) == held + step]
            best = FAMILY.objective(instance, neighbours).min()
            assert FAMILY.objective(instance, repaired[None])[0] == pytest.approx(best, abs=1e-15)


def test_relaxation_against_a_general_optimiser():
    instance = from_file(cardinality=6)
    problem = cardinality_problem_for(instance)
    found = relax(problem)
    lowest = np.linalg.eigvalsh(problem.matrix)[0]
    matrix, linear = problem.matrix - lowest * np.eye(31), problem.linear + lowest
    reference = minimize(
        lambda x: 1e3 * (linear @ x + x @ matrix @ x),
        np.full(31, 6 / 31),
        jac=lambda x: 1e3 * (linear + 2 * matrix @ x),
        bounds=[(0, 1)] * 31,
        constraints={"type": "eq", "fun": lambda x: x.sum() - 6, "jac": np.ones_like},
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert reference.success
    assert found.point.sum() == pytest.approx(6)
    assert ((found.point >= 0) & (found.point <= 1)).all()
    value = linear @ found.point + found.point @ matrix @ found.point
    assert value == pytest.approx(reference.fun / 1e3, rel=1e-6)
    assert lower_bound(problem, found) == pytest.approx(value, rel=1e-6)  # the duality gap is closed


def from_file(**options):
    return FAMILY.parsers["orlib_port"](named("factors31").text, Options(**options), "factors31.txt")


def cardinality_problem_for(instance):
    size, held = instance.size, instance.payload["cardinality"]
    covariance = np.zeros((size, size))
    covariance[np.triu_indices(size)] = instance.payload["covariance_upper"]
    covariance = covariance + np.triu(covariance, k=1).T
    return CardinalityProblem(
        linear=-np.array(instance.payload["means"]) / held,
        matrix=covariance * instance.payload["risk_aversion"] / held**2,
        chosen=held,
    )


def test_31_choose_6_by_bounds_and_by_enumeration():
    instance = from_file(cardinality=6)
    answer = FAMILY.solve(instance, seed=7)
    assert answer.optimal
    assert answer.evaluations < 1000
    enumerated = portfolio.enumerate_choices(cardinality_problem_for(instance))
    np.testing.assert_array_equal(answer.assignment, enumerated)
    assert FAMILY.objective(instance, enumerated[None])[0] == pytest.approx(named("factors31").best_known, rel=1e-12)
    # All 736,281 choices without any of our code.
    problem, chosen = cardinality_problem_for(instance), np.array(list(itertools.combinations(range(31), 6)))
    values = sum(problem.linear[chosen[:, k]] for k in range(6))
    values = values + sum(problem.matrix[chosen[:, k], chosen[:, m]] for k in range(6) for m in range(6))
    assert values.min() == pytest.approx(named("factors31").best_known, rel=1e-12)
    assert chosen[values.argmin()].tolist() == np.flatnonzero(enumerated).tolist()
    assert answer.bound == pytest.approx(loss(instance, enumerated), rel=1e-12)


def test_reductions_are_exact_first_and_heuristic_only_as_far_as_needed():
    easy = from_file(cardinality=6)
    (exact,) = FAMILY.reductions(easy, 12)
    assert (exact.step_name, exact.exact, exact.note) == ("reduced_cost", True, "3 held, 16 left out")
    optimum = FAMILY.solve(easy, 7).assignment
    assert all(optimum[s.variable] == s.constant for s in exact.substitutions)
    exact, heuristic = FAMILY.reductions(easy, 8)
    assert not heuristic.exact
    assert len(exact.substitutions) + len(heuristic.substitutions) == 31 - 8
    assert not {s.variable for s in exact.substitutions} & {s.variable for s in heuristic.substitutions}
    # Held assets never exceed what is to be held, and enough are left to choose from.
    hard = generate(assets=85, cardinality=14, risk_aversion=50.0, seed=2)
    exact, heuristic = FAMILY.reductions(hard, 16)
    assert (exact.exact, heuristic.exact) == (True, False)
    fixed = [*exact.substitutions, *heuristic.substitutions]
    assert len(fixed) == 85 - 16
    assert 0 <= 14 - sum(s.constant for s in fixed) <= 16
    # What the swap search found stays within reach of the reduced model.
    incumbent, _ = portfolio.swap_search(cardinality_problem_for(hard), seed=0)
    assert all(incumbent[s.variable] == s.constant for s in fixed)


def test_what_cannot_be_proved_comes_with_a_bound():
    hard = generate(assets=85, cardinality=6, risk_aversion=50.0, seed=2)
    answer = FAMILY.solve(hard, seed=7)
    assert not answer.optimal
    value = FAMILY.objective(hard, answer.assignment[None])[0]
    assert answer.bound < value <= FAMILY.objective(hard, FAMILY.greedy(hard, 7)[None])[0]
    np.testing.assert_array_equal(answer.assignment, FAMILY.solve(hard, seed=7).assignment)


def test_dimod_agrees_about_feasibility_and_objective():
    instance = generate(assets=7, cardinality=3, seed=2)
    model = FAMILY.model(instance)
    assert list(model.variables) == list(instance.variables)
    rows = all_rows(7)
    for row, fine, value in zip(rows, FAMILY.feasible(instance, rows), FAMILY.objective(instance, rows), strict=True):
        sample = dict(zip(instance.variables, row.tolist(), strict=True))
        assert model.check_feasible(sample) == fine
        assert model.objective.energy(sample) == pytest.approx(value, rel=1e-12, abs=1e-15)


def test_one_asset_of_one():
    instance = build([0.01], [[0.04]], 1)
    assert FAMILY.model(instance).num_variables() == 1
    assert FAMILY.solve(instance, 7).assignment.tolist() == [1]
    assert FAMILY.reductions(instance, 2)[0].note == "1 held, 0 left out"
    assert all(np.isfinite(list(FAMILY.features(instance).values())))


def test_generator_is_seeded_and_plausible():
    instance = generate(assets=30, cardinality=5, seed=4)
    assert instance.sha256 == generate(assets=30, cardinality=5, seed=4).sha256
    assert instance.sha256 != generate(assets=30, cardinality=5, seed=5).sha256
    assert instance.name == "factor_model_n30_k5_f3_s4"
    assert FAMILY.cardinality(instance) == 5
    features = FAMILY.features(instance)
    assert 0.02 < features["deviation_mean"] < 0.06
    assert 0.2 < features["share_of_largest_factor"] < 0.8
    assert all(np.isfinite(list(features.values())))


def test_violation_says_how_many():
    instance = generate(assets=4, cardinality=2)
    assert FAMILY.violation(instance, np.array([1, 1, 1, 0], dtype=np.uint8)) == (
        "cardinality: 3 assets held instead of 2 (+1)"
    )
    assert FAMILY.violation(instance, np.array([0, 1, 1, 0], dtype=np.uint8)) == ""


def test_wrong_questions_are_refused():
    text = "2\n.01 .1\n.02 .2\n1 1 1\n1 2 .5\n2 2 1\n"
    read = FAMILY.parsers["orlib_port"]
    with pytest.raises(InvalidInput, match=r"options\.cardinality"):
        read(text, Options(), "p.txt")
    with pytest.raises(InvalidInput, match="3 assets are to be held, there are 2"):
        read(text, Options(cardinality=3), "p.txt")
    with pytest.raises(ValueError, match="3 assets are to be held, there are 2"):
        generate(assets=2, cardinality=3)
    with pytest.raises(InvalidInput, match="all returns and all risks are 0"):
        build([0.0, 0.0], np.zeros((2, 2)), 1)
    with pytest.raises(InvalidInput, match="all returns and all risks are 0"):
        build([0.0, 0.0], np.eye(2), 1, risk_aversion=0.0)
    with pytest.raises(InvalidInput, match="no instance on graph"):
        FAMILY.from_graph(nx.path_graph(3), "path", Options())
