"""A method is begun where its measured 99 % time fits, and never where nobody knows how long it takes."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.problems.anytime.method_times import FEW, RECENT_SECONDS, REMEMBERED, MethodTimes, size_class
from qhybrid_pipelines.problems.anytime.solution_methods import EXACT, GREEDY
from qhybrid_pipelines_tests.support.small_problems import small_problem

KEY = ("independent_set", 7, EXACT)


def test_a_rung_that_was_never_measured_may_not_run_but_greedy_may():
    times = MethodTimes()
    assert times.p99(KEY, at=0.0) is None
    assert not times.fits(KEY, 1e9, at=0.0)
    assert times.fits((*KEY[:2], GREEDY), 0.0, at=0.0)


def test_few_times_are_doubled():
    times = MethodTimes()
    for seconds in (0.2, 0.1):
        times.add(KEY, seconds, at=0.0)
    assert times.p99(KEY, at=0.0) == 0.4
    assert times.fits(KEY, 0.4, at=0.0)
    assert not times.fits(KEY, 0.39, at=0.0)


@pytest.mark.parametrize("number", [FEW, 100, 101, 333, REMEMBERED])
def test_at_least_99_of_100_times_lie_within_it_and_it_is_one_of_them(number):
    drawn = np.random.default_rng(number).lognormal(size=number).tolist()
    found = MethodTimes.of({KEY: drawn}, at=0.0).p99(KEY, at=0.0)
    assert found in drawn
    assert sum(seconds <= found for seconds in drawn) >= 0.99 * number
    assert sum(seconds < found for seconds in drawn) < 0.99 * number


def test_what_is_kept_comes_back():
    times = MethodTimes()
    for number in range(2 * REMEMBERED):
        times.add(KEY, float(number), at=0.0)
    assert times.to_dict() == {KEY: [float(number) for number in range(REMEMBERED, 2 * REMEMBERED)]}
    assert MethodTimes.of(times.to_dict(), at=5.0).to_dict() == times.to_dict()
    assert times.count(KEY) == REMEMBERED


def test_old_times_count_only_until_there_are_enough_new_ones():
    times = MethodTimes()
    for _ in range(FEW):
        times.add(KEY, 9.0, at=0.0)
    later = 2 * RECENT_SECONDS
    for _ in range(FEW - 1):
        times.add(KEY, 1.0, at=later)
    assert times.p99(KEY, at=later) == 9.0
    times.add(KEY, 1.0, at=later)
    assert times.p99(KEY, at=later) == 1.0


def test_the_median_lies_in_the_middle():
    times = MethodTimes()
    assert times.median(KEY, at=0.0) is None
    for seconds in (3.0, 1.0, 2.0):
        times.add(KEY, seconds, at=0.0)
    assert times.median(KEY, at=0.0) == 2.0


def test_larger_instances_are_of_another_class():
    small, large = (
        size_class(small_problem("independent_set", {"generator": "random_graph", "nodes": n, "probability": 0.4}))
        for n in (8, 40)
    )
    assert small < large
