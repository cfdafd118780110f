"""Means over shots: their standard error, intervals that cover, and runs that differ."""

import numpy as np
import pytest

from qhybrid_pipelines.classical.shot_means import design_effect, mean_over_shots

ONE_RUN = np.zeros(2, dtype=np.int64)


def test_mean_and_standard_error_are_those_of_the_shots_written_out():
    values, counts = np.array([1.0, -2.0, 4.0]), np.array([5, 2, 3])
    shots = np.repeat(values, counts)
    found = mean_over_shots(values, counts, np.zeros(3), widest=6.0)
    assert found.mean == pytest.approx(shots.mean())
    assert found.standard_error == pytest.approx(shots.std(ddof=1) / np.sqrt(10))
    assert (found.shots, found.effective_shots) == (10, 10)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)
    assert found.high - found.mean > 1.95 * found.standard_error


def test_shots_that_all_agree_leave_open_what_they_did_not_see():
    found = mean_over_shots(np.array([1.0]), np.array([400]), np.array([0]), widest=2.0)
    assert (found.mean, found.standard_error) == (1.0, 0.0)
    assert 1 - found.low == pytest.approx(2 * 3.84 / 400, rel=1e-3)


def test_runs_that_differ_make_shots_worth_less():
    values, runs = np.array([1.0, -1.0, 1.0, -1.0]), np.array([0, 0, 1, 1])
    alike = mean_over_shots(values, np.array([250, 250, 240, 260]), runs, widest=2)
    apart = mean_over_shots(values, np.array([450, 50, 50, 450]), runs, widest=2)
    assert alike.effective_shots == 1000
    # By hand: both means are 0.8 away from that of all, whose shots have variance 1.
    assert design_effect(values, np.array([450, 50, 50, 450]), runs) == pytest.approx(2 * 500 * 0.8**2)
    assert apart.effective_shots == pytest.approx(1000 / 640)
    assert apart.standard_error > 20 * alike.standard_error


def test_intervals_of_rare_outcomes_cover_as_often_as_they_say():
    generator = np.random.default_rng(5)
    for share in (0.5, 0.05, 0.002):
        ones = generator.binomial(1000, share, size=2000)
        found = [
            mean_over_shots(np.array([1.0, -1.0]), np.array([1000 - k, k]), ONE_RUN, widest=2)
            if k > 0
            else mean_over_shots(np.array([1.0]), np.array([1000]), ONE_RUN[:1], widest=2)
            for k in ones.tolist()
        ]
        covered = np.mean([one.low <= 1 - 2 * share <= one.high for one in found])
        assert covered >= 0.935, share  # three standard errors of 2,000 repeats below 95 %


def test_no_shots_are_refused():
    with pytest.raises(ValueError, match="no shots"):
        mean_over_shots(np.array([1.0]), np.array([0]), np.array([0]), widest=1.0)
