"""Intervals beside the figures of raw shots, held against SciPy's own and against an exact law."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from qhybrid_pipelines.problems.comparison import compare
from qhybrid_pipelines.problems.uniform_random_shots import corrected_interval
from qhybrid_pipelines_tests.support.tiny_family import TinyFamily
from qhybrid_pipelines_tests.support.verdict_tables import ONES, baselines, point_scores, reduced_model_row, solutions


def test_of_two_runs_the_interval_is_the_two_runs():
    """The mean of two drawn runs is either run with a chance of a quarter, so each tail of 2.5 % ends there."""
    assert corrected_interval(np.array([3.0, 5.0]), 2.0, 7.0) == pytest.approx((0.2, 0.6))


def test_of_one_run_nothing_is_said():
    assert corrected_interval(np.array([3.0]), 2.0, 7.0) == (None, None)


@pytest.mark.parametrize("reference", [40.0, -40.0])
def test_the_interval_is_that_of_another_implementation(reference):
    means = np.random.default_rng(5).normal(3.0, 2.0, size=12)
    other = bootstrap(
        ((means - 1.0) / (reference - 1.0),),
        np.mean,
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(6),
    ).confidence_interval
    width = other.high - other.low
    assert corrected_interval(means, 1.0, reference) == pytest.approx((other.low, other.high), abs=0.04 * width)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_interval_of_p_optimum_is_that_of_scipy(share):
    scores = point_scores(10)
    scores["p_reduced_model_optimum"] = [share] * len(scores["shots"])
    row = compare(
        TinyFamily("max"),
        ONES,
        reduced_model_row(),
        point_scores=scores,
        scored_solutions=solutions([7] * 10),
        baselines=baselines(tabu=[7] * 10),
    )
    shots = sum(scores["shots"])
    expected = binomtest(round(share * shots), shots).proportion_ci(method="wilson")
    low, high = (0.0, 3 / shots) if share == 0 else (expected.low, expected.high)
    assert (row["p_optimum_low"], row["p_optimum_high"]) == pytest.approx((low, high))
    assert row["p_optimum_low"] <= row["p_optimum"] <= row["p_optimum_high"]
