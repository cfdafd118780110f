"""A rung is begun where its measured 99 % time fits, and never where nobody knows how long it takes."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.problems.anytime.ladder import EXACT, GREEDY
from qhybrid_pipelines.problems.anytime.rung_times import FEW, REMEMBERED, RungTimes, size_class
from qhybrid_pipelines_tests.support.small_problems import small_problem

KEY = ("independent_set", 7, EXACT)


def test_a_rung_that_was_never_measured_may_not_run_but_greedy_may():
    times = RungTimes()
    assert times.p99(KEY) is None
    assert not times.fits(KEY, 1e9)
    assert times.fits((*KEY[:2], GREEDY), 0.0)


def test_few_times_are_doubled():
    times = RungTimes()
    for seconds in (0.2, 0.1):
        times.add(KEY, seconds)
    assert times.p99(KEY) == 0.4
    assert times.fits(KEY, 0.4)
    assert not times.fits(KEY, 0.39)


@pytest.mark.parametrize("number", [FEW, 100, 101, 333, REMEMBERED])
def test_at_least_99_of_100_times_lie_within_it_and_it_is_one_of_them(number):
    drawn = np.random.default_rng(number).lognormal(size=number).tolist()
    found = RungTimes.of({KEY: drawn}).p99(KEY)
    assert found in drawn
    assert sum(seconds <= found for seconds in drawn) >= 0.99 * number
    assert sum(seconds < found for seconds in drawn) < 0.99 * number


def test_old_times_are_forgotten_and_what_is_kept_comes_back():
    times = RungTimes()
    for _ in range(REMEMBERED):
        times.add(KEY, 9.0)
    for _ in range(REMEMBERED):
        times.add(KEY, 1.0)
    assert times.p99(KEY) == 1.0
    assert RungTimes.of(times.kept()).kept() == times.kept()


def test_larger_instances_are_of_another_class():
    small, large = (
        size_class(small_problem("independent_set", {"generator": "random_graph", "nodes": n, "probability": 0.4}))
        for n in (8, 40)
    )
    assert small < large
