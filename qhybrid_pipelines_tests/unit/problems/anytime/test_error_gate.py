"""The gate stays open while claims hold, closes when they do not, and never opens again by itself."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.classical.statistics import wilson_interval
from qhybrid_pipelines.core.decision_words import CandidateOutcome
from qhybrid_pipelines.problems.anytime.error_gate import FALSE_ALARM, Gate, note_outcome
from qhybrid_pipelines.problems.anytime.solution_methods import EXACT, GREEDY, run_method
from qhybrid_pipelines.problems.anytime.upgrade_rule import LOW_TAIL, Uncertainty, judge, realised_objectives
from qhybrid_pipelines_tests.support.small_problems import small_problem

CONFIDENCE, NOISE = 0.8, 0.03


def run(rng: np.random.Generator, *, tail: float, error: float, outcomes: int, claimed: float = 0.2) -> Gate:
    """Return a gate after outcomes whose true probabilities are given."""
    gate = Gate()
    for _ in range(outcomes):
        low, worse = rng.random() < tail, rng.random() < error
        gain = -2.0 if low else -0.5 if worse else 1.0
        gate = note_outcome(gate, gain=gain, low_gain=-1.0, low_tail=LOW_TAIL, claimed_error=claimed)
    return gate


def test_claims_that_hold_close_it_in_fewer_than_one_of_twenty_runs():
    rng = np.random.default_rng(1)
    # All that the claims allow: every outcome in the tail is worse as well, so that the errors are those beside it.
    closed = sum(run(rng, tail=LOW_TAIL, error=0.15 / 0.95, outcomes=400).closed for _ in range(300))
    assert closed <= 300 * FALSE_ALARM


@pytest.mark.parametrize(("tail", "error"), [(0.2, 0.0), (0.02, 0.5)])
def test_claims_that_do_not_hold_close_it(tail, error):
    rng = np.random.default_rng(2)
    assert sum(run(rng, tail=tail, error=error, outcomes=150).closed for _ in range(40)) >= 38


def test_it_stays_closed():
    gate = run(np.random.default_rng(3), tail=1.0, error=1.0, outcomes=30)
    assert gate.closed
    for _ in range(500):
        gate = note_outcome(gate, gain=1.0, low_gain=-1.0, low_tail=LOW_TAIL, claimed_error=0.2)
    assert gate.evidence < 1
    assert gate.closed


def test_stakes_are_fair_or_worse_whatever_happens_below_the_claim():
    """The expected money after one outcome is at most the money before, computed over both events."""
    for claim in (0.0, 1e-3, 0.05, 0.2, 0.5, 0.99, 1.0):
        start = Gate()
        happened, not_happened = (
            note_outcome(start, gain=gain, low_gain=-9.0, low_tail=1.0, claimed_error=claim).evidence
            for gain in (-1.0, 1.0)
        )
        for probability in np.linspace(0, max(claim, 1e-3), 7):
            assert probability * happened + (1 - probability) * not_happened <= 1 + 1e-12


def dispatch_rounds(count: int, first: int):
    """Yield problems with the greedy answer and the optimum, which stands for the best that a quantum path could return."""
    for seed in range(first, first + count):
        problem = small_problem("independent_set", {"generator": "dispatch", "vehicles": 4, "jobs": 6, "seed": seed})
        yield (
            seed,
            problem,
            run_method(problem, GREEDY, None, seed).assignment,
            run_method(problem, EXACT, None, seed).assignment,
        )


def decide(rounds, *, assumed: float, true: float, rng: np.random.Generator) -> tuple[Gate, int, int, int | None]:
    """Return the gate, upgrades, how many of them turned out worse, and after how many decisions the gate closed."""
    gate, upgrades, worse, closed_at = Gate(), 0, 0, None
    for number, (seed, problem, incumbent, candidate) in enumerate(rounds, start=1):
        found = judge(
            problem,
            incumbent,
            candidate,
            min_gain=0.02,
            confidence=CONFIDENCE,
            uncertainty=Uncertainty(noise=assumed, seed=seed),
        )
        if found.low_gain is None:
            continue
        weights = np.array(problem.instance.payload["weights"])
        realised = weights * (1 + true * rng.standard_normal(len(weights)))
        before, after = realised_objectives(problem, np.stack([incumbent, candidate]), realised)
        upgraded = found.outcome == CandidateOutcome.UPGRADED
        upgrades += upgraded
        worse += bool(upgraded and after < before)
        gate = note_outcome(
            gate,
            gain=float(after - before),
            low_gain=found.low_gain,
            low_tail=LOW_TAIL,
            claimed_error=1 - found.confidence_low if upgraded else None,
        )
        if gate.closed and closed_at is None:
            closed_at = number
    return gate, upgrades, worse, closed_at


@pytest.fixture(name="rounds", scope="module")
def _rounds():
    return list(dispatch_rounds(200, first=1000))


def test_on_generated_truth_few_upgrades_are_wrong_and_the_gate_stays_open(rounds):
    upgrades = worse = 0
    for seed in range(10):
        gate, upgraded, wrong, closed_at = decide(rounds, assumed=NOISE, true=NOISE, rng=np.random.default_rng(seed))
        assert (gate.closed, closed_at) == (False, None)
        upgrades, worse = upgrades + upgraded, worse + wrong
    assert upgrades >= 200
    assert wilson_interval(worse, upgrades, level=0.9)[1] <= 1 - CONFIDENCE


@pytest.mark.parametrize("assumed", [0.02, 0.05, 0.125])
def test_with_twice_the_noise_it_closes_within_200_decisions(rounds, assumed):
    for seed in range(5):
        *_, closed_at = decide(rounds, assumed=assumed, true=2 * assumed, rng=np.random.default_rng(seed))
        assert closed_at is not None
