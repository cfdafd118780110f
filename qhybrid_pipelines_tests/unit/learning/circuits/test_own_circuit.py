"""A circuit from a file as the model: its states and slopes against Qiskit's reading of the same file, and what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from qiskit.qasm3 import loads
from qiskit.quantum_info import SparsePauliOp, Statevector, partial_trace

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.learning.circuits.class_scores import circuit_from_parameters, mean_loss
from qhybrid_pipelines.learning.circuits.gradient_engines import make_gradient_engine
from qhybrid_pipelines.learning.circuits.own_circuit import OwnCircuitShape, read_own_circuit
from qhybrid_pipelines.learning.circuits.own_circuit_engine import OwnCircuitEngine
from qhybrid_pipelines.learning.measurement import circuit_batches, training_steps
from qhybrid_pipelines.learning.models.own_circuit_classifier import OwnCircuitClassifier
from qhybrid_pipelines.learning.models.saved_models import model_from_bytes, model_to_bytes
from qhybrid_pipelines_tests.support.own_circuits import OWN_CIRCUIT

RNG = np.random.default_rng(5)
FEATURES = RNG.uniform(-1.5, 1.5, (4, 2))
TARGETS = np.array([0, 1, 1, 0])
PARAMETERS = np.concatenate([RNG.uniform(-3, 3, 3), RNG.normal(size=4)])
NAMES = ("x0", "x1", "w0", "w1", "w2")


@pytest.fixture(scope="module")
def shape():
    return read_own_circuit(OWN_CIRCUIT, file="own.qasm", data=["x0", "x1"], weights=None)


def expectations_of(circuit, values):
    """<Z> of every qubit of a Qiskit circuit without measurements."""
    state = Statevector(circuit.assign_parameters({one: values[one.name] for one in circuit.parameters}))
    n = circuit.num_qubits
    return [state.expectation_value(SparsePauliOp.from_sparse_list([("Z", [q], 1)], n)).real for q in range(n)]


@pytest.fixture(scope="module")
def by_qiskit():
    """Return a function of features and weights that knows the file and Qiskit, and nothing of ours."""
    circuit = loads(OWN_CIRCUIT.decode())
    return lambda features, weights: np.array(
        [expectations_of(circuit, dict(zip(NAMES, [*row, *weights], strict=True))) for row in features]
    )


def test_expectations_and_slopes_are_those_of_the_file(shape, by_qiskit):
    engine = OwnCircuitEngine(shape)
    np.testing.assert_allclose(
        engine.expectations(FEATURES, PARAMETERS[:3]), by_qiskit(FEATURES, PARAMETERS[:3]), atol=1e-12
    )

    def loss_at(parameters):
        there = circuit_from_parameters(parameters, shape)
        return float(mean_loss(there.scores(by_qiskit(FEATURES, there.weights)), TARGETS))

    loss, gradient = engine.loss_and_gradient(PARAMETERS, FEATURES, TARGETS)
    assert loss == pytest.approx(loss_at(PARAMETERS), abs=1e-12)
    step = 1e-5
    slopes = [
        (loss_at(PARAMETERS + step * axis) - loss_at(PARAMETERS - step * axis)) / (2 * step) for axis in np.eye(7)
    ]
    np.testing.assert_allclose(gradient, slopes, atol=1e-8)


def test_samples_may_pass_in_blocks(shape, monkeypatch):
    engine = OwnCircuitEngine(shape)
    whole = engine.loss_and_gradient(PARAMETERS, FEATURES, TARGETS)
    monkeypatch.setattr("qhybrid_pipelines.learning.circuits.own_circuit_engine.BLOCK_AMPLITUDES", 3 * 8)
    parts = engine.loss_and_gradient(PARAMETERS, FEATURES, TARGETS)
    assert parts[0] == pytest.approx(whole[0], abs=1e-14)
    np.testing.assert_allclose(parts[1], whole[1], atol=1e-14)


def measured_exactly(batch):
    """<Z> of every point of a batch, by Qiskit, from the text that a backend is sent."""
    circuit = read_circuit(batch.template.text).remove_final_measurements(inplace=False)
    return np.array(
        [expectations_of(circuit, dict(zip(batch.template.parameters, row, strict=True))) for row in batch.bindings]
    )


WHERE = {"experiment": "own", "backend": "local:auto", "shots": 10}


def test_the_circuits_of_a_gradient_give_the_exact_one(shape):
    circuit = circuit_from_parameters(PARAMETERS, shape)
    points = len(FEATURES) * circuit_batches.circuits_per_sample(shape)
    seeds = circuit_batches.sampling_seeds(1, points=points)
    batch = circuit_batches.gradient_batch(circuit, FEATURES, seeds=seeds, **WHERE)
    loss, gradient = circuit_batches.gradient_from_expectations(measured_exactly(batch), circuit, TARGETS)
    exact_loss, exact = OwnCircuitEngine(shape).loss_and_gradient(PARAMETERS, FEATURES, TARGETS)
    assert loss == pytest.approx(exact_loss, abs=1e-12)
    np.testing.assert_allclose(gradient, exact, atol=1e-11)
    # A weight in several gates is not what two turned circuits of it would say.
    assert circuit_batches.circuits_per_sample(shape) > 2 * shape.n_weights + 1


@pytest.mark.parametrize("optimiser", ["adam", "spsa"])
def test_a_step_of_training_turns_what_its_optimiser_turns(shape, by_qiskit, optimiser):
    circuit = circuit_from_parameters(PARAMETERS, shape)
    signs = np.array([1.0, -1.0, 1.0])
    shifts = (
        circuit_batches.parameter_shifts(shape)
        if optimiser == "adam"
        else training_steps.SPSA_DISTANCE * np.stack([signs, -signs])
    )
    step = training_steps.FoldStep(
        optimiser=optimiser, circuit=circuit, features=FEATURES, targets=TARGETS, shifts=shifts
    )
    seeds = circuit_batches.sampling_seeds(1, points=step.circuits)
    batch = training_steps.step_batch([step], seeds=seeds, **WHERE)
    [(_, gradient)] = training_steps.step_gradients(measured_exactly(batch), [step])
    if optimiser == "adam":
        exact = OwnCircuitEngine(shape).loss_and_gradient(PARAMETERS, FEATURES, TARGETS)[1]
        np.testing.assert_allclose(gradient, exact, atol=1e-11)
        return
    ahead, behind = (
        float(mean_loss(circuit.scores(by_qiskit(FEATURES, circuit.weights + shift)), TARGETS)) for shift in shifts
    )
    np.testing.assert_allclose(gradient[:3], (ahead - behind) / (2 * shifts[0]), atol=1e-11)


def test_the_control_leaves_a_product_of_qubits(shape):
    control = shape.without_entanglement()
    circuit = read_circuit(control.text).remove_final_measurements(inplace=False)
    assert {one.operation.num_qubits for one in circuit.data} == {1}
    bindings = control.bindings(FEATURES[:1], PARAMETERS[:3])[0]
    state = Statevector(circuit.assign_parameters(dict(zip(control.inputs, bindings, strict=True))))
    for qubit in range(3):
        rest = [other for other in range(3) if other != qubit]
        assert partial_trace(state, rest).purity() == pytest.approx(1)
    again = OwnCircuitEngine(control.without_entanglement()).expectations(FEATURES, PARAMETERS[:3])
    np.testing.assert_allclose(OwnCircuitEngine(control).expectations(FEATURES, PARAMETERS[:3]), again, atol=1e-12)


def test_a_control_that_no_weight_turns_has_one_circuit_for_each_sample():
    file = b'OPENQASM 3.0; include "stdgates.inc"; input float[64] x0; input float[64] w0; qubit[2] q; gate rzz(t) a, b { cx a, b; rz(t) b; cx a, b; } ry(x0) q[0]; rzz(w0) q[0], q[1];'
    control = read_own_circuit(file, file="own.qasm", data=["x0"], weights=None).without_entanglement()
    assert (control.weights, control.turned) == (("w0",), ())
    parameters, features = np.array([0.4, 1.0, -0.7, 0.2]), FEATURES[:, :1]
    seeds = circuit_batches.sampling_seeds(1, points=len(features))
    batch = circuit_batches.gradient_batch(circuit_from_parameters(parameters, control), features, seeds=seeds, **WHERE)
    _, gradient = circuit_batches.gradient_from_expectations(
        measured_exactly(batch), circuit_from_parameters(parameters, control), TARGETS
    )
    exact = OwnCircuitEngine(control).loss_and_gradient(parameters, features, TARGETS)[1]
    assert gradient[0] == 0
    np.testing.assert_allclose(gradient, exact, atol=1e-12)


def test_it_is_written_and_read_back(shape):
    assert OwnCircuitShape.from_record(json.loads(json.dumps(asdict(shape)))) == shape
    model = OwnCircuitClassifier(circuit=asdict(shape), max_iterations=3, window=5)
    with pytest.warns(UserWarning, match="not flat"):
        model.fit(FEATURES, TARGETS + 4)
    again = model_from_bytes(model_to_bytes(model))
    assert np.array_equal(again.predict_proba(FEATURES), model.predict_proba(FEATURES))
    assert set(again.predict(FEATURES)) <= {4, 5}


def test_other_engines_know_the_built_in_circuit_only(shape):
    with pytest.raises(InvalidInput, match="re-uploading circuit only"):
        make_gradient_engine("jax", shape)
    with pytest.raises(InvalidInput, match="there is no engine 'magic'"):
        make_gradient_engine("magic", shape)


@pytest.mark.parametrize(
    ("data", "weights", "text", "words", "field"),
    [
        (["x_0"], None, OWN_CIRCUIT, r"no input 'x_0'. Did you mean", "circuit.data"),
        (["x0"], ["w0", "q7"], OWN_CIRCUIT, r"no input 'q7'.*Its inputs are: x0, x1, w0, w1, w2", "circuit.weights"),
        (["x0"], ["x0"], OWN_CIRCUIT, "a feature and a weight", "circuit.weights"),
        (["x0"], ["w0"], OWN_CIRCUIT, "x1, w1, w2 are neither", "circuit.weights"),
        (list(NAMES), None, OWN_CIRCUIT, "no weights, so there is nothing to train", "circuit.data"),
        (["x0"], None, OWN_CIRCUIT.replace(b"rx(x0)", b"rx(x1)").replace(b"x0, w2", b"x1, w2"), "turns no gate", "circuit.data"),
        (["x0"], ["x1", "w0"], OWN_CIRCUIT.replace(b"+ w0", b"").replace(b"w0, ", b"0, ").replace(b", w0", b", 0"), "'w0' turns no gate. Use it in the circuit, or remove it from the file", "circuit.weights"),
        (["x0"], None, OWN_CIRCUIT + b"bit[1] c;\nc[0] = measure q[0];\n", "2 of the circuit's 3 qubits are not measured", "circuit.file"),
        (["x0"], None, OWN_CIRCUIT.replace(b"qubit[3]", b"qubit[17]"), "17 qubits, and at most 16", "circuit.file"),
        (["x0"], None, OWN_CIRCUIT.replace(b"2 * x1", b"w0 * x1"), "line 11: an angle is not a sum of multiples of inputs", None),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused(data, weights, text, words, field):
    with pytest.raises(InvalidInput, match=words) as caught:
        read_own_circuit(text, file="own.qasm", data=data, weights=weights)
    assert caught.value.file == "own.qasm"
    assert caught.value.field == field
