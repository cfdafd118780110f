"""Gradient variance and kernel alignment, against PennyLane, plain loops and what is known without computing."""

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.core.specifications.training_specification import TrainingSpec
from qhybrid_pipelines.learning.circuits.class_scores import circuit_from_parameters, output_count
from qhybrid_pipelines.learning.circuits.own_circuit import read_own_circuit
from qhybrid_pipelines.learning.circuits.pennylane_engine import BackpropEngine
from qhybrid_pipelines.learning.circuits.reuploading_circuit import CircuitShape
from qhybrid_pipelines.learning.models import diagnostics
from qhybrid_pipelines.learning.models.diagnostics import gradient_variance, kernel_alignment
from qhybrid_pipelines.learning.models.registry import all_models
from qhybrid_pipelines.learning.models.trainable_model import NO_DIAGNOSTICS, ModelRequest
from qhybrid_pipelines.learning.training.trainer import initial_parameters, mini_batch_rows
from qhybrid_pipelines_tests.support.own_circuits import OWN_CIRCUIT


def shape(qubits, layers, *, entangled=True):
    return CircuitShape(n_features=qubits, n_qubits=qubits, layers=layers, entangled=entangled)


def trained(of_shape, classes):
    """A circuit with a readout of no pattern."""
    outputs = output_count(classes)
    parameters = np.random.default_rng(2).normal(size=of_shape.n_weights + outputs * (of_shape.n_qubits + 1))
    return circuit_from_parameters(parameters, of_shape)


def untrained(of_shape):
    return circuit_from_parameters(initial_parameters(of_shape, 1, 1), of_shape)


def samples(rows, columns, classes=2, seed=3):
    rng = np.random.default_rng(seed)
    return rng.uniform(-np.pi / 2, np.pi / 2, (rows, columns)), rng.permutation(np.arange(rows) % classes)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_variance_is_that_of_pennylanes_slopes(monkeypatch, classes):
    monkeypatch.setattr(diagnostics, "DRAWS", 5)
    monkeypatch.setattr(diagnostics, "ROWS", 6)
    circuit, (features, targets) = trained(shape(2, 2), classes), samples(9, 2, classes)
    engine, size = BackpropEngine(circuit.shape, "autograd"), circuit.shape.n_weights
    rows = mini_batch_rows(0, samples=9, batch_size=6, seed=11)
    slopes = []
    for weights in generator(11, "learning", "gradient variance").uniform(-np.pi, np.pi, (5, size)):
        parameters = np.concatenate([weights, circuit.readout.ravel(), circuit.bias])
        slopes.append(engine.loss_and_gradient(parameters, features[rows], targets[rows])[1][:size].tolist())
    of_weights = [statistics.variance(of_weight) for of_weight in zip(*slopes, strict=True)]
    found = gradient_variance(circuit, features, targets, seed=11)
    assert found == pytest.approx(statistics.fmean(of_weights), rel=1e-9)
    assert found > 1e-3


def test_the_slopes_of_a_deep_entangled_circuit_vanish_as_qubits_are_added_and_those_of_the_control_do_not():
    found = {}
    for entangled in (True, False):
        for qubits in (2, 6):
            features, targets = samples(32, qubits)
            # The readout weighs each qubit with one over their number: its square is taken out.
            circuit = untrained(shape(qubits, 6, entangled=entangled))
            found[entangled, qubits] = qubits**2 * gradient_variance(circuit, features, targets, seed=1)
    assert found[True, 6] < 0.5 * found[True, 2]
    assert found[False, 6] > 0.7 * found[False, 2]


def alignment_by_loops(kernel, labels):
    """The definition, element by element."""
    size = len(labels)
    same = [[float(labels[i] == labels[j]) for j in range(size)] for i in range(size)]

    def centred(matrix):
        rows = [sum(row) / size for row in matrix]
        columns = [sum(row[j] for row in matrix) / size for j in range(size)]
        mean = sum(rows) / size
        return [[matrix[i][j] - rows[i] - columns[j] + mean for j in range(size)] for i in range(size)]

    def product(one, other):
        return sum(one[i][j] * other[i][j] for i in range(size) for j in range(size))

    one, other = centred(kernel.tolist()), centred(same)
    return product(one, other) / (product(one, one) * product(other, other)) ** 0.5


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(4, 9), classes=st.integers(2, 3))
@settings(deadline=None, max_examples=20)
def test_the_alignment_is_that_of_the_definition_and_knows_no_scale_or_constant(seed, rows, classes):
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(rows, rows))
    kernel, labels = half @ half.T, np.arange(rows) % classes
    found = kernel_alignment(kernel, labels)
    assert found == pytest.approx(alignment_by_loops(kernel, labels), abs=1e-9)
    assert found == pytest.approx(kernel_alignment(2.5 * kernel + 4, labels), abs=1e-9)
    assert -1 - 1e-12 <= found <= 1 + 1e-12


def test_a_kernel_of_the_classes_is_aligned_and_a_constant_one_is_not():
    labels = np.array([0, 1, 2, 0, 1, 2, 0])
    same = (labels[:, None] == labels).astype(float)
    assert kernel_alignment(same, labels) == pytest.approx(1)
    assert kernel_alignment(np.full((7, 7), 1 / 3), labels) == 0.0
    assert kernel_alignment(-same, labels) == pytest.approx(-1)


@pytest.mark.filterwarnings("ignore:the loss was not flat:sklearn.exceptions.ConvergenceWarning")
def test_every_model_says_what_it_has():
    features, labels = samples(24, 2)
    labels = labels + 4  # indices of classes need not begin at 0 in a fold
    said = {}
    circuit = read_own_circuit(OWN_CIRCUIT, file="own.qasm", data=["x0", "x1"], weights=None)
    request = ModelRequest(training=TrainingSpec(layers=1), circuit=circuit)
    for name, model in all_models().items():
        estimator = model.build(request, {**model.defaults(request)}, 5)
        if "max_iterations" in estimator.get_params():
            estimator.set_params(max_iterations=2)
        said[name] = model.diagnose(estimator.fit(features, labels), features, labels, 5)
    kernel = all_models()["kernel"].build(request, {"C": 1.0, "bandwidth": 1.0}, 5).fit(features, labels)
    assert said["kernel"].kernel_alignment == pytest.approx(
        alignment_by_loops(kernel.kernel_matrix(features), labels), abs=1e-9
    )
    assert said["kernel"].gradient_variance is None
    for name in said.keys() - {"kernel"}:
        assert said[name].gradient_variance > 0
        assert said[name].kernel_alignment is None
    assert NO_DIAGNOSTICS.gradient_variance is None
