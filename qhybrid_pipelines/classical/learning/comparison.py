"""Who scored better on the same folds: rows of `qml_scores` in, intervals and verdicts out.

A model is held against the best baseline twice: among all baselines, those on every column included, because reducing
the features is part of the price of a small circuit; and among those on the same reduced features.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from qhybrid_pipelines.classical.learning.intervals import corrected_interval, p_value_above
from qhybrid_pipelines.classical.learning.rows import ScoreRow, SummaryRow, VerdictRow
from qhybrid_pipelines.classical.learning.scoring import LOWER_IS_BETTER, UPPER, oriented
from qhybrid_pipelines.classical.learning.verdict import Gain, judge
from qhybrid_pipelines.classical.statistics import holm
from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.core.learning_specification import Metric

Scope = Literal["all", "reduced"]

#: Circuits that the separable one is the twin of; a kernel is another model, and has none.
WITH_TWIN = frozenset({"variational"})


class Contestant(NamedTuple):
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
        test_share: rows of a test fold over rows it was trained on, mean over the folds.
        rows: distinct test rows; every repeat tests the same ones.
    """

    folds: tuple[tuple[int, int], ...]
    values: F64
    test_share: float
    rows: int


def fold_scores_by_contestant(rows: Iterable[ScoreRow], metric: Metric) -> dict[Contestant, FoldScores]:
    """Return the scores of the comparison for one metric; contestants without a score on every fold are left out."""
    found: dict[Contestant, dict[tuple[int, int], ScoreRow]] = {}
    for row in rows:
        if row["metric"] == metric and row["purpose"] == "comparison":
            who = Contestant(row["side"], row["model"], row["inputs"], row["backend"], row["shots"])
            found.setdefault(who, {})[row["repeat"], row["fold"]] = row
    every = {place for places in found.values() for place in places}
    table = {}
    for who, by_place in found.items():
        places = sorted(by_place)
        values = [by_place[place]["value"] for place in places]
        if len(places) == len(every) and None not in values:
            shares = [by_place[place]["test_rows"] / by_place[place]["train_rows"] for place in places]
            table[who] = FoldScores(
                folds=tuple(places),
                values=np.array([oriented(metric, v) for v in values if v is not None]),
                test_share=float(np.mean(shares)),
                rows=sum(by_place[place]["test_rows"] for place in places if place[0] == places[0][0]),
            )
    return table


def summaries(experiment: str, rows: Sequence[ScoreRow], metric: Metric) -> list[SummaryRow]:
    """Return the mean score of every contestant with its corrected interval, in order of side, model and backend."""
    table = fold_scores_by_contestant(rows, metric)
    return [_summary(experiment, who, table[who], metric) for who in sorted(table, key=_order)]


def verdicts(experiment: str, rows: Sequence[ScoreRow], *, metric: Metric, margin: float) -> list[VerdictRow]:
    """Return the verdicts about every circuit, backend and number of shots, against both scopes of baselines.

    Args:
        experiment: its key.
        rows: of `qml_scores`.
        metric: what the verdict is about.
        margin: mean gain that counts as better, in the metric's unit.
    """
    table = fold_scores_by_contestant(rows, metric)
    circuits = sorted((who for who in table if who.side in {"quantum", "twin"}), key=_order)
    found = []
    for scope in get_args(Scope):
        opponents = _baselines(table, scope)
        best = best_baseline(table, scope)
        gains = [_gain(table, who, best, margin) for who in circuits]
        known = [gain for gain in gains if gain is not None]
        better = holm(np.array([gain.p_value for gain in known]))
        # The best of several baselines looks better than it is on the folds that it was picked on: Bonferroni.
        worse = holm(np.array([min(1.0, gain.p_worse * len(opponents)) for gain in known]))
        adjusted = iter(zip(better.tolist(), worse.tolist(), strict=True))
        for who, gain in zip(circuits, gains, strict=True):
            p_adjusted, p_worse_adjusted = next(adjusted) if gain is not None else (None, None)
            found.append(
                _verdict(
                    who,
                    best,
                    gain,
                    table=table,
                    p_adjusted=p_adjusted,
                    p_worse_adjusted=p_worse_adjusted,
                    experiment=experiment,
                    metric=metric,
                    margin=margin,
                    scope=scope,
                )
            )
    return found


