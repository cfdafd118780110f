"""Zero-noise extrapolation: exact for the laws that it assumes, with the errors of its shots."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.classical.shot_means import mean_over_shots
from qhybrid_pipelines.quantum.mitigation.extrapolation import extrapolate, extrapolation_weights

SIGNS = np.array([1.0, -1.0])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([1, 3, 5, 7, 9]), min_size=2, max_size=5, unique=True),
    st.lists(st.integers(-3, 3), min_size=5, max_size=5),
)
def test_a_line_and_the_polynomial_through_all_points_are_carried_on_exactly(factors, coefficients):
    strengths = np.array(factors, dtype=float)
    line = coefficients[0] + coefficients[1] * strengths
    assert extrapolation_weights(factors, "linear") @ line == pytest.approx(coefficients[0], abs=1e-9)
    law = sum(c * (strengths / 9) ** power for power, c in enumerate(coefficients[: len(factors)]))
    assert extrapolation_weights(factors, "richardson") @ law == pytest.approx(coefficients[0], abs=1e-6)


def test_richardsons_weights_are_lagranges():
    for factors in ((1, 3), (1, 3, 5), (1, 5, 9)):
        lagrange = [np.prod([other / (other - one) for other in factors if other != one]) for one in factors]
        np.testing.assert_allclose(extrapolation_weights(factors, "richardson"), lagrange, rtol=1e-9)


def measured(random, value, shots):
    ones = random.binomial(shots, (1 - value) / 2)
    return mean_over_shots(SIGNS, np.array([shots - ones, ones]), np.zeros(2), widest=2.0)


@pytest.mark.parametrize(("extrapolation", "curved"), [("linear", 0.0), ("richardson", 0.004)])
def test_intervals_cover_the_value_without_noise_where_the_law_holds(extrapolation, curved):
    random, factors, repeats = np.random.default_rng(2), (1, 3, 5), 1000
    truth = 0.8
    values = [truth - 0.07 * factor + curved * factor**2 for factor in factors]
    found = [
        extrapolate([measured(random, value, 400) for value in values], factors, extrapolation) for _ in range(repeats)
    ]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.928  # less happens once in a thousand
    assert np.mean([one.standard_error for one in found]) == pytest.approx(
        np.std([one.mean for one in found]), rel=0.08
    )
    assert found[0].shots == 1200


def test_a_line_through_what_falls_off_exponentially_is_too_low():
    factors = (1, 3, 5)
    values = 0.9 * np.exp(-0.2 * np.array(factors))
    line, polynomial = (extrapolation_weights(factors, kind) @ values for kind in ("linear", "richardson"))
    assert values[0] < line < polynomial < 0.9
