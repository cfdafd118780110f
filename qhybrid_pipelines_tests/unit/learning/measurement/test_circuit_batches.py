"""The trained circuit on the batch path: one template both ways, and inference and gradients from counts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.errors import CorruptResult, InvalidInput
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.execution.engines.aer import prepare_circuit
from qhybrid_pipelines.execution.engines.aer_exact import AerExact, exact_probabilities
from qhybrid_pipelines.learning.circuits.adjoint_engine import AdjointEngine
from qhybrid_pipelines.learning.circuits.circuit_templates import circuit_template, make_bindings, pennylane_circuit
from qhybrid_pipelines.learning.circuits.class_scores import circuit_from_parameters, squeeze_binary_scores
from qhybrid_pipelines.learning.circuits.reuploading_circuit import CircuitShape, apply_layers
from qhybrid_pipelines.learning.measurement.circuit_batches import (
    circuits_per_sample,
    epoch_size,
    expectations_from_counts,
    gradient_batch,
    gradient_from_expectations,
    inference_batch,
    sampling_seeds,
)
from qhybrid_pipelines.learning.measurement.parameter_shift_engine import ParameterShiftEngine
from qhybrid_pipelines.learning.models.reuploading_classifier import VariationalClassifier
from qhybrid_pipelines.quantum.qasm import write_circuit

pytestmark = pytest.mark.filterwarnings("ignore:the loss was not flat:sklearn.exceptions.ConvergenceWarning")

SHAPE = CircuitShape(n_features=3, n_qubits=3, layers=2, entangled=True)


@st.composite
def shapes(draw):
    n_qubits = draw(st.integers(1, 5))
    return CircuitShape(
        n_features=draw(st.integers(1, n_qubits)),
        n_qubits=n_qubits,
        layers=draw(st.integers(1, 3)),
        entangled=draw(st.booleans()),
    )


def trained(shape=SHAPE, outputs=1, samples=4, seed=2):
    """Return a circuit with parameters of no pattern, and samples."""
    rng = np.random.default_rng(seed)
    circuit = circuit_from_parameters(
        rng.uniform(-np.pi, np.pi, shape.n_weights + outputs * (shape.n_qubits + 1)), shape
    )
    return circuit, rng.uniform(-np.pi / 2, np.pi / 2, (samples, shape.n_features))


def make_batch(circuit, features, *, make=inference_batch, shots=1024, repetitions=1):
    per_sample = circuits_per_sample(circuit.shape) if make is gradient_batch else 1
    seeds = sampling_seeds(7, "test", points=len(features) * per_sample, repetitions=repetitions)
    return make(circuit, features, experiment="test", backend="local:auto", shots=shots, seeds=seeds)


def exact_expectations(batch):
    """Return <Z> of every qubit of every point, from the probabilities that the batch path samples from."""
    ready, _ = prepare_circuit(batch.template, keep_measurements=False)
    probabilities = np.stack(list(exact_probabilities(batch, ready)))
    signs = 1 - 2 * ((np.arange(2**batch.template.n_qubits)[:, None] >> np.arange(batch.template.n_qubits)) & 1)
    return probabilities @ signs


def pennylane_expectations(queue, n_qubits):
    import pennylane as qml

    @qml.qnode(qml.device("default.qubit", wires=n_qubits))
    def circuit():
        queue()
        return [qml.expval(qml.Z(qubit)) for qubit in range(n_qubits)]

    return np.array(circuit())


@given(shape=shapes(), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=6)
def test_pennylane_the_template_and_the_training_engine_agree_on_every_qubit(shape, seed):
    circuit, features = trained(shape, samples=2, seed=seed)
    batch = make_batch(circuit, features)
    own = AdjointEngine(shape).expectations(features, circuit.weights)
    np.testing.assert_allclose(exact_expectations(batch), own, atol=1e-12)
    back = pennylane_circuit(batch.template)
    for row, expected in enumerate(own):
        written = pennylane_expectations(
            lambda row=row: apply_layers(features[row], circuit.weights, shape), shape.n_qubits
        )
        np.testing.assert_allclose(written, expected, atol=1e-12)
        read = pennylane_expectations(lambda row=row: back(batch.bindings[row]), shape.n_qubits)
        np.testing.assert_allclose(read, expected, atol=1e-12)


def test_a_template_has_no_numbers_and_reads_back_as_the_same_text():
    template = circuit_template(SHAPE)
    assert write_circuit(read_circuit(template.text)) == template.text
    assert set(template.parameters) == {f"x_{i}" for i in range(3)} | {
        f"w_{layer}_{qubit}_{angle}" for layer in range(2) for qubit in range(3) for angle in range(3)
    }


def test_the_unentangled_control_is_the_same_circuit_without_its_cnots():
    unentangled_shape = CircuitShape(n_features=3, n_qubits=3, layers=2, entangled=False)
    with_ring, without = circuit_template(SHAPE), circuit_template(unentangled_shape)
    assert without.template_id != with_ring.template_id
    assert without.parameters == with_ring.parameters
    assert [line for line in with_ring.text.splitlines() if not line.startswith("cx ")] == without.text.splitlines()
    assert with_ring.text.count("cx ") == 6
    assert without.text.count(" = measure ") == 3


def test_bindings_stand_in_the_order_of_the_templates_inputs():
    circuit, features = trained(samples=2)
    template, bindings = circuit_template(SHAPE), make_bindings(SHAPE, features, circuit.weights)
    for name, column in zip(template.parameters, bindings.T, strict=True):
        kind, *index = name.split("_")
        expected = features[:, int(index[0])] if kind == "x" else circuit.weights[tuple(map(int, index))]
        np.testing.assert_array_equal(column, np.broadcast_to(expected, 2))


def scores_from_counts(counts, batch, circuit):
    return squeeze_binary_scores(circuit.scores(expectations_from_counts(counts, batch).mean(axis=1)))


@pytest.mark.parametrize("outputs", [1, 3])
def test_predictions_from_counts_are_those_of_the_model_within_their_scatter(outputs):
    circuit, features = trained(outputs=outputs, samples=30)
    batch = make_batch(circuit, features, shots=4000, repetitions=2)
    counts = AerExact().run(batch).counts
    exact = AdjointEngine(SHAPE).expectations(features, circuit.weights)
    measured = expectations_from_counts(counts, batch)
    assert measured.shape == (30, 2, 3)
    scatter = np.sqrt((1 - exact**2) / 4000)[:, None]
    assert (abs(measured - exact[:, None]) < 5 * scatter + 1e-12).all()
    off = scores_from_counts(counts, batch, circuit) - squeeze_binary_scores(circuit.scores(exact))
    assert off.shape == ((30,) if outputs == 1 else (30, 3))
    assert abs(off).max() < 5 * abs(circuit.readout).sum(axis=1).max() / np.sqrt(8000)


def test_the_fitted_model_labels_what_was_measured():
    rng = np.random.default_rng(1)
    labels = np.array(["left", "right"])[np.arange(40) % 2]
    features = rng.uniform(-0.3, 0.3, (40, 2)) + np.where(labels == "left", -0.8, 0.8)[:, None]
    model = VariationalClassifier(layers=1, max_iterations=60).fit(features, labels)
    batch = make_batch(model.circuit_, features)
    scores = scores_from_counts(AerExact().run(batch).counts, batch, model.circuit_)
    assert (model.labels_from_scores(scores) == labels).mean() > 0.9


@given(shape=shapes(), outputs=st.sampled_from([1, 3]), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=8)
def test_one_batch_of_turned_circuits_is_the_gradient(shape, outputs, seed):
    circuit, features = trained(shape, outputs=outputs, samples=3, seed=seed)
    targets = np.array([0, 1, outputs - 1])
    batch = make_batch(circuit, features, make=gradient_batch)
    assert batch.points == 3 * circuits_per_sample(shape)
    loss, gradient = gradient_from_expectations(exact_expectations(batch), circuit, targets)
    own_loss, own = AdjointEngine(shape).loss_and_gradient(circuit.parameters, features, targets)
    assert loss == pytest.approx(own_loss, abs=1e-12)
    np.testing.assert_allclose(gradient, own, atol=1e-11)


def test_a_measured_gradient_approaches_the_exact_one():
    circuit, features = trained(samples=3)
    targets = np.array([0, 1, 1])
    engine = ParameterShiftEngine(
        SHAPE,
        lambda batch: AerExact().run(batch).counts,
        experiment="test",
        backend="local:auto",
        shots=20_000,
        seed=3,
    )
    loss, gradient = engine.loss_and_gradient(circuit.parameters, features, targets)
    own_loss, own = AdjointEngine(SHAPE).loss_and_gradient(circuit.parameters, features, targets)
    assert loss == pytest.approx(own_loss, abs=0.1)
    np.testing.assert_allclose(gradient, own, atol=0.1)


def test_training_on_a_backend_lowers_the_loss_and_asks_for_the_same_batches_again():
    rng = np.random.default_rng(1)
    labels = np.arange(12) % 2
    features = rng.uniform(-0.3, 0.3, (12, 2)) + np.where(labels == 0, -0.8, 0.8)[:, None]
    model = VariationalClassifier(layers=1, max_iterations=15, learning_rate=0.2, batch_size=6, window=5)
    sent = []

    def run(batch):
        sent.append(batch.payload_sha256)
        return AerExact().run(batch).counts

    def measured():
        return ParameterShiftEngine(
            model.circuit_shape(2), run, experiment="test", backend="local:auto", shots=200, seed=3
        )

    trainer = model.make_trainer(features, labels, engine=measured())
    losses = [step.loss for step in trainer.iterations()]
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.1
    assert len(set(sent)) == len(losses) == len(sent)

    # A process that dies within iteration 5 has its fourth checkpoint.
    begun = model.make_trainer(features, labels, engine=measured())
    iterations = begun.iterations()
    for _ in range(4):
        next(iterations)
    first = sent[: len(losses)]
    sent.clear()
    resumed = model.make_trainer(features, labels, engine=measured(), checkpoint=begun.state.to_bytes())
    assert [step.loss for step in resumed.iterations()] == losses[4:]
    assert sent == first[4:]
    assert resumed.state.parameters.tobytes() == trainer.state.parameters.tobytes()


def test_a_training_on_a_backend_is_not_continued_elsewhere():
    features, labels = np.array([[-0.5], [0.5]]), np.array([0, 1])
    model = VariationalClassifier(layers=1, max_iterations=3)

    def measured(backend):
        return ParameterShiftEngine(
            model.circuit_shape(1),
            lambda batch: AerExact().run(batch).counts,
            experiment="test",
            backend=backend,
            shots=9,
            seed=1,
        )

    trainer = model.make_trainer(features, labels, engine=measured("local:auto"))
    next(trainer.iterations())
    for other in (measured("ionq:simulator"), None):
        with pytest.raises(InvalidInput, match="belongs to a training with"):
            model.make_trainer(features, labels, engine=other, checkpoint=trainer.state.to_bytes())


def test_the_size_of_an_epoch():
    shape = CircuitShape(n_features=8, n_qubits=8, layers=3, entangled=True)
    size = epoch_size(shape, samples=200, batch_size=32, shots=1024)
    assert circuits_per_sample(shape) == 1 + 2 * 72
    assert (size.submissions, size.circuits, size.shots) == (7, 29_000, 29_696_000)
    circuit, features = trained(shape, samples=32)
    assert make_batch(circuit, features, make=gradient_batch).points == 32 * 145


def test_counts_that_lack_a_circuit_are_refused():
    batch = make_batch(*trained())
    counts = AerExact().run(batch).counts
    with pytest.raises(CorruptResult, match="1 of 4 circuits have no counts"):
        expectations_from_counts(counts.filter(pa.compute.not_equal(counts["point"], 2)), batch)


def test_features_of_another_model_are_refused():
    circuit, features = trained()
    with pytest.raises(InvalidInput, match=r"shape \(4, 2\), the circuit takes 3"):
        make_batch(circuit, features[:, :2])
    with pytest.raises(InvalidInput, match="feature 0 is outside"):
        make_batch(circuit, features + 4, make=gradient_batch)


def test_seeds_depend_on_their_labels_point_and_repetition():
    seeds = sampling_seeds(7, "a", points=3, repetitions=2)
    assert seeds.shape == (3, 2)
    assert len(np.unique(seeds)) == 6
    np.testing.assert_array_equal(sampling_seeds(7, "a", points=2, repetitions=2), seeds[:2])
    assert not np.isin(sampling_seeds(7, "b", points=3), seeds).any()
