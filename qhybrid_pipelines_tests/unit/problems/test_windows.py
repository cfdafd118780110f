"""Windows: what is said to be won in one is what trying all values of its variables wins, and the best one is taken."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.classical.reduction.substitution import VariableMap
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.problems.evaluation import Problem
from qhybrid_pipelines.problems.incumbents import make_incumbent
from qhybrid_pipelines.problems.reduction import reduce_instance
from qhybrid_pipelines.problems.windows import Windows
from qhybrid_pipelines_tests.support.tiny_family import TinyFamily, tiny_instance, tiny_spec


def random_problem(seed, *, sense="min", size=10, **fields):
    rng = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(size) for j in range(i + 1, size) if rng.random() < 0.5]
    instance = tiny_instance(
        rng.integers(-5, 6, size=size).tolist(),
        dict(zip(pairs, rng.integers(-5, 6, size=len(pairs)).tolist(), strict=True)),
        **fields,
    )
    return Problem.of(TinyFamily(sense), instance), rng


def windows_around(problem, assignment, size):
    model = problem.penalised_model.model
    incumbent = make_incumbent(problem, np.array([assignment], dtype=np.uint8), "test")
    return Windows(problem, model, VariableMap.identity(model.size), incumbent, size=size), incumbent


def brute_force_gain(problem, incumbent, inside):
    """Try all values of the variables inside, and return what the best feasible of them wins."""
    rows = np.tile(incumbent.assignment, (2 ** len(inside), 1))
    rows[:, inside] = (np.arange(len(rows))[:, None] >> np.arange(len(inside))) & 1
    values = problem.family.objective(problem.instance, rows)[problem.family.feasible(problem.instance, rows)]
    sense = 1 if problem.family.sense == "max" else -1
    return max(0.0, float((sense * (values - incumbent.solution_value[0])).max()))


@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("seed", range(5))
def test_headroom_is_what_all_values_of_a_window_win(seed, sense):
    problem, rng = random_problem(seed, sense=sense)
    windows, incumbent = windows_around(problem, rng.integers(0, 2, size=10), 4)
    for _ in range(6):
        inside = np.sort(rng.choice(10, size=4, replace=False)).astype(np.int32)
        assert windows.headroom(inside) == pytest.approx(brute_force_gain(problem, incumbent, inside))


@pytest.mark.parametrize("seed", range(5))
def test_headroom_keeps_a_fixed_number_of_ones(seed):
    problem, rng = random_problem(seed, cardinality=4)
    windows, incumbent = windows_around(problem, rng.permutation([1] * 4 + [0] * 6), 5)
    inside = np.sort(rng.choice(10, size=5, replace=False)).astype(np.int32)
    assert windows.headroom(inside) == pytest.approx(brute_force_gain(problem, incumbent, inside))


@pytest.mark.parametrize("seed", range(5))
def test_the_window_with_most_is_taken_and_the_others_are_counted(seed):
    problem, rng = random_problem(seed)
    windows, incumbent = windows_around(problem, rng.integers(0, 2, size=10), 4)
    chosen = windows.choose(30, generator(seed))
    drawn = {tuple(inside.tolist()) for inside, _ in windows.draw(30, generator(seed))}
    gains = {inside: brute_force_gain(problem, incumbent, list(inside)) for inside in drawn}
    assert chosen.tried == len(drawn) > 10
    assert chosen.without_headroom == sum(gain == 0 for gain in gains.values())
    assert gains[tuple(chosen.variables.tolist())] == max(gains.values())


@pytest.mark.parametrize("sense", ["min", "max"])
def test_around_an_optimum_no_window_has_headroom_and_nothing_is_left_to_send(sense):
    problem, _ = random_problem(3, sense=sense)
    rows = ((np.arange(1024)[:, None] >> np.arange(10)) & 1).astype(np.uint8)
    values = problem.family.objective(problem.instance, rows)
    best = rows[values.argmax() if sense == "max" else values.argmin()]
    windows, _ = windows_around(problem, best, 4)
    chosen = windows.choose(40, generator(1))
    assert len(chosen.variables) == 0
    assert chosen.without_headroom == chosen.tried > 1
    # Who asks for one window unseen gets it, whatever it holds.
    assert len(windows.choose(1, generator(1)).variables) == 4


def test_a_reduction_says_how_many_windows_hold_nothing():
    instance = tiny_instance(
        [0] * 12,
        {(i, j): 1 if (i + j) % 3 else -2 for i in range(12) for j in range(i + 1, 12)},
    )
    unseen = reduce_instance(TinyFamily("max"), instance, tiny_spec(reduce={"max_qubits": 4, "windows": 1}))
    looked = reduce_instance(TinyFamily("max"), instance, tiny_spec(reduce={"max_qubits": 4}))
    assert (unseen.windows_tried, unseen.reduced_model.size) == (1, 4)
    assert looked.windows_tried > 1
    sent = looked.windows_without_headroom < looked.windows_tried
    assert looked.reduced_model.size == (4 if sent else 0)
    assert not looked.solved_by_reduction
    assert not looked.reduced_model.exact
    assert f"{looked.windows_tried} windows" in looked.step_log[-1]["note"]
    assert sent == (looked.reduced_model_optimum > looked.incumbent_objective)
