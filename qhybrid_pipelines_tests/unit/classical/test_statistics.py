"""Statistics against SciPy and against worked examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from qhybrid_pipelines.classical.statistics import (
    holm_adjusted,
    paired_bootstrap,
    rule_of_three,
    trials_to_target,
    wilson_interval,
)


@pytest.mark.parametrize(("successes", "trials"), [(1, 10), (5, 10), (10, 10), (37, 250)])
def test_wilson_agrees_with_scipy(successes, trials):
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((expected.low, expected.high))


def score_bounds(successes, trials):
    """Return the two probabilities whose normal approximation puts the observed share on the 95 % bound: Wilson's definition."""
    z = stats.norm.ppf(0.975)
    share = successes / trials
    bounds = np.roots([1 + z * z / trials, -(2 * share + z * z / trials), share * share])
    return np.clip(np.sort(bounds), 0, 1)


@pytest.mark.parametrize("trials", [1, 10, 30, 250, 10_000])
def test_wilson_solves_its_equation(trials):
    for successes in {1, trials // 3 or 1, trials}:
        assert wilson_interval(successes, trials) == pytest.approx(score_bounds(successes, trials), abs=1e-9)


def test_without_success_the_rule_of_three_bounds_the_probability():
    assert wilson_interval(0, 30) == (0.0, 0.1)
    assert rule_of_three(2) == 1.0
    assert wilson_interval(0, 0) == (0.0, 1.0)
    # The exact upper 95 % bound after 100 failures is 1 - 0.05 ** (1 / 100).
    assert rule_of_three(100) == pytest.approx(1 - 0.05**0.01, rel=0.02)


def test_bootstrap_agrees_with_scipy():
    differences = np.random.default_rng(1).normal(0.3, 1.0, size=40)
    low, high = paired_bootstrap(differences)
    expected = stats.bootstrap(
        (differences,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert low == pytest.approx(expected.low, abs=0.02)
    assert high == pytest.approx(expected.high, abs=0.02)


def test_bootstrap_is_reproducible_and_scales_with_its_input():
    differences = np.random.default_rng(1).normal(size=12)
    assert paired_bootstrap(differences) == paired_bootstrap(differences)
    assert paired_bootstrap(2 * differences) == pytest.approx(tuple(2 * b for b in paired_bootstrap(differences)))
    assert paired_bootstrap(np.full(10, 0.5)) == (0.5, 0.5)
    with pytest.raises(ValueError, match="at least one run"):
        paired_bootstrap(np.array([]))


def test_bootstrap_of_normal_differences_covers_the_truth():
    rng = np.random.default_rng(7)
    intervals = [paired_bootstrap(rng.normal(1.0, 1.0, size=20)) for _ in range(200)]
    covered = np.mean([low <= 1.0 <= high for low, high in intervals])
    assert 0.87 <= covered <= 0.99


def test_trials_to_target():
    assert trials_to_target(0.01, 1000) == pytest.approx(math.log(0.01) / math.log(0.99))
    assert trials_to_target(1.0, 10) == 1.0
    assert trials_to_target(0.999, 10) == 1.0
    # Never reached in 3000 trials: at least what a probability of 1/1000 would need.
    assert trials_to_target(0.0, 3000) == pytest.approx(trials_to_target(0.001, 1))


def test_holm_on_a_worked_example():
    assert holm_adjusted(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm_adjusted(np.array([0.6, 0.9])).tolist() == [1.0, 1.0]
    assert holm_adjusted(np.array([])).tolist() == []
