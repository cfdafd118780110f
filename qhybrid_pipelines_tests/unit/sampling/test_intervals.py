"""Intervals against SciPy's and against what they promise at the ends."""

import pytest
from scipy.stats import binomtest

from qhybrid_pipelines.sampling.intervals import mean_interval, share_interval


@pytest.mark.parametrize(("hits", "shots"), [(0, 10), (10, 10), (3, 10), (512, 1024)])
def test_shares_are_those_of_clopper_and_pearson(hits, shots):
    expected = binomtest(hits, shots).proportion_ci(method="exact")
    assert share_interval(hits, shots) == pytest.approx((expected.low, expected.high))


def test_a_mean_that_never_varied_is_not_certain():
    low, high = mean_interval(1.0, 1.0, 1000, 1.0)
    assert 0.99 < low < 0.997
    assert high == 1


def test_a_mean_is_inside_its_interval_and_more_shots_narrow_it():
    few, many = (mean_interval(0.2, 0.07, shots, 1.0) for shots in (100, 10_000))
    assert few[0] < many[0] < 0.2 < many[1] < few[1]
