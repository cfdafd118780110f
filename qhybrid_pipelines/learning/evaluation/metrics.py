"""The scores of predictions on one test fold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np

from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.core.learning_specification import Metric
from qhybrid_pipelines.learning.data.dataset import I64
from qhybrid_pipelines.learning.models.learner import Estimator

METRICS: tuple[Metric, ...] = get_args(Metric)

#: Metrics where less is better.
LOWER_IS_BETTER: frozenset[Metric] = frozenset({"log_loss"})

#: Largest value of each metric; the smallest is 0.
LARGEST_VALUE: dict[Metric, float] = {"accuracy": 1.0, "balanced_accuracy": 1.0, "roc_auc": 1.0, "log_loss": math.inf}


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
        decision: a score that grows with class 1, shape ``(rows,)``, for two classes; ROC AUC needs it or
            probabilities (one against the rest for more classes, macro mean).
    """
    hits = predicted == truth
    recalls = [hits[truth == cls].mean() for cls in np.unique(truth)]
    return {
        "accuracy": float(hits.mean()),
        "balanced_accuracy": float(np.mean(recalls)),
        "roc_auc": _roc_auc(truth, probabilities, decision, n_classes),
        "log_loss": _log_loss(truth, probabilities),
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


def to_higher_is_better(metric: Metric, value: float) -> float:
    """Return a score so that larger is better."""
    return -value if metric in LOWER_IS_BETTER else value


def _roc_auc(truth: I64, probabilities: F64 | None, decision: F64 | None, n_classes: int) -> float | None:
    if len(np.unique(truth)) < n_classes:
        return None
    if n_classes == 2:
        ranking = decision if decision is not None else None if probabilities is None else probabilities[:, 1]
        return None if ranking is None else _auc(truth == 1, ranking)
    if probabilities is None:
        return None
    return float(np.mean([_auc(truth == cls, probabilities[:, cls]) for cls in range(n_classes)]))


def _auc(positive: np.ndarray[tuple[int], np.dtype[np.bool_]], ranking: F64) -> float:
    """Return the probability that a positive row ranks above a negative one, a tie counting half.

    Source: J. A. Hanley and B. J. McNeil, Radiology 143, 29 (1982).
    """
    ordered = np.sort(ranking[~positive])
    below, upto = (np.searchsorted(ordered, ranking[positive], side=side) for side in ("left", "right"))
    return float((below + upto).mean() / (2 * len(ordered)))


def _log_loss(truth: I64, probabilities: F64 | None) -> float | None:
    if probabilities is None:
        return None
    chosen = probabilities[np.arange(len(truth)), truth] / probabilities.sum(axis=1)
    return float(-np.log(np.clip(chosen, np.finfo(np.float64).eps, 1.0)).mean())
