"""The three models as scikit-learn estimators: its own tools, wrong input, and what is saved."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.learning.circuits.circuit_templates import circuit_template
from qhybrid_pipelines.learning.circuits.reuploading_circuit import LARGEST_ANGLE
from qhybrid_pipelines.learning.data.feature_pipeline import fit_feature_pipeline
from qhybrid_pipelines.learning.models.quantum_kernel import QuantumKernelClassifier
from qhybrid_pipelines.learning.models.reuploading_classifier import SeparableClassifier, VariationalClassifier
from qhybrid_pipelines.learning.models.saved_models import model_from_bytes, model_to_bytes

pytestmark = pytest.mark.filterwarnings("ignore:the loss was not flat:sklearn.exceptions.ConvergenceWarning")

CIRCUITS = [VariationalClassifier(layers=2, max_iterations=60), SeparableClassifier(layers=2, max_iterations=60)]
MODELS = [*CIRCUITS, QuantumKernelClassifier(layers=1, bandwidth=0.7)]
names = [type(model).__name__ for model in MODELS]
every_model = pytest.mark.parametrize("model", MODELS, ids=names)
every_circuit = pytest.mark.parametrize("model", CIRCUITS, ids=names[:2])


def blobs(n_classes=2, rows=20, columns=3, seed=1):
    """Return angles around one corner per class, and their class indices."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-1, 1, (n_classes, columns))
    labels = np.arange(rows * n_classes) % n_classes
    return centres[labels] + rng.uniform(-0.25, 0.25, (len(labels), columns)), labels


@every_model
@pytest.mark.parametrize("n_classes", [2, 3])
def test_scikit_learn_clones_scores_and_searches(model, n_classes):
    features, labels = blobs(n_classes)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert copy.set_params(layers=1).layers == 1
    assert model.layers == MODELS[names.index(type(model).__name__)].layers
    assert cross_val_score(model, features, labels, cv=3).mean() > 0.75
    scaled = make_pipeline(MinMaxScaler((-LARGEST_ANGLE, LARGEST_ANGLE), clip=True), clone(model))
    assert scaled.fit(10 * features, labels).score(10 * features, labels) > 0.75


def test_scikit_learns_search_reaches_the_settings():
    features, labels = blobs()
    search = GridSearchCV(QuantumKernelClassifier(), {"bandwidth": [0.3, 1.0], "C": [0.1, 10.0]}, cv=3)
    assert search.fit(features, labels).best_score_ > 0.75


@every_model
@pytest.mark.parametrize("labels_of", [lambda i: np.array(["ja", "nein", "weiß"])[i], lambda i: i * 7 - 3])
def test_predictions_are_labels_and_probabilities_belong_to_them(model, labels_of):
    features, index = blobs(3)
    labels = labels_of(index)
    fitted = clone(model).fit(features, labels)
    np.testing.assert_array_equal(fitted.classes_, np.unique(labels))
    chances = fitted.predict_proba(features)
    assert chances.shape == (60, 3)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert (chances >= 0).all()
    assert (fitted.predict(features) == labels).mean() > 0.75
    assert (fitted.classes_[chances.argmax(axis=1)] == labels).mean() > 0.75
    assert fitted.decision_function(features).shape == (60, 3)


@every_circuit
def test_two_classes_share_one_score_the_log_odds_of_the_second(model):
    features, labels = blobs()
    fitted = clone(model).fit(features, labels)
    odds, chances = fitted.decision_function(features), fitted.predict_proba(features)
    assert odds.shape == (40,)
    np.testing.assert_allclose(odds, np.log(chances[:, 1] / chances[:, 0]))
    np.testing.assert_array_equal(fitted.predict(features), (odds > 0).astype(int))


@every_circuit
def test_spare_qubits_take_the_features_again(model):
    features, labels = blobs(columns=2)
    fitted = clone(model).set_params(n_qubits=4).fit(features, labels)
    assert fitted.circuit_.shape.n_qubits == 4
    assert fitted.expectations(features).shape == (40, 4)
    assert fitted.score(features, labels) > 0.75


@every_model
def test_before_the_fit_nothing_is_predicted_or_saved(model):
    with pytest.raises(NotFittedError):
        clone(model).predict(np.zeros((2, 3)))
    with pytest.raises(NotFittedError):
        model_to_bytes(clone(model))


def changed(features, row, column, value):
    features = features.copy()
    features[row, column] = value
    return features


