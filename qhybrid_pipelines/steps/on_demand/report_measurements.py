"""What the counts of an execution say, for its report: sweep, convergence, distribution, each compared with random outcomes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.better_than_random import random_energy
from qhybrid_pipelines.classical.exhaustive import MAX_VARIABLES, all_outcomes, is_minimum
from qhybrid_pipelines.classical.solvers.random_sampling import random_rows
from qhybrid_pipelines.classical.statistics import LEVEL, paired_bootstrap, trials_to_target, wilson_interval
from qhybrid_pipelines.core.binary_models.bits import U64, WORD, ones, pack, unpack
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.problems.evaluation import Problem, evaluate_outcomes, objective_sign, objective_tolerance
from qhybrid_pipelines.problems.measured_counts import MeasuredCounts
from qhybrid_pipelines.problems.uniform_random_shots import corrected_interval
from qhybrid_pipelines.reports.content import (
    BestOfShots,
    BestPoint,
    ObjectiveHistogram,
    RandomReference,
    SweepSeries,
    TopOutcome,
)
from qhybrid_pipelines.steps.values_from_rows import Row

TOP_OUTCOMES = 12
HISTOGRAM_BINS = 24
#: Random outcomes of larger models are drawn, not listed.
MAX_LISTED_OUTCOMES = 1 << 14
SHOT_COUNTS = 40

Columns = Mapping[str, npt.NDArray[Any]]


def random_outcomes(reduced_model: ReducedModel, measured: MeasuredCounts | None) -> tuple[U64, int | None]:
    """Return all outcomes that random ones are drawn from, and the number of ones that they are bound to.

    Above 20 variables they are not all, but a seeded sample.

    As in the noise gate: samples that never left the subspace of the right number of ones are held against that subspace.
    """
    cardinality = reduced_model.cardinality
    if cardinality is not None and measured is not None and (ones(measured.distinct_outcomes) != cardinality).any():
        cardinality = None
    if reduced_model.size > MAX_VARIABLES:
        random = generator(0, "report", "wide outcomes")
        return pack(random_rows(random, reduced_model.size, MAX_LISTED_OUTCOMES, cardinality)), cardinality
    return all_outcomes(reduced_model.size, cardinality), cardinality


def random_reference(
    reduced_model: ReducedModel, measured: MeasuredCounts | None, lowest_known: float | None = None
) -> RandomReference:
    """Return what uniform random outcomes are worth: exact, but for what nobody knows of a wide model.

    Args:
        reduced_model: what was sent.
        measured: what came back.
        lowest_known: its lowest known energy, where no minimum is proved.
    """
    if lowest_known is not None:
        _, cardinality = random_outcomes(reduced_model, measured)
        size = reduced_model.size
        return RandomReference(
            mean_energy=random_energy(reduced_model.model, cardinality).mean,
            minimum_energy=_lowest_of_all(reduced_model, measured, lowest_known),
            optimum_share=None,
            outcome_share=1 / (2**size if cardinality is None else math.comb(size, cardinality)),
            cardinality=cardinality,
        )
    outcomes, cardinality = random_outcomes(reduced_model, measured)
    energies = reduced_model.model.energies(outcomes)
    wanted = all_outcomes(reduced_model.size, reduced_model.cardinality)
    lowest = float(reduced_model.model.energies(wanted).min())
    return RandomReference(
        mean_energy=random_energy(reduced_model.model, cardinality).mean,
        minimum_energy=lowest,
        optimum_share=float(_at_optimum(reduced_model, outcomes, energies, lowest).mean()),
        outcome_share=1 / len(outcomes),
        cardinality=cardinality,
    )


def _lowest_of_all(reduced_model: ReducedModel, measured: MeasuredCounts | None, lowest_known: float) -> float:
    """Return the lowest energy that was known before, or measured."""
    if measured is None or not len(measured.distinct_outcomes):
        return lowest_known
    return min(lowest_known, float(reduced_model.model.energies(measured.distinct_outcomes).min()))


def sweep_series(backend: str, scores: Columns) -> SweepSeries:
    """Return means over runs of every point with their intervals.

    Args:
        backend: that was measured.
        scores: columns of `point_scores`.
    """
    from scipy.stats import t

    points, place = np.unique(scores["point"].astype(np.int64), return_inverse=True)
    runs = np.bincount(place)
    energy = scores["mean_energy"].astype(np.float64)
    mean = np.bincount(place, weights=energy) / runs
    deviations = np.bincount(place, weights=np.square(energy - mean[place]))
    half = np.full(len(points), np.nan)
    several = runs > 1
    half[several] = t.ppf((1 + LEVEL) / 2, runs[several] - 1) * np.sqrt(
        deviations[several] / (runs[several] - 1) / runs[several]
    )
    shots = np.bincount(place, weights=scores["shots"])
    hits = np.rint(np.bincount(place, weights=scores["p_reduced_model_optimum"] * scores["shots"]))
    # Long sweeps repeat few pairs of hits and shots.
    pairs, pair = np.unique(np.stack([hits, shots], axis=1).astype(np.int64), axis=0, return_inverse=True)
    bounds = np.array([wilson_interval(int(hit), int(number)) for hit, number in pairs])[pair.ravel()]
    return SweepSeries(
        backend=backend,
        point=points,
        mean_energy=mean,
        energy_low=mean - half,
        energy_high=mean + half,
        optimum_share=hits / shots,
        share_low=bounds[:, 0],
        share_high=bounds[:, 1],
    )


def best_point_results(
    scores: Columns,
    point: int,
    *,
    random: RandomReference,
    sense: int,
    reference: float | None,
    random_objective: float | None,
) -> BestPoint:
    """Return what raw shots did at one point over all runs.

    Args:
        scores: columns of `point_scores`.
        point: the one with the lowest mean energy.
        random: what random outcomes are worth.
        sense: +1 where a larger objective is better, -1 where a smaller one is.
        reference: objective that counts as 1.
        random_objective: mean objective of random samples, which counts as 0.
    """
    at = scores["point"] == point
    shots = int(scores["shots"][at].sum())
    hits = round(float((scores["p_reduced_model_optimum"][at] * scores["shots"][at]).sum()))
    low, high = wilson_interval(hits, shots)
    means = np.array([value for value in scores["mean_objective"][at].tolist() if value is not None], dtype=np.float64)
    means = means[np.isfinite(means)]
    above: tuple[float | None, float | None, float | None] = (None, None, None)
    if len(means) and reference is not None and random_objective is not None:
        room = reference - random_objective
        if sense * room > objective_tolerance(reference, random_objective):
            bounds = corrected_interval(means, random_objective, reference)
            above = (float(means.mean() - random_objective) / room, *bounds)
    return BestPoint(
        point=point,
        optimum_hits=hits,
        shots=shots,
        share=hits / shots,
        share_low=low,
        share_high=high,
        shots_to_99=trials_to_target(hits / shots, shots),
        random_share=random.optimum_share,
        random_shots_to_99=None if random.optimum_share is None else trials_to_target(random.optimum_share, 1),
        above_random=above[0],
        above_random_low=above[1],
        above_random_high=above[2],
    )


def top_outcomes(
    reduced_model: ReducedModel, measured: MeasuredCounts, point: int, *, lowest: float
) -> tuple[TopOutcome, ...]:
    """Return the outcomes that were measured most often at a point, over all runs; the smaller word first where equal.

    Args:
        reduced_model: what was sent.
        measured: what came back.
        point: of the sweep.
        lowest: energy of an optimum.

    Above 64 variables there are none: hardly an outcome comes twice, and none fits a line.
    """
    if reduced_model.size > WORD:
        return ()
    at = measured.point == point
    counts = np.bincount(measured.outcome[at], weights=measured.count[at], minlength=len(measured.distinct_outcomes))
    order = np.argsort(-counts, kind="stable")[:TOP_OUTCOMES]
    order = order[counts[order] > 0]
    words, shots = measured.distinct_outcomes[order], int(counts.sum())
    energies = reduced_model.model.energies(words)
    optimal = _at_optimum(reduced_model, words, energies, lowest)
    found = []
    for row, index in enumerate(order):
        count = int(counts[index])
        low, high = wilson_interval(count, shots)
        found.append(
            TopOutcome(
                bits="".join(map(str, unpack(words[row : row + 1], reduced_model.size)[0])),
                count=count,
                share=count / shots,
                low=low,
                high=high,
                energy=float(energies[row]),
                optimal=bool(optimal[row]),
            )
        )
    return tuple(found)


def best_of_shots(reduced_model: ReducedModel, measured: MeasuredCounts, point: int) -> BestOfShots:
    """Return the expected lowest energy among k shots of a point, for growing k, and among k random outcomes.

    Of measured shots all sets of k are averaged, without replacement, run by run; random outcomes are drawn with
    replacement from all there are. Both are exact sums over the ordered energies.
    """
    at = measured.point == point
    runs = np.unique(measured.repetition[at])
    energies = reduced_model.model.energies(measured.distinct_outcomes)
    samples = []
    for run in runs:
        rows = at & (measured.repetition == run)
        samples.append((energies[measured.outcome[rows]], measured.count[rows]))
    fewest = min(int(count.sum()) for _, count in samples)
    shots = np.unique(np.geomspace(1, fewest, SHOT_COUNTS).round().astype(np.int64))
    curves = np.array([expected_minimum(values, count, shots) for values, count in samples])
    bounds = np.array([paired_bootstrap(curves[:, k]) for k in range(len(shots))])
    everything, _ = random_outcomes(reduced_model, measured)
    return BestOfShots(
        shots=shots,
        measured=curves.mean(axis=0),
        low=bounds[:, 0],
        high=bounds[:, 1],
        random=expected_random_minimum(reduced_model.model.energies(everything), shots),
    )


def expected_minimum(values: F64, counts: npt.NDArray[np.int64], draws: npt.NDArray[np.int64]) -> F64:
    """Return the expected minimum of k draws without replacement, for each k of ``draws``.

    Args:
        values: shape ``(m,)``.
        counts: how often each value is there, shape ``(m,)``.
        draws: numbers of draws, none above the sum of counts.
    """
    from scipy.special import gammaln

    order = np.argsort(values, kind="stable")
    values, counts = values[order], counts[order].astype(np.float64)
    total = counts.sum()
    left = total - np.concatenate([[0.0], np.cumsum(counts)])  # draws that would avoid the first values
    k = draws[:, None].astype(np.float64)
    possible = left[None, :] >= k
    room = np.where(possible, left[None, :] - k, 0.0)
    logarithm = gammaln(left[None, :] + 1) - gammaln(room + 1) + gammaln(total - k + 1) - gammaln(total + 1)
    survival = np.where(possible, np.exp(logarithm), 0.0)  # chance that all k draws are later than the first values
    return np.asarray((survival[:, :-1] - survival[:, 1:]) @ values, dtype=np.float64)


def expected_random_minimum(values: F64, draws: npt.NDArray[np.int64]) -> F64:
    """Return the expected minimum of k draws with replacement from equally likely values, for each k of ``draws``."""
    ordered = np.sort(values)
    later = np.arange(len(ordered), -1, -1) / len(ordered)  # chance that one draw is later than the first values
    # One number of draws after the other: all outcomes of 20 qubits at once would fill a gigabyte.
    return np.array([(later[:-1] ** k - later[1:] ** k) @ ordered for k in draws.tolist()], dtype=np.float64)


def objective_histogram(
    problem: Problem, reduced_model: ReducedModel, measured: MeasuredCounts, point: int
) -> ObjectiveHistogram | None:
    """Return objectives of feasible shots of a point and of random ones; None where neither has a feasible one."""
    at = measured.point == point
    counts = np.bincount(measured.outcome[at], weights=measured.count[at], minlength=len(measured.distinct_outcomes))
    seen = counts > 0
    shots = evaluate_outcomes(problem, reduced_model, measured.distinct_outcomes[seen])
    weights = counts[seen] / counts.sum()
    everything, _ = random_outcomes(reduced_model, measured)
    drawn = None
    if len(everything) > MAX_LISTED_OUTCOMES:
        drawn = MAX_LISTED_OUTCOMES
        everything = everything[generator(0, "report", "random outcomes").integers(0, len(everything), size=drawn)]
    random = evaluate_outcomes(problem, reduced_model, everything)
    values = np.concatenate([shots.objective[shots.feasible], random.objective[random.feasible]])
    if not len(values):
        return None
    edges = histogram_edges(values)
    return ObjectiveHistogram(
        edges=edges,
        measured=np.histogram(shots.objective[shots.feasible], edges, weights=weights[shots.feasible])[0],
        random=np.histogram(random.objective[random.feasible], edges)[0] / len(everything),
        measured_infeasible=float(weights[~shots.feasible].sum()),
        random_infeasible=float((~random.feasible).mean()),
        random_drawn=drawn,
    )


def histogram_edges(values: F64) -> F64:
    """Return edges of equal bins; whole numbers get a bin of their own, or several share one evenly."""
    low, high = float(values.min()), float(values.max())
    if np.array_equal(values, np.rint(values)):
        step = max(1, int(np.ceil((high - low + 1) / HISTOGRAM_BINS)))
        return np.arange(low - 0.5, high + step, step)
    if low == high:
        return np.array([low - 0.5, high + 0.5])
    return np.linspace(low, high, HISTOGRAM_BINS + 1)


def random_mean_objective(baselines: Sequence[Row], solver: str) -> float | None:
    """Return the mean objective of the random baseline's samples over its runs."""
    means = [
        row["mean_objective"] for row in baselines if row["solver"] == solver and row["mean_objective"] is not None
    ]
    return float(np.mean(means)) if means else None


def reference_sense(problem: Problem) -> int:
    """Return +1 where a larger objective is better, -1 where a smaller one is."""
    return objective_sign(problem.family)


def _at_optimum(reduced_model: ReducedModel, outcomes: U64, energies: F64, lowest: float) -> npt.NDArray[np.bool_]:
    optimal = is_minimum(reduced_model.model, energies, lowest)
    if reduced_model.cardinality is not None:
        optimal = optimal & (ones(outcomes) == reduced_model.cardinality)
    return optimal
