"""Who scored better on the same folds: rows of `qml_scores` in, intervals and verdicts out.

A model is compared with the classical side twice: among all baselines, those on every column included, because reducing
the features is part of the price of a small circuit; and among those on the same reduced features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from qhybrid_pipelines.classical.statistics import holm_adjusted
from qhybrid_pipelines.core.vocabulary.learning_metrics import Metric
from qhybrid_pipelines.learning.data.dataset import LARGE_MAJORITY
from qhybrid_pipelines.learning.data.table_rows import ScoreRow, SummaryRow, VerdictRow
from qhybrid_pipelines.learning.evaluation.classical_opponent import (
    Opponent,
    Scope,
    ValidationScores,
    choose_opponent,
)
from qhybrid_pipelines.learning.evaluation.corrected_intervals import corrected_interval, p_value_above
from qhybrid_pipelines.learning.evaluation.fold_scores import (
    EvaluatedModel,
    FoldScores,
    fold_scores_by_model,
    sort_key,
)
from qhybrid_pipelines.learning.evaluation.metrics import (
    LARGEST_VALUE,
    LOWER_IS_BETTER,
    SMALLEST_VALUE,
    to_higher_is_better,
)
from qhybrid_pipelines.learning.evaluation.verdict_rules import RULE, ClaimPValues, Gain, decide_verdict
from qhybrid_pipelines.learning.models.baselines import MAJORITY_CLASS
from qhybrid_pipelines.learning.models.registry import all_models


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What all verdicts of an experiment have in common."""

    experiment: str
    metric: Metric
    margin: float
    scope: Scope


def summary_rows(experiment: str, rows: Sequence[ScoreRow], metric: Metric) -> list[SummaryRow]:
    """Return the mean score of every contestant with its corrected interval, in order of side, model and backend."""
    scores_by_model = fold_scores_by_model(rows, metric)
    return [
        _summary(experiment, evaluated, scores_by_model[evaluated], metric)
        for evaluated in sorted(scores_by_model, key=sort_key)
    ]


def verdict_rows(
    experiment: str,
    rows: Sequence[ScoreRow],
    *,
    metric: Metric,
    margin: float,
    validation: ValidationScores,
) -> list[VerdictRow]:
    """Return the verdicts about every circuit, backend and number of shots, against both scopes of baselines.

    Args:
        experiment: its key.
        rows: of `qml_scores`.
        metric: what the verdict is about.
        margin: mean gain that counts as better, in the metric's unit.
        validation: scores of the baselines on validation rows, by which the classical side is chosen.
    """
    scores_by_model = fold_scores_by_model(rows, metric)
    circuits = sorted(
        (evaluated for evaluated in scores_by_model if evaluated.side in {"quantum", "unentangled_control"}),
        key=sort_key,
    )
    found = []
    for scope in get_args(Scope):
        question = _Question(experiment=experiment, metric=metric, margin=margin, scope=scope)
        opponent = choose_opponent(scores_by_model, scope, validation)
        gains = {
            evaluated: _paired_gain(scores_by_model[evaluated], opponent.scores if opponent else None, margin)
            for evaluated in circuits
        }
        adjusted = _adjusted(gains, picked_from=opponent.picked_from if opponent else 1)
        found += [
            _verdict(
                question,
                evaluated,
                opponent,
                gain=gains[evaluated],
                p_adjusted=adjusted.get(evaluated),
                scores_by_model=scores_by_model,
            )
            for evaluated in circuits
        ]
    return found


def _adjusted(gains: dict[EvaluatedModel, Gain | None], *, picked_from: int) -> dict[EvaluatedModel, ClaimPValues]:
    """Return the p-values after the corrections for what was compared.

    Claims that one side is better are corrected by Holm over the circuits. Exact expectations and shots of one circuit are one family: they
    repeat one result and are counted once; another circuit leaves the count as soon as all of its family is decided. The control
    without entanglement is not compared, so it neither counts nor is corrected. Claims that nothing is won or lost are about each circuit
    by itself. Those against a baseline that was picked on the test rows are corrected for that by Bonferroni.
    """
    known = {model: gain.p_values for model, gain in gains.items() if gain is not None}
    adjusted = {}
    for model, own in known.items():
        others: dict[str, list[ClaimPValues]] = {}
        for other, p_values in known.items():
            if model.side == other.side == "quantum" and other.model != model.model:
                others.setdefault(other.model, []).append(p_values)
        better, worse = (
            holm_adjusted(
                np.minimum(
                    1.0, factor * np.array([own[claim], *(max(p[claim] for p in family) for family in others.values())])
                )
            )[0]
            for claim, factor in ((0, 1), (1, picked_from))
        )
        adjusted[model] = ClaimPValues(
            better=float(better),
            worse=float(worse),
            no_better=min(1.0, own.no_better * picked_from),
            no_worse=own.no_worse,
        )
    return adjusted