@every_model
def test_wrong_input_is_named_before_anything_is_trained(model):
    features, labels = blobs()
    for wrong, message in [
        (changed(features, 4, 2, np.nan), "feature 2 holds NaN or an infinity: nan in row 4"),
        (changed(features, 0, 1, np.inf), "feature 1 holds NaN"),
        (changed(features, 3, 0, 1.6), r"feature 0 is outside \[-pi/2, pi/2\]: 1.6 in row 3"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            clone(model).fit(wrong, labels)
        with pytest.raises(InvalidInput, match=message):
            clone(model).set_params(layers=1).fit(features, labels).predict(wrong)
    with pytest.raises(InvalidInput, match="all labels are the same class"):
        clone(model).fit(features, np.zeros(40, dtype=int))
    with pytest.raises(InvalidInput, match=r"layers is 0.*at least 1"):
        clone(model).set_params(layers=0).fit(features, labels)
    with pytest.raises(InvalidInput, match=r"17 qubits are more than 16"):
        clone(model).fit(np.zeros((40, 17)), labels)
    with pytest.raises(ValueError, match="3 features"):
        clone(model).set_params(layers=1).fit(features, labels).predict(features[:, :2])


@every_circuit
def test_wrong_settings_of_circuits_name_themselves(model):
    features, labels = blobs()
    for name, value in [
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("batch_size", 0),
        ("max_iterations", 2.5),
        ("window", 1),
        ("seed", -1),
        ("n_qubits", True),
        ("engine", "none"),
    ]:
        with pytest.raises(InvalidInput) as caught:
            clone(model).set_params(**{name: value}).fit(features, labels)
        assert caught.value.field == name
    with pytest.raises(InvalidInput, match="3 features for 2 qubits"):
        clone(model).set_params(n_qubits=2).fit(features, labels)


@pytest.mark.parametrize(("name", "value"), [("bandwidth", 0.0), ("C", -1.0)])
def test_wrong_settings_of_the_kernel_name_themselves(name, value):
    with pytest.raises(InvalidInput) as caught:
        QuantumKernelClassifier(**{name: value}).fit(*blobs())
    assert caught.value.field == name


def test_a_column_is_called_by_its_name():
    pandas = pytest.importorskip("pandas")
    features, labels = blobs(columns=2)
    frame = pandas.DataFrame(changed(features, 1, 1, 9.0), columns=["height", "weight"])
    with pytest.raises(InvalidInput, match="feature 'weight' is outside"):
        VariationalClassifier().fit(frame, labels)


def test_the_kernel_is_the_fidelity_of_pennylanes_own_embedding():
    import pennylane as qml

    features, labels = blobs(rows=3)
    fitted = QuantumKernelClassifier(layers=2, bandwidth=0.8).fit(features, labels)

    @qml.qnode(qml.device("default.qubit", wires=3))
    def overlap(one, other):
        qml.IQPEmbedding(0.8 * one, wires=range(3), n_repeats=2)
        qml.adjoint(qml.IQPEmbedding)(0.8 * other, wires=range(3), n_repeats=2)
        return qml.probs(wires=range(3))

    kernel = fitted.kernel_matrix(features)
    expected = [[overlap(one, other)[0] for other in features] for one in features]
    np.testing.assert_allclose(kernel, expected, atol=1e-12)
    np.testing.assert_allclose(np.diag(kernel), 1, atol=1e-12)
    assert np.linalg.eigvalsh(kernel).min() > -1e-12


def test_probabilities_of_the_kernel_need_two_samples_a_class():
    features, _ = blobs(rows=5)
    fitted = QuantumKernelClassifier().fit(features[:5], np.array([0, 0, 0, 0, 1]))
    assert fitted.predict(features[:5]).shape == (5,)
    with pytest.raises(InvalidInput, match="single sample"):
        fitted.predict_proba(features[:5])


@every_model
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_saved_model_predicts_the_same(model, n_classes):
    features, index = blobs(n_classes)
    labels = np.array(["a", "b", "c"])[index]
    fitted = clone(model).set_params(layers=np.int64(1)).fit(features, labels)
    data = model_to_bytes(fitted)
    again = model_from_bytes(data)
    assert model_to_bytes(again) == data
    np.testing.assert_array_equal(again.predict(features), fitted.predict(features))
    np.testing.assert_array_equal(again.decision_function(features), fitted.decision_function(features))
    np.testing.assert_array_equal(again.predict_proba(features), fitted.predict_proba(features))


def test_a_fresh_process_predicts_the_same_and_has_the_same_template(tmp_path):
    features, labels = blobs()
    fitted = clone(CIRCUITS[0]).fit(features, labels)
    (tmp_path / "model.json").write_bytes(model_to_bytes(fitted))
    np.save(tmp_path / "features.npy", features)
    script = """
import sys, numpy as np
from pathlib import Path
from qhybrid_pipelines.learning.models.saved_models import model_from_bytes
from qhybrid_pipelines.learning.circuits.circuit_templates import circuit_template
home = Path(sys.argv[1])
model = model_from_bytes((home / "model.json").read_bytes())
np.save(home / "found.npy", model.predict_proba(np.load(home / "features.npy")))
assert "pennylane" not in sys.modules
print(circuit_template(model.circuit_.shape).template_id)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    found = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    assert found.stdout.strip() == circuit_template(fitted.circuit_.shape).template_id
    np.testing.assert_array_equal(np.load(tmp_path / "found.npy"), fitted.predict_proba(features))


@every_model
def test_a_damaged_model_is_refused(model):
    data = model_to_bytes(clone(model).set_params(layers=1).fit(*blobs()))
    for wrong in (b"", b"[1]", b'{"content": 5, "sha256": ""}', data[:-9], data.replace(b'"layers":1', b'"layers":2')):
        with pytest.raises(CorruptFile, match="Save the model again"):
            model_from_bytes(wrong, name="model.json")


def test_a_model_of_another_format_is_refused():
    from qhybrid_pipelines.learning.training.checksummed_json import add_checksum

    content = json.loads(model_to_bytes(clone(CIRCUITS[0]).fit(*blobs())))["content"]
    for change in ({"format": 2}, {"model": "SVC"}, {"settings": {"depth": 3}}, {"shape": {}}):
        with pytest.raises(CorruptFile, match="not a saved model"):
            model_from_bytes(add_checksum(content | change))


def test_breast_cancer_at_four_components_is_learnt_as_well_as_it_was_measured_before():
    """Independent training runs of such circuits reached 0.946 and 0.953; a tuned RBF machine 0.959 on the same features."""
    features, labels = load_breast_cancer(return_X_y=True)
    found = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=1).split(features, labels):
        feature_pipeline = fit_feature_pipeline(features[train], inputs="reduced", k=4)
        model = VariationalClassifier(max_iterations=215).fit(
            feature_pipeline.transform(features[train]), labels[train]
        )
        found.append(model.score(feature_pipeline.transform(features[test]), labels[test]))
    assert 0.94 <= np.mean(found) <= 0.97
