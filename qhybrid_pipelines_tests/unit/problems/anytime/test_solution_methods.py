"""The ladder gives a feasible answer at once, never a worse one afterwards, and calls proved only what is an optimum."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.problems.anytime.solution_methods import EXACT, GREEDY, METHODS, run_methods
from qhybrid_pipelines.problems.evaluation import Problem, evaluate, is_better
from qhybrid_pipelines_tests.support.small_problems import SMALL_SOURCES, all_rows, small_problem


@pytest.fixture(name="problem")
def _problem() -> Problem:
    return small_problem("independent_set", {"generator": "random_graph", "nodes": 9, "probability": 0.4, "seed": 3})


@pytest.mark.parametrize(("family", "source"), SMALL_SOURCES, ids=lambda value: value if isinstance(value, str) else "")
def test_no_rung_beats_the_optimum_that_enumeration_finds_and_a_proof_is_one(family, source):
    problem = small_problem(family, source)
    everything = evaluate(problem, all_rows(problem.instance.size))
    first = everything.ranking()[0]
    best = (float(everything.objective[first]), bool(everything.feasible[first]))
    answers = list(run_methods(problem, may_run=lambda _: True, seed=11))
    assert [answer.method for answer in answers] == list(METHODS)
    for answer in answers:
        checked = evaluate(problem, answer.assignment[None, :])
        assert answer.value == (float(checked.objective[0]), bool(checked.feasible[0]))
        assert not is_better(problem.family, answer.value, best)
        assert not answer.proved or not is_better(problem.family, best, answer.value)
    assert not any(answer.proved for answer in answers[:-1])


def test_the_exact_rung_proves_an_optimum(problem):
    answers = list(run_methods(problem, may_run=lambda _: True, seed=11))
    objectives = evaluate(problem, all_rows(problem.instance.size))
    assert answers[-1].proved
    assert answers[-1].value[0] == objectives.objective[objectives.feasible].max()


def test_rungs_that_may_not_run_are_left_out_and_later_ones_asked(problem):
    asked: list[str] = []

    def may_run(method: str) -> bool:
        asked.append(method)
        return method in (GREEDY, EXACT)

    assert [answer.method for answer in run_methods(problem, may_run=may_run, seed=1)] == [GREEDY, EXACT]
    assert asked == list(METHODS)


def test_a_proof_ends_the_ladder(problem):
    answers = run_methods(problem, may_run=lambda _: True, seed=1, methods=(GREEDY, EXACT, "local_search"))
    assert [answer.method for answer in answers] == [GREEDY, EXACT]


def test_the_same_seed_gives_the_same_answers(problem):
    first, second = (
        [answer.assignment.tolist() for answer in run_methods(problem, may_run=lambda _: True, seed=5)]
        for _ in range(2)
    )
    assert first == second
