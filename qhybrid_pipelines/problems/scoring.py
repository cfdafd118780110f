"""Measurement counts scored against the real objective of the instance: per point, and the best of every run.

Every distinct outcome is expanded, repaired and improved once, however often it was measured and in however many
runs; what belongs to a run or a point is then summed over its rows of the counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.problems.evaluation import Problem, evaluate_outcomes
from qhybrid_pipelines.problems.family import Family
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.measured_counts import read_counts
from qhybrid_pipelines.problems.point_scores import point_scores
from qhybrid_pipelines.problems.solutions import best_solutions


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTables:
    """Columns of equal length of the tables `point_scores` and `scored_solutions`, without experiment and backend."""

    point_scores: dict[str, Any]
    solutions: dict[str, Any]


def score_counts(
    family: Family,
    instance: Instance,
    reduced_model: ReducedModel,
    counts: Mapping[str, npt.NDArray[Any]],
    *,
    incumbent: U8,
    shots: int,
    lowest_known: float | None = None,
) -> ScoreTables:
    """Return the scores of measured outcomes.

    Args:
        family: of the instance.
        instance: the original one.
        reduced_model: what was sent.
        counts: arrays ``point, repetition, bits, count`` of equal length, one entry per distinct outcome of a point
            and repetition, in any order; may be empty. Above 64 variables ``high_bits`` too.
        incumbent: shape ``(n,)``, the assignment known before.
        shots: that every point and repetition was asked for.
        lowest_known: energy in place of the exact minimum, for a reduced model that is too wide to enumerate.

    Raises:
        CorruptResult: an outcome is wider than the reduced model, or counts do not add up to the shots.
    """
    problem = Problem.of(family, instance)
    measured = read_counts(counts, width=reduced_model.size)
    raw = evaluate_outcomes(problem, reduced_model, measured.distinct_outcomes)
    points = point_scores(reduced_model, measured, raw, shots=shots, lowest_known=lowest_known)
    solutions = best_solutions(problem, reduced_model, measured, raw, incumbent=incumbent)
    return ScoreTables(
        point_scores={"instance": [instance.name] * len(points["point"]), **points},
        solutions={"instance": [instance.name] * len(solutions["rank"]), **solutions},
    )
