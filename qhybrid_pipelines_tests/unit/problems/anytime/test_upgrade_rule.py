"""Upgrades are feasible, better and confident enough; what the scenarios say is what chance says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.vocabulary.decision_words import CandidateOutcome
from qhybrid_pipelines.problems.anytime.objective_terms import objective_terms
from qhybrid_pipelines.problems.anytime.upgrade_rule import (
    TAIL,
    Uncertainty,
    judge,
    realised_objectives,
    scenario_gains,
)
from qhybrid_pipelines.problems.evaluation import evaluate
from qhybrid_pipelines_tests.support.small_problems import QUADRATIC_SOURCES, all_rows, small_problem

CERTAIN = Uncertainty()
DISPATCH = {"generator": "dispatch", "vehicles": 3, "jobs": 3, "seed": 5}


@pytest.fixture(name="problem", scope="module")
def _problem():
    return small_problem("independent_set", DISPATCH)


@pytest.fixture(name="ranked", scope="module")
def _ranked(problem):
    """Feasible rows, best first."""
    rows = all_rows(problem.instance.size)
    found = evaluate(problem, rows)
    order = found.ranking()
    return rows[order[: np.count_nonzero(found.feasible)]]


def test_what_speaks_against_a_candidate_is_named(problem, ranked):
    best, second, nothing = ranked[0], ranked[1], np.zeros_like(ranked[0])

    def outcome(incumbent, candidate, min_gain=0.0):
        found = judge(problem, incumbent, candidate, min_gain=min_gain, confidence=0.8, uncertainty=CERTAIN)
        return found.outcome

    assert outcome(second, best) == CandidateOutcome.UPGRADED
    assert outcome(second, best, min_gain=10.0) == CandidateOutcome.NOT_BETTER
    assert outcome(best, best) == CandidateOutcome.NOT_BETTER
    assert outcome(best, second) == CandidateOutcome.NOT_BETTER
    assert outcome(nothing, np.ones_like(best)) == CandidateOutcome.INFEASIBLE
    assert outcome(np.ones_like(best), nothing) == CandidateOutcome.UPGRADED
    assert outcome(best, best[:-1]) == CandidateOutcome.ERROR
    assert outcome(best, best + 2) == CandidateOutcome.ERROR


@pytest.mark.parametrize(
    ("family", "source"), QUADRATIC_SOURCES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_nothing_is_revised_for_the_worse_in_any_family(family, source):
    problem = small_problem(family, source)
    rows = all_rows(problem.instance.size)
    found = evaluate(problem, rows)
    rng = np.random.default_rng(3)
    for first, second in rng.integers(len(rows), size=(200, 2)):
        judged = judge(
            problem, rows[first], rows[second], min_gain=0.01, confidence=0.8, uncertainty=Uncertainty(noise=0.1)
        )
        if judged.outcome == CandidateOutcome.UPGRADED:
            assert found.feasible[second]
            if found.feasible[first]:
                direction = 1 if problem.family.sense == "max" else -1
                assert direction * (found.objective[second] - found.objective[first]) > 0


@pytest.mark.parametrize("noise", [0.05, 0.25, 1.0])
def test_drawn_scenarios_agree_with_the_normal_distribution(problem, ranked, noise):
    weights = np.array(problem.instance.payload["weights"])
    for incumbent, candidate in ((ranked[3], ranked[0]), (ranked[1], ranked[0]), (ranked[9], ranked[2])):
        both = np.stack([incumbent, candidate])
        gains = scenario_gains(
            objective_terms(problem, both), problem.penalised_model.sign, both, Uncertainty(noise=noise)
        )
        change = candidate.astype(float) - incumbent
        mean, deviation = (
            float(change @ weights),
            noise * math.sqrt(float((change * weights) ** 2 @ np.ones(len(change)))),
        )
        assert abs(gains.mean() - mean) < 4 * deviation / math.sqrt(len(gains))
        assert gains.std() == pytest.approx(deviation, rel=0.1)
        wins = (gains > 0).mean()
        assert abs(wins - norm.cdf(mean / deviation)) < 4 * 0.5 / math.sqrt(len(gains))
        judged = judge(
            problem, incumbent, candidate, min_gain=0.0, confidence=0.8, uncertainty=Uncertainty(noise=noise)
        )
        assert judged.wins == np.count_nonzero(gains > 0)
        assert judged.low_gain == pytest.approx(mean + norm.ppf(TAIL) * deviation, abs=0.3 * deviation)
        assert judged.high_gain == pytest.approx(mean - norm.ppf(TAIL) * deviation, abs=0.3 * deviation)


def test_wins_that_are_needed_are_those_of_the_wilson_bound(problem, ranked):
    """170 of 200, 45 of 50 and 821 of 1000 scenarios are what a confidence of 0.8 takes."""
    incumbent, candidate = ranked[1], ranked[0]
    weights = np.array(problem.instance.payload["weights"])
    worse = np.where(candidate > incumbent, 0.0, weights)
    for scenarios, needed in ((50, 45), (200, 170), (1000, 821)):
        for wins, outcome in ((needed, CandidateOutcome.UPGRADED), (needed - 1, CandidateOutcome.LOW_CONFIDENCE)):
            rows = np.array([weights] * wins + [worse] * (scenarios - wins))
            judged = judge(
                problem, incumbent, candidate, min_gain=0.0, confidence=0.8, uncertainty=Uncertainty(scenarios=rows)
            )
            assert (judged.wins, judged.scenarios, judged.outcome) == (wins, scenarios, outcome)


def test_what_coefficients_turned_out_to_be_is_the_objective_of_that_instance(problem, ranked):
    changed = np.random.default_rng(1).uniform(0.5, 2, size=problem.instance.size)
    expected = ranked[:5] @ changed
    np.testing.assert_allclose(realised_objectives(problem, ranked[:5], changed), expected)


def test_scenarios_of_coefficients_are_refused_where_pairs_count():
    problem = small_problem("maxcut", {"generator": "erdos_renyi", "nodes": 8, "probability": 0.5})
    rows = all_rows(8)
    with pytest.raises(InvalidInput, match="terms of two variables") as caught:
        judge(
            problem,
            rows[0],
            rows[37],
            min_gain=0.0,
            confidence=0.8,
            uncertainty=Uncertainty(scenarios=np.ones((50, 8))),
        )
    assert caught.value.field == "scenarios"
