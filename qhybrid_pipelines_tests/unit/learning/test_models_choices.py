"""Encodings and optimisers as choices: the circuits against PennyLane, the kernel and the slopes against their formulas, and the way from a specification."""

from __future__ import annotations

import numpy as np
import pennylane as qml
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.learning.circuits.class_scores import circuit_from_parameters, mean_loss
from qhybrid_pipelines.learning.circuits.encoded_circuit import encoded_circuit_shape
from qhybrid_pipelines.learning.circuits.gradient_engines import exact_engine, make_gradient_engine
from qhybrid_pipelines.learning.circuits.input_checks import UnusableInput
from qhybrid_pipelines.learning.circuits.reuploading_circuit import CircuitShape
from qhybrid_pipelines.learning.circuits.spsa_engine import SPSA_DISTANCE
from qhybrid_pipelines.learning.data.dataset import Dataset
from qhybrid_pipelines.learning.evaluation.fold_results import check_experiment
from qhybrid_pipelines.learning.models.quantum_kernel import QuantumKernelClassifier
from qhybrid_pipelines.learning.models.reuploading_classifier import VariationalClassifier
from qhybrid_pipelines.learning.models.saved_models import model_from_bytes, model_to_bytes
from qhybrid_pipelines.learning.models.trainable_model import ModelRequest
from qhybrid_pipelines.steps.learning.training import make_learners

RNG = np.random.default_rng(11)
LAYERS = 2


def by_pennylane(features, weights, *, entangled):
    """<Z> of every qubit of the encoded circuit, written from its description."""
    n = len(features)

    @qml.qnode(qml.device("default.qubit", wires=n))
    def circuit():
        for layer in weights.reshape(LAYERS, n, 3):
            for qubit in range(n):
                qml.Hadamard(qubit)
                qml.RZ(features[qubit], qubit)
            for one in range(n if entangled else 0):
                for other in range(one):
                    qml.IsingZZ(features[one] * features[other], [one, other])
            for qubit in range(n):
                qml.Rot(*layer[qubit], wires=qubit)
            if entangled and n > 1:
                for qubit in range(n if n > 2 else 1):
                    qml.CNOT([qubit, (qubit + 1) % n])
        return [qml.expval(qml.Z(qubit)) for qubit in range(n)]

    return circuit()


@pytest.mark.parametrize("entangled", [True, False])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_iqp_circuit_is_what_it_is_said_to_be(n, entangled):
    shape = encoded_circuit_shape("iqp", n, layers=LAYERS, entangled=entangled)
    features, weights = RNG.uniform(-1.5, 1.5, (3, n)), RNG.uniform(-3, 3, shape.n_weights)
    wanted = [by_pennylane(row, weights, entangled=entangled) for row in features]
    np.testing.assert_allclose(exact_engine(shape).expectations(features, weights), wanted, atol=1e-12)


@pytest.mark.parametrize(
    "shape",
    [
        CircuitShape(n_features=2, n_qubits=3, layers=1, entangled=True),
        encoded_circuit_shape("iqp", 2, layers=LAYERS, entangled=True),
    ],
    ids=["angle", "iqp"],
)
def test_spsa_is_the_slope_along_a_direction_of_signs(shape):
    parameters = RNG.normal(size=shape.n_weights + shape.n_qubits + 1)
    features, targets = RNG.uniform(-1.5, 1.5, (5, 2)), np.array([0, 1, 1, 0, 1])
    loss, found = make_gradient_engine("spsa", shape).loss_and_gradient(parameters, features, targets)
    signs = np.sign(found[: shape.n_weights] * found[0])  # all slopes are one number over a sign
    np.testing.assert_allclose(found[: shape.n_weights], abs(found[0]) * np.sign(found[: shape.n_weights]), atol=1e-12)

    def loss_at(turn):
        there = circuit_from_parameters(
            np.concatenate([parameters[: shape.n_weights] + turn * signs, parameters[shape.n_weights :]]), shape
        )
        scores = there.scores(exact_engine(shape).expectations(features, there.weights))
        return float(mean_loss(scores, targets))

    ahead, behind = loss_at(SPSA_DISTANCE), loss_at(-SPSA_DISTANCE)
    assert loss == pytest.approx((ahead + behind) / 2, abs=1e-12)
    assert abs(found[0]) == pytest.approx(abs(ahead - behind) / (2 * SPSA_DISTANCE), abs=1e-12)
    again = make_gradient_engine("spsa", shape).loss_and_gradient(parameters, features, targets)[1]
    assert np.array_equal(again, found)


