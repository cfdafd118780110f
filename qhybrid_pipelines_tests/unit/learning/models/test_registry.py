"""A model is one new file: what is put into the catalogue can be named, is trained, saved and described."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.learning_specification import DEFAULT_MODELS, LearningSpec
from qhybrid_pipelines.core.specifications.specification_text import read_experiment
from qhybrid_pipelines.learning.data.folds import make_splits
from qhybrid_pipelines.learning.data.load_dataset import load_dataset
from qhybrid_pipelines.learning.evaluation.tuner import Tuner
from qhybrid_pipelines.learning.models import catalogue
from qhybrid_pipelines.learning.models.registry import all_models
from qhybrid_pipelines.learning.models.saved_models import model_from_bytes, model_to_bytes
from qhybrid_pipelines.learning.models.trainable_model import ModelRequest
from qhybrid_pipelines.steps.learning.training import make_learners

ONE_FILE = """
import numpy as np

from qhybrid_pipelines.learning.models.trainable_model import TrainableModel


class Neighbour(TrainableModel):
    name = "neighbour"
    description = "The class of the nearest training row."
    max_rows = 1000

    def classifier(self):
        from sklearn.neighbors import KNeighborsClassifier

        class NeighbourClassifier(KNeighborsClassifier):
            def fitted_record(self):
                return {"samples": self._fit_X.tolist(), "labels": self._y.tolist()}

            def restore_fitted(self, record):
                return self.fit(np.array(record["samples"]), np.array(record["labels"]))

        return NeighbourClassifier

    def defaults(self, training):
        return {"n_neighbors": 1}

    def search_space(self):
        return {}

    def build(self, training, settings, seed):
        return self.classifier()(**settings)


MODEL = Neighbour()
"""
TEXT = "kind: qml\nname: x\ndataset: {source: 'sklearn:wine'}\n"


@pytest.fixture
def add_model(tmp_path, monkeypatch):
    """Return a function that puts a file into the catalogue for one test."""

    def add(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.setattr(catalogue, "__path__", [*catalogue.__path__, str(tmp_path)])
        all_models.cache_clear()

    yield add
    all_models.cache_clear()
    for name in [name for name in sys.modules if name.startswith(f"{catalogue.__name__}.from_a_test")]:
        del sys.modules[name]


def test_every_model_that_needs_nothing_runs_where_nothing_is_named():
    assert {name for name, model in all_models().items() if not model.needs_circuit} == set(DEFAULT_MODELS)
    spec = LearningSpec.model_validate({"name": "x", "dataset": {"source": "sklearn:wine"}})
    assert [learner.name for learner in make_learners(spec, ModelRequest(training=spec.training))][:3] == [
        "variational",
        "separable",
        "kernel",
    ]
    assert spec.measured_models == ("variational", "separable")


def test_a_model_is_one_new_file(add_model):
    add_model("from_a_test_neighbour", ONE_FILE)
    spec = read_experiment(TEXT + "models: [neighbour, variational]\n", file="x.yaml")[0]
    assert spec.model_names == ("variational", "separable", "neighbour")
    assert spec.measured_models == ("variational", "separable")
    schema = LearningSpec.model_json_schema()["properties"]["models"]
    assert schema["items"]["enum"] == [*DEFAULT_MODELS, *sorted(all_models().keys() - set(DEFAULT_MODELS))]
    assert "neighbour" in schema["items"]["enum"]
    assert schema["default"] == list(DEFAULT_MODELS), "experiments that are there keep their keys"

    dataset = load_dataset(spec.dataset)
    learner = next(
        learner for learner in make_learners(spec, ModelRequest(training=spec.training)) if learner.name == "neighbour"
    )
    tuned = Tuner(dataset, pca=4, trials=2, seed=7).tune(
        learner, next(make_splits(dataset.labels, k=5, repeats=1, seed=7))
    )
    features = tuned.reduction.transform(dataset.features)
    predicted = tuned.estimator.predict(features)
    assert (predicted == dataset.labels).mean() > 0.9
    again = model_from_bytes(model_to_bytes(tuned.estimator))
    assert np.array_equal(again.predict(features), predicted)


def test_a_model_without_a_description_is_told_so(add_model):
    add_model("from_a_test_mute", ONE_FILE.replace("description =", "about ="))
    with pytest.raises(TypeError, match=r"MODEL in .*from_a_test_mute has no description"):
        all_models()


def test_an_unknown_model_is_refused_with_those_that_there_are():
    with pytest.raises(InvalidInput, match="one of: variational, separable, kernel"):
        read_experiment(TEXT + "models: [annealer]\n", file="x.yaml")


def test_models_that_are_evaluated_exactly_only_need_null_among_the_shots():
    with pytest.raises(InvalidInput, match="evaluated exactly only") as caught:
        read_experiment(TEXT + "models: [kernel]\nevaluation: {shots: [100]}\n", file="x.yaml")
    assert caught.value.field == "evaluation.shots"
