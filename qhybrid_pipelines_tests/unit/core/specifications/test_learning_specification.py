"""The specification of a learning experiment: strict, addressed by content, and wrong fields are named."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.commented_defaults import commented_default, commented_learning_default
from qhybrid_pipelines.core.specifications.experiment_key import KEY_PATTERN, experiment_key, experiment_text
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.specification_text import read_experiment, read_specification

HEAD = "kind: qml\nname: wine\n"
WINE = HEAD + "dataset: {source: 'sklearn:wine'}\n"


def read(text):
    return read_experiment(text, file="x.yaml")[0]


def test_the_commented_default_is_complete_and_is_the_default():
    spec = read(commented_learning_default())
    assert spec == LearningSpec.model_validate({"name": spec.name, "dataset": {"source": "sklearn:breast_cancer"}})
    assert commented_learning_default().count("#") >= len(LearningSpec.model_fields) - 6  # headings of blocks have none


def test_a_learning_experiment_has_a_key_and_survives_its_stored_text():
    spec = read(WINE + "evaluation: {shots: [null, 100], curve: [20, 50]}\n")
    assert KEY_PATTERN.fullmatch(experiment_key(spec))
    assert LearningSpec.model_validate_json(experiment_text(spec)) == spec
    assert experiment_key(spec) != experiment_key(read(WINE))


def test_exact_training_has_the_key_that_it_had_before_a_backend_could_train():
    assert experiment_key(read(WINE)) == "wine-c640f87b70a3cd86"
    assert read(WINE).trained_on_backend == ()


def test_training_on_a_backend_writes_out_what_it_takes_and_is_measured_there():
    spec = read(WINE + "training: {backend: 'ibm:fake_manila'}\n")
    training = spec.training
    assert (training.shots, training.iterations, training.optimiser) == (256, 20, "adam")
    assert spec.backends == ("ibm:fake_manila",)
    assert spec.trained_on_backend == ("variational", "separable")
    named = "training: {backend: 'ibm:fake_manila', shots: 256, iterations: 20, optimiser: adam}\n"
    assert experiment_key(read(WINE + named)) == experiment_key(spec) != experiment_key(read(WINE))
    assert LearningSpec.model_validate_json(experiment_text(spec)) == spec


def test_a_kernel_is_measured_only_where_that_was_asked_for():
    assert read(WINE).measured_kernels == ()
    left_out = read(WINE + "evaluation: {measure_kernel: false}\n")
    assert experiment_key(left_out) == experiment_key(read(WINE))
    spec = read(
        WINE + "models: [kernel]\nevaluation: {measure_kernel: true, shots: [64], backends: ['ibm:fake_manila']}\n"
    )
    assert (spec.measured_kernels, spec.measured_models, spec.backends) == (("kernel",), (), ("ibm:fake_manila",))
    assert LearningSpec.model_validate_json(experiment_text(spec)) == spec


def test_an_optimisation_is_read_as_before_whether_it_says_its_kind_or_not():
    # What stood there when angles were not optimised by default, and 16 qubits the most; all is named, so the key is that of then.
    text = (
        commented_default()
        .replace("strategy: auto ", "strategy: fixed_angles ")
        .replace("points: 1 ", "points: 16 ")
        .replace("max_qubits: auto ", "max_qubits: 16 ")
    )
    old = read_specification(text, file="x.yaml")[0]
    assert isinstance(old, ExperimentSpec)
    assert read(text) == old == read("kind: optimisation\n" + text)
    assert experiment_key(old) == "maxcut-karate-0acea8ec3e69f184", "written down, so that no later field can move it"


def test_the_unentangled_control_is_always_beside_the_variational_classifier():
    assert read(WINE + "models: [variational]\n").model_names == ("variational", "separable")
    assert read(WINE + "models: [kernel]\n").model_names == ("kernel",)
    assert len(read(WINE).baseline_names) == 4
    assert read(WINE + "baselines: [mlp]\n").baseline_names == ("mlp",)


@pytest.mark.parametrize(
    ("text", "field", "line", "says"),
    [
        ("kind: qlm\n", "kind", 1, "there is no kind 'qlm'"),
        (WINE + "folds: {k: 1}\n", "folds.k", 4, "at least 2"),
        (WINE + "training: {learning_rate: 50.0}\n", "training.learning_rate", 4, "at most 1"),
        (WINE + "training: {learning_rat: 0.1}\n", "training.learning_rat", 4, "Did you mean learning_rate?"),
        (WINE + "features: {pca: 64}\n", "features.pca", 4, "at most 16"),
        (WINE + "models: [variatonal]\n", "models.0", 4, "Did you mean variational?"),
        (WINE + "models: [kernel, kernel]\n", "models", 4, "once"),
        (WINE + "models: []\n", "models", 4, "at least 1"),
        (WINE + "baselines: []\n", "baselines", 4, "list such as"),
        (WINE + "evaluation: {shots: 1024}\n", "evaluation.shots", 4, "must be a list"),
        (
            WINE + "models: [variational]\nevaluation: {measure_kernel: true}\n",
            "evaluation.measure_kernel",
            5,
            "no kernel",
        ),
        (
            WINE + "evaluation: {measure_kernel: true, shots: [null]}\n",
            "evaluation.measure_kernel",
            4,
            "number of shots",
        ),
        (WINE + "evaluation: {backends: [nowhere]}\n", "evaluation.backends.0", 4, "provider:backend"),
        (WINE + "tuning: {trials: 0}\n", "tuning.trials", 4, "at least 1"),
        (HEAD, "dataset", None, "missing"),
        ("name: wine\ndataset: {source: 'sklearn:wine'}\n", "kind", 2, "Add the line kind: qml"),
        (HEAD + "dataset: {source: rows.csv}\n", "dataset", 3, "the column that holds the label"),
        (HEAD + "dataset: {source: 7}\n", "dataset.source", 3, "sklearn:NAME"),
        (HEAD + "dataset: {source: 'sklearn:wine', target: y}\n", "dataset.target", 3, "know their label"),
        (HEAD + "dataset: {source: a.csv, target: y, features: [x, y]}\n", "dataset.features", 3, "cannot be one of"),
        (HEAD + "dataset: {source: 'sklearn:digits', classes: [3]}\n", "dataset.classes", 3, "at least 2"),
        (HEAD + "dataset: {source: 'sklearn:digits', classes: [3, '3']}\n", "dataset.classes", 3, "once"),
    ],
)
def test_wrong_fields_are_named_with_their_line(text, field, line, says):
    with pytest.raises(InvalidInput) as caught:
        read(text)
    assert (caught.value.field, caught.value.line, caught.value.file) == (field, line, "x.yaml")
    assert says in str(caught.value)
