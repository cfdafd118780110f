"""Descent, annealing and tabu search over products of more than two spins, against enumeration."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.classical.local_search import descend, one_flip_descent
from qhybrid_pipelines.classical.product_search import ProductRows, descend_products
from qhybrid_pipelines.classical.solvers.annealing import anneal, annealing_schedule
from qhybrid_pipelines.classical.solvers.tabu import count_visits, tabu_search
from qhybrid_pipelines.core.binary_models.bits import pack
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.binary_models.spin_products import padded
from qhybrid_pipelines.problems.baseline_solvers.threshold_accepting import threshold_accepting


def random_model(seed, *, size=10, terms=60):
    random = np.random.default_rng(seed)
    members = [random.choice(size, size=random.integers(1, 5), replace=False).tolist() for _ in range(terms)]
    return IsingModel.from_spin_terms(size, padded(members), random.integers(-9, 10, size=terms).astype(float))


@pytest.fixture(params=[1, 2, 3])
def model(request):
    return random_model(request.param)


def starts(model, rows=64):
    return np.random.default_rng(9).integers(0, 2, size=(rows, model.size), dtype=np.uint8)


def test_changes_are_differences_of_energies(model):
    rows = starts(model, 20)
    state = ProductRows(model, rows)
    for _ in range(3):
        before = model.assignment_energies(state.assignments)
        flipped = state.assignments[:, None, :] ^ np.eye(model.size, dtype=np.uint8)
        after = model.assignment_energies(flipped.reshape(-1, model.size)).reshape(20, model.size)
        np.testing.assert_array_equal(state.changes(), after - before[:, None])
        np.testing.assert_array_equal(state.changes_of(4), state.changes()[:, 4])
        picked = np.arange(20) % model.size
        np.testing.assert_array_equal(state.changes_at(picked), state.changes()[np.arange(20), picked])
        state.flip(np.arange(0, 20, 2), picked[::2])


def test_descent_ends_where_no_flip_helps_and_leaves_other_variables_alone(model):
    rows = starts(model)
    ended = descend(model, rows, keep_cardinality=False)
    assert (ProductRows(model, ended).changes() >= 0).all()
    assert (model.assignment_energies(ended) <= model.assignment_energies(rows)).all()
    movable = np.array([1, 4, 7])
    some = descend(model, rows, keep_cardinality=False, movable=movable)
    np.testing.assert_array_equal(np.delete(some, movable, axis=1), np.delete(rows, movable, axis=1))
    assert (ProductRows(model, some).changes()[:, movable] >= 0).all()
    np.testing.assert_array_equal(descend(model, rows[5:6], keep_cardinality=False), ended[5:6])
    with pytest.raises(ValueError, match="a descent by swaps knows fields and couplings only"):
        descend(model, rows, keep_cardinality=True)


def test_without_products_it_is_the_descent_over_fields():
    random = np.random.default_rng(4)
    pairs = np.array([(i, j) for i in range(9) for j in range(i + 1, 9)], dtype=np.int32)
    model = IsingModel(linear=random.normal(size=9), pairs=pairs, couplings=random.normal(size=36), offset=0.0)
    rows = starts(model)
    np.testing.assert_array_equal(descend_products(model, rows), one_flip_descent(model, rows))


def test_searches_find_the_optimum_and_are_repeatable(model):
    lowest = model.diagonal.min()
    reads, sweeps = annealing_schedule(model)
    for search in (
        lambda: anneal(model, reads=reads, sweeps=sweeps, seed=5),
        lambda: tabu_search(model, seed=5),
        lambda: threshold_accepting(model, searches=20, sweeps=50, seed=5),
    ):
        found = search()
        np.testing.assert_array_equal(found, search())
        assert model.diagonal[pack(found).astype(np.int64)].min() == lowest
    assert count_visits(model) == 11 * 1000
