"""Counts held against chance: how often it cries wolf, what it sees, and what it can never do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.classical.count_comparison import PointCounts, compare_counts
from qhybrid_pipelines_tests.support.known_changes import Setting, compare_settings


@pytest.mark.slow
@pytest.mark.parametrize(("pairs", "most_false_alarms"), [(100, 10), pytest.param(400, 28, marks=pytest.mark.long)])
def test_the_same_thing_measured_twice_is_seldom_called_different(pairs, most_false_alarms):
    """5 % of 400 are 20; more than 28, as more than 10 of 100, come by chance in 1 of 40 such tests. The seeds are fixed."""
    same = Setting()
    alarms = sum(compare_settings(same, same, seed=seed)[0].is_beyond_shot_noise for seed in range(pairs))
    assert alarms <= most_false_alarms


def test_other_shots_and_another_seed_are_not_a_difference():
    alarms = sum(
        compare_settings(Setting(), Setting(shots=2000, seed=9), seed=seed)[0].is_beyond_shot_noise
        for seed in range(40)
    )
    assert alarms <= 6


def test_p_values_of_small_counts_are_those_of_enumeration():
    """All 8 choose 4 deals of eight shots, written out, for the frequencies; the energies are all alike."""
    before, after = np.array([4, 0]), np.array([1, 3])
    found = compare_counts([PointCounts(before=before, after=after, energies=np.zeros(2))], resamples=20_000)
    shots = [0] * 5 + [1] * 3
    distances = [
        abs(
            sum(1 for i in dealt if shots[i] == 0) / 4
            - sum(1 for i in range(8) if i not in dealt and shots[i] == 0) / 4
        )
        for dealt in itertools.combinations(range(8), 4)
    ]
    exact = np.mean(np.array(distances) >= 0.75 - 1e-12)
    assert found.points[0].total_variation == pytest.approx(0.75)
    assert found.p_value == pytest.approx(min(1.0, 2 * exact), abs=0.02)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(-5, 5)), min_size=1, max_size=8).filter(
        lambda rows: sum(r[0] for r in rows) > 0 and sum(r[1] for r in rows) > 0
    )
)
def test_what_holds_for_all_counts(rows):
    before, after, energies = (np.array(column) for column in zip(*rows, strict=True))
    point = PointCounts(before=before, after=after, energies=energies.astype(np.float64))
    found = compare_counts([point], resamples=100)
    (difference,) = found.points
    assert 0 <= difference.total_variation <= 1
    assert 0 < found.p_value <= 1
    assert difference.low <= difference.high
    assert difference.energy_low <= difference.energy_high
    assert found.identical == np.array_equal(before, after)
    if found.identical:
        assert difference.total_variation == difference.energy_change == 0
        assert not found.is_beyond_shot_noise
    swapped = compare_counts([PointCounts(before=after, after=before, energies=point.energies)], resamples=100).points[
        0
    ]
    assert swapped.total_variation == pytest.approx(difference.total_variation)
    assert swapped.energy_change == pytest.approx(-difference.energy_change)


def test_disjoint_outcomes_are_as_far_apart_as_can_be():
    point = PointCounts(before=np.array([100, 0]), after=np.array([0, 100]), energies=np.array([0.0, 1.0]))
    found = compare_counts([point])
    assert found.points[0].total_variation == 1
    assert found.points[0].energy_change == 1
    assert found.is_beyond_shot_noise


def test_the_same_counts_always_give_the_same_answer():
    point = PointCounts(before=np.array([60, 40]), after=np.array([50, 50]), energies=np.array([0.0, 1.0]))
    assert compare_counts([point]) == compare_counts([point])


@pytest.mark.parametrize("points", [[], [PointCounts(before=np.array([0]), after=np.array([3]), energies=np.zeros(1))]])
def test_nothing_to_compare(points):
    with pytest.raises(ValueError, match="both sides have shots"):
        compare_counts(points)
