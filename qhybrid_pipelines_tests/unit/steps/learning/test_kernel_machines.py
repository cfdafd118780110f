"""From counts of pairs of rows to predictions: the machine of a fold against scikit-learn's on the same entries, and what its shots did."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from sklearn.svm import SVC

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.learning.data.dataset import Dataset
from qhybrid_pipelines.learning.data.feature_pipeline import fit_angle_encoder
from qhybrid_pipelines.learning.data.folds import make_splits
from qhybrid_pipelines.learning.evaluation.fold_results import check_experiment
from qhybrid_pipelines.learning.models.quantum_kernel import QuantumKernelClassifier
from qhybrid_pipelines.steps.learning.inference_batches import FoldModel, plan_kernel
from qhybrid_pipelines.steps.learning.kernel_machines import kernel_rows

ROWS, SHOTS, BANDWIDTH = 24, 16_000, 0.5
COSTS = (0.01, 3.0)
PAGE = {"name": "x", "dataset": {"source": "sklearn:wine"}}


@pytest.fixture(scope="module")
def measured():
    """Three folds of a small data set, whose entries are shares of so many shots, rounded."""
    rng = np.random.default_rng(2)
    labels = np.arange(ROWS) % 2
    dataset = Dataset(
        name="x", features=rng.normal(size=(ROWS, 2)) + labels[:, None], labels=labels, feature_names=("a", "b"),
        class_names=("no", "yes"), source="made here", licence="none",
    )  # fmt: skip
    folds = []
    for split in make_splits(labels, k=3, repeats=1, seed=1):
        reduction = fit_angle_encoder(dataset.features[split.outer_train], 2)
        model = QuantumKernelClassifier(C=COSTS[0], bandwidth=BANDWIDTH)
        model.fit(reduction.transform(dataset.features[split.outer_train]), labels[split.outer_train])
        trials = tuple({"settings": {"C": cost, "bandwidth": 1.0}, "score": 0.5} for cost in COSTS)
        folds.append(FoldModel(split=split, reduction=reduction, estimator=model, trials=trials))
    spec = LearningSpec.model_validate(PAGE)
    plan = plan_kernel("x", "local:auto", spec=spec, dataset=dataset, model="kernel", folds=tuple(folds), shots=SHOTS)
    exact = []
    for fold in folds:
        model, queries = fold.estimator, fold.reduction.transform(dataset.features[fold.split.test])
        own = model.kernel_matrix(model.samples_)
        exact += [own[np.triu_indices(len(own), 1)], model.kernel_matrix(queries).ravel()]
    entries = np.round(SHOTS * np.concatenate(exact)) / SHOTS
    assert plan.batch.points == len(entries)
    return SimpleNamespace(plan=plan, dataset=dataset, found=kernel_rows(plan, entries, dataset, "accuracy"))


def test_every_fold_predicts_as_a_machine_on_its_entries(measured):
    predictions, kernels, entries = measured.found
    for fold, kernel in zip(measured.plan.folds, kernels, strict=True):
        split, model, labels = fold.split, fold.estimator, measured.dataset.labels
        own = model.kernel_matrix(model.samples_)
        scores = {}
        trained = np.isin(split.outer_train, split.train)
        for cost in COSTS:
            judge = SVC(kernel="precomputed", C=cost).fit(
                own[np.ix_(trained, trained)], labels[split.outer_train[trained]]
            )
            said = judge.predict(own[np.ix_(~trained, trained)])
            scores[cost] = accuracy_score(labels[split.outer_train[~trained]], said)
        assert kernel["cost"] == max(COSTS, key=lambda cost: scores[cost])
        judge = SVC(kernel="precomputed", C=kernel["cost"]).fit(own, labels[split.outer_train])
        crossed = model.kernel_matrix(fold.reduction.transform(measured.dataset.features[split.test]))
        mine = [row for row in predictions if row["fold"] == split.fold]
        assert [row["row"] for row in mine] == split.test.tolist()
        np.testing.assert_allclose([row["decision"] for row in mine], judge.decision_function(crossed), atol=2e-3)
        assert kernel["deviation"] < 0.5 / SHOTS
        assert kernel["smallest_eigenvalue_projected"] > -1e-12
    assert {kernel["cost"] for kernel in kernels} & {COSTS[1]}, "a cost that did better on validation rows was taken"
    assert len(entries) == measured.plan.batch.points
    assert all(abs(row["measured"] - row["exact"]) < 1 / SHOTS for row in entries)


def test_a_kernel_of_too_many_pairs_is_refused_before_anything_is_trained(measured):
    spec = LearningSpec.model_validate({**PAGE, "features": {"pca": 2}, "evaluation": {"measure_kernel": True}})
    check_experiment(spec, measured.dataset)
    many = np.arange(700) % 2
    big = Dataset(
        name="x", features=np.random.default_rng(1).normal(size=(700, 2)), labels=many, feature_names=("a", "b"),
        class_names=("no", "yes"), source="made here", licence="none",
    )  # fmt: skip
    with pytest.raises(
        InvalidInput, match=r"has 2,3\d\d,\d00 pairs in 10 folds, a circuit each, and at most 200,000"
    ) as caught:
        check_experiment(spec, big)
    assert caught.value.field == "evaluation.measure_kernel"
