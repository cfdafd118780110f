"""What each parameter point was worth in each run: energies, feasibility, and whether it says more than noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.exhaustive import is_minimum, minimum
from qhybrid_pipelines.classical.noise_gate import random_energy
from qhybrid_pipelines.core.bits import U64
from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.core.reduced_model import Kernel
from qhybrid_pipelines.problems.evaluation import Evaluation
from qhybrid_pipelines.problems.measured import I64, Measured, groups_of, sums


def point_scores(kernel: Kernel, measured: Measured, raw: Evaluation, *, shots: int) -> dict[str, Any]:
    """Return the columns of the table `point_scores` from ``point`` on.

    Args:
        kernel: what was sent.
        measured: what came back.
        raw: what its distinct outcomes are worth as measured.
        shots: that every point and repetition was asked for.

    Raises:
        CorruptResult: the counts of a point and repetition do not add up to the shots.
    """
    group, starts = groups_of(measured.point, measured.repetition)
    total = sums(group, len(starts), measured.count).astype(np.int64)
    _check_shots(measured, starts, total, shots)
    energies = kernel.model.energies(measured.words)
    feasible = raw.feasible[measured.outcome]
    at_optimum = _at_kernel_optimum(kernel, measured.words, energies)[measured.outcome]

    def weighted(values: npt.NDArray[Any]) -> F64:
        return sums(group, len(starts), measured.count * values)

    mean_energy = weighted(energies[measured.outcome]) / total
    feasible_shots = weighted(feasible)
    lowest = _first_in(np.argsort(energies, kind="stable"), measured.outcome, starts)
    best = _first_in(raw.ranking(), measured.outcome, starts)
    return {
        "point": measured.point[starts],
        "repetition": measured.repetition[starts],
        "shots": total,
        "distinct": np.bincount(group, minlength=len(starts)),
        "mean_energy": mean_energy,
        "min_energy": energies[lowest],
        "argmin_bits": measured.words[lowest],
        "p_feasible": feasible_shots / total,
        "mean_objective": _where(
            feasible_shots > 0,
            weighted(np.where(raw.feasible, raw.objective, 0.0)[measured.outcome]) / np.maximum(feasible_shots, 1),
        ),
        "best_objective": _where(feasible_shots > 0, raw.objective[best]),
        "p_kernel_optimum": weighted(at_optimum) / total,
        "noise_like": mean_energy >= _noise_threshold(kernel, measured, total),
    }


def _first_in(ranking: I64, outcome: I64, starts: I64) -> I64:
    """Return of each group the outcome that a ranking of all distinct outcomes names first, without sorting any row.

    Args:
        ranking: the distinct outcomes, best first.
        outcome: of each row.
        starts: the first row of each group.
    """
    rank = np.empty_like(ranking)
    rank[ranking] = np.arange(len(ranking))
    return ranking[np.minimum.reduceat(rank[outcome], starts)] if len(starts) else starts


def _check_shots(measured: Measured, starts: I64, total: I64, shots: int) -> None:
    wrong = np.flatnonzero(total != shots)
    if len(wrong):
        first = starts[wrong[0]]
        place = f"point {measured.point[first]}, repetition {measured.repetition[first]}"
        raise CorruptResult(f"{place}: {total[wrong[0]]} counts instead of {shots} shots")


def _at_kernel_optimum(kernel: Kernel, words: U64, energies: F64) -> npt.NDArray[np.bool_]:
    """Return which outcomes have the lowest energy; where the number of ones is fixed, among those that keep it."""
    _, lowest = minimum(kernel.model, kernel.cardinality)
    at_minimum = is_minimum(kernel.model, energies, lowest)
    return at_minimum if kernel.cardinality is None else at_minimum & (np.bitwise_count(words) == kernel.cardinality)


def _noise_threshold(kernel: Kernel, measured: Measured, shots: I64) -> F64:
    """Return what each mean energy has to get below to say more than random samples.

    Samples that never left the subspace of the right number of ones are held against random ones from that subspace,
    all others against random outcomes.
    """
    cardinality = kernel.cardinality
    if cardinality is not None and (np.bitwise_count(measured.words) != cardinality).any():
        cardinality = None
    return random_energy(kernel.model, cardinality).threshold(shots.astype(np.float64))


def _where(present: npt.NDArray[np.bool_], values: F64) -> list[float | None]:
    return [value if there else None for value, there in zip(values.tolist(), present.tolist(), strict=True)]


def best_point(scores: Mapping[str, Sequence[Any]]) -> int | None:
    """Return the point with the lowest mean energy over all runs, the first of several; None without any."""
    if not len(scores["point"]):
        return None
    points, place = np.unique(np.asarray(scores["point"], dtype=np.int64), return_inverse=True)
    means = np.bincount(place, weights=np.asarray(scores["mean_energy"], dtype=np.float64)) / np.bincount(place)
    return int(points[np.argmin(means)])
