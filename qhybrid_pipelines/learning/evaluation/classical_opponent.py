"""The classical side of a verdict: the baseline with the best mean score on the inner validation rows of the folds.

Nobody looks at the scores on test rows to choose it, so that claims are not corrected for picking it. Validation rows of one fold are test rows
of another, which leaves a small bias in favour of the classical side; what it does to the verdicts is measured by
`benchmarks/learning_false_claims.py`, against the baseline that is best in expectation. To choose in each fold by that fold alone would have no
such bias, but a few dozen rows choose badly: the opponent would be weaker than the best classical model.

Where a baseline has no validation score, the opponent is the best on the test folds themselves, which looks better than it is: `Opponent.picked_from`
then says of how many, and claims against it are corrected for that (`learning.evaluation.baseline_comparison`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from qhybrid_pipelines.learning.data.table_rows import RunRow
from qhybrid_pipelines.learning.evaluation.fold_scores import EvaluatedModel, FoldKey, FoldScores, sort_key

Scope = Literal["all", "reduced"]
#: Scores on the validation rows of each fold, larger is better, by name and inputs of a model.
ValidationScores: TypeAlias = Mapping[tuple[str, str], Mapping[FoldKey, float]]

_INPUTS_PHRASES = {"reduced": "the same features", "all": "all features"}


@dataclass(frozen=True, kw_only=True)
class Opponent:
    """What the circuits are compared with.

    Attributes:
        baseline: its name and inputs.
        scores: on the test folds.
        picked_from: baselines among which it was picked on the test rows; 1 where validation rows decided.
    """

    baseline: EvaluatedModel
    scores: FoldScores
    picked_from: int

    @property
    def phrase(self) -> str:
        """How it is called in a sentence."""
        return f"{self.baseline.model} on {_INPUTS_PHRASES[self.baseline.inputs]}"


def validation_scores(runs: Iterable[RunRow]) -> ValidationScores:
    """Return the scores of the final settings on validation rows, from rows of `qml_models`."""
    found: dict[tuple[str, str], dict[FoldKey, float]] = {}
    for row in runs:
        if row["purpose"] == "comparison" and row["validation_score"] is not None:
            found.setdefault((row["model"], row["inputs"]), {})[row["repeat"], row["fold"]] = row["validation_score"]
    return found


def choose_opponent(
    scores_by_model: Mapping[EvaluatedModel, FoldScores], scope: Scope, validation: ValidationScores
) -> Opponent | None:
    """Return the classical side; None without a baseline that has a score on every fold. Controls are not baselines.

    Args:
        scores_by_model: of the comparison.
        scope: ``all`` baselines, or those on the ``reduced`` features only.
        validation: of the baselines; of equals the first by name is chosen.
    """
    baselines = sorted(
        (model for model in scores_by_model if model.side == "baseline" and scope in {"all", model.inputs}),
        key=sort_key,
    )
    if not baselines:
        return None
    folds = scores_by_model[baselines[0]].folds
    known = [validation.get((model.model, model.inputs), {}) for model in baselines]
    is_known = all(fold in by_fold for by_fold in known for fold in folds)
    means = [
        np.mean([by_fold[fold] for fold in folds]) if is_known else scores_by_model[model].values.mean()
        for model, by_fold in zip(baselines, known, strict=True)
    ]
    best = baselines[int(np.argmax(means))]
    return Opponent(baseline=best, scores=scores_by_model[best], picked_from=1 if is_known else len(baselines))
