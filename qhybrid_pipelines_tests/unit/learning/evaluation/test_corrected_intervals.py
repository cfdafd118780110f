"""Corrected intervals cover what they promise, where the plain t interval does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qhybrid_pipelines.learning.evaluation.corrected_intervals import (
    corrected_interval,
    minimum_half_width,
    p_value_above,
    standard_error,
)

#: So many that the folds alone decide.
MANY = 10**9


def coverage(samples, truth, share, rows=MANY):
    bounds = np.array([corrected_interval(row, share, rows=rows) for row in samples])
    return float(((bounds[:, 0] <= truth) & (truth <= bounds[:, 1])).mean())


def test_the_formula_agrees_with_a_second_implementation():
    differences = np.random.default_rng(0).normal(0.01, 0.02, 10)
    scale = np.std(differences, ddof=1) * np.sqrt(1 / 10 + 1 / 4)
    expected = stats.t(df=9, loc=differences.mean(), scale=scale)
    assert corrected_interval(differences, 1 / 4, rows=MANY) == pytest.approx(expected.interval(0.95), rel=1e-12)
    assert p_value_above(differences, 1 / 4, 0.005, rows=MANY) == pytest.approx(expected.cdf(0.005), rel=1e-10)
    # Without test rows it is the plain t interval.
    plain = stats.ttest_1samp(differences, 0.0).confidence_interval(0.95)
    assert corrected_interval(differences, 0.0, rows=MANY) == pytest.approx(tuple(plain), rel=1e-12)


def test_folds_without_spread_leave_open_what_their_rows_leave_open():
    same = np.zeros(10)
    low, high = corrected_interval(same, 0.25, rows=20)
    assert (low, high) == pytest.approx((-0.1844, 0.1844), abs=1e-4)  # 1 - 0.025**(1/20) is 0.168 exactly
    assert 0.025 < p_value_above(np.full(10, 0.25), 0.25, 0.1, rows=20) < 0.5
    assert p_value_above(same, 0.25, 0.0, rows=20) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="at least two"):
        standard_error(np.array([0.1]), 0.25, rows=20)


@pytest.mark.parametrize("events", [0, 1, 7, 40])
def test_what_rows_leave_open_is_the_exact_bound_of_a_poisson_count(events):
    bound = events / 1000 + minimum_half_width(events / 1000, 1000)
    assert stats.poisson(bound * 1000).cdf(events) == pytest.approx(0.025, rel=1e-9)


def test_coverage_is_exact_for_the_correlation_it_assumes():
    """Equally correlated Gaussian differences with the correlation n_test / (n_test + n_train) = 1/5."""
    rng, trials, folds, rho = np.random.default_rng(1), 4000, 10, 0.2
    shared, own = rng.standard_normal((trials, 1)), rng.standard_normal((trials, folds))
    samples = 0.3 + np.sqrt(rho) * shared + np.sqrt(1 - rho) * own
    assert coverage(samples, 0.3, 1 / 4) == pytest.approx(0.95, abs=0.012)  # 3.5 standard errors of 4000 trials
    assert coverage(samples, 0.3, 0.0) < 0.80, "the plain interval is far too narrow"


def test_coverage_on_real_folds_is_at_least_nominal():
    """Two nearest-mean classifiers on fresh Gaussian data, 5 folds x 2 repeats, 600 times.

    The truth is the mean difference of accuracies over all trials: cross-validation is unbiased for it.
    """
    rng, trials, rows, k = np.random.default_rng(3), 600, 60, 5
    differences = np.empty((trials, 2 * k))
    for trial in range(trials):
        labels = np.arange(rows) % 2
        features = rng.standard_normal((rows, 2)) + labels[:, None] * np.array([1.2, 1.0])
        for repeat in range(2):
            for fold, test in enumerate(rng.permutation(rows).reshape(k, -1)):
                train = np.setdiff1d(np.arange(rows), test)
                means = np.array([features[train][labels[train] == cls].mean(axis=0) for cls in (0, 1)])
                sure = np.abs(features[test] - means[0]) > np.abs(features[test] - means[1])
                hits = (sure == labels[test][:, None].astype(bool)).mean(axis=0)
                differences[trial, repeat * k + fold] = hits[0] - hits[1]
    truth = differences.mean()
    corrected, plain = coverage(differences, truth, 1 / 4, rows), coverage(differences, truth, 0.0)
    assert corrected >= 0.94
    assert plain < 0.90 < corrected
