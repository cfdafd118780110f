"""An iteration of all folds as one batch: its gradients against PennyLane's, from exact expectations and from shots."""

import numpy as np
import pyarrow as pa
import pytest

from qhybrid_pipelines.learning.circuits.circuit_templates import pennylane_circuit
from qhybrid_pipelines.learning.circuits.class_scores import mean_loss, split_parameters
from qhybrid_pipelines.learning.circuits.reuploading_circuit import apply_layers
from qhybrid_pipelines.learning.measurement import training_steps
from qhybrid_pipelines.learning.measurement.circuit_batches import expectations_from_counts, sampling_seeds
from qhybrid_pipelines.learning.measurement.training_steps import (
    SPSA_DISTANCE,
    circuits_per_row,
    plan_step,
    step_batch,
    step_gradients,
)
from qhybrid_pipelines.learning.models.reuploading_classifier import VariationalClassifier

SHOTS = 4096


def trainings(classes=2, folds=2):
    """Return trainings of two folds, before their first iteration."""
    found = []
    for fold in range(folds):
        rng = np.random.default_rng(fold)
        features = rng.uniform(-np.pi / 2, np.pi / 2, (9, 2))
        model = VariationalClassifier(layers=1, batch_size=3 + fold, seed=fold)
        found.append(model.make_trainer(features, np.arange(9) % classes))
    return found


def planned(optimiser, classes=2, iteration=1):
    steps = [
        plan_step(trainer, optimiser, seed=7, labels=("variational", 0, fold, iteration))
        for fold, trainer in enumerate(trainings(classes))
    ]
    seeds = sampling_seeds(7, "training", points=sum(step.circuits for step in steps))
    return steps, step_batch(steps, experiment="x", backend="local:auto", shots=SHOTS, seeds=seeds)


def pennylane_probabilities(batch):
    """Return the outcome probabilities of every point on PennyLane's default.qubit, qubit 0 the lowest bit."""
    import pennylane as qml

    width = batch.template.n_qubits
    apply = pennylane_circuit(batch.template)

    @qml.qnode(qml.device("default.qubit", wires=width))
    def circuit(bindings):
        apply(bindings)
        return qml.probs(wires=range(width)[::-1])

    return np.array([circuit(row) for row in batch.bindings])


def pauli_z(probabilities, width):
    return probabilities @ (1 - 2 * ((np.arange(2**width)[:, None] >> np.arange(width)) & 1))


def pennylane_loss(step):
    """Return the loss of a training's samples as PennyLane differentiates it, a function of the parameters."""
    import pennylane as qml
    from pennylane import numpy as pnp

    shape = step.circuit.shape

    @qml.qnode(qml.device("default.qubit", wires=shape.n_qubits), diff_method="backprop")
    def circuit(sample, weights):
        apply_layers(sample, weights, shape)
        return [qml.expval(qml.Z(qubit)) for qubit in range(shape.n_qubits)]

    def loss(parameters):
        weights, readout, bias = split_parameters(parameters, shape)
        expectations = pnp.stack([pnp.stack(circuit(sample, weights)) for sample in step.features])
        return mean_loss(expectations @ readout.T + bias, step.targets, pnp)

    return loss


@pytest.mark.parametrize("classes", [2, 3])
def test_gradients_of_all_folds_are_those_of_pennylane(classes):
    import pennylane as qml
    from pennylane import numpy as pnp

    steps, batch = planned("adam", classes)
    exact = step_gradients(pauli_z(pennylane_probabilities(batch), batch.template.n_qubits), steps)
    for step, (loss, gradient) in zip(steps, exact, strict=True):
        objective = pennylane_loss(step)
        parameters = pnp.array(step.circuit.parameters, requires_grad=True)
        assert loss == pytest.approx(float(objective(parameters)), abs=1e-9)
        np.testing.assert_allclose(gradient, qml.grad(objective)(parameters), atol=1e-9)


def test_many_shots_come_near_the_exact_gradient():
    """Every slope is a mean over rows of differences of two expectations, each of which has a variance below 1 / shots."""
    steps, batch = planned("adam")
    probabilities = pennylane_probabilities(batch)
    drawn = np.random.default_rng(3).multinomial(SHOTS, probabilities)
    point, bits = np.nonzero(drawn)
    counts = pa.table(
        {
            "point": pa.array(point, pa.int32()),
            "repetition": pa.array(np.zeros_like(point), pa.int32()),
            "bits": pa.array(bits.astype(np.uint64)),
            "count": pa.array(drawn[point, bits].astype(np.int64)),
        }
    )
    measured = step_gradients(expectations_from_counts(counts, batch)[:, 0], steps)
    exact = step_gradients(pauli_z(probabilities, batch.template.n_qubits), steps)
    for (loss, gradient), (exact_loss, exact_gradient) in zip(measured, exact, strict=True):
        assert np.abs(gradient - exact_gradient).max() < 6 / np.sqrt(SHOTS)
        assert abs(loss - exact_loss) < 6 / np.sqrt(SHOTS)
        assert not np.array_equal(gradient, exact_gradient)


def test_spsa_takes_the_slope_along_its_direction():
    steps, batch = planned("spsa")
    found = step_gradients(pauli_z(pennylane_probabilities(batch), batch.template.n_qubits), steps)
    for step, (loss, gradient) in zip(steps, found, strict=True):
        weights = step.circuit.shape.n_weights
        objective = pennylane_loss(step)
        direction = np.concatenate([step.shifts[0], np.zeros(len(gradient) - weights)])
        ahead, behind = (float(objective(step.circuit.parameters + sign * direction)) for sign in (1, -1))
        assert loss == pytest.approx((ahead + behind) / 2)
        np.testing.assert_allclose(gradient[:weights], (ahead - behind) / (2 * step.shifts[0]))
        assert set(np.abs(step.shifts).ravel().tolist()) == {SPSA_DISTANCE}


def test_circuits_are_two_for_each_row_of_spsa_and_two_for_each_weight_besides_of_adam():
    for optimiser, per_row in (("adam", 2 * 6 + 1), ("spsa", 2)):
        steps, batch = planned(optimiser)
        assert [step.circuits for step in steps] == [3 * per_row, 4 * per_row]
        assert batch.points == 7 * per_row
        assert circuits_per_row(steps[0].circuit.shape, optimiser) == per_row


@pytest.mark.parametrize("optimiser", ["adam", "spsa"])
def test_the_same_iteration_asks_for_the_same_circuits(optimiser):
    assert planned(optimiser)[1].payload_sha256 == planned(optimiser)[1].payload_sha256


def test_a_last_bit_does_not_ask_for_other_circuits(monkeypatch):
    def payload(change):
        trainer = trainings()[0]
        trainer._parameters = trainer._parameters + change
        step = plan_step(trainer, "adam", seed=7, labels=("variational", 0, 0, 1))
        seeds = sampling_seeds(7, "training", points=step.circuits)
        return step_batch([step], experiment="x", backend="local:auto", shots=8, seeds=seeds).payload_sha256

    assert payload(1e-15) == payload(0)
    assert payload(1e-6) != payload(0)
    monkeypatch.setattr(training_steps, "DECIMALS", 17)
    assert payload(1e-15) != payload(0)


def test_every_iteration_of_spsa_has_a_direction_of_its_own():
    assert not np.array_equal(planned("spsa")[0][0].shifts, planned("spsa", iteration=2)[0][0].shifts)
    first, second = planned("spsa")[0]
    assert not np.array_equal(first.shifts, second.shifts)
