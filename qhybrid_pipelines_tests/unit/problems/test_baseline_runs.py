"""Baselines: honest rows, the same every time, and optima where they can be proved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from qhybrid_pipelines.core.binary_models.bits import assignment_array
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems import baseline_runs
from qhybrid_pipelines.problems.baseline_runs import (
    all_baselines,
    always_on_baselines,
    baseline_names,
    check_baselines,
    optional_baselines,
    run_baselines,
    speed_rank,
)
from qhybrid_pipelines.problems.evaluation import Problem, feasible_rows
from qhybrid_pipelines.problems.reduction import reduce_instance
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines_tests.support.tiny_family import (
    TinyFamily,
    cut_instance,
    families,
    tiny_instance,
    tiny_instances,
    tiny_spec,
)


def rows_for(family, instance, **fields):
    spec = tiny_spec(**fields)
    reduced_model = reduce_instance(family, instance, spec).reduced_model
    return run_baselines(family, instance, reduced_model, spec)


@settings(deadline=None, max_examples=25)
@given(family=families, instance=tiny_instances(max_size=6))
def test_every_row_is_recomputable_and_no_baseline_beats_the_proved_optimum(family, instance):
    rows = rows_for(family, instance)
    sense = 1 if family.sense == "max" else -1
    optimum = next(row["objective"] for row in rows if row["solver"] == "brute_force")
    for row in rows:
        assignment = assignment_array(row["assignment"])[None, :]
        assert row["objective"] == family.objective(instance, assignment)[0]
        assert row["feasible"]
        assert family.feasible(instance, assignment)[0]
        assert sense * (row["objective"] - optimum) <= 1e-9
        if row["optimal"]:
            assert row["objective"] == pytest.approx(optimum)
    exhaustive = [row for row in rows if row["solver"] == "exhaustive"]
    assert len(exhaustive) == 1
    assert exhaustive[0]["optimal"]


def test_the_rows_fit_the_table_and_each_solver_has_its_runs():
    edges = {(i, j): 1 + (i * j) % 3 for i in range(6) for j in range(i + 1, 6)}
    rows = rows_for(TinyFamily("max"), cut_instance(6, edges), baselines=list(optional_baselines()))
    table = from_rows(schemas.BASELINES, [{"experiment": "tiny-00000000", **row} for row in rows])
    runs = dict.fromkeys([row["solver"] for row in rows], 0)
    for row in table.to_pylist():
        runs[row["solver"]] += 1
    once = {"brute_force": 1, "exhaustive": 1}
    assert runs == {name: 3 for name in baseline_names() if name != "exhaustive"} | once


def test_the_same_specification_gives_the_same_rows():
    edges = {(i, j): 1 + (i * j) % 3 for i in range(9) for j in range(i + 1, 9)}
    first, second = (
        rows_for(TinyFamily("max"), cut_instance(9, edges), reduce={"max_qubits": 5, "windows": 1}) for _ in range(2)
    )
    for row in (*first, *second):
        del row["seconds"]
    assert first == second


def test_random_samples_are_as_many_as_the_shots_and_both_random_baselines_share_them():
    edges = {(i, j): 1 for i in range(5) for j in range(i + 1, 5)}
    rows = rows_for(
        TinyFamily("max"), cut_instance(5, edges), shots=100, sweep={"strategy": "fixed_angles", "points": 7}
    )
    plain, searched = ([row for row in rows if row["solver"] == name] for name in ("random", "random+local_search"))
    assert {row["evaluations"] for row in (*plain, *searched)} == {700}
    assert [row["seed"] for row in plain] == [row["seed"] for row in searched]
    # 10 edges, each cut with probability one half.
    assert np.mean([row["mean_objective"] for row in plain]) == pytest.approx(5.0, abs=0.2)
    assert all(s["mean_objective"] > p["mean_objective"] for p, s in zip(plain, searched, strict=True))


def test_random_samples_respect_a_fixed_number_of_ones():
    rows = rows_for(TinyFamily("min"), tiny_instance([1, 2, 3, 4, 5, 6], cardinality=3), shots=500)
    means = [row["mean_objective"] for row in rows if row["solver"] == "random"]
    # Every asset is in half of the choices: the mean of three of six is half of the sum.
    assert np.mean(means) == pytest.approx(10.5, abs=0.3)


def test_where_reduction_solved_the_instance_random_samples_are_drawn_over_all_of_it():
    instance = tiny_instance([1, -2, 3, -4, 5, -6])
    rows = rows_for(TinyFamily(), instance, shots=200)
    means = [row["mean_objective"] for row in rows if row["solver"] == "random"]
    assert np.mean(means) == pytest.approx(-1.5, abs=0.5)
    assert {row["objective"] for row in rows if row["solver"] != "greedy"} == {-12.0}


def test_a_window_has_no_exact_value():
    edges = {(i, j): 1 + (i * j) % 3 for i in range(9) for j in range(i + 1, 9)}
    rows = rows_for(TinyFamily("max"), cut_instance(9, edges), reduce={"max_qubits": 4, "windows": 1})
    assert "exhaustive" not in {row["solver"] for row in rows}


def test_enumeration_in_blocks(monkeypatch):
    edges = {(i, j): 1 + (i * j) % 4 for i in range(7) for j in range(i + 1, 7)}
    instance = cut_instance(7, edges)
    whole = [row for row in rows_for(TinyFamily("max"), instance) if row["solver"] == "exhaustive"]
    monkeypatch.setattr(baseline_runs, "_EXHAUSTIVE_BLOCK", 16)
    parts = [row for row in rows_for(TinyFamily("max"), instance) if row["solver"] == "exhaustive"]
    assert whole[0]["assignment"] == parts[0]["assignment"]


def test_unknown_names_are_refused_with_those_that_exist():
    with pytest.raises(InvalidInput) as error:
        check_baselines(tiny_spec(baselines=["gurobi"]))
    assert error.value.field == "baselines"
    assert all(name in str(error.value) for name in baseline_names())
    check_baselines(tiny_spec())
    check_baselines(tiny_spec(baselines=["tabu", "multistart_local_search"]))


def test_always_on_baselines_are_those_that_old_experiments_have():
    """One more would be missing from every experiment that ran before it."""
    assert set(always_on_baselines()) == {
        "random",
        "random+local_search",
        "greedy",
        "simulated_annealing",
        "tabu",
        "exhaustive",
    }


def test_a_named_baseline_adds_its_rows_and_changes_no_others():
    edges = {(i, j): 1 + (i * j) % 3 for i in range(9) for j in range(i + 1, 9)}
    instance = cut_instance(9, edges)
    alone, together = (
        [{key: row[key] for key in row if key != "seconds"} for row in rows_for(TinyFamily("max"), instance, **more)]
        for more in ({}, {"baselines": list(optional_baselines())})
    )
    assert [row for row in together if row["solver"] not in optional_baselines()] == alone
    assert {row["solver"] for row in together} - {row["solver"] for row in alone} == set(optional_baselines())


@pytest.mark.parametrize("name", all_baselines())
def test_a_baseline_is_deterministic_and_finds_optima_of_small_problems(name):
    for constraint in ({}, {"conflicts": [(0, 1), (2, 4), (5, 6)]}, {"cardinality": 3}):
        instance = tiny_instance([3, -2, 5, -1, 4, 2, -6], {(0, 2): -4, (1, 5): 3, (3, 6): 5}, **constraint)
        problem = Problem.of(TinyFamily("max"), instance)
        first, second = (all_baselines()[name].solve(problem, 32, 5) for _ in range(2))
        np.testing.assert_array_equal(first.rows, second.rows)
        assert first.rows.shape[1:] == (instance.size,)
        assert first.rows.dtype == np.uint8
        assert feasible_rows(problem, first.rows).all()
        if name != "greedy":  # the rule of this family starts from nothing and stays there
            optimum = problem.family.solve(instance, 0).bound
            assert problem.family.objective(instance, first.rows).max() == pytest.approx(optimum)


def test_which_of_equals_is_named_does_not_depend_on_a_list():
    general = ["greedy", "simulated_annealing", "tabu", "multistart_local_search"]
    ordered = ["greedy", "random", "random+local_search", *general[1:], "meet_in_the_middle", "exhaustive"]
    alphabetical = sorted(ordered)
    assert sorted(alphabetical, key=speed_rank) == ordered
    ranks = [speed_rank(name) for name in (*baseline_names(), "a family's own")]
    assert len(set(ranks)) == len(ranks), "two baselines have the same speed_rank"
    assert all(speed_rank(name) < speed_rank("a family's own") for name in all_baselines())
