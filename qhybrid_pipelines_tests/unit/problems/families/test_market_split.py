"""Market split against enumeration with exact integers, the published instances and dimod."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.families.market_split import FAMILY, Options, Random, make_instance
from qhybrid_pipelines.problems.solvers import market_split
from qhybrid_pipelines_tests.support.family_cases import FamilyCases
from qhybrid_pipelines_tests.support.instance_files import named


def objective_and_feasibility(payload, x):
    split = [sum(a for a, chosen in zip(row, x, strict=True) if chosen) for row in payload["coefficients"]]
    return sum((s - b) ** 2 for s, b in zip(split, payload["targets"], strict=True)), True


CASES = FamilyCases(
    small={
        "random": [
            {"constraints": 2, "variables": 9, "seed": 5},
            {"constraints": 2, "variables": 8, "seed": 6, "planted": False},
        ],
    },
    reduced=[
        {"generator": "random", "constraints": 2, "variables": 9},
    ],
    definition=objective_and_feasibility,
)


def all_rows(size):
    return unpack(np.arange(2**size, dtype=np.uint64), size)


def build(coefficients, targets):
    return make_instance(
        np.array(coefficients), np.array(targets), name="test", source="generator:test", best_known=None
    )


def generate(**parameters):
    return FAMILY.generators["random"][1](Random(**parameters))


def squared_residual(instance, row):
    """In Python's integers."""
    pairs = zip(instance.payload["coefficients"], instance.payload["targets"], strict=True)
    return sum((sum(a for a, x in zip(line, row, strict=True) if x) - b) ** 2 for line, b in pairs)


@st.composite
def instances(draw):
    rows, size = draw(st.integers(1, 3)), draw(st.integers(1, 8))
    line = st.lists(st.integers(0, 30), min_size=size, max_size=size).filter(any)
    return build([draw(line) for _ in range(rows)], [draw(st.integers(0, 120)) for _ in range(rows)])


@pytest.mark.parametrize("name", ["ms_03_050_002", "ms_03_100_001"])
def test_published_instances_have_exactly_one_solution_and_it_is_found(name):
    instance = FAMILY.parsers[FAMILY.file_suffixes[".dat"]](named(name).text, Options(best_known=0.0), f"{name}.dat")
    answer = FAMILY.solve(instance, seed=7)
    assert (answer.optimal, answer.bound) == (True, 0.0)
    assert squared_residual(instance, answer.assignment) == 0
    energies = FAMILY.penalised_model(instance).model.diagonal
    assert np.count_nonzero(energies == 0) == 1  # the Ising form is exact, quarters included
    assert energies.min() == 0
    np.testing.assert_array_equal(unpack(np.array([energies.argmin()], dtype=np.uint64), 20)[0], answer.assignment)


@settings(deadline=None, max_examples=60)
@given(instances(), st.integers(0, 3))
def test_objective_energy_and_solver_against_integers(instance, seed):
    rows = all_rows(instance.size)
    expected = np.array([squared_residual(instance, row) for row in rows], dtype=float)
    penalised_model = FAMILY.penalised_model(instance)
    np.testing.assert_array_equal(FAMILY.objective(instance, rows), expected)
    np.testing.assert_array_equal(penalised_model.model.assignment_energies(rows), expected)
    assert (penalised_model.penalty_weight, penalised_model.sign) == (0.0, 1)
    answer = FAMILY.solve(instance, seed)
    assert answer.optimal
    assert squared_residual(instance, answer.assignment) == answer.bound == expected.min()
    greedy = squared_residual(instance, FAMILY.greedy(instance, seed))
    assert expected.min() <= greedy <= expected[0]


@settings(deadline=None, max_examples=30)
@given(instances())
def test_the_three_methods_agree(instance):
    coefficients = np.array(instance.payload["coefficients"])
    targets = np.array(instance.payload["targets"])
    least = min(squared_residual(instance, row) for row in all_rows(instance.size))
    enumerated, value = market_split._enumerate(coefficients, targets)
    assert squared_residual(instance, enumerated) == value == least
    matched = market_split._meet_in_the_middle(coefficients, targets)
    assert (matched is not None) == (least == 0)
    assert matched is None or squared_residual(instance, matched) == 0
    answer = market_split._cp_sat(coefficients, targets, 7, least=0)
    assert answer.optimal
    assert squared_residual(instance, answer.assignment) == answer.bound == least


def test_half_sums_solve_what_enumeration_could_not():
    instance = generate(constraints=4, variables=32, coefficient_max=100, seed=3)
    assert instance.best_known == 0
    answer = FAMILY.solve(instance, seed=7)
    assert (answer.optimal, answer.bound, answer.evaluations) == (True, 0.0, 2**17)
    assert squared_residual(instance, answer.assignment) == 0


