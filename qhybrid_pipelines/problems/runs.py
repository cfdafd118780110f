"""What solvers reached run by run, and which baseline is the one to beat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.problems.baseline_runs import speed_rank
from qhybrid_pipelines.problems.evaluation import objective_tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverRuns:
    """One solver over all runs.

    Attributes:
        name: as in the table `baselines`.
        objective: shape ``(runs,)``; NaN where the run found nothing feasible. A solver that answers the same every
            time ran once and stands for every run.
        optimal: every run's answer is proved to be an optimum.
        seconds: mean wall time of a run.
    """

    name: str
    objective: F64
    optimal: bool
    seconds: float


def quantum_runs(solutions: Mapping[str, Sequence[Any]], source: str, repetitions: Sequence[int]) -> F64:
    """Return the objective of the best solution of each run, NaN where it is not feasible."""
    best = {
        repetition: objective
        for kind, repetition, rank, objective, feasible in _rows(
            solutions, "source", "repetition", "rank", "objective", "feasible"
        )
        if kind == source and rank == 1 and feasible
    }
    return np.array([best.get(repetition, np.nan) for repetition in repetitions], dtype=np.float64)


def baseline_runs(baselines: Mapping[str, Sequence[Any]], repetitions: Sequence[int]) -> list[SolverRuns]:
    """Return the baselines over the quantum side's runs, or over their own where there are none."""
    grouped: dict[str, dict[int, tuple[float, bool, float]]] = {}
    for name, repetition, objective, feasible, optimal, seconds in _rows(
        baselines, "solver", "repetition", "objective", "feasible", "optimal", "seconds"
    ):
        grouped.setdefault(name, {})[repetition] = (objective if feasible else np.nan, optimal, seconds)
    found = []
    for name in sorted(grouped, key=lambda name: (speed_rank(name), name)):
        by_repetition = grouped[name]
        objective = [by_repetition[run][0] for run in by_repetition]
        if len(by_repetition) == 1:
            objective *= max(1, len(repetitions))
        elif repetitions:
            objective = [by_repetition[run][0] if run in by_repetition else np.nan for run in repetitions]
        found.append(
            SolverRuns(
                name=name,
                objective=np.array(objective, dtype=np.float64),
                optimal=all(optimal for _, optimal, _ in by_repetition.values()),
                seconds=float(np.mean([seconds for _, _, seconds in by_repetition.values()])),
            )
        )
    return found


def best_solver(solvers: Sequence[SolverRuns], sign: int) -> SolverRuns | None:
    """Return the solver to beat: feasible in most runs, then best on average, then fastest; None if none is feasible.

    Args:
        solvers: in the order of speed.
        sign: +1 where a larger objective is better, -1 where a smaller one is.
    """
    feasible = [int(np.isfinite(solver.objective).sum()) for solver in solvers]
    if not max(feasible, default=0):
        return None
    most_feasible = [solver for solver, runs in zip(solvers, feasible, strict=True) if runs == max(feasible)]
    means = [sign * float(np.nanmean(solver.objective)) for solver in most_feasible]
    top = max(means)
    return next(
        solver for solver, mean in zip(most_feasible, means, strict=True) if mean >= top - objective_tolerance(top)
    )


def paired_gains(quantum: F64, classical: F64, sign: int) -> F64 | None:
    """Return the gain of quantum over classical in each run, positive is better; None if one side is never feasible.

    A run without a feasible answer counts as the worst feasible value of either side: less than it deserves, so that
    a claim against that side holds all the more.
    """
    if not (np.isfinite(quantum).any() and np.isfinite(classical).any()):
        return None
    quantum, classical = sign * quantum, sign * classical
    worst = float(min(np.nanmin(quantum), np.nanmin(classical)))
    gains = np.where(np.isfinite(quantum), quantum, worst) - np.where(np.isfinite(classical), classical, worst)
    return np.asarray(gains, dtype=np.float64)


def _rows(columns: Mapping[str, Sequence[Any]], *wanted: str) -> Iterable[tuple[Any, ...]]:
    return zip(*(columns[name] for name in wanted), strict=True)
