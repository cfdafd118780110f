"""The gate stays open while claims hold, closes when they do not, and never opens again by itself."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.classical.statistics import wilson_interval
from qhybrid_pipelines.problems.anytime.error_gate import FALSE_ALARM, Gate, note_outcome
from qhybrid_pipelines.problems.anytime.upgrade_rule import TAIL, gain_quantiles
from qhybrid_pipelines_tests.support.realised_upgrades import CONFIDENCE, decide, dispatch_rounds

NOISE = 0.03


def run(rng: np.random.Generator, *, tail: float, error: float, outcomes: int, claimed: float = 0.2) -> Gate:
    """Return a gate after outcomes whose true probabilities are given."""
    gate = Gate()
    for _ in range(outcomes):
        low, worse = rng.random() < tail, rng.random() < error
        gain = -2.0 if low else -0.5 if worse else 1.0
        gate = note_outcome(gate, gain=gain, low_gain=-1.0, high_gain=9.0, tail=TAIL, claimed_error=claimed)
    return gate


def test_claims_that_hold_close_it_in_fewer_than_one_of_twenty_runs():
    rng = np.random.default_rng(1)
    # All that the claims allow: every outcome in the tail is worse as well, so that the errors are those beside it.
    closed = sum(run(rng, tail=TAIL, error=0.15 / 0.95, outcomes=400).closed for _ in range(300))
    assert closed <= 300 * FALSE_ALARM


@pytest.mark.parametrize(("tail", "error"), [(0.2, 0.0), (0.02, 0.5)])
def test_claims_that_do_not_hold_close_it(tail, error):
    rng = np.random.default_rng(2)
    assert sum(run(rng, tail=tail, error=error, outcomes=150).closed for _ in range(40)) >= 38


def test_gains_that_fall_out_on_both_sides_close_it_though_few_are_low_and_none_is_worse():
    rng, gate = np.random.default_rng(4), Gate()
    for _ in range(60):
        gain = 5 + 2 * rng.standard_normal()  # said to have a deviation of 1
        gate = note_outcome(gate, gain=gain, low_gain=3.355, high_gain=6.645, tail=TAIL, claimed_error=None)
    assert gate.closed
    assert gate.outside > gate.low
    low_alone = Gate()
    rng = np.random.default_rng(4)
    for _ in range(60):
        gain = 5 + 2 * rng.standard_normal()
        low_alone = note_outcome(low_alone, gain=gain, low_gain=3.355, high_gain=None, tail=TAIL, claimed_error=None)
    assert (low_alone.low, low_alone.outside) == (gate.low, 0)
    assert low_alone.evidence < gate.evidence


@pytest.mark.parametrize("scenarios", [50, 77, 1000])
def test_quantiles_are_passed_no_more_often_than_is_claimed(scenarios):
    """Of scenarios and an outcome drawn alike; the interpolated quantile of 50 is passed more often."""
    rng = np.random.default_rng(scenarios)
    drawn = rng.standard_normal((20_000, scenarios + 1))
    bounds = np.array([gain_quantiles(row[1:]) for row in drawn])
    passed = np.array([(drawn[:, 0] < bounds[:, 0]).mean(), (drawn[:, 0] > bounds[:, 1]).mean()])
    assert (passed <= TAIL + 3 * np.sqrt(TAIL / 20_000)).all()
    assert (passed >= 0.7 * TAIL).all()
    if scenarios == 50:
        assert (drawn[:, 0] < np.quantile(drawn[:, 1:], TAIL, axis=1)).mean() > TAIL + 6 * np.sqrt(TAIL / 20_000)


def test_it_stays_closed():
    gate = run(np.random.default_rng(3), tail=1.0, error=1.0, outcomes=30)
    assert gate.closed
    for _ in range(500):
        gate = note_outcome(gate, gain=1.0, low_gain=-1.0, high_gain=9.0, tail=TAIL, claimed_error=0.2)
    assert gate.evidence < 1
    assert gate.closed


def test_stakes_are_fair_or_worse_whatever_happens_below_the_claim():
    """The expected money after one outcome is at most the money before, computed over both events."""
    for claim in (0.0, 1e-3, 0.05, 0.2, 0.5, 0.99, 1.0):
        start = Gate()
        happened, not_happened = (
            note_outcome(start, gain=gain, low_gain=-9.0, high_gain=None, tail=1.0, claimed_error=claim).evidence
            for gain in (-1.0, 1.0)
        )
        for probability in np.linspace(0, max(claim, 1e-3), 7):
            assert probability * happened + (1 - probability) * not_happened <= 1 + 1e-12


@pytest.fixture(name="rounds", scope="module")
def _rounds():
    return list(dispatch_rounds(200, first=1000))


def test_on_generated_truth_few_upgrades_are_wrong_and_the_gate_stays_open(rounds):
    upgrades = worse = 0
    for seed in range(10):
        found = decide(rounds, assumed=NOISE, true=NOISE, rng=np.random.default_rng(seed))
        assert (found.gate.closed, found.closed_at) == (False, None)
        upgrades, worse = upgrades + found.upgrades, worse + found.worse
    assert upgrades >= 200
    assert wilson_interval(worse, upgrades, level=0.9)[1] <= 1 - CONFIDENCE


@pytest.mark.parametrize("assumed", [0.02, 0.05, 0.125])
def test_with_twice_the_noise_it_closes_within_200_decisions(rounds, assumed):
    for seed in range(5):
        found = decide(rounds, assumed=assumed, true=2 * assumed, rng=np.random.default_rng(seed))
        assert found.closed_at is not None