def test_a_large_instance_gets_a_bounded_repeatable_search(monkeypatch):
    monkeypatch.setattr(market_split, "MAX_DETERMINISTIC_TIME", 0.1)
    instance = generate(constraints=6, variables=50, coefficient_max=100, seed=1)
    first, second = FAMILY.solve(instance, seed=7), FAMILY.solve(instance, seed=7)
    value = FAMILY.objective(instance, first.assignment[None])[0]
    assert 0 <= first.bound <= value <= FAMILY.objective(instance, FAMILY.greedy(instance, 7)[None])[0]
    assert not first.optimal
    np.testing.assert_array_equal(first.assignment, second.assignment)
    assert (first.bound, first.evaluations) == (second.bound, second.evaluations)


def test_enumeration_in_blocks_equals_enumeration_at_once(monkeypatch):
    instance = generate(constraints=3, variables=13, planted=False, seed=5)
    arrays = np.array(instance.payload["coefficients"]), np.array(instance.payload["targets"])
    whole = market_split._enumerate(*arrays)
    monkeypatch.setattr(market_split, "BLOCK_BYTES", 16 * 2**7 * 3)
    blocks = market_split._enumerate(*arrays)
    np.testing.assert_array_equal(whole[0], blocks[0])
    assert whole[1] == blocks[1]


def test_every_assignment_counts_and_the_missed_row_is_named():
    instance = build([[3, 5, 2], [1, 1, 1]], [8, 3])
    rows = all_rows(3)
    assert FAMILY.feasible(instance, rows).all()
    assert FAMILY.repair(instance, rows) is rows
    assert FAMILY.violation(instance, np.array([1, 1, 0], dtype=np.uint8)) == (
        "row 2: 2 instead of 3; 1 of 2 rows missed"
    )
    assert FAMILY.violation(build([[3, 5]], [8]), np.array([1, 1], dtype=np.uint8)) == ""


def test_dimod_agrees_about_the_objective_and_has_no_constraints():
    instance = generate(constraints=2, variables=6, seed=2)
    model = FAMILY.model(instance)
    assert list(model.variables) == list(instance.variables)
    assert not model.constraints
    rows = all_rows(6)
    values = [model.objective.energy(dict(zip(instance.variables, row.tolist(), strict=True))) for row in rows]
    np.testing.assert_array_equal(values, FAMILY.objective(instance, rows))


def test_generator_is_seeded_and_plants_only_when_asked():
    planted = generate(constraints=3, variables=12, seed=4)
    assert planted.sha256 == generate(constraints=3, variables=12, seed=4).sha256
    assert planted.sha256 != generate(constraints=3, variables=12, seed=5).sha256
    assert FAMILY.solve(planted, 7).bound == 0
    halves = generate(constraints=3, variables=12, seed=4, planted=False)
    assert halves.best_known is None
    assert halves.payload["targets"] == [sum(line) // 2 for line in halves.payload["coefficients"]]
    assert halves.payload["coefficients"] == planted.payload["coefficients"]


def test_expected_solutions_are_the_average_over_random_targets():
    instance = generate(constraints=2, variables=18, coefficient_max=20, seed=6)
    coefficients = np.array(instance.payload["coefficients"])
    middle = coefficients.sum(axis=1) // 2
    sums = all_rows(18) @ coefficients.T
    # All targets in a square around the middle: how many assignments meet one of them, per target.
    square = np.abs(sums - middle).max(axis=1) <= 3
    counted = np.count_nonzero(square) / 7**2
    expected = FAMILY.features(build(coefficients, middle))["log10_solutions_expected"]
    assert expected == pytest.approx(np.log10(counted), abs=0.15)
    repeated = build([*instance.payload["coefficients"], instance.payload["coefficients"][0]], [*middle, middle[0]])
    assert np.isfinite(FAMILY.features(repeated)["log10_solutions_expected"])


def test_wrong_numbers_and_graphs_are_refused():
    with pytest.raises(InvalidInput, match="row 2 are 0"):
        build([[1, 2], [0, 0]], [1, 0])
    with pytest.raises(InvalidInput, match="too large to be exact"):
        FAMILY.parsers["qoblib_market_split"]("1 2\n999999999999999999 1 5\n", Options(), "big.dat")
    with pytest.raises(InvalidInput, match="no instance on graph 'karate_club'"):
        FAMILY.from_graph(nx.path_graph(3), "karate_club", Options())
