"""Roof duality never loses all optima, although the library's weak form does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from qhybrid_pipelines.classical.reduction.roof_duality import persistent_values
from qhybrid_pipelines_tests.support.small_ising_models import all_assignments, ising_models, make_model


@settings(deadline=None, max_examples=300)
@given(model=ising_models(min_size=1))
def test_some_optimum_has_all_the_values(model):
    fixed = persistent_values(model)
    rows = all_assignments(model.size)
    optima = rows[model.assignment_energies(rows) <= model.assignment_energies(rows).min() + 1e-9]
    assert (optima[:, list(fixed)] == list(fixed.values())).all(axis=1).any()


@pytest.mark.parametrize("coupling", [1.0, -1.0])
def test_two_spins_without_fields(coupling):
    """dwave-preprocessing 0.6.11 gives equal values to both signs; only one of them is right."""
    model = make_model([0.0, 0.0], {(0, 1): coupling})
    fixed = persistent_values(model)
    assert fixed in ({}, {0: 0, 1: int(coupling > 0)}, {0: 1, 1: int(coupling < 0)})


def test_a_frustrated_model_without_fields_is_left_alone():
    triangle = {(0, 1): 1.0, (0, 2): 1.0, (1, 2): 1.0}
    assert persistent_values(make_model([0.0, 0.0, 0.0], triangle)) == {}


def test_a_tree_in_a_field_is_solved():
    couplings = {(0, 1): 1.0, (1, 2): -2.0, (1, 3): 0.5}
    model = make_model([0.3, -0.2, 0.4, 0.7], couplings)
    fixed = persistent_values(model)
    rows = all_assignments(4)
    assert [fixed[i] for i in range(4)] == rows[np.argmin(model.assignment_energies(rows))].tolist()
