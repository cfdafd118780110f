"""Sensitivity: derivatives against differences of dense matrices, and the shots against tests that are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.quantum.mixers import choose_mixer
from qhybrid_pipelines.quantum.sensitivity import point_sensitivity
from qhybrid_pipelines_tests.support.reduced_models import dense_qaoa, ising, make_reduced_model, make_spec

ANGLES = np.array([0.31, 0.52, -0.61, -0.27])


def model_of(kind: str):
    rng = np.random.default_rng(8)
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    fields = np.zeros(5) if kind == "mirrored" else rng.normal(size=5)
    model = ising(fields, dict(zip(pairs, rng.normal(size=len(pairs)), strict=True)))
    return make_reduced_model(model, 2) if kind == "ring" else make_reduced_model(model)


def dense(model, mixer, angles):
    return dense_qaoa(model.model, angles, mixer, model.cardinality if mixer == "xy" else None)


def mean_and_deviation(model, mixer, angles):
    energies, probabilities = model.model.diagonal, dense(model, mixer, angles)
    mean = float(probabilities @ energies)
    return mean, float(np.sqrt(probabilities @ (energies - mean) ** 2))


@pytest.mark.parametrize("kind", ["fields", "mirrored", "ring"])
def test_derivatives_are_those_of_dense_matrices(kind):
    model = model_of(kind)
    mixer = choose_mixer(model, make_spec())
    found = point_sensitivity(model, mixer, ANGLES)
    mean, deviation = mean_and_deviation(model, mixer, ANGLES)
    assert (found.expectation, found.deviation) == pytest.approx((mean, deviation))
    assert [one.angle for one in found.angles] == ["gamma 1", "gamma 2", "beta 1", "beta 2"]
    for index, one in enumerate(found.angles):
        step = 1e-4 * np.eye(4)[index]
        above, below = (mean_and_deviation(model, mixer, ANGLES + sign * step)[0] for sign in (1, -1))
        assert one.gradient == pytest.approx((above - below) / 2e-4, rel=1e-5, abs=1e-6)
        assert one.curvature == pytest.approx((above - 2 * mean + below) / 1e-8, rel=1e-4, abs=1e-4)
        neighbour = ANGLES + one.step * np.eye(4)[index]
        assert one.difference == pytest.approx(mean_and_deviation(model, mixer, neighbour)[0] - mean)


def test_random_outcomes_are_those_that_the_mixer_reaches():
    model = model_of("ring")
    found = point_sensitivity(model, "xy", ANGLES)
    two_ones = np.bitwise_count(np.arange(32)) == 2
    assert found.random_expectation == pytest.approx(model.model.diagonal[two_ones].mean())
    survival, mean = found.expectation_with_errors(0.01, 20)
    assert survival == pytest.approx(0.99**20)
    assert mean == pytest.approx(survival * found.expectation + (1 - survival) * found.random_expectation)
    assert found.expectation_with_errors(0.0, 20) == (1.0, found.expectation)


def test_that_many_shots_tell_a_neighbour_in_four_of_five_cases():
    model = model_of("fields")
    found = point_sensitivity(model, "x", ANGLES)
    one = min(found.angles, key=lambda angle: angle.shots_to_tell or np.inf)
    shots, rng, repeats = one.shots_to_tell, generator(5), 4000
    neighbour = ANGLES + one.step * np.array([angle is one for angle in found.angles])
    energies = model.model.diagonal
    drawn = [
        rng.choice(energies, size=(repeats, shots), p=dense(model, "x", angles) / dense(model, "x", angles).sum())
        for angles in (ANGLES, neighbour)
    ]
    error = np.sqrt(sum(sample.var(axis=1, ddof=1) / shots for sample in drawn))
    seen = np.abs(drawn[1].mean(axis=1) - drawn[0].mean(axis=1)) > norm.ppf(0.975) * error
    assert seen.mean() == pytest.approx(0.8, abs=0.03)
    # Half as many do not.
    half = [sample[:, : shots // 2] for sample in drawn]
    error = np.sqrt(sum(sample.var(axis=1, ddof=1) / (shots // 2) for sample in half))
    assert (np.abs(half[1].mean(axis=1) - half[0].mean(axis=1)) > norm.ppf(0.975) * error).mean() < 0.6


def test_an_angle_that_does_nothing_is_told_by_no_number_of_shots():
    # Without a cost every gamma is a global phase, and every beta leaves the uniform superposition as it is.
    model = make_reduced_model(ising(np.zeros(3), {(0, 1): 0.0}))
    found = point_sensitivity(model, "x", np.array([0.4, -0.3]))
    assert [one.shots_to_tell for one in found.angles] == [None, None]
    assert [one.difference for one in found.angles] == pytest.approx([0, 0])
