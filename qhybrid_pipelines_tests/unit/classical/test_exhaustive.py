"""Enumeration, against a second way of enumerating."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.classical.exhaustive import all_outcomes, find_minimum
from qhybrid_pipelines_tests.support.small_ising_models import all_assignments, ising_models, make_model


@settings(deadline=None)
@given(model=ising_models(max_size=7), data=st.data())
def test_the_minimum_is_that_of_all_assignments(model, data):
    cardinality = data.draw(st.none() | st.integers(0, model.size))
    rows = all_assignments(model.size)
    energies = model.assignment_energies(rows)
    allowed = np.ones(len(rows), dtype=bool) if cardinality is None else rows.sum(axis=1) == cardinality
    word, energy = find_minimum(model, cardinality)
    assert energy == pytest.approx(energies[allowed].min(), abs=1e-9)
    assert allowed[word]
    # Ties go to the smallest word.
    assert word == np.flatnonzero(allowed & (energies <= energy + 1e-9))[0]


def test_an_empty_model_has_one_outcome():
    assert find_minimum(make_model([], {}, 2.5)) == (0, 2.5)


def test_symmetric_minima_are_equal_in_spite_of_rounding():
    couplings = {(i, i + 1): 0.1 * (i + 1) for i in range(9)}
    word, _ = find_minimum(make_model(np.zeros(10), couplings, 0.3))
    assert word == 0b0101010101


def test_outcomes_are_ascending_and_complete():
    assert all_outcomes(3).tolist() == list(range(8))
    assert all_outcomes(4, 2).tolist() == [3, 5, 6, 9, 10, 12]
    assert all_outcomes(0).tolist() == [0]


def test_what_cannot_be_enumerated_is_refused():
    with pytest.raises(ValueError, match="21 variables"):
        find_minimum(make_model(np.zeros(21), {}))
    with pytest.raises(ValueError, match="has 3 ones"):
        find_minimum(make_model([0.0, 0.0], {}), 3)
