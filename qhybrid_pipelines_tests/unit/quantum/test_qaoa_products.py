"""Costs with products of more than two spins: circuit, engine, gradient and calibration against sums written out."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.linalg import expm

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors
from qhybrid_pipelines.core.binary_models.spin_products import padded
from qhybrid_pipelines.core.jobs.circuit_jobs import QaoaStructure
from qhybrid_pipelines.quantum.angle_search import optimise_angles
from qhybrid_pipelines.quantum.exact_state import QaoaState
from qhybrid_pipelines.quantum.fixed_angles import table_angles
from qhybrid_pipelines.quantum.mitigation.readout_inverse import corrected_energies, widest_difference
from qhybrid_pipelines.quantum.qaoa import qaoa_ansatz
from qhybrid_pipelines.quantum.ramps import REFERENCE_FIELD, cost_scale
from qhybrid_pipelines.quantum.simulation.diagonal_qaoa import can_compile, exact_probabilities
from qhybrid_pipelines.steps.prepare.optimised_angles import content_hash
from qhybrid_pipelines_tests.support.reduced_models import circuit_probabilities, make_reduced_model

EVEN = [((0, 1, 2, 3), 1.5), ((1, 2, 3, 4), -0.5), ((0, 4), 0.7), ((), 2.0)]
ODD = [*EVEN, ((0, 2, 4), 0.4), ((3,), -0.9), ((0, 1, 2, 3, 4), 0.3)]


def model_of(size, terms):
    return IsingModel.from_spin_terms(size, padded([term for term, _ in terms]), np.array([w for _, w in terms]))


def energies_of(size, terms):
    rows = unpack(np.arange(1 << size, dtype=np.uint64), size)
    return np.array([sum(w * math.prod(1 - 2 * int(row[i]) for i in term) for term, w in terms) for row in rows])


def dense_probabilities(size, terms, angles):
    """By matrix exponentials of the whole cost and the whole mixer."""
    flip, layers = np.array([[0, 1], [1, 0]]), len(angles) // 2
    mixer = sum(np.kron(np.kron(np.eye(2 ** (size - 1 - i)), flip), np.eye(2**i)) for i in range(size))
    state = np.full(1 << size, 2 ** (-size / 2), dtype=complex)
    for gamma, beta in zip(angles[:layers], angles[layers:], strict=True):
        state = expm(-1j * beta * mixer) @ (np.exp(-1j * gamma * energies_of(size, terms)) * state)
    return np.abs(state) ** 2


@pytest.mark.parametrize("terms", [EVEN, ODD], ids=["even", "odd"])
def test_circuit_and_engines_give_the_same_state(terms):
    model, angles = model_of(5, terms), np.array([0.31, 0.52, -0.44, -0.2])
    assert model.is_mirrored == (terms is EVEN)
    expected = dense_probabilities(5, terms, angles)
    ansatz = qaoa_ansatz(model, 2)
    [bindings] = ansatz.bindings(angles[None])
    np.testing.assert_allclose(circuit_probabilities(ansatz.template, bindings), expected, atol=1e-12)
    structure = QaoaStructure(model=model, mixer="x", cardinality=None, angles=angles[None])
    for compiled in {False, can_compile()}:
        outcomes, rows = exact_probabilities(structure, compiled=compiled)
        assert outcomes is None
        np.testing.assert_allclose(next(rows), expected, atol=1e-12)


def test_a_product_of_k_spins_takes_two_rows_of_cx_and_one_rotation():
    ansatz = qaoa_ansatz(model_of(5, [((0, 1, 2, 3), 1.0), ((0, 1, 2, 3, 4), 2.0), ((0, 4), 1.0)]), 1)
    text = ansatz.template.text
    assert (text.count("cx q"), text.count("rz(cost"), text.count("rzz(cost")) == (6 + 8, 2, 1)
    assert ansatz.template.n_qubits == 5
    assert ansatz.two_qubit_gates == 15
    assert ansatz.template.parameters == ("cost_0_0", "cost_0_1", "mixer_0")


@pytest.mark.parametrize("linear", [0.0, 0.3], ids=["mirrored", "whole"])
def test_gradient_of_a_wide_model_is_that_of_the_engine(linear):
    random = np.random.default_rng(2)
    size = 14  # wide enough for compiled loops, where numba is there
    terms = [(random.choice(size, size=4, replace=False).tolist(), float(random.normal())) for _ in range(30)]
    model = model_of(size, [*terms, ((3,), linear)])
    state = QaoaState(make_reduced_model(model), "x")
    angles = random.uniform(-0.5, 0.5, size=4)
    structure = QaoaStructure(model=model, mixer="x", cardinality=None, angles=angles[None])
    _, rows = exact_probabilities(structure)
    value, gradient = state.mean_energy(angles)
    assert value == pytest.approx(float(next(rows) @ model.diagonal), abs=1e-9)
    step = 1e-5
    for index in range(4):
        moved = [state.mean_energy(angles + sign * step * np.eye(4)[index])[0] for sign in (1, -1)]
        assert gradient[index] == pytest.approx((moved[0] - moved[1]) / (2 * step), abs=1e-4)


def test_scale_start_and_cache_know_the_products():
    model = model_of(5, [((0, 1, 2, 3), 2.0), ((1, 2, 3, 4), 1.0)])
    fields = np.array([4.0, 5.0, 5.0, 5.0, 1.0])  # squared weights of the terms that each variable is in
    assert cost_scale(model) == pytest.approx(REFERENCE_FIELD / np.sqrt(fields.mean()))
    assert table_angles(model, 1) == (None, "there are products of more than two spins")
    reduced = make_reduced_model(model)
    other = make_reduced_model(model_of(5, [((0, 1, 2, 3), 2.0), ((1, 2, 3, 4), 3.0)]))
    assert content_hash(reduced, "x", 1) != content_hash(other, "x", 1)
    found = optimise_angles(reduced, "x", 1)
    assert found.optimum_probability > 2 * (model.diagonal == model.diagonal.min()).mean()


def test_readout_errors_are_taken_out_of_products_too():
    size, terms = 5, ODD
    model = model_of(size, terms)
    zero, one = np.linspace(0.01, 0.08, size), np.linspace(0.09, 0.02, size)
    errors = ReadoutErrors(zero_as_one=zero, one_as_zero=one)
    confusion = np.ones((1, 1))
    for wrong, right in zip(zero, one, strict=True):
        confusion = np.kron(np.array([[1 - wrong, right], [wrong, 1 - right]]), confusion)
    numbers = corrected_energies(model, np.arange(1 << size, dtype=np.uint64), errors)
    # The mean over what is read for each prepared outcome is the energy of that outcome.
    np.testing.assert_allclose(numbers @ confusion, energies_of(size, terms), atol=1e-9)
    assert np.ptp(numbers) <= widest_difference(model, errors)
    plain = dataclasses.replace(errors, zero_as_one=zero * 0, one_as_zero=one * 0)
    assert widest_difference(model, plain) == pytest.approx(widest_difference(model))
