"""What each parameter point was worth in each run: energies, feasibility, and whether it says more than noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.better_than_random import random_energy
from qhybrid_pipelines.classical.exhaustive import find_minimum, is_minimum
from qhybrid_pipelines.core.binary_models.bits import U64, high_bits, low_word, ones
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.problems.evaluation import Evaluation
from qhybrid_pipelines.problems.measured_counts import I64, MeasuredCounts, group_sorted_rows, group_sums


def point_scores(
    reduced_model: ReducedModel,
    measured: MeasuredCounts,
    raw: Evaluation,
    *,
    shots: int,
    lowest_known: float | None = None,
) -> dict[str, Any]:
    """Return the columns of the table `point_scores` from ``point`` on.

    Args:
        reduced_model: what was sent.
        measured: what came back.
        raw: what its distinct outcomes are worth as measured.
        shots: that every point and repetition was asked for.
        lowest_known: energy in place of the exact minimum, for a reduced model that is too wide to enumerate.

    Raises:
        CorruptResult: the counts of a point and repetition do not add up to the shots.
    """
    group, starts = group_sorted_rows(measured.point, measured.repetition)
    total = group_sums(group, len(starts), measured.count).astype(np.int64)
    _check_shots(measured, starts, total, shots)
    energies = reduced_model.model.energies(measured.distinct_outcomes)
    feasible = raw.feasible[measured.outcome]
    at_optimum = _at_reduced_model_optimum(reduced_model, measured.distinct_outcomes, energies, lowest_known)[
        measured.outcome
    ]

    def weighted(values: npt.NDArray[Any]) -> F64:
        return group_sums(group, len(starts), measured.count * values)

    mean_energy = weighted(energies[measured.outcome]) / total
    feasible_shots = weighted(feasible)
    optimum_shots = weighted(at_optimum)
    distinct = np.bincount(group, minlength=len(starts))
    lowest = _best_in_group(np.argsort(energies, kind="stable"), measured.outcome, starts)
    best = _best_in_group(raw.ranking(), measured.outcome, starts)
    return {
        "point": measured.point[starts],
        "repetition": measured.repetition[starts],
        "shots": total,
        "distinct_outcomes": distinct,
        "mean_energy": mean_energy,
        "min_energy": energies[lowest],
        "argmin_bits": low_word(measured.distinct_outcomes[lowest]),
        "argmin_high_bits": high_bits(measured.distinct_outcomes[lowest]),
        "p_feasible": feasible_shots / total,
        "mean_objective": _none_where_absent(
            feasible_shots > 0,
            weighted(np.where(raw.feasible, raw.objective, 0.0)[measured.outcome]) / np.maximum(feasible_shots, 1),
        ),
        "best_objective": _none_where_absent(feasible_shots > 0, raw.objective[best]),
        "p_reduced_model_optimum": optimum_shots / total,
        "noise_like": (mean_energy >= _noise_threshold(reduced_model, measured, total))
        | _is_one_wrong_outcome(distinct, total, optimum_shots),
    }


def _best_in_group(ranking: I64, outcome: I64, starts: I64) -> I64:
    """Return of each group the outcome that a ranking of all distinct outcomes names first, without sorting any row.

    Args:
        ranking: the distinct outcomes, best first.
        outcome: of each row.
        starts: the first row of each group.
    """
    rank = np.empty_like(ranking)
    rank[ranking] = np.arange(len(ranking))
    return ranking[np.minimum.reduceat(rank[outcome], starts)] if len(starts) else starts


def _check_shots(measured: MeasuredCounts, starts: I64, total: I64, shots: int) -> None:
    wrong = np.flatnonzero(total != shots)
    if len(wrong):
        first = starts[wrong[0]]
        place = f"point {measured.point[first]}, repetition {measured.repetition[first]}"
        raise CorruptResult(f"{place}: {total[wrong[0]]} counts instead of {shots} shots")


def _at_reduced_model_optimum(
    reduced_model: ReducedModel, distinct_outcomes: U64, energies: F64, lowest: float | None
) -> npt.NDArray[np.bool_]:
    """Return which outcomes have the lowest energy; where the number of ones is fixed, among those that keep it."""
    if lowest is None:
        _, lowest = find_minimum(reduced_model.model, reduced_model.cardinality)
    at_minimum = is_minimum(reduced_model.model, energies, lowest)
    return (
        at_minimum
        if reduced_model.cardinality is None
        else at_minimum & (ones(distinct_outcomes) == reduced_model.cardinality)
    )


def _noise_threshold(reduced_model: ReducedModel, measured: MeasuredCounts, shots: I64) -> F64:
    """Return what each mean energy has to get below to say more than random samples.

    Samples that never left the subspace of the right number of ones are compared with random ones from that subspace,
    all others against random outcomes.
    """
    cardinality = reduced_model.cardinality
    if cardinality is not None and (ones(measured.distinct_outcomes) != cardinality).any():
        cardinality = None
    return random_energy(reduced_model.model, cardinality).threshold(shots.astype(np.float64))


def _is_one_wrong_outcome(distinct: I64, shots: I64, optimum_shots: F64) -> npt.NDArray[np.bool_]:
    """Return where several shots all gave one outcome that is not the optimum: a fixed answer, not a distribution."""
    return np.asarray((distinct == 1) & (shots > 1) & (optimum_shots == 0))


def _none_where_absent(present: npt.NDArray[np.bool_], values: F64) -> list[float | None]:
    return [value if there else None for value, there in zip(values.tolist(), present.tolist(), strict=True)]


def best_point(scores: Mapping[str, Sequence[Any]]) -> int | None:
    """Return the point with the lowest mean energy over all runs, the first of several; None without any."""
    if not len(scores["point"]):
        return None
    points, place = np.unique(np.asarray(scores["point"], dtype=np.int64), return_inverse=True)
    means = np.bincount(place, weights=np.asarray(scores["mean_energy"], dtype=np.float64)) / np.bincount(place)
    return int(points[np.argmin(means)])
