"""Tuning: one budget for all, reproducible, and controls that stay where chance puts them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest, loguniform
from sklearn import metrics
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import SVC

from qhybrid_pipelines.core.specifications.dataset_specification import DatasetSpec
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.learning.data.folds import make_splits
from qhybrid_pipelines.learning.data.load_dataset import load_dataset
from qhybrid_pipelines.learning.data.table_rows import DatasetRow, PredictionRow, RunRow, ScoreRow
from qhybrid_pipelines.learning.evaluation.fold_results import (
    dataset_row,
    fit_row,
    prediction_rows,
    run_row,
    score_rows,
)
from qhybrid_pipelines.learning.evaluation.metrics import METRICS, compute_metrics
from qhybrid_pipelines.learning.evaluation.tuner import Tuner
from qhybrid_pipelines.learning.models.baselines import baseline_learners, control_learners
from qhybrid_pipelines.learning.models.calibrated_svm import RbfSvm
from qhybrid_pipelines.learning.models.learner import Learner, candidate_settings
from qhybrid_pipelines.learning.models.quantum_kernel import QuantumKernelClassifier

ALL = LearningSpec(name="x", dataset=DatasetSpec(source="sklearn:wine")).baseline_names


@pytest.fixture(scope="module")
def cancer():
    return load_dataset(DatasetSpec(source="sklearn:breast_cancer"))


@pytest.fixture(scope="module")
def wine():
    return load_dataset(DatasetSpec(source="sklearn:wine"))


def make_test_splits(dataset, k=5, repeats=2, seed=7):
    return list(make_splits(dataset.labels, k=k, repeats=repeats, seed=seed))


def mean_score(dataset, learner, metric="accuracy", trials=1, splits=None):
    tuner = Tuner(dataset, pca=4, trials=trials, seed=7)
    found = [scored(dataset, learner, s, tuner.tune(learner, s)) for s in splits or make_test_splits(dataset)]
    return float(np.mean([row["value"] for rows in found for row in rows if row["metric"] == metric]))


def scored(dataset, learner, split, tuned):
    said = prediction_rows("e", learner, split, tuned, dataset)
    assert all(set(row) == set(PredictionRow.__annotations__) for row in said)
    fit = fit_row("e", learner, split, purpose="comparison", train_rows=tuned.train_rows)
    return score_rows(said, fit, n_classes=len(dataset.class_names))


def test_logistic_regression_reaches_what_was_measured_elsewhere(cancer):
    reduced, every = baseline_learners(["logistic_regression"])
    assert (reduced.inputs, every.inputs) == ("reduced", "all")
    assert mean_score(cancer, reduced) == pytest.approx(0.9578, abs=0.006)
    assert mean_score(cancer, every) == pytest.approx(0.9754, abs=0.006)


def test_every_baseline_beats_the_largest_class_by_far(wine):
    splits = make_test_splits(wine, k=3, repeats=1)
    floor = mean_score(wine, control_learners()[0], splits=splits)
    assert floor == pytest.approx(71 / 178, abs=0.01)
    for learner in baseline_learners(ALL):
        assert mean_score(wine, learner, splits=splits) > 0.85


def test_shuffled_labels_are_not_learnt(wine, cancer):
    control = control_learners()[1]
    assert control.permute_labels
    for dataset, chance in ((wine, 1 / 3), (cancer, 1 / 2)):
        assert mean_score(dataset, control, "balanced_accuracy") == pytest.approx(chance, abs=0.08)
        honest = mean_score(dataset, replace(control, permute_labels=False), "balanced_accuracy")
        assert honest > 0.9, "the same model does learn the true labels"


def test_every_model_tries_the_same_number_of_settings_and_the_defaults_first():
    for learner in baseline_learners(ALL):
        tried = candidate_settings(learner, trials=5, seed=3)
        assert len(tried) == 5
        assert tried[0] == learner.defaults
        assert tried == candidate_settings(learner, trials=5, seed=3) != candidate_settings(learner, trials=5, seed=4)
        assert candidate_settings(learner, trials=3, seed=3) == tried[:3], "a larger budget adds to a smaller one"
    assert candidate_settings(control_learners()[0], trials=5, seed=3) == [{}]


def test_drawn_settings_are_log_uniform_and_choices_are_all_drawn():
    learner = baseline_learners(["mlp"])[0]
    drawn = candidate_settings(learner, trials=500, seed=3)[1:]
    exponents = np.log10([settings["alpha"] for settings in drawn])
    assert kstest(exponents, "uniform", args=(-4, 5)).pvalue > 0.01
    widths = [settings["width"] for settings in drawn]
    assert {type(width) for width in widths} == {int}
    assert [widths.count(width) for width in (4, 8, 16, 32)] == pytest.approx([125] * 4, abs=40)


class Fixed:
    """An estimator that answers one class, or fails."""

    def __init__(self, answer, error=None):
        self.answer, self.error = answer, error

    def fit(self, X, y):  # noqa: N803
        if self.error:
            raise self.error

    def predict(self, X):  # noqa: N803
        return np.full(len(X), self.answer, dtype=np.int64)


def test_the_best_settings_on_validation_rows_win_and_a_failed_trial_loses(wine):
    def build(settings, _seed):
        return Fixed(1) if settings["rate"] == drawn[2] else Fixed(0, ArithmeticError() if settings["rate"] else None)

    learner = Learner(
        name="fixed",
        side="quantum",
        inputs="reduced",
        build=build,
        defaults={"rate": 0.0},
        search_space={"rate": loguniform(1e-3, 1.0)},
        failures=(ArithmeticError,),
    )
    drawn = [settings["rate"] for settings in candidate_settings(learner, trials=4, seed=7)]
    seen = []
    tuner = Tuner(wine, pca=4, trials=4, seed=7, on_fit=lambda *told: seen.append(told))
    tuned = tuner.tune(learner, make_test_splits(wine)[0])
    assert tuned.settings == {"rate": drawn[2]}  # class 1 is the largest one of wine
    assert [trial.score is None for trial in tuned.trials] == [False, True, False, True]
    assert seen == [("fixed", done, 5) for done in range(1, 6)]
    broken = replace(learner, build=lambda _settings, _seed: Fixed(0, ArithmeticError("no")))
    with pytest.raises(ArithmeticError, match="no"):
        tuner.tune(broken, make_test_splits(wine)[0])
    with pytest.raises(ArithmeticError):
        tuner.tune(replace(learner, failures=()), make_test_splits(wine)[0])


def test_whoever_fits_is_told_which_fit_it_is(wine):
    places = []

    def fit(estimator, features, labels, place):
        places.append((place.learner.name, place.repeat, place.fold, place.trial, place.train_rows))
        estimator.fit(features, labels)
        return 1000.0  # as if an earlier process had spent that

    split = make_test_splits(wine)[6]
    learner = baseline_learners(["rbf_svm"])[0]
    tuner = Tuner(wine, pca=4, trials=2, seed=7, fit=fit)
    tuned = tuner.tune(learner, split)
    point = tuner.fit_on_subset(learner, split, tuned.settings, 30)
    inner, outer = len(split.train), len(split.outer_train)
    assert places == [("rbf_svm", 1, 1, t, n) for t, n in ((0, inner), (1, inner), (None, outer), (None, 30))]
    assert point.train_rows == 30
    assert (tuned.tuning_seconds // 1000, tuned.fit_seconds // 1000, point.fit_seconds // 1000) == (2, 1, 1)


def test_running_again_gives_the_same_rows(wine):
    def rows():
        split = make_test_splits(wine)[3]
        tuner = Tuner(wine, pca=4, trials=2, seed=7)
        found = []
        for learner in [*baseline_learners(ALL), *control_learners()]:
            tuned = tuner.tune(learner, split)
            run = run_row("e", learner, split, tuned)
            assert set(run) == set(RunRow.__annotations__)
            found.append({k: v for k, v in run.items() if not k.endswith("_seconds")})
            values = scored(wine, learner, split, tuned)
            assert all(set(row) == set(ScoreRow.__annotations__) for row in values)
            found += values
        return found

    assert rows() == rows()


def test_the_row_of_a_data_set_is_its_card(wine):
    row = dataset_row("e", wine)
    assert set(row) == set(DatasetRow.__annotations__)
    assert json.loads(row["classes"]) == {"class_0": 59, "class_1": 71, "class_2": 48}
    assert row["majority_share"] == pytest.approx(71 / 178)


def test_what_does_not_converge_is_said(wine, monkeypatch):
    from qhybrid_pipelines.learning.models import baselines

    monkeypatch.setattr(baselines, "MAX_STEPS", 2)
    learner = baseline_learners(["mlp"])[1]
    assert not Tuner(wine, pca=4, trials=1, seed=7).tune(learner, make_test_splits(wine)[0]).converged


def rank_statistic(positive, ranking):
    """Return the probability that a positive row ranks above another one, a tie counting half, pair by pair.

    Source: J. A. Hanley and B. J. McNeil, Radiology 143, 29 (1982).
    """
    pairs = ranking[positive][:, None] - ranking[~positive]
    return ((pairs > 0) + (pairs == 0) / 2).mean()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_agree_with_their_definitions_and_with_scikit_learn(n_classes):
    rng = np.random.default_rng(n_classes)
    truth = rng.integers(n_classes, size=200)
    raw = rng.dirichlet(np.ones(n_classes), 200).round(2)  # with ties
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    found = compute_metrics(truth, predicted, n_classes=n_classes, probabilities=probabilities)
    ranking = probabilities[:, 1] if n_classes == 2 else probabilities
    assert tuple(found) == METRICS
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, predicted))
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth, ranking, multi_class="ovr"))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truth, probabilities, labels=range(n_classes)))

    average = "binary" if n_classes == 2 else "macro"
    assert found["f1"] == pytest.approx(metrics.f1_score(truth, predicted, average=average))
    assert found["recall"] == pytest.approx(metrics.recall_score(truth, predicted, average=average))
    assert found["average_precision"] == pytest.approx(metrics.average_precision_score(truth, ranking))
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(truth, predicted))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(truth, ranking))

    assert found["accuracy"] == pytest.approx((predicted == truth).mean())
    recalls = [(predicted[truth == cls] == cls).mean() for cls in range(n_classes)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    classes = [1] if n_classes == 2 else range(n_classes)
    areas = [rank_statistic(truth == cls, probabilities[:, cls]) for cls in classes]
    assert found["roc_auc"] == pytest.approx(np.mean(areas))
    chosen = np.clip(probabilities[np.arange(200), truth], np.finfo(np.float64).eps, 1.0)
    assert found["log_loss"] == pytest.approx(-np.log(chosen).mean())


def test_a_class_without_test_rows_has_no_area_and_does_not_count_in_the_recall():
    truth, probabilities = np.array([0, 0, 1, 1]), np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]] * 2)
    found = compute_metrics(truth, probabilities.argmax(axis=1), n_classes=3, probabilities=probabilities)
    assert (found["balanced_accuracy"], found["roc_auc"]) == (0.25, None)
    assert found["log_loss"] == pytest.approx(-np.log([0.7, 0.1, 0.2, 0.2]).mean())


def test_a_fold_without_the_class_that_is_looked_for_says_nothing_about_it():
    truth, predicted = np.zeros(4, dtype=int), np.array([0, 0, 1, 0])
    found = compute_metrics(truth, predicted, n_classes=2, decision=predicted.astype(float))
    assert (found["f1"], found["recall"], found["average_precision"], found["mcc"]) == (None, None, None, 0.0)
    assert compute_metrics(1 - truth, truth, n_classes=2)["f1"] == 0.0


def test_a_model_without_probabilities_has_no_log_loss():
    truth = np.array([0, 1, 0, 1])
    assert compute_metrics(truth, truth, n_classes=2)["log_loss"] is None
    assert compute_metrics(truth, truth, n_classes=2)["roc_auc"] is None
    assert compute_metrics(truth, truth, n_classes=2, decision=np.array([-1.0, 2.0, 0.0, 1.0]))["roc_auc"] == 1.0
    assert compute_metrics(truth[:1], truth[:1], n_classes=2, decision=np.zeros(1))["roc_auc"] is None


def test_scikit_learn_is_imported_only_where_it_is_used():
    code = (
        "import importlib, pkgutil, sys\n"
        "from qhybrid_pipelines.learning import data, evaluation\n"
        "for room in (data, evaluation):\n"
        "    for found in pkgutil.iter_modules(room.__path__): importlib.import_module(f'{room.__name__}.{found.name}')\n"
        "import qhybrid_pipelines.learning.models.baselines, qhybrid_pipelines.learning.models.calibrated_svm\n"
        "assert not {'sklearn', 'scipy', 'pandas', 'pennylane', 'dagster'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_machines_have_calibrated_probabilities_in_every_metric_and_their_own_decisions(wine):
    split = make_test_splits(wine)[0]
    for learner in (*baseline_learners(["rbf_svm"]), control_learners()[1]):
        tuned = Tuner(wine, pca=4, trials=1, seed=7).tune(learner, split)
        values = {row["metric"]: row["value"] for row in scored(wine, learner, split, tuned)}
        assert all(values[metric] is not None for metric in METRICS)
        trained, asked = (tuned.reduction.transform(wine.features[part]) for part in (split.outer_train, split.test))
        plain = SVC(kernel="rbf", C=1.0, gamma="scale").fit(trained, tuned.estimator.labels_)
        assert np.array_equal(tuned.estimator.predict(asked), plain.predict(asked))
        shares = tuned.estimator.predict_proba(asked)
        assert np.allclose(shares.sum(axis=1), 1.0)
        assert np.array_equal(shares, tuned.estimator.predict_proba(asked))


def test_a_machine_and_a_kernel_are_calibrated_alike():
    """The quantum kernel's own numbers, given to a classical machine as its kernel, have the same probabilities."""
    angles = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    labels = (angles.sum(axis=1) > 0).astype(np.int64)
    model = QuantumKernelClassifier(C=2.0).fit(angles[:40], labels[:40])
    svc = CalibratedClassifierCV(SVC(kernel="precomputed", C=2.0), ensemble=False, cv=5)
    expected = svc.fit(model.kernel_matrix(angles[:40]), labels[:40]).predict_proba(model.kernel_matrix(angles[40:]))
    assert np.allclose(model.predict_proba(angles[40:]), expected)


def test_a_machine_offers_no_probabilities_where_a_class_has_one_row():
    svc = RbfSvm().fit(np.array([[0.0], [1.0], [1.1]]), np.array([0, 1, 1]))
    assert not hasattr(svc, "predict_proba")
    assert svc.predict(np.array([[1.05]])).tolist() == [1]
