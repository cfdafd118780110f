"""The gradient by one pass back: against differences of probabilities that dense matrices give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.quantum.angle_search import AngleSearch
from qhybrid_pipelines_tests.support.reduced_models import dense_qaoa, make_reduced_model
from qhybrid_pipelines_tests.support.small_ising_models import ising_models, make_model

STEP = 1e-5


def tail_mean(energies: np.ndarray, probabilities: np.ndarray, fraction: float) -> float:
    """The mean of the best fraction, by filling it up outcome by outcome."""
    left, total = fraction, 0.0
    for index in np.argsort(energies, kind="stable"):
        taken = min(left, probabilities[index])
        total, left = total + taken * energies[index], left - taken
    return (total + max(left, 0.0) * energies.max()) / fraction


def without_gaps(draw_model, fill: float):
    """A drawn model without ties, so that the threshold of the tail does not jump between equal energies."""
    steps = np.sqrt(2) ** np.arange(draw_model.size) * fill
    couplings = {
        tuple(pair): value for pair, value in zip(draw_model.pairs.tolist(), draw_model.couplings, strict=True)
    }
    return make_model(draw_model.linear + steps, couplings, draw_model.offset)


def differences(model, angles, mixer, ones, fraction) -> np.ndarray:
    energies = model.diagonal

    def value(moved):
        return tail_mean(energies, dense_qaoa(model, moved, mixer, ones), fraction)

    steps = STEP * np.eye(len(angles))
    return np.array([(value(angles + step) - value(angles - step)) / (2 * STEP) for step in steps])


@settings(deadline=None, max_examples=40)
@given(
    ising_models(min_size=1, max_size=5),
    st.sampled_from(["fields", "mirrored", "ring"]),
    st.lists(st.floats(-1, 1), min_size=4, max_size=4),
    st.sampled_from([1.0, 0.3]),
)
def test_value_and_gradient_are_those_of_dense_matrices(drawn, kind, angles, fraction):
    if kind == "mirrored" and drawn.size > 1:
        model = make_model(
            np.zeros(drawn.size),
            {(0, i): 1.0 + 0.37 * i for i in range(1, drawn.size)},
        )
    else:
        model = without_gaps(drawn, 0.613)
    mixer = "xy" if kind == "ring" and drawn.size > 2 else "x"
    ones = 2 if mixer == "xy" else None
    search = AngleSearch(make_reduced_model(model, ones), mixer, tail_fraction=fraction)
    point = np.array(angles)
    value, slope = search._gradient(point)
    probabilities = dense_qaoa(model, point, mixer, ones)
    assert value == pytest.approx(tail_mean(model.diagonal, probabilities, fraction), abs=1e-9)
    expected = differences(model, point, mixer, ones, fraction)
    scale = 1 + np.abs(model.diagonal).max()
    # A threshold may pass from one outcome to the next within a step: the slope there lies between those on either side,
    # and the central difference somewhere between them.
    ahead = differences(model, point + 3 * STEP, mixer, ones, fraction)
    behind = differences(model, point - 3 * STEP, mixer, ones, fraction)
    smooth = np.abs(ahead - behind).max() < 1e-2 * scale
    either_side = np.sort([ahead, behind, expected], axis=0)
    tolerance = 2e-4 * scale + 1e-5 * np.abs(expected)
    inside = (either_side[0] - tolerance <= slope) & (slope <= either_side[-1] + tolerance)
    assert not smooth or inside.all()