def _paired_gain(scores: FoldScores, other: FoldScores | None, margin: float) -> Gain | None:
    """Return the paired gain of one contestant over another; None without a partner or with a single fold."""
    if other is None or len(scores.folds) < 2:
        return None
    difference, share, rows = scores.values - other.values, scores.test_train_ratio, scores.rows
    low, high = corrected_interval(difference, share, rows=rows)
    return Gain(
        mean=float(difference.mean()),
        low=low,
        high=high,
        folds=len(difference),
        p_values=ClaimPValues(
            better=p_value_above(difference, share, margin, rows=rows),
            worse=p_value_above(-difference, share, margin, rows=rows),
            no_better=p_value_above(-difference, share, -margin, rows=rows),
            no_worse=p_value_above(difference, share, -margin, rows=rows),
        ),
    )


def _verdict(
    question: _Question,
    evaluated: EvaluatedModel,
    opponent: Opponent | None,
    *,
    gain: Gain | None,
    p_adjusted: ClaimPValues | None,
    scores_by_model: dict[EvaluatedModel, FoldScores],
) -> VerdictRow:
    gain_over_unentangled = _paired_gain(
        scores_by_model[evaluated], _scores_of_control(evaluated, scores_by_model), question.margin
    )
    word, reason = decide_verdict(
        gain,
        p_adjusted=p_adjusted,
        margin=question.margin,
        metric=question.metric,
        baseline=None if opponent is None else opponent.phrase,
        gain_over_unentangled=gain_over_unentangled,
        is_unentangled_control=evaluated.side == "unentangled_control",
    )
    metric = question.metric
    return VerdictRow(
        experiment=question.experiment,
        model=evaluated.model,
        side=evaluated.side,
        backend=evaluated.backend,
        shots=evaluated.shots,
        metric=metric,
        scope=question.scope,
        baseline=None if opponent is None else opponent.baseline.model,
        baseline_inputs=None if opponent is None else opponent.baseline.inputs,
        folds=len(scores_by_model[evaluated].folds),
        model_mean=to_higher_is_better(metric, float(scores_by_model[evaluated].values.mean())),
        baseline_mean=None if opponent is None else to_higher_is_better(metric, float(opponent.scores.values.mean())),
        gain=None if gain is None else gain.mean,
        low=None if gain is None else gain.low,
        high=None if gain is None else gain.high,
        margin=question.margin,
        p_value=None if gain is None else gain.p_values.better,
        p_adjusted=None if p_adjusted is None else p_adjusted.better,
        unentangled_gain=None if gain_over_unentangled is None else gain_over_unentangled.mean,
        unentangled_low=None if gain_over_unentangled is None else gain_over_unentangled.low,
        unentangled_high=None if gain_over_unentangled is None else gain_over_unentangled.high,
        verdict=word,
        reason=f"{reason}{_majority_note(metric, scores_by_model)}",
        rule=RULE,
    )


def _majority_note(metric: Metric, scores_by_model: dict[EvaluatedModel, FoldScores]) -> str:
    """Return what an accuracy means where one class holds most rows; nothing elsewhere."""
    shares = [scores.values.mean() for model, scores in scores_by_model.items() if model.model == MAJORITY_CLASS]
    if metric != "accuracy" or not shares or shares[0] <= LARGE_MAJORITY:
        return ""
    return f" Naming the largest class alone has an accuracy of {shares[0]:.3g}; metric: balanced_accuracy, f1 or mcc tells more."


def _scores_of_control(
    evaluated: EvaluatedModel, scores_by_model: dict[EvaluatedModel, FoldScores]
) -> FoldScores | None:
    """Return the scores of a circuit's control without entanglement, measured alike, where there is one."""
    known = all_models().get(evaluated.model)
    control_name = known.unentangled_control if known else None
    return next(
        (
            scores
            for model, scores in scores_by_model.items()
            if model.model == control_name and (model.backend, model.shots) == (evaluated.backend, evaluated.shots)
        ),
        None,
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
            float(np.clip(to_higher_is_better(metric, bound), SMALLEST_VALUE[metric], LARGEST_VALUE[metric]))
            for bound in bounds
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
