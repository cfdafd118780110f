"""References: kept where they are not zero, heavy outcomes by NumPy's median, marginals by enumeration."""

import itertools

import numpy as np
import pytest

from qhybrid_pipelines.sampling.reference import (
    product_of_marginals,
    reference_from_pairs,
    reference_from_vector,
)


@pytest.mark.parametrize("present", [1, 2, 7, 8, 9, 15, 16])
def test_heavy_outcomes_are_those_above_the_median_of_all(present):
    vector = np.zeros(16)
    vector[:present] = np.random.default_rng(present).dirichlet(np.ones(present))
    reference = reference_from_vector(vector)
    expected = np.flatnonzero(vector > np.median(vector))
    assert reference.outcomes[reference.heavy].tolist() == expected.tolist()


@pytest.mark.parametrize("width", [1, 3, 5])
def test_the_product_of_marginals_is_that_of_every_outcome(width):
    vector = np.random.default_rng(width).dirichlet(np.ones(2**width))
    reference = reference_from_vector(vector)
    bits = np.array(list(itertools.product([0, 1], repeat=width)))[:, ::-1]
    means = vector @ bits
    expected = np.prod(np.where(bits == 1, means, 1 - means), axis=1)
    assert product_of_marginals(reference) == pytest.approx(expected)


def test_marginals_of_wide_outcomes():
    reference = reference_from_pairs({0: 0.5, 2**80 - 1: 0.5}, 80)
    assert product_of_marginals(reference) == pytest.approx([2.0**-80] * 2)


def test_what_a_reference_is():
    assert reference_from_pairs({3: 1.0}, 2).is_certain
    assert reference_from_vector(np.full(4, 0.25)).is_uniform
    flat = reference_from_pairs({0: 0.5, 3: 0.5, 1: 0.0}, 2)
    assert flat.is_flat
    assert not flat.is_uniform
    assert flat.outcomes.tolist() == [0, 3]
    with pytest.raises(ValueError, match="outcome"):
        reference_from_pairs({1: 0.0}, 2)