def _baselines(table: dict[Contestant, FoldScores], scope: Scope) -> list[Contestant]:
    """Return the baselines of a scope in order; controls are none."""
    fit = [who for who in table if who.side == "baseline" and (scope == "all" or who.inputs == "reduced")]
    return sorted(fit, key=_order)


def best_baseline(table: dict[Contestant, FoldScores], scope: Scope) -> Contestant | None:
    """Return the baseline with the best mean score; of equals the first by name. Controls are no baselines."""
    return max(_baselines(table, scope), key=lambda who: float(table[who].values.mean()), default=None)


def _gain(table: dict[Contestant, FoldScores], who: Contestant, other: Contestant | None, margin: float) -> Gain | None:
    """Return the paired gain of one contestant over another; None without a partner or with a single fold."""
    if other is None or len(table[who].folds) < 2:
        return None
    difference, share, rows = table[who].values - table[other].values, table[who].test_share, table[who].rows
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
    who: Contestant,
    best: Contestant | None,
    gain: Gain | None,
    *,
    table: dict[Contestant, FoldScores],
    p_adjusted: float | None,
    p_worse_adjusted: float | None,
    experiment: str,
    metric: Metric,
    margin: float,
    scope: Scope,
) -> VerdictRow:
    twin = next((t for t in table if t.side == "twin" and (t.backend, t.shots) == (who.backend, who.shots)), None)
    over_twin = _gain(table, who, twin, margin) if who.model in WITH_TWIN else None
    word, reason = judge(
        gain,
        p_adjusted=p_adjusted,
        p_worse_adjusted=p_worse_adjusted,
        margin=margin,
        metric=metric,
        baseline=None if best is None else f"{best.model} on {_INPUTS[best.inputs]}",
        over_twin=over_twin,
        is_twin=who.side == "twin",
    )
    return VerdictRow(
        experiment=experiment,
        model=who.model,
        side=who.side,
        backend=who.backend,
        shots=who.shots,
        metric=metric,
        scope=scope,
        baseline=None if best is None else best.model,
        baseline_inputs=None if best is None else best.inputs,
        folds=len(table[who].folds),
        model_mean=oriented(metric, float(table[who].values.mean())),
        baseline_mean=None if best is None else oriented(metric, float(table[best].values.mean())),
        gain=None if gain is None else gain.mean,
        low=None if gain is None else gain.low,
        high=None if gain is None else gain.high,
        margin=margin,
        p_value=None if gain is None else gain.p_value,
        p_adjusted=p_adjusted,
        twin_gain=None if over_twin is None else over_twin.mean,
        twin_low=None if over_twin is None else over_twin.low,
        twin_high=None if over_twin is None else over_twin.high,
        verdict=word,
        reason=reason,
    )


def _summary(experiment: str, who: Contestant, scores: FoldScores, metric: Metric) -> SummaryRow:
    low = high = None
    if len(scores.folds) > 1:
        # Counted from the best value, so that what the rows leave open is about the mistakes that were seen.
        best = 0.0 if metric in LOWER_IS_BETTER else UPPER[metric]
        bounds = [
            best + bound for bound in corrected_interval(scores.values - best, scores.test_share, rows=scores.rows)
        ]
        low, high = sorted(float(np.clip(oriented(metric, bound), 0, UPPER[metric])) for bound in bounds)
    return SummaryRow(
        experiment=experiment,
        model=who.model,
        side=who.side,
        inputs=who.inputs,
        backend=who.backend,
        shots=who.shots,
        metric=metric,
        folds=len(scores.folds),
        mean=oriented(metric, float(scores.values.mean())),
        low=low,
        high=high,
    )


_INPUTS = {"reduced": "the same features", "all": "all features"}
_SIDES = {"quantum": 0, "twin": 1, "baseline": 2, "control": 3}


def _order(who: Contestant) -> tuple[int, str, str, str, float]:
    """Order contestants by side, name, inputs, backend and shots, the exact expectation first."""
    return _SIDES[who.side], who.model, who.inputs, who.backend or "", -1.0 if who.shots is None else who.shots
