"""What is called exact in float64, against sums in fractions."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhybrid_pipelines.classical.exact import integers_as_stored, is_exact_in_floats
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.problems.solvers.granularity import round_bound_to_step


def float_sum(weights):
    total = 0.0
    for weight in weights:
        total += weight
    return total


@given(
    st.lists(st.integers(-9, 9), min_size=1, max_size=5),
    st.sampled_from([0.05, 0.1, 0.3, 1 / 3, 0.5, 3.0, 0.75, 1e-30, 2.0**52 + 1, 2.0**60, 1e15]),
)
def test_sums_that_are_called_exact_are(multiples, unit):
    weights = [multiple * unit for multiple in multiples]
    if not integers_as_stored(weights).sums_are_exact():
        return
    for order in itertools.permutations(weights):
        assert Fraction(float_sum(order)) == sum(map(Fraction, order), Fraction(0))


def test_multiples_of_one_full_float_are_not_called_exact():
    weights = [-0.05, -0.05, -0.05]
    assert Fraction(float_sum(weights)) != sum(map(Fraction, weights))  # what went wrong: -3 * 0.05 is rounded
    assert not integers_as_stored(weights).sums_are_exact()
    assert integers_as_stored([0.5, 0.25, -8.0]).sums_are_exact()
    assert integers_as_stored([2.0**60, 2.0**61]).sums_are_exact()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_bound_is_never_rounded_past_the_minimum_by_the_rounding_of_the_offset(sign):
    model = IsingModel.from_qubo(np.zeros(2), np.array([[0, 1]], dtype=np.int32), np.array([0.2]), sign * -0.1)
    assert not is_exact_in_floats(model)
    lowest = model.diagonal.min()
    assert round_bound_to_step(model, float(np.nextafter(lowest, 1))) == pytest.approx(lowest, abs=1e-12)
