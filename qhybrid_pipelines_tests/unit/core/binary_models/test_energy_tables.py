"""Energies that are looked up equal those that are computed, for any width; rows do not depend on each other."""

import numpy as np
import pytest

from qhybrid_pipelines.core.binary_models.energy_tables import BLOCK_ROWS, as_words
from qhybrid_pipelines.core.binary_models.ising import IsingModel


def make_model(size, couplings, seed):
    """Return a model with that many random couplings; multiples of 1/4 keep every sum exact."""
    random = np.random.default_rng(seed)
    flat = np.sort(random.choice(size * (size - 1) // 2, couplings, replace=False))
    pairs = np.stack(np.triu_indices(size, 1), axis=1)[flat].astype(np.int32)
    quarters = random.integers(-400, 400, couplings + size + 1) / 4
    return IsingModel(linear=quarters[:size], pairs=pairs, couplings=quarters[size:-1], offset=float(quarters[-1]))


def outcomes(size, rows, seed):
    """Return assignments, the low word of each, and its high bits as the tables of counts hold them."""
    assignments = np.random.default_rng(seed).integers(0, 2, (rows, size), dtype=np.uint8)
    packed = [int("".join(map(str, row[::-1])), 2) for row in assignments.tolist()]
    low = np.array([word % 2**64 for word in packed], dtype=np.uint64)
    high = [(word >> 64).to_bytes((size - 57) // 8, "little") if size > 64 else None for word in packed]
    return assignments, low, high


@pytest.mark.parametrize("size", [21, 22, 27, 28, 40, 63, 64, 65, 72, 100, 128, 130])
@pytest.mark.parametrize("density", ["none", "few", "all"])
def test_looked_up_energies_are_the_computed_ones(size, density):
    pairs = size * (size - 1) // 2
    model = make_model(size, {"none": 0, "few": size // 2, "all": pairs}[density], seed=size)
    assignments, low, high = outcomes(size, 60, seed=1)
    words = as_words(low, high, size)
    np.testing.assert_array_equal(model.energies(words), model.assignment_energies(assignments))
    if size <= 64:
        np.testing.assert_array_equal(model.energies(low), model.energies(words))


def test_a_row_does_not_depend_on_those_around_it():
    model = IsingModel(**vars(make_model(27, 300, seed=2)) | {"couplings": np.random.default_rng(0).normal(size=300)})
    words = np.random.default_rng(1).integers(0, 2**27, BLOCK_ROWS + 5, dtype=np.uint64)
    whole = model.energies(words)
    np.testing.assert_array_equal(whole, np.concatenate([model.energies(words[:7]), model.energies(words[7:])]))
    np.testing.assert_array_equal(whole[::-1], model.energies(words[::-1]))
    assert model.energies(words[:0]).shape == (0,)


def test_the_lowest_of_a_diagonal_is_found_in_the_tables():
    small = make_model(20, 60, seed=3)
    words = np.arange(2**20, dtype=np.uint64)
    np.testing.assert_array_equal(small.tables.energies(words[:, None]), small.diagonal)


def test_a_wrong_number_of_words_is_refused():
    with pytest.raises(ValueError, match="70 variables are not 1 words"):
        make_model(70, 5, seed=0).energies(np.zeros(3, dtype=np.uint64))
