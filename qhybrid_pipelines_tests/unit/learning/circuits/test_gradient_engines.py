"""Gradients: the engines against each other, the parameter-shift rule and finite differences; the unentangled control is the product."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.learning.circuits.adjoint_engine import AdjointEngine
from qhybrid_pipelines.learning.circuits.class_scores import (
    circuit_from_parameters,
    mean_loss,
    output_count,
    probabilities,
)
from qhybrid_pipelines.learning.circuits.gradient_engines import make_gradient_engine
from qhybrid_pipelines.learning.circuits.reuploading_circuit import CircuitShape
from qhybrid_pipelines.learning.measurement.circuit_batches import PARAMETER_SHIFT, gradient_from_expectations

# PennyLane 0.45 asks jax in a way that jax 0.10 will drop.
pytestmark = pytest.mark.filterwarnings("ignore:jax.core.is_concrete is deprecated:DeprecationWarning")


@st.composite
def problems(draw, widest=6):
    """Return a circuit, parameters that are not the first ones, and samples."""
    n_qubits = draw(st.integers(1, widest))
    shape = CircuitShape(
        n_features=draw(st.integers(1, n_qubits)),
        n_qubits=n_qubits,
        layers=draw(st.integers(1, 3)),
        entangled=draw(st.booleans()),
    )
    n_classes = draw(st.integers(2, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    samples, outputs = draw(st.integers(1, 5)), output_count(n_classes)
    parameters = rng.uniform(-np.pi, np.pi, shape.n_weights + outputs * (n_qubits + 1))
    features = rng.uniform(-np.pi / 2, np.pi / 2, (samples, shape.n_features))
    return shape, parameters, features, rng.integers(0, n_classes, samples)


@given(problem=problems())
@settings(deadline=None, max_examples=20)
def test_own_gradient_is_pennylanes(problem):
    shape, parameters, features, targets = problem
    loss, gradient = AdjointEngine(shape).loss_and_gradient(parameters, features, targets)
    reference_loss, reference = make_gradient_engine("autograd", shape).loss_and_gradient(parameters, features, targets)
    assert loss == pytest.approx(reference_loss, abs=1e-12)
    np.testing.assert_allclose(gradient, reference, atol=1e-12)


@given(problem=problems(widest=4))
@settings(deadline=None, max_examples=25)
def test_gradient_is_the_parameter_shift_and_the_slope_of_the_loss(problem):
    shape, parameters, features, targets = problem
    engine = AdjointEngine(shape)
    circuit = circuit_from_parameters(parameters, shape)
    loss, gradient = engine.loss_and_gradient(parameters, features, targets)

    turned = [circuit.weights]
    for index in np.ndindex(*shape.weights_shape):
        for sign in (1, -1):
            shift = np.zeros(shape.weights_shape)
            shift[index] = sign * PARAMETER_SHIFT
            turned.append(circuit.weights + shift)
    measured = np.stack([engine.expectations(features, weights) for weights in turned], axis=1)
    shifted_loss, shifted = gradient_from_expectations(measured.reshape(-1, shape.n_qubits), circuit, targets)
    assert shifted_loss == pytest.approx(loss, abs=1e-12)
    np.testing.assert_allclose(shifted, gradient, atol=1e-11)

    def loss_at(point):
        there = circuit_from_parameters(point, shape)
        return float(mean_loss(there.scores(engine.expectations(features, there.weights)), targets))

    step = 1e-5
    slopes = [
        (loss_at(parameters + step * axis) - loss_at(parameters - step * axis)) / (2 * step)
        for axis in np.eye(len(parameters))
    ]
    np.testing.assert_allclose(gradient, slopes, atol=1e-7)


def test_samples_may_pass_in_blocks(monkeypatch):
    rng = np.random.default_rng(8)
    shape = CircuitShape(n_features=3, n_qubits=4, layers=2, entangled=True)
    parameters, features = rng.normal(size=shape.n_weights + 15), rng.uniform(-1.5, 1.5, (7, 3))
    targets = rng.integers(0, 3, 7)
    whole = AdjointEngine(shape)
    loss, gradient = whole.loss_and_gradient(parameters, features, targets)
    expectations = whole.expectations(features, circuit_from_parameters(parameters, shape).weights)
    for samples in (0, 1, 3):  # never fewer than one
        monkeypatch.setattr("qhybrid_pipelines.learning.circuits.adjoint_engine.BLOCK_AMPLITUDES", samples * 3 * 16)
        blockwise_loss, blockwise = whole.loss_and_gradient(parameters, features, targets)
        assert blockwise_loss == pytest.approx(loss, abs=1e-14)
        np.testing.assert_allclose(blockwise, gradient, atol=1e-14)
        found = whole.expectations(features, circuit_from_parameters(parameters, shape).weights)
        np.testing.assert_allclose(found, expectations, atol=1e-14)


def test_jax_gives_the_same_numbers_in_double_precision_and_leaves_the_callers_precision_alone():
    jax = pytest.importorskip("jax")
    rng = np.random.default_rng(5)
    shape = CircuitShape(n_features=3, n_qubits=4, layers=2, entangled=True)
    parameters, features = rng.normal(size=shape.n_weights + 15), rng.uniform(-1.5, 1.5, (6, 3))
    targets = np.array([0, 1, 2, 2, 1, 0])
    loss, gradient = make_gradient_engine("jax", shape).loss_and_gradient(parameters, features, targets)
    own_loss, own = AdjointEngine(shape).loss_and_gradient(parameters, features, targets)
    assert loss == pytest.approx(own_loss, abs=1e-12)
    np.testing.assert_allclose(gradient, own, atol=1e-12)
    assert jax.numpy.ones(1).dtype == np.float32


def test_an_unknown_engine_is_refused():
    with pytest.raises(InvalidInput, match="there is no engine 'magic'"):
        make_gradient_engine("magic", CircuitShape(n_features=1, n_qubits=1, layers=1, entangled=False))


def test_jax_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(InvalidInput, match=r"qhybrid-pipelines\[jax\]"):
        make_gradient_engine("jax", CircuitShape(n_features=1, n_qubits=1, layers=1, entangled=False))


def test_the_unentangled_control_measures_all_qubits_and_each_depends_on_its_own_feature_only():
    rng = np.random.default_rng(3)
    unentangled_shape = CircuitShape(n_features=4, n_qubits=4, layers=2, entangled=False)
    weights, features = rng.normal(size=unentangled_shape.weights_shape), rng.uniform(-1.5, 1.5, (1, 4))
    before = AdjointEngine(unentangled_shape).expectations(features, weights)
    for qubit in range(4):
        changed = features.copy()
        changed[0, qubit] += 0.3
        moved = AdjointEngine(unentangled_shape).expectations(changed, weights) - before
        assert abs(moved[0, qubit]) > 1e-3
        np.testing.assert_allclose(np.delete(moved, qubit), 0, atol=1e-14)


def test_the_circuit_with_entanglement_is_not_a_product():
    rng = np.random.default_rng(4)
    shape = CircuitShape(n_features=3, n_qubits=3, layers=2, entangled=True)
    weights, features = rng.normal(size=shape.weights_shape), rng.uniform(-1.5, 1.5, (1, 3))
    moved = AdjointEngine(shape).expectations(features + np.array([0.3, 0, 0]), weights)
    assert (abs(moved - AdjointEngine(shape).expectations(features, weights)) > 1e-3).all()


def test_extreme_scores_have_a_finite_loss_and_whole_probabilities():
    for scores in (np.array([[800.0], [-800.0]]), np.array([[800.0, -800.0, 0.0], [0.0, 0.0, -800.0]])):
        assert np.isfinite(mean_loss(scores, np.array([1, 0])))
        np.testing.assert_allclose(probabilities(scores).sum(axis=1), 1)
