"""Annealing, tabu and random sampling: the same answer for the same seed, and the right one on small models."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from qhybrid_pipelines.classical.exhaustive import all_outcomes, find_minimum
from qhybrid_pipelines.classical.solvers.annealing import anneal, annealing_schedule, has_free_ring
from qhybrid_pipelines.classical.solvers.random_sampling import random_counts, random_rows
from qhybrid_pipelines.classical.solvers.tabu import tabu_search
from qhybrid_pipelines_tests.support.small_ising_models import make_model


def glass(size, seed):
    rng = np.random.default_rng(seed)
    couplings = {pair: rng.normal() for pair in itertools.combinations(range(size), 2)}
    return make_model(rng.normal(size=size), couplings, 1.0)


@pytest.mark.parametrize("seed", [0, 1, 2**62 + 5])
def test_annealing_and_tabu_find_the_optimum_of_a_small_glass(seed):
    model = glass(14, seed % 97)
    _, lowest = find_minimum(model)
    reads, sweeps = annealing_schedule(model)
    annealed = anneal(model, reads=reads, sweeps=sweeps, seed=seed)
    assert annealed.shape == (20, 14)
    assert annealed.dtype == np.uint8
    assert model.assignment_energies(annealed).min() == pytest.approx(lowest)
    assert model.assignment_energies(tabu_search(model, seed=seed))[0] == pytest.approx(lowest)


RING = [(i, (i + 1) % 30) for i in range(30)]
REGULAR = [(i + 30, (i * 3 + 1) % 20 + 30) for i in range(20)]


@pytest.mark.parametrize("beside", [[], [pair for pair in REGULAR if pair[0] != pair[1]]], ids=["alone", "with others"])
def test_annealing_orders_a_ring(beside):
    """Its energy is known: all pairs of an even ring can differ. Visited in order, the best of 20 reads reaches -10."""
    model = make_model(np.zeros(50 if beside else 30), {tuple(sorted(pair)): 1.0 for pair in [*RING, *beside]}, 0.0)
    assert has_free_ring(model)
    rows = anneal(model, reads=20, sweeps=500, seed=3)
    on_ring = 1 - 2.0 * rows[:, :30]
    assert (on_ring * np.roll(on_ring, 1, axis=1)).sum(axis=1).min() == -30


def test_what_is_no_ring_is_visited_in_order():
    path = {(i, i + 1): 1.0 for i in range(9)}
    assert not has_free_ring(make_model(np.zeros(10), path, 0.0))
    assert not has_free_ring(make_model(np.zeros(11), path | {(0, 9): 1.0, (9, 10): 1.0}, 0.0))  # something hangs on it
    assert not has_free_ring(make_model(np.eye(10)[3], path | {(0, 9): 1.0}, 0.0))  # a field
    assert not has_free_ring(make_model(np.zeros(4), {}, 0.0))


def test_the_same_seed_gives_the_same_rows_and_another_seed_others():
    model = glass(60, 1)
    first = anneal(model, reads=5, sweeps=20, seed=11)
    assert np.array_equal(first, anneal(model, reads=5, sweeps=20, seed=11))
    assert not np.array_equal(first, anneal(model, reads=5, sweeps=20, seed=12))
    assert np.array_equal(tabu_search(model, seed=3), tabu_search(model, seed=3))


@pytest.mark.parametrize("size", [0, 1, 3])
def test_a_flat_model_is_answered_without_a_solver(size):
    model = make_model(np.zeros(size), {}, 2.0)
    assert anneal(model, reads=2, sweeps=5, seed=1).shape == (2, size)
    assert tabu_search(model, seed=1).shape == (1, size)


def test_one_spin_in_a_field():
    model = make_model([1.0], {})
    assert anneal(model, reads=2, sweeps=5, seed=1).tolist() == [[1], [1]]
    assert tabu_search(model, seed=1).tolist() == [[1]]


def test_the_schedule_stays_bounded_as_models_grow():
    rng = np.random.default_rng(0)
    pairs = np.unique(np.sort(rng.integers(0, 800, size=(60_000, 2)), axis=1), axis=0)
    couplings = {(int(i), int(j)): 1.0 for i, j in pairs if i < j}
    reads, sweeps = annealing_schedule(make_model(np.zeros(800), couplings))
    assert reads * sweeps * (800 + 2 * len(couplings)) <= 2_000_000_000
    assert annealing_schedule(glass(16, 0)) == (20, 500)


@pytest.mark.parametrize("cardinality", [None, 2])
def test_random_counts_are_uniform(cardinality):
    words, counts = random_counts(np.random.default_rng(5), 6, 64_000, cardinality)
    allowed = all_outcomes(6, cardinality)
    assert words.tolist() == allowed.tolist()
    assert counts.sum() == 64_000
    expected = 64_000 / len(allowed)
    # Chi-square with 63 or 14 degrees of freedom: mean plus five deviations.
    freedom = len(allowed) - 1
    assert ((counts - expected) ** 2 / expected).sum() < freedom + 5 * np.sqrt(2 * freedom)


def test_random_counts_leave_out_what_was_not_drawn():
    words, counts = random_counts(np.random.default_rng(5), 16, 10)
    assert len(words) <= 10
    assert (counts > 0).all()


def test_random_rows_of_any_width():
    rows = random_rows(np.random.default_rng(1), 100, 500)
    assert rows.shape == (500, 100)
    assert 0.45 < rows.mean() < 0.55
    chosen = random_rows(np.random.default_rng(1), 100, 500, 7)
    assert (chosen.sum(axis=1) == 7).all()
    assert chosen.sum(axis=0).max() < 80
