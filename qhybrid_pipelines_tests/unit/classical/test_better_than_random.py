"""The gate's closed form against enumeration, and how often random samples pass it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.classical.better_than_random import random_energy
from qhybrid_pipelines_tests.support.small_ising_models import all_assignments, ising_models, make_model


@settings(deadline=None)
@given(model=ising_models(max_size=7), data=st.data())
def test_moments_are_those_of_all_outcomes(model, data):
    cardinality = data.draw(st.none() | st.integers(0, model.size))
    rows = all_assignments(model.size)
    energies = model.assignment_energies(rows if cardinality is None else rows[rows.sum(axis=1) == cardinality])
    moments = random_energy(model, cardinality)
    assert moments.mean == pytest.approx(energies.mean(), abs=1e-9)
    assert moments.deviation == pytest.approx(energies.std(), abs=1e-9)


def test_one_random_mean_in_a_thousand_passes():
    rng = np.random.default_rng(2)
    model = make_model(rng.normal(size=10), {p: rng.normal() for p in itertools.combinations(range(10), 2)})
    words = rng.integers(0, 1024, size=(20_000, 256), dtype=np.uint64)
    means = model.diagonal[words.astype(np.int64)].mean(axis=1)
    passed = (means < random_energy(model).threshold(np.array([256.0]))).sum()
    assert 3 <= passed <= 50
