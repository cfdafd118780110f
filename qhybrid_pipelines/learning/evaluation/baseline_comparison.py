"""Who scored better on the same folds: rows of `qml_scores` in, intervals and verdicts out.

A model is held against the best baseline twice: among all baselines, those on every column included, because reducing
the features is part of the price of a small circuit; and among those on the same reduced features.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from qhybrid_pipelines.classical.statistics import holm_adjusted
from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.core.learning_specification import Metric
from qhybrid_pipelines.learning.data.table_rows import ScoreRow, SummaryRow, VerdictRow
from qhybrid_pipelines.learning.evaluation.corrected_intervals import corrected_interval, p_value_above
from qhybrid_pipelines.learning.evaluation.metrics import LARGEST_VALUE, LOWER_IS_BETTER, to_higher_is_better
from qhybrid_pipelines.learning.evaluation.verdict_rules import Gain, decide_verdict
from qhybrid_pipelines.learning.models.registry import all_models

Scope = Literal["all", "reduced"]


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

    folds: tuple[tuple[int, int], ...]
    values: F64
    test_train_ratio: float
    rows: int


def fold_scores_by_model(rows: Iterable[ScoreRow], metric: Metric) -> dict[EvaluatedModel, FoldScores]:
    """Return the scores of the comparison for one metric; contestants without a score on every fold are left out."""
    found: dict[EvaluatedModel, dict[tuple[int, int], ScoreRow]] = {}
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


def summary_rows(experiment: str, rows: Sequence[ScoreRow], metric: Metric) -> list[SummaryRow]:
    """Return the mean score of every contestant with its corrected interval, in order of side, model and backend."""
    scores_by_model = fold_scores_by_model(rows, metric)
    return [
        _summary(experiment, evaluated, scores_by_model[evaluated], metric)
        for evaluated in sorted(scores_by_model, key=_sort_key)
    ]


def verdict_rows(experiment: str, rows: Sequence[ScoreRow], *, metric: Metric, margin: float) -> list[VerdictRow]:
    """Return the verdicts about every circuit, backend and number of shots, against both scopes of baselines.

    Args:
        experiment: its key.
        rows: of `qml_scores`.
        metric: what the verdict is about.
        margin: mean gain that counts as better, in the metric's unit.
    """
    scores_by_model = fold_scores_by_model(rows, metric)
    circuits = sorted(
        (evaluated for evaluated in scores_by_model if evaluated.side in {"quantum", "unentangled_control"}),
        key=_sort_key,
    )
    found = []
    for scope in get_args(Scope):
        opponents = _baselines_in_scope(scores_by_model, scope)
        best = best_baseline(scores_by_model, scope)
        gains = [_paired_gain(scores_by_model, evaluated, best, margin) for evaluated in circuits]
        known = [gain for gain in gains if gain is not None]
        better = holm_adjusted(np.array([gain.p_value for gain in known]))
        # The best of several baselines looks better than it is on the folds that it was picked on: Bonferroni.
        worse = holm_adjusted(np.array([min(1.0, gain.p_worse * len(opponents)) for gain in known]))
        adjusted = iter(zip(better.tolist(), worse.tolist(), strict=True))
        for evaluated, gain in zip(circuits, gains, strict=True):
            p_adjusted, p_worse_adjusted = next(adjusted) if gain is not None else (None, None)
            found.append(
                _verdict(
                    evaluated,
                    best,
                    gain,
                    scores_by_model=scores_by_model,
                    p_adjusted=p_adjusted,
                    p_worse_adjusted=p_worse_adjusted,
                    experiment=experiment,
                    metric=metric,
                    margin=margin,
                    scope=scope,
                )
            )
    return found


def _baselines_in_scope(scores_by_model: dict[EvaluatedModel, FoldScores], scope: Scope) -> list[EvaluatedModel]:
    """Return the baselines of a scope in order; controls are not baselines."""
    in_scope = [
        evaluated
        for evaluated in scores_by_model
        if evaluated.side == "baseline" and (scope == "all" or evaluated.inputs == "reduced")
    ]
    return sorted(in_scope, key=_sort_key)


def best_baseline(scores_by_model: dict[EvaluatedModel, FoldScores], scope: Scope) -> EvaluatedModel | None:
    """Return the baseline with the best mean score; of equals the first by name. Controls are not baselines."""
    return max(
        _baselines_in_scope(scores_by_model, scope),
        key=lambda evaluated: float(scores_by_model[evaluated].values.mean()),
        default=None,
    )


def _paired_gain(
    scores_by_model: dict[EvaluatedModel, FoldScores],
    evaluated: EvaluatedModel,
    other: EvaluatedModel | None,
    margin: float,
) -> Gain | None:
    """Return the paired gain of one contestant over another; None without a partner or with a single fold."""
    if other is None or len(scores_by_model[evaluated].folds) < 2:
        return None
    difference, share, rows = (
        scores_by_model[evaluated].values - scores_by_model[other].values,
        scores_by_model[evaluated].test_train_ratio,
        scores_by_model[evaluated].rows,
    )
    low, high = corrected_interval(difference, share, rows=rows)
    return Gain(
        mean=float(difference.mean()),
        low=low,
        high=high,
        folds=len(difference),
        p_value=p_value_above(difference, share, margin, rows=rows),
        p_worse=p_value_above(-difference, share, margin, rows=rows),
    )


def _verdict(
    evaluated: EvaluatedModel,
    best: EvaluatedModel | None,
    gain: Gain | None,
    *,
    scores_by_model: dict[EvaluatedModel, FoldScores],
    p_adjusted: float | None,
    p_worse_adjusted: float | None,
    experiment: str,
    metric: Metric,
    margin: float,
    scope: Scope,
) -> VerdictRow:
    known = all_models().get(evaluated.model)
    control_name = known.unentangled_control if known else None
    unentangled_control = next(
        (
            t
            for t in scores_by_model
            if t.model == control_name and (t.backend, t.shots) == (evaluated.backend, evaluated.shots)
        ),
        None,
    )
    gain_over_unentangled = _paired_gain(scores_by_model, evaluated, unentangled_control, margin)
    word, reason = decide_verdict(
        gain,
        p_adjusted=p_adjusted,
        p_worse_adjusted=p_worse_adjusted,
        margin=margin,
        metric=metric,
        baseline=None if best is None else f"{best.model} on {_INPUTS_PHRASES[best.inputs]}",
        gain_over_unentangled=gain_over_unentangled,
        is_unentangled_control=evaluated.side == "unentangled_control",
    )
    return VerdictRow(
        experiment=experiment,
        model=evaluated.model,
        side=evaluated.side,
        backend=evaluated.backend,
        shots=evaluated.shots,
        metric=metric,
        scope=scope,
        baseline=None if best is None else best.model,
        baseline_inputs=None if best is None else best.inputs,
        folds=len(scores_by_model[evaluated].folds),
        model_mean=to_higher_is_better(metric, float(scores_by_model[evaluated].values.mean())),
        baseline_mean=None if best is None else to_higher_is_better(metric, float(scores_by_model[best].values.mean())),
        gain=None if gain is None else gain.mean,
        low=None if gain is None else gain.low,
        high=None if gain is None else gain.high,
        margin=margin,
        p_value=None if gain is None else gain.p_value,
        p_adjusted=p_adjusted,
        unentangled_gain=None if gain_over_unentangled is None else gain_over_unentangled.mean,
        unentangled_low=None if gain_over_unentangled is None else gain_over_unentangled.low,
        unentangled_high=None if gain_over_unentangled is None else gain_over_unentangled.high,
        verdict=word,
        reason=reason,
    )


def _summary(experiment: str, evaluated: EvaluatedModel, scores: FoldScores, metric: Metric) -> SummaryRow:
    low = high = None
    if len(scores.folds) > 1:
        # Counted from the best value, so that what the rows leave open is about the mistakes that were seen.
        best = 0.0 if metric in LOWER_IS_BETTER else LARGEST_VALUE[metric]
        bounds = [
            best + bound
            for bound in corrected_interval(scores.values - best, scores.test_train_ratio, rows=scores.rows)
        ]
        low, high = sorted(
            float(np.clip(to_higher_is_better(metric, bound), 0, LARGEST_VALUE[metric])) for bound in bounds
        )
    return SummaryRow(
        experiment=experiment,
        model=evaluated.model,
        side=evaluated.side,
        inputs=evaluated.inputs,
        backend=evaluated.backend,
        shots=evaluated.shots,
        metric=metric,
        folds=len(scores.folds),
        mean=to_higher_is_better(metric, float(scores.values.mean())),
        low=low,
        high=high,
    )


_INPUTS_PHRASES = {"reduced": "the same features", "all": "all features"}
_SIDE_ORDER = {"quantum": 0, "unentangled_control": 1, "baseline": 2, "control": 3}


def _sort_key(evaluated: EvaluatedModel) -> tuple[int, str, str, str, float]:
    """Order contestants by side, name, inputs, backend and shots, the exact expectation first."""
    return (
        _SIDE_ORDER[evaluated.side],
        evaluated.model,
        evaluated.inputs,
        evaluated.backend or "",
        -1.0 if evaluated.shots is None else evaluated.shots,
    )
