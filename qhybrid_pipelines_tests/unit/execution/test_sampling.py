"""Sampling: the right distribution, one generator per point and repetition, sorted distinct outcomes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from qhybrid_pipelines.execution.port import COUNTS_SCHEMA
from qhybrid_pipelines.execution.sampling import sample_point
from qhybrid_pipelines.quantum.simulation.sampling import outcomes_from_uniforms, shot_seed, sorted_uniforms

#: Chance that a right sampler fails one goodness-of-fit test; the seeds are fixed, so it fails always or never.
ERROR_RATE = 1e-4


def columns(counts) -> dict[str, np.ndarray]:
    return {name: counts.column(name).to_numpy(zero_copy_only=False) for name in ("repetition", "bits", "count")}


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sampled_from([0.0, 1e-300, 0.1, 1.0, 3.0]), min_size=1, max_size=20).filter(lambda p: sum(p) > 1e-200),
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4),
    st.integers(1, 200),
)
def test_every_shot_is_counted_once_and_nothing_impossible_is_measured(weights, seeds, shots):
    probabilities = np.array(weights)
    counts = sample_point(probabilities, np.array(seeds, dtype=np.uint64), shots, point=3)
    assert counts.schema == COUNTS_SCHEMA
    found = columns(counts)
    assert set(counts.column("point").to_pylist()) == {3}
    assert np.array_equal(np.bincount(found["repetition"], found["count"]), np.full(len(seeds), shots))
    assert (probabilities[found["bits"].astype(int)] > 0).all()
    order = found["repetition"].astype(np.int64) * 1000 + found["bits"].astype(np.int64)
    assert (np.diff(order) > 0).all()


def test_the_distribution_is_the_one_that_was_asked_for():
    rng = np.random.default_rng(1)
    probabilities = rng.exponential(size=64)
    seeds = np.arange(100, 120, dtype=np.uint64)
    found = columns(sample_point(probabilities, seeds, 50_000, point=0))
    observed = np.bincount(found["bits"].astype(int), found["count"], minlength=64)
    expected = probabilities / probabilities.sum() * observed.sum()
    assert chisquare(observed, expected).pvalue > ERROR_RATE


def test_repetitions_are_independent_of_each_other_and_of_their_neighbours():
    probabilities = np.ones(16)
    seeds = np.array([5, 6, 7], dtype=np.uint64)
    together = columns(sample_point(probabilities, seeds, 100, point=0))
    for repetition, seed in enumerate(seeds):
        alone = columns(sample_point(probabilities, np.array([seed]), 100, point=0))
        mine = together["repetition"] == repetition
        assert np.array_equal(together["bits"][mine], alone["bits"])
        assert np.array_equal(together["count"][mine], alone["count"])
    first, second = (together["count"][together["repetition"] == r] for r in (0, 1))
    assert not np.array_equal(first, second)


def test_outcomes_may_be_a_subspace():
    outcomes = np.array([3, 5, 6, 1 << 63], dtype=np.uint64)
    probabilities = np.array([0.0, 1.0, 0.0, 1.0])
    found = columns(sample_point(probabilities, np.array([1], dtype=np.uint64), 1000, point=0, outcomes=outcomes))
    assert found["bits"].tolist() == [5, 1 << 63]


def test_a_run_seed_is_small_and_depends_on_every_point():
    seeds = np.arange(2**60, 2**60 + 5, dtype=np.uint64)
    assert 0 <= shot_seed(seeds) < 2**31
    assert shot_seed(seeds) == shot_seed(seeds.copy())
    assert len({shot_seed(seeds[:k]) for k in range(1, 6)}) == 5


def test_totals_need_not_be_exactly_one():
    seeds = np.array([9], dtype=np.uint64)
    plain = sample_point(np.full(8, 1 / 8), seeds, 500, point=0)
    scaled = sample_point(np.full(8, 4.0), seeds, 500, point=0)
    assert plain.equals(scaled)
    assert columns(sample_point(np.array([0.0, 1e-30, 0.0]), seeds, 5, point=0))["bits"].tolist() == [1]


@settings(deadline=None, max_examples=100)
@given(
    weights=st.lists(st.sampled_from([0.0, 1e-300, 1e-9, 0.1, 1.0, 3.0]), min_size=1, max_size=40).filter(
        lambda p: sum(p) > 1e-200
    ),
    uniforms=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=30),
)
def test_compiled_shots_are_the_same_shots(weights, uniforms):
    pytest.importorskip("numba", reason="compiled sampling needs numba: install the extra `fast`")
    from qhybrid_pipelines.quantum.simulation import sampling_numba

    rows = np.stack([weights, weights[::-1]])
    rows = rows[rows.sum(axis=1) > 0]
    drawn = np.sort(np.array(uniforms))[None, None].repeat(len(rows), axis=0)
    assert np.array_equal(sampling_numba.outcomes_from_uniforms(rows, drawn), outcomes_from_uniforms(rows, drawn))


@pytest.mark.parametrize(("outcomes", "shots"), [(1, 7), (50, 3000), (1 << 16, 200), (1 << 12, 4096)])
def test_compiled_shots_of_many_points(outcomes, shots):
    pytest.importorskip("numba", reason="compiled sampling needs numba: install the extra `fast`")
    from qhybrid_pipelines.quantum.simulation import sampling_numba

    rows = np.random.default_rng(1).exponential(size=(3, outcomes)) ** 4
    uniforms = sorted_uniforms(np.arange(6, dtype=np.uint64).reshape(3, 2), shots)
    assert np.array_equal(sampling_numba.outcomes_from_uniforms(rows, uniforms), outcomes_from_uniforms(rows, uniforms))
