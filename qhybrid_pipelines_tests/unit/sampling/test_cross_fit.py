"""The bounds beyond the bend hold on average whatever the shots: against exact values of the distribution that was drawn from."""

import numpy as np
import pytest

from qhybrid_pipelines.sampling.counts import align_counts
from qhybrid_pipelines.sampling.cross_fit import cross_fit
from qhybrid_pipelines.sampling.reference import reference_from_vector

REPEATS = 300


@pytest.mark.parametrize(("width", "shots"), [(2, 4000), (4, 400), (8, 400), (10, 300)])
def test_a_perfect_device_is_seldom_called_imperfect(width, shots):
    random = np.random.default_rng(width)
    vector = random.exponential(size=2**width)
    vector /= vector.sum()
    reference = reference_from_vector(vector)
    wrong = 0
    for _ in range(REPEATS):
        counts = random.multinomial(shots, vector)
        [outcomes] = np.nonzero(counts)
        found = cross_fit(align_counts(reference, outcomes.astype(np.uint64), outcomes * 0, counts[outcomes]))
        assert found.overlap_high > 0.99
        wrong += found.distance_low > 0
    assert wrong <= 0.065 * REPEATS


def test_the_bounds_are_close_where_there_are_many_shots():
    random = np.random.default_rng(1)
    vector = random.exponential(size=16)
    vector /= vector.sum()
    measured = np.roll(vector, 1)
    reference = reference_from_vector(vector)
    counts = random.multinomial(200_000, measured)
    outcomes = np.arange(16, dtype=np.uint64)
    found = cross_fit(align_counts(reference, outcomes, np.zeros(16), counts))
    assert found.overlap_high == pytest.approx(np.sqrt(vector * measured).sum(), abs=3e-3)
    assert found.distance_low == pytest.approx(np.abs(vector - measured).sum() / 2, abs=6e-3)


def test_the_same_counts_give_the_same_bounds():
    reference = reference_from_vector(np.array([0.5, 0.25, 0.25, 0.0]))
    aligned = align_counts(reference, np.arange(4, dtype=np.uint64), np.zeros(4), np.array([50, 20, 25, 5]))
    assert cross_fit(aligned) == cross_fit(aligned)


def test_a_single_shot_proves_nothing():
    reference = reference_from_vector(np.array([0.5, 0.5]))
    found = cross_fit(align_counts(reference, np.array([0], dtype=np.uint64), np.zeros(1), np.array([1])))
    assert found.overlap_high == 1
    assert found.distance_low == 0
