"""The scores of everything that was trained and measured, one per test fold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.vocabulary.learning_metrics import Metric
from qhybrid_pipelines.learning.data.table_rows import ScoreRow
from qhybrid_pipelines.learning.evaluation.metrics import to_higher_is_better

#: Which repeat and fold, both from 0.
FoldKey = tuple[int, int]


class EvaluatedModel(NamedTuple):
    """What has one score per fold: a model on given inputs, and for circuits a backend and shots."""

    side: str
    model: str
    inputs: str
    backend: str | None
    shots: int | None


@dataclass(frozen=True, kw_only=True)
class FoldScores:
    """Scores of one contestant on all test folds.

    Attributes:
        folds: ``(repeat, fold)``, ascending.
        values: one score per fold, larger is better, shape ``(folds,)``.
        test_train_ratio: rows of a test fold over rows it was trained on, mean over the folds.
        rows: distinct test rows; every repeat tests the same ones.
    """

    folds: tuple[FoldKey, ...]
    values: F64
    test_train_ratio: float
    rows: int


def fold_scores_by_model(rows: Iterable[ScoreRow], metric: Metric) -> dict[EvaluatedModel, FoldScores]:
    """Return the scores of the comparison for one metric; contestants without a score on every fold are left out."""
    found: dict[EvaluatedModel, dict[FoldKey, ScoreRow]] = {}
    for row in rows:
        if row["metric"] == metric and row["purpose"] == "comparison":
            evaluated = EvaluatedModel(row["side"], row["model"], row["inputs"], row["backend"], row["shots"])
            found.setdefault(evaluated, {})[row["repeat"], row["fold"]] = row
    every = {fold_key for fold_keys in found.values() for fold_key in fold_keys}
    scores_by_model = {}
    for evaluated, by_fold in found.items():
        fold_keys = sorted(by_fold)
        values = [by_fold[fold_key]["value"] for fold_key in fold_keys]
        if len(fold_keys) == len(every) and None not in values:
            shares = [by_fold[fold_key]["test_rows"] / by_fold[fold_key]["train_rows"] for fold_key in fold_keys]
            scores_by_model[evaluated] = FoldScores(
                folds=tuple(fold_keys),
                values=np.array([to_higher_is_better(metric, v) for v in values if v is not None]),
                test_train_ratio=float(np.mean(shares)),
                rows=sum(by_fold[fold_key]["test_rows"] for fold_key in fold_keys if fold_key[0] == fold_keys[0][0]),
            )
    return scores_by_model


_SIDE_ORDER = {"quantum": 0, "unentangled_control": 1, "baseline": 2, "control": 3}


def sort_key(evaluated: EvaluatedModel) -> tuple[int, str, str, str, float]:
    """Order contestants by side, name, inputs, backend and shots, the exact expectation first."""
    return (
        _SIDE_ORDER[evaluated.side],
        evaluated.model,
        evaluated.inputs,
        evaluated.backend or "",
        -1.0 if evaluated.shots is None else evaluated.shots,
    )
