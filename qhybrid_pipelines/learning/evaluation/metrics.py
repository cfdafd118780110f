"""The scores of predictions on one test fold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.vocabulary.learning_metrics import Metric
from qhybrid_pipelines.learning.data.dataset import I64
from qhybrid_pipelines.learning.models.learner import Estimator

METRICS: tuple[Metric, ...] = get_args(Metric)

#: Metrics where less is better.
LOWER_IS_BETTER: frozenset[Metric] = frozenset({"log_loss", "brier"})

#: Largest value of each metric, where it is not 1, and the smallest, where it is not 0.
LARGEST_VALUE: dict[Metric, float] = {**dict.fromkeys(METRICS, 1.0), "log_loss": math.inf, "brier": 2.0}
SMALLEST_VALUE: dict[Metric, float] = {**dict.fromkeys(METRICS, 0.0), "mcc": -1.0}


def compute_metrics(
    truth: I64, predicted: I64, *, n_classes: int, probabilities: F64 | None = None, decision: F64 | None = None
) -> dict[Metric, float | None]:
    """Return every metric of one set of predictions; None where the model gives too little for it.

    Args:
        truth: class indices, shape ``(rows,)``.
        predicted: class indices, shape ``(rows,)``.
        n_classes: classes of the data set.
        probabilities: per class, shape ``(rows, classes)``; log-loss needs them. A zero counts as the smallest
            positive step of a float64, so that one certain mistake costs 36 and not infinity.
        decision: a score that grows with class 1, shape ``(rows,)``, for two classes; ROC AUC and average precision need
            it or probabilities (one against the rest for more classes, macro mean).

    F1 and recall are those of class 1 for two classes, and macro means for more. The Brier score is the mean squared distance of the
    probabilities from the truth, for two classes half of it, which is that of class 1.
    """
    from sklearn.metrics import (
        accuracy_score,
        average_precision_score,
        f1_score,
        log_loss,
        matthews_corrcoef,
        recall_score,
        roc_auc_score,
    )

    classes, ranking = np.arange(n_classes), probabilities
    if n_classes == 2:
        ranking = decision if decision is not None or probabilities is None else probabilities[:, 1]
    if probabilities is not None:
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    present = np.unique(truth)
    rankable = ranking is not None and len(present) == n_classes
    one_hot = np.eye(n_classes)[truth]
    # Of two classes, class 1 is the one that is looked for; a fold without it says nothing about it.
    sought = classes[1:] if n_classes == 2 else present
    is_sought = len(np.intersect1d(sought, present)) > 0
    brier = None if probabilities is None else float(((probabilities - one_hot) ** 2).sum(axis=1).mean())
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        # The mean recall of the classes that occur: scikit-learn's balanced accuracy, which warns of the others.
        "balanced_accuracy": float(recall_score(truth, predicted, labels=present, average="macro")),
        "roc_auc": float(roc_auc_score(truth, ranking, labels=classes, multi_class="ovr")) if rankable else None,
        "log_loss": None if probabilities is None else float(log_loss(truth, probabilities, labels=classes)),
        "f1": float(f1_score(truth, predicted, labels=sought, average="macro", zero_division=0)) if is_sought else None,
        "recall": float(recall_score(truth, predicted, labels=sought, average="macro")) if is_sought else None,
        "average_precision": float(average_precision_score(one_hot[:, 1] if n_classes == 2 else one_hot, ranking))
        if rankable
        else None,
        # One class alone has no correlation, which counts as none.
        "mcc": float(matthews_corrcoef(truth, predicted)) if min(len(present), len(np.unique(predicted))) > 1 else 0.0,
        "brier": brier / 2 if brier is not None and n_classes == 2 else brier,
    }


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a fitted estimator says about rows; probabilities and decision as in `compute_metrics`."""

    predicted: I64
    probabilities: F64 | None
    decision: F64 | None


def predict_all(estimator: Estimator, features: F64) -> Predictions:
    """Return all that a fitted estimator says about some rows."""
    offers = {name: getattr(estimator, name, None) for name in ("predict_proba", "decision_function")}
    proba, decide = offers["predict_proba"], offers["decision_function"]
    decision = np.asarray(decide(features)) if decide is not None else None
    return Predictions(
        predicted=np.asarray(estimator.predict(features)),
        probabilities=np.asarray(proba(features)) if proba is not None else None,
        decision=decision if decision is not None and decision.ndim == 1 else None,
    )


def score_estimator(estimator: Estimator, features: F64, truth: I64, *, n_classes: int) -> dict[Metric, float | None]:
    """Return every metric of a fitted estimator on test rows."""
    model_output = predict_all(estimator, features)
    return compute_metrics(
        truth,
        model_output.predicted,
        n_classes=n_classes,
        probabilities=model_output.probabilities,
        decision=model_output.decision,
    )


def validation_score(estimator: Estimator, features: F64, truth: I64, *, n_classes: int, metric: Metric) -> float:
    """Return what settings are chosen by, larger is better: the metric, or accuracy where the estimator has no such score."""
    found = score_estimator(estimator, features, truth, n_classes=n_classes)
    value = found[metric]
    return to_higher_is_better(metric, value) if value is not None else found["accuracy"] or 0.0


def to_higher_is_better(metric: Metric, value: float) -> float:
    """Return a score so that larger is better."""
    return -value if metric in LOWER_IS_BETTER else value
