"""Local search: every row ends where no move helps, wherever it stands in the matrix."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.classical import local_search
from qhybrid_pipelines.classical.local_search import descend, one_flip_descent, swap_descent
from qhybrid_pipelines_tests.support.small_ising_models import all_assignments, ising_models, make_model

TOLERANCE = 1e-9


@settings(deadline=None, max_examples=60)
@given(model=ising_models(max_size=7))
def test_no_single_flip_improves_the_result(model):
    starts = all_assignments(model.size)
    found = one_flip_descent(model, starts)
    energy = model.assignment_energies(found)
    assert (energy <= model.assignment_energies(starts) + TOLERANCE).all()
    for variable in range(model.size):
        flipped = found.copy()
        flipped[:, variable] ^= 1
        assert (model.assignment_energies(flipped) >= energy - TOLERANCE).all()


@settings(deadline=None, max_examples=60)
@given(model=ising_models(min_size=2, max_size=6))
def test_no_swap_improves_the_result_and_the_number_of_ones_stays(model):
    starts = all_assignments(model.size)
    found = swap_descent(model, starts)
    energy = model.assignment_energies(found)
    assert (found.sum(axis=1) == starts.sum(axis=1)).all()
    assert (energy <= model.assignment_energies(starts) + TOLERANCE).all()
    for i, j in itertools.combinations(range(model.size), 2):
        swapped = found.copy()
        swapped[:, [i, j]] = swapped[:, [j, i]]
        assert (model.assignment_energies(swapped) >= energy - TOLERANCE).all()


@settings(deadline=None, max_examples=40)
@given(model=ising_models(min_size=2), data=st.data(), swaps=st.booleans())
def test_only_movable_variables_change(model, data, swaps):
    movable = data.draw(st.lists(st.sampled_from(range(model.size)), unique=True))
    starts = all_assignments(model.size)
    found = descend(model, starts, keep_cardinality=swaps, movable=np.array(sorted(movable), dtype=np.int64))
    frozen = np.setdiff1d(np.arange(model.size), movable)
    assert (found[:, frozen] == starts[:, frozen]).all()


def test_a_row_ends_in_the_same_place_alone_and_in_any_block(monkeypatch):
    rng = np.random.default_rng(3)
    couplings = {pair: rng.normal() for pair in itertools.combinations(range(12), 2)}
    model = make_model(rng.normal(size=12), couplings)
    starts = rng.integers(0, 2, size=(200, 12), dtype=np.uint8)
    for search in (one_flip_descent, swap_descent):
        together = search(model, starts)
        alone = np.concatenate([search(model, row[None, :]) for row in starts])
        monkeypatch.setattr(local_search, "_BLOCK", 500)
        in_blocks = search(model, starts)
        monkeypatch.undo()
        assert np.array_equal(together, alone)
        assert np.array_equal(together, in_blocks)


def test_the_start_is_not_changed():
    starts = np.ones((1, 2), dtype=np.uint8)
    assert one_flip_descent(make_model([-1.0, -1.0], {}), starts).tolist() == [[0, 0]]
    assert starts.tolist() == [[1, 1]]


def test_nothing_to_search():
    model = make_model([], {})
    assert one_flip_descent(model, np.zeros((3, 0), dtype=np.uint8)).shape == (3, 0)
    assert swap_descent(model, np.zeros((0, 0), dtype=np.uint8)).shape == (0, 0)
