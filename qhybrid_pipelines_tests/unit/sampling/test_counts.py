"""Counts beside a reference, and whether runs agree."""

import numpy as np
import pytest

from qhybrid_pipelines.sampling.counts import align_counts
from qhybrid_pipelines.sampling.reference import reference_from_pairs

REFERENCE = reference_from_pairs({1: 0.25, 2: 0.75}, 3)


def test_counts_come_in_the_order_of_the_reference_and_others_after_it():
    outcomes, runs = np.array([2, 1, 7, 2, 7, 0], dtype=np.uint64), np.array([0, 0, 0, 1, 1, 1])
    aligned = align_counts(REFERENCE, outcomes, runs, np.array([5, 4, 1, 6, 2, 3]))
    assert aligned.counts[:2].tolist() == [4, 11]
    assert sorted(aligned.counts[2:].tolist()) == [3, 3]
    assert aligned.probabilities.tolist() == [0.25, 0.75, 0, 0]
    assert aligned.shots == 21


def test_runs_that_agree_are_worth_all_their_shots_and_runs_that_differ_are_not():
    same, other = np.array([[250, 750], [260, 740]]), np.array([[900, 100], [100, 900]])
    found = []
    for counts in (same, other):
        run, place = np.nonzero(counts)
        found.append(align_counts(REFERENCE, np.array([1, 2], dtype=np.uint64)[place], run, counts[run, place]))
    assert found[0].spread == 1
    assert found[0].effective_shots == 2000
    # By hand: the two shares of outcome 1 are 0.9 and 0.1, with mean 0.5 and variance 0.25 / 1000 each by chance.
    assert found[1].spread == pytest.approx(2 * 0.4**2 / (0.25 / 1000))


def test_no_shots_are_refused():
    with pytest.raises(ValueError, match="no shots"):
        align_counts(REFERENCE, np.array([], dtype=np.uint64), np.array([]), np.array([]))