def test_the_kernel_of_rotations_is_a_product_of_cosines():
    features, labels = RNG.uniform(-1.5, 1.5, (12, 3)), np.arange(12) % 2
    model = QuantumKernelClassifier(encoding="angle", bandwidth=0.7).fit(features, labels)
    wanted = np.prod(np.cos(0.35 * (features[:, None] - features[None])) ** 2, axis=2)
    np.testing.assert_allclose(model.kernel_matrix(features), wanted, atol=1e-12)
    again = model_from_bytes(model_to_bytes(model))
    assert np.array_equal(again.decision_function(features), model.decision_function(features))


@pytest.mark.parametrize("n_features", [2, 3, 4, 7])
def test_amplitudes_are_the_padded_row_of_length_one(n_features):
    features = np.abs(RNG.uniform(-1.5, 1.5, (5, n_features))) * RNG.choice([-1, 1], (5, n_features))
    features[0, 0] = 0.0
    shape = encoded_circuit_shape("amplitude", n_features, layers=1, entangled=True)
    wires = range(shape.n_qubits)

    @qml.qnode(qml.device("default.qubit", wires=wires))
    def wanted(row, weights):
        qml.AmplitudeEmbedding(row, wires=wires, pad_with=0.0, normalize=True)
        for qubit in wires:
            qml.Rot(*weights[3 * qubit : 3 * qubit + 3], wires=qubit)
        for qubit in [] if len(wires) == 1 else wires if len(wires) > 2 else [0]:
            qml.CNOT([qubit, (qubit + 1) % len(wires)])
        return [qml.expval(qml.Z(qubit)) for qubit in wires]

    weights = RNG.uniform(-3, 3, shape.n_weights)
    found = exact_engine(shape).expectations(features, weights)
    np.testing.assert_allclose(found, [wanted(row, weights) for row in features], atol=1e-12)
    model = QuantumKernelClassifier(encoding="amplitude").fit(features, [0, 1, 0, 1, 1])
    lengths = np.linalg.norm(features, axis=1)
    cosines = features @ features.T / lengths / lengths[:, None]
    np.testing.assert_allclose(model.kernel_matrix(features), cosines**2, atol=1e-12)
    again = model_from_bytes(model_to_bytes(model))
    assert np.array_equal(again.decision_function(features), model.decision_function(features))


@pytest.mark.filterwarnings("ignore:the loss was not flat:sklearn.exceptions.ConvergenceWarning")
def test_amplitudes_are_trained_with_exact_slopes_and_a_control_of_single_qubits():
    features, labels = RNG.uniform(-1.5, 1.5, (6, 3)), np.arange(6) % 2
    for entangled in (True, False):
        shape = encoded_circuit_shape("amplitude", 3, layers=2, entangled=entangled)
        assert ("\ncx " in shape.text) is entangled
        parameters = RNG.normal(size=shape.n_weights + shape.n_qubits + 1)
        engine = exact_engine(shape)
        _, slopes = engine.loss_and_gradient(parameters, features, labels)
        steps = 1e-6 * np.eye(len(parameters))
        around = [
            [engine.loss_and_gradient(parameters + side * step, features, labels)[0] for side in (1, -1)]
            for step in steps
        ]
        np.testing.assert_allclose(slopes, [(ahead - behind) / 2e-6 for ahead, behind in around], atol=1e-7)
    model = VariationalClassifier(encoding="amplitude", max_iterations=2).fit(features, labels)
    again = model_from_bytes(model_to_bytes(model))
    assert np.array_equal(again.predict_proba(features), model.predict_proba(features))


