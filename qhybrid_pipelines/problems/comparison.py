"""The verdict of an experiment on a backend against its baselines, with the figures it rests on.

Same instance, objective, feasibility check and post-processing for all. The quantum side of a run is its best answer
after repair and local search; it is held, run by run, against the baseline with the best mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qhybrid_pipelines.classical.statistics import paired_bootstrap, trials_to_target, wilson_interval
from qhybrid_pipelines.core.binary_models.bits import assignment_array
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.problems.baseline_runs import RANDOM
from qhybrid_pipelines.problems.evaluation import SolutionValue, is_better, objective_sign, objective_tolerance
from qhybrid_pipelines.problems.family import Family
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.point_scores import best_point
from qhybrid_pipelines.problems.proofs import (
    ObjectiveRounding,
    check_that_no_answer_beats_a_proof,
    stated_bounds,
)
from qhybrid_pipelines.problems.reduction import is_proved
from qhybrid_pipelines.problems.runs import SolverRuns, baseline_runs, best_solver, paired_gains, quantum_runs
from qhybrid_pipelines.problems.solutions import QUANTUM, QUANTUM_LOCAL_SEARCH
from qhybrid_pipelines.problems.source_sense import source_sense
from qhybrid_pipelines.problems.table_columns import Columns, to_columns
from qhybrid_pipelines.problems.uniform_random_shots import corrected_interval, random_figures
from qhybrid_pipelines.problems.verdict import MARGIN_SHARE, Evidence, decide_verdict

Table = Mapping[str, Sequence[Any]]


def compare(
    family: Family,
    instance: Instance,
    reduced_model_row: Mapping[str, Any],
    *,
    point_scores: Columns,
    scored_solutions: Columns,
    baselines: Columns,
    optimised_expectation: float | None = None,
    depth_reason: str | None = None,
    quantum_seconds: float | None = None,
    execute_seconds: float | None = None,
    without_counts: str | None = None,
    failed_circuits: str | None = None,
    is_hybrid: bool = False,
) -> dict[str, Any]:
    """Return the row of the table `baseline_comparisons`, without experiment and backend.

    Args:
        family: of the instance.
        instance: the original one.
        reduced_model_row: row of `reduced_models`.
        point_scores: rows of `point_scores`; none where nothing was measured.
        scored_solutions: rows of `scored_solutions`.
        baselines: rows of `baselines`.
        optimised_expectation: exact mean energy at the optimised angles of this depth, where they were optimised.
        depth_reason: why the circuits have this depth, where it was chosen by evidence.
        quantum_seconds: time to the counts, all runs.
        execute_seconds: of that, time on the device or simulator.
        without_counts: why nothing was measured, as a sentence, where somebody knows.
        failed_circuits: which circuits failed one by one, as a sentence; None where none did.
        is_hybrid: a hybrid solver answered: one assignment per run, so that nothing is said of shots.

    Raises:
        BrokenProof: an answer is better than what is called proved; nothing is concluded then.
    """
    scores, found, classical = to_columns(point_scores), to_columns(scored_solutions), to_columns(baselines)
    sense = objective_sign(family)
    repetitions = sorted(set(scores["repetition"]))
    quantum = quantum_runs(found, QUANTUM_LOCAL_SEARCH, repetitions)
    best_quantum = _best(quantum, sense)
    best_raw = _best(quantum_runs(found, QUANTUM, repetitions), sense)
    solvers = baseline_runs(classical, repetitions)
    to_beat = best_solver(solvers, sense)
    best_classical = _best(np.concatenate([np.empty(0), *(solver.objective for solver in solvers)]), sense)

    incumbent = _evaluate_assignment(family, instance, reduced_model_row["incumbent"])
    ceiling = _evaluate_assignment(family, instance, reduced_model_row["reduced_model_optimum_assignment"])
    rounding = family.objective_rounding(instance)
    proofs = _proved_optima(classical, reduced_model_row, rounding)
    check_that_no_answer_beats_a_proof(
        rounding,
        sense,
        proofs=proofs,
        bounds=stated_bounds(classical),
        answers=_feasible_answers(classical, found, reduced_model_row["incumbent_source"], incumbent),
    )
    optimum = proofs[0][1] if proofs else None
    seen = [best_quantum, best_classical, *(value for value, feasible in (incumbent, ceiling) if feasible)]
    reference = optimum if optimum is not None else _best(_finite([instance.best_known, *seen]), sense)
    margin = max(MARGIN_SHARE * abs(reference or 0.0), objective_tolerance(reference or 0.0))

    gains = None if to_beat is None else paired_gains(quantum, to_beat.objective, sense)
    interval = None if gains is None else paired_bootstrap(gains)
    target = _time_to_target(scores, sense, reference)
    if is_hybrid:
        target = replace(target, shots_needed=None)
    noise_like = not is_hybrid and _is_noise_like(scores)
    verdict, reason = decide_verdict(
        Evidence(
            solved_by_reduction=reduced_model_row["solved_by_reduction"],
            optimum=optimum,
            n_qubits=reduced_model_row["n_qubits"],
            incumbent=incumbent[0],
            ceiling_below=_is_ceiling(family, reduced_model_row, ceiling, incumbent, best_quantum),
            reduced_model_optimum=reduced_model_row["reduced_model_optimum"],
            runs=len(repetitions),
            empty_windows=_empty_windows(reduced_model_row),
            without_counts=without_counts,
            quantum_feasible=int(np.isfinite(quantum).sum()),
            solver=None if to_beat is None else to_beat.name,
            best_classical=best_classical,
            gains=gains,
            interval=interval,
            margin=margin,
            baseline_is_optimum=_reaches_in_every_run(to_beat, optimum, sense),
            incumbent_is_optimum=incumbent[1] and bool(_reaches(_finite([incumbent[0]]), optimum, sense).any()),
            known_by=_who_knew(family, best_quantum, incumbent, best_classical),
            noise_like=noise_like,
            hybrid=is_hybrid,
            single_outcome=all(number == 1 for number in scores.get("distinct_outcomes", [0])),
            best_raw=best_raw,
            best_quantum=best_quantum,
            negated=instance.is_negated,
        )
    )
    hits = round(
        sum(share * shots for share, shots in zip(scores["p_reduced_model_optimum"], scores["shots"], strict=True))
    )
    p_optimum_low, p_optimum_high = (
        (None, None) if is_hybrid or not repetitions else wilson_interval(hits, int(np.sum(scores["shots"])))
    )
    uniform = random_figures(reduced_model_row, {"point": []} if is_hybrid else scores, reached=target.reached)
    success = int(np.sum(_reaches(quantum, reference, sense)))
    success_low, success_high = wilson_interval(success, len(repetitions))
    ratios = [_ratio(value, reference, sense) for value in quantum[np.isfinite(quantum)].tolist()]
    return {
        "instance": instance.name,
        "family": family.name,
        "sense": family.sense,
        "source_sense": source_sense(family, instance),
        "n_variables": instance.size,
        "n_qubits": reduced_model_row["n_qubits"],
        "verdict": str(verdict),
        "reason": reason if failed_circuits is None else f"{reason} {failed_circuits}",
        "best_quantum": best_quantum,
        "best_quantum_raw": best_raw,
        "best_classical": best_classical,
        "best_solver": None if to_beat is None else to_beat.name,
        "optimum": optimum,
        "best_known": instance.best_known,
        "reference": reference,
        "ratio": _ratio(best_quantum, reference, sense),
        "mean_ratio": _mean(ratios),
        **_sample_ratios(scores, classical, reference, sense),
        "gain": None if gains is None else float(gains.mean()),
        "gain_low": None if interval is None else interval[0],
        "gain_high": None if interval is None else interval[1],
        "margin": margin,
        "runs": len(repetitions),
        "success_runs": success,
        "success_low": success_low,
        "success_high": success_high,
        "shots_to_target_99": target.shots_needed,
        "target_reached": target.reached,
        "p_feasible": _weighted(scores["p_feasible"], scores["shots"]),
        "p_optimum": None if is_hybrid else _weighted(scores["p_reduced_model_optimum"], scores["shots"]),
        "p_optimum_low": p_optimum_low,
        "p_optimum_high": p_optimum_high,
        "random_p_optimum": uniform.p_optimum,
        "optimised_expectation": optimised_expectation,
        "depth_reason": depth_reason,
        "reached_expectation": _reached_expectation(scores),
        "random_shots_to_target_99": uniform.shots_to_target_99,
        "noise_like": noise_like,
        "reduced_model_optimum_reached": _found_reduced_model_optimum(scores, best_quantum, reduced_model_row, sense),
        "incumbent_objective": reduced_model_row["incumbent_objective"],
        "reduced_model_optimum": reduced_model_row["reduced_model_optimum"],
        "quantum_seconds": quantum_seconds,
        "seconds_to_target_99": target.seconds_needed(execute_seconds),
        "classical_seconds": None if to_beat is None else to_beat.seconds,
    }


def _best(values: F64, sense: int) -> float | None:
    """Return the best finite value, None without any."""
    finite = values[np.isfinite(values)]
    return float(sense * np.max(sense * finite)) if len(finite) else None


def _finite(values: Sequence[float | None]) -> F64:
    return np.array([value for value in values if value is not None], dtype=np.float64)


def _evaluate_assignment(family: Family, instance: Instance, text: str) -> SolutionValue:
    row = assignment_array(text)[None, :]
    return float(family.objective(instance, row)[0]), bool(family.feasible(instance, row)[0])


def _proved_optima(
    baselines: Table, reduced_model_row: Mapping[str, Any], rounding: ObjectiveRounding
) -> list[tuple[str, float]]:
    """Return the objectives that are proved optimal, with who proved them: baselines, or reduction."""
    rows = zip(*(baselines[name] for name in ("solver", "objective", "feasible", "optimal")), strict=True)
    proved = [(solver, objective) for solver, objective, feasible, optimal in rows if feasible and optimal]
    value = reduced_model_row["reduced_model_optimum"]
    if reduced_model_row["solved_by_reduction"] and rounding.allows_proof(objective_tolerance(value)):
        proved.append(("reduction", value))
    return proved


def _feasible_answers(
    baselines: Table, solutions: Table, incumbent_source: str, incumbent: SolutionValue
) -> list[tuple[str, float]]:
    """Return every feasible objective of this comparison, with who found it."""
    answers = [(incumbent_source, incumbent[0])] if incumbent[1] else []
    for table, name in ((baselines, "solver"), (solutions, "source")):
        rows = zip(table[name], table["objective"], table["feasible"], strict=True)
        answers += [(who, objective) for who, objective, feasible in rows if feasible]
    return answers


def _reaches(values: F64, reference: float | None, sense: int) -> Any:
    """Return which values are as good as the reference; NaN is not."""
    if reference is None:
        return np.zeros(len(values), dtype=np.bool_)
    return sense * (values - reference) >= -objective_tolerance(reference)


def _reaches_in_every_run(solver: SolverRuns | None, optimum: float | None, sense: int) -> bool:
    return solver is not None and optimum is not None and bool(np.all(_reaches(solver.objective, optimum, sense)))


def _empty_windows(reduced_model_row: Mapping[str, Any]) -> int | None:
    """Return how many windows there were, where nothing was sent because none of them has headroom."""
    left_nothing = reduced_model_row["n_qubits"] == 0 and not reduced_model_row["solved_by_reduction"]
    return reduced_model_row["windows_tried"] if left_nothing else None


def _is_ceiling(
    family: Family,
    reduced_model_row: Mapping[str, Any],
    ceiling: SolutionValue,
    incumbent: SolutionValue,
    best_quantum: float | None,
) -> bool:
    """Return whether the reduced model, being only a part of the instance, had nothing to offer above the incumbent."""
    if reduced_model_row["exact"] or not is_proved(reduced_model_row) or is_better(family, ceiling, incumbent):
        return False
    return best_quantum is None or not is_better(family, (best_quantum, True), incumbent)


def _who_knew(
    family: Family, best_quantum: float | None, incumbent: SolutionValue, best_classical: float | None
) -> str | None:
    """Return who has an answer as good as the best quantum one without anything quantum, None if nobody."""
    known = [("the incumbent", incumbent)]
    known += [] if best_classical is None else [("a baseline", (best_classical, True))]
    quantum = (0.0, False) if best_quantum is None else (best_quantum, True)
    return next((who for who, value in known if value[1] and not is_better(family, quantum, value)), None)


def _ratio(value: float | None, reference: float | None, sense: int) -> float | None:
    """Return the approximation ratio, 1 is the reference and less is worse; None where it has no meaning."""
    if value is None or not reference or value * reference < 0:
        return None
    if sense * reference > 0:
        return value / reference
    return reference / value if value else None


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None


def _weighted(values: Sequence[float], weights: Sequence[float]) -> float | None:
    return float(np.average(values, weights=weights)) if len(values) else None


def _sample_ratios(scores: Table, baselines: Table, reference: float | None, sense: int) -> dict[str, float | None]:
    """Return what raw shots of the best point are worth on average, as a ratio and corrected for random samples.

    A random cut alone is worth 0.8 of the best one on some graphs; the corrected ratio is 0 for random samples and
    1 for the reference.
    """
    point = best_point(scores)
    rows = zip(scores["point"], scores["mean_objective"], strict=True)
    means = [mean for at, mean in rows if at == point]
    quantum = _mean(means)
    drawn = zip(baselines["solver"], baselines["mean_objective"], strict=True)
    random = _mean([mean for solver, mean in drawn if solver == RANDOM])
    corrected: float | None = None
    bounds: tuple[float | None, float | None] = None, None
    if quantum is not None and random is not None and reference is not None:
        room = reference - random
        if abs(room) > objective_tolerance(reference, random):
            corrected = (quantum - random) / room
            bounds = corrected_interval(_finite(means), random, reference)
    return {
        "random_corrected_ratio": corrected,
        "random_corrected_low": bounds[0],
        "random_corrected_high": bounds[1],
        "sample_ratio": _ratio(quantum, reference, sense),
        "random_sample_ratio": _ratio(random, reference, sense),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _TimeToTarget:
    """How many raw shots of the whole sweep reach the reference once with 99 %; a lower bound if none did."""

    reached: bool
    shots: int
    shots_needed: float | None

    def seconds_needed(self, execute_seconds: float | None) -> float | None:
        if self.shots_needed is None or execute_seconds is None:
            return None
        return self.shots_needed * execute_seconds / self.shots


def _time_to_target(scores: Table, sense: int, reference: float | None) -> _TimeToTarget:
    shots = int(np.sum(scores["shots"]))
    if not shots:
        return _TimeToTarget(reached=False, shots=0, shots_needed=None)
    reached = bool(_reaches(_finite(scores["best_objective"]), reference, sense).any())
    # The reference is at least as good as the reduced model's optimum, so a shot that reaches it is at the lowest energy.
    share = _weighted(scores["p_reduced_model_optimum"], scores["shots"]) if reached else 0.0
    return _TimeToTarget(reached=reached, shots=shots, shots_needed=trials_to_target(share or 0.0, shots))


def _reached_expectation(scores: Table) -> float | None:
    """Return the lowest mean energy of a point over the shots of all its runs, None where nothing was measured."""
    points = np.unique(scores["point"])
    means = [
        _weighted(np.asarray(scores["mean_energy"])[here], np.asarray(scores["shots"])[here])
        for here in (np.asarray(scores["point"]) == point for point in points)
    ]
    return min((mean for mean in means if mean is not None), default=None)


def _is_noise_like(scores: Table) -> bool:
    """Return whether no point beat random samples; a point does if it passes the gate in more than half of its runs."""
    if not len(scores["point"]):
        return False
    _, place = np.unique(scores["point"], return_inverse=True)
    noisy = np.bincount(place, weights=scores["noise_like"]) / np.bincount(place)
    return bool((noisy >= 0.5).all())


def _found_reduced_model_optimum(
    scores: Table, best_quantum: float | None, reduced_model_row: Mapping[str, Any], sense: int
) -> bool | None:
    if not is_proved(reduced_model_row):
        return None
    measured = any(share > 0 for share in scores["p_reduced_model_optimum"])
    return measured or bool(_reaches(_finite([best_quantum]), reduced_model_row["reduced_model_optimum"], sense).any())