@pytest.mark.parametrize("model", [QuantumKernelClassifier, VariationalClassifier])
def test_a_row_of_zeros_and_a_single_feature_have_no_amplitudes(model):
    features = np.array([[0.1, 0.2], [0.0, 0.0], [0.3, 0.1]])
    with pytest.raises(UnusableInput, match="row 1 is all zeros"):
        model(encoding="amplitude").fit(features, [0, 1, 0])
    with pytest.raises(UnusableInput, match="1 feature is not encoded"):
        model(encoding="amplitude").fit(features[:, :1] + 0.1, [0, 1, 0])


def test_of_a_specification_the_row_and_the_number_of_features_are_refused_before_training():
    page = {"name": "x", "dataset": {"source": "sklearn:wine"}, "folds": {"k": 2}}
    spec = LearningSpec.model_validate({**page, "features": {"pca": None, "encoding": "amplitude"}})
    rows = np.array([[float(at), 2.0 * at] for at in (*range(-4, 0), *range(5))])

    def dataset(features):
        names = tuple(f"column {place}" for place in range(features.shape[1]))
        return Dataset(
            name="rows.csv", features=features, labels=np.arange(len(features)) % 2, feature_names=names,
            class_names=("no", "yes"), source="made here", licence="none",
        )  # fmt: skip

    with pytest.raises(InvalidInput, match=r"row \d+ of rows.csv, counted from 0, is all zeros once it is scaled"):
        check_experiment(spec, dataset(np.concatenate([rows, rows])))
    with pytest.raises(InvalidInput, match="300 features are not encoded"):
        check_experiment(spec, dataset(RNG.normal(size=(20, 300))))
    check_experiment(spec, dataset(RNG.normal(size=(20, 30))))
    plain = experiment_key(LearningSpec.model_validate({"name": "x", "dataset": {"source": "sklearn:wine"}}))
    assert plain != experiment_key(spec)
    with pytest.raises(ValueError, match="at least 2 and at most 256"):
        LearningSpec.model_validate({**page, "features": {"pca": 1, "encoding": "amplitude"}})
    learner = next(
        one
        for one in make_learners(spec, ModelRequest(training=spec.training, encoding="amplitude"))
        if one.name == "kernel"
    )
    assert set(learner.search_space) == {"C"}


@pytest.mark.parametrize("model", [QuantumKernelClassifier, VariationalClassifier])
def test_an_encoding_that_does_not_exist_is_refused(model):
    with pytest.raises(UnusableInput, match=r"encoding is 'IQP'\. Choose angle or iqp or amplitude"):
        model(encoding="IQP").fit(RNG.uniform(-1.5, 1.5, (4, 2)), [0, 1, 0, 1])


@pytest.mark.filterwarnings("ignore:the loss was not flat:sklearn.exceptions.ConvergenceWarning")
def test_what_is_chosen_in_a_specification_is_what_is_trained_and_kept():
    page = {"name": "x", "dataset": {"source": "sklearn:wine"}}
    chosen = LearningSpec.model_validate(
        {**page, "features": {"encoding": "iqp"}, "training": {"optimiser": "spsa", "layers": 1}}
    )
    request = ModelRequest(training=chosen.training, encoding=chosen.features.encoding)
    features, labels = RNG.uniform(-1.5, 1.5, (8, 3)), np.arange(8) % 2
    learner = next(one for one in make_learners(chosen, request) if one.name == "variational")
    model = learner.build(learner.defaults, 5).set_params(max_iterations=3)
    assert (model.engine, model.encoding) == ("spsa", "iqp")
    model.fit(features, labels)
    again = model_from_bytes(model_to_bytes(model))
    assert np.array_equal(again.predict_proba(features), model.predict_proba(features))
    exact = VariationalClassifier(encoding="iqp", layers=1, max_iterations=3, seed=5).fit(features, labels)
    assert not np.array_equal(exact.circuit_.weights, model.circuit_.weights)
    assert exact.circuit_.shape == model.circuit_.shape


def test_an_experiment_that_chooses_nothing_keeps_its_key():
    page = {"name": "x", "dataset": {"source": "sklearn:wine"}}
    plain = LearningSpec.model_validate(page)
    said = LearningSpec.model_validate({**page, "features": {"encoding": None}, "circuit": None})
    assert "encoding" not in plain.model_dump_json()
    assert experiment_key(plain) == experiment_key(said) == KEY_BEFORE


#: Of the release before there were choices.
KEY_BEFORE = "x-b1b01db73047620f"
