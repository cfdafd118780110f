"""Classical solvers on the same instance: same objective, same feasibility check, same post-processing.

Uniform random sampling with as many samples as the quantum side has shots, the same samples with the same local search,
the solvers in `problems/baseline_solvers/`, which are found by presence, the family's own solver, and enumeration where the
reduced model is exact. Every solver is bounded by steps. Solvers that depend on a seed run once per repetition;
the family's own solver and enumeration answer the same every time and run once, as repetition 0.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.exhaustive import MAX_VARIABLES, all_outcomes
from qhybrid_pipelines.classical.local_search import Columns
from qhybrid_pipelines.classical.solvers.random_sampling import random_counts
from qhybrid_pipelines.core.binary_models.bits import U8, assignment_text
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.discovery import exported_by_modules, public_members
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.seeds import derive_seed, generator
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.text.spelling import remedy_for_unknown
from qhybrid_pipelines.parallel.mapper import Mapper
from qhybrid_pipelines.problems import baseline_solvers
from qhybrid_pipelines.problems.baseline_interface import Baseline, random_assignments
from qhybrid_pipelines.problems.evaluation import (
    Evaluation,
    Problem,
    SolutionValue,
    best_assignment,
    evaluate,
    evaluate_distinct,
    evaluate_outcomes,
    objective_tolerance,
    reevaluate,
)
from qhybrid_pipelines.problems.family import Family
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.post_processing import improve, repair
from qhybrid_pipelines.problems.registry import family_named

RANDOM = "random"
RANDOM_LOCAL_SEARCH = "random+local_search"
EXHAUSTIVE = "exhaustive"

#: Ranks of the solvers that are not in `baseline_solvers/`; see :class:`.Baseline`. Proofs come last.
_RANDOM_SPEED_RANKS = {RANDOM: 20, RANDOM_LOCAL_SEARCH: 30}
_FAMILY_SOLVER_RANK, _EXHAUSTIVE_RANK = 1000, 1001

_EXHAUSTIVE_BLOCK = 1 << 16

#: Variables of an instance below which its solvers run in this process: they take less than sending them costs.
LEAST_VARIABLES = 64

Rows = tuple[dict[str, Any], ...]


@cache
def all_baselines() -> dict[str, Baseline]:
    """Return the baselines in `problems/baseline_solvers/` by name, the quickest first.

    Raises:
        TypeError: one lacks something that :class:`.Baseline` asks for.
    """
    found: list[Baseline] = exported_by_modules(baseline_solvers, "BASELINE", required=public_members(Baseline))
    return {baseline.name: baseline for baseline in sorted(found, key=lambda baseline: baseline.speed_rank)}


def always_on_baselines() -> tuple[str, ...]:
    """Return what runs for every experiment in addition to the family's own solver; enumeration where it can."""
    general = (baseline.name for baseline in all_baselines().values() if baseline.always_on)
    return (RANDOM, RANDOM_LOCAL_SEARCH, *general, EXHAUSTIVE)


def optional_baselines() -> tuple[str, ...]:
    """Return what a specification may add."""
    return tuple(baseline.name for baseline in all_baselines().values() if not baseline.always_on)


def baseline_names() -> tuple[str, ...]:
    """Return the names of all baselines but the families' own solvers."""
    return (*always_on_baselines(), *optional_baselines())


def speed_rank(solver: str) -> int:
    """Return which of equally good solvers is named first; see :class:`.Baseline`.

    A name that is not a baseline's is taken for a family's own solver, which has precedence over enumeration only.
    """
    ranks = {name: baseline.speed_rank for name, baseline in all_baselines().items()}
    ranks |= {**_RANDOM_SPEED_RANKS, EXHAUSTIVE: _EXHAUSTIVE_RANK}
    return ranks.get(solver, _FAMILY_SOLVER_RANK)


def check_baselines(spec: ExperimentSpec) -> None:
    """Check the names in ``baselines``; those that always run may be named too.

    Raises:
        InvalidInput: there is no baseline of that name.
    """
    names = (*baseline_names(), family_named(spec.problem.family).solver_name)
    for name in () if spec.baselines == "default" else spec.baselines:
        if name not in names:
            raise InvalidInput(
                f"there is no baseline {name!r}",
                remedy=remedy_for_unknown(name, names, "Use 'default' or some of"),
                field="baselines",
            )


def run_baselines(
    family: Family,
    instance: Instance,
    reduced_model: ReducedModel,
    spec: ExperimentSpec,
    *,
    mapper: Mapper | None = None,
) -> list[dict[str, Any]]:
    """Return the rows of the table `baselines`, without their experiment; the same for every mapper, except for the seconds.

    Args:
        family: of the instance.
        instance: that is solved.
        reduced_model: of it.
        spec: of the experiment.
        mapper: where solvers run; in this process, one after the other, by default and where the instance is small.

    Raises:
        InvalidInput: a name in ``spec.baselines`` is unknown.
        WorkersUnavailable: the mapper's workers could not do it.
    """
    check_baselines(spec)
    runner = _BaselineRunner(problem=Problem.of(family, instance), reduced_model=reduced_model, spec=spec)
    named = () if spec.baselines == "default" else spec.baselines
    runs: list[Callable[[], Rows]] = [partial(runner.random_rows, repetition) for repetition in range(spec.repetitions)]
    runs += [
        partial(runner.timed_rows, name, repetition, partial(runner.general, baseline))
        for name, baseline in all_baselines().items()
        if baseline.always_on or name in named
        for repetition in range(spec.repetitions)
    ]
    runs.append(partial(runner.timed_rows, family.solver_name, 0, runner.family_solver))
    if reduced_model.exact and reduced_model.size <= MAX_VARIABLES:
        runs.append(partial(runner.timed_rows, EXHAUSTIVE, 0, runner.exhaustive))
    found = mapper.map(_call, runs) if mapper and instance.size >= LEAST_VARIABLES else map(_call, runs)
    return [row for rows in found for row in rows]


def _call(run: Callable[[], Rows]) -> Rows:
    return run()


@dataclass(frozen=True, slots=True, kw_only=True)
class _SolverResult:
    """What one run of a solver found; columns of `storage.schemas.BASELINES`."""

    assignment: U8
    solution_value: SolutionValue
    optimal: bool = False
    bound: float | None = None
    evaluations: int | None = None
    mean_objective: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _RandomSamples:
    """Distinct random samples: as drawn, after repair, and how often each was drawn.

    ``movable`` are the variables that local search may change, all if None.
    """

    rows: U8
    repaired: U8
    counts: npt.NDArray[np.int64]
    raw: Evaluation
    movable: Columns | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _BaselineRunner:
    """One instance and its reduced model on the workbench; every method is one run of one solver."""

    problem: Problem
    reduced_model: ReducedModel
    spec: ExperimentSpec

    @property
    def samples(self) -> int:
        """How many shots the quantum side has in a run, over all points."""
        return self.spec.shots * self.spec.sweep.points

    def seed(self, solver: str, repetition: int) -> int:
        return derive_seed(self.spec.seed, "baseline", solver, repetition)

    def timed_rows(self, solver: str, repetition: int, solve: Callable[[int], _SolverResult]) -> Rows:
        seed = self.seed(solver, repetition)
        started = time.perf_counter()
        answer = solve(seed)
        return (self.row(solver, repetition, seed, answer, time.perf_counter() - started),)

    def row(self, solver: str, repetition: int, seed: int, answer: _SolverResult, seconds: float) -> dict[str, Any]:
        return {
            "instance": self.problem.instance.name,
            "solver": solver,
            "repetition": repetition,
            "seed": seed,
            "objective": answer.solution_value[0],
            "feasible": answer.solution_value[1],
            "assignment": assignment_text(answer.assignment),
            "optimal": answer.optimal,
            "bound": answer.bound,
            "evaluations": answer.evaluations,
            "mean_objective": answer.mean_objective,
            "seconds": seconds,
        }

    def random_rows(self, repetition: int) -> Rows:
        """Return the rows of both random baselines on the same samples; drawing and repair count for each."""
        seed = self.seed(RANDOM, repetition)
        started = time.perf_counter()
        samples = self._sample(seed)
        drawn = time.perf_counter()
        plain = self._random(samples)
        judged = time.perf_counter()
        searched = self._local_search(samples.repaired, samples.counts, samples.movable)
        ended = time.perf_counter()
        return (
            self.row(RANDOM, repetition, seed, plain, judged - started),
            self.row(RANDOM_LOCAL_SEARCH, repetition, seed, searched, (drawn - started) + (ended - judged)),
        )

    def general(self, baseline: Baseline, seed: int) -> _SolverResult:
        answer = baseline.solve(self.problem, self.samples, seed)
        if not answer.is_sample:
            return self._best(answer.rows, evaluate(self.problem, answer.rows), evaluations=answer.evaluations)
        found = evaluate_distinct(self.problem, answer.rows)
        mean = _mean(found, np.ones(len(answer.rows), dtype=np.int64))
        return self._best(answer.rows, found, evaluations=answer.evaluations, mean=mean)

    def family_solver(self, seed: int) -> _SolverResult:
        found = self.problem.family.solve(self.problem.instance, seed)
        rows = found.assignment[None, :]
        best = self._best(rows, evaluate(self.problem, rows), evaluations=found.evaluations)
        return replace(best, optimal=found.optimal and self._allows_proof(best), bound=found.bound)

    def _allows_proof(self, answer: _SolverResult) -> bool:
        """Return whether a feasible answer may be called optimal: rounding cannot have hidden a better one."""
        objective, feasible = answer.solution_value
        rounding = self.problem.family.objective_rounding(self.problem.instance)
        return feasible and rounding.allows_proof(objective_tolerance(objective))

    def exhaustive(self, seed: int) -> _SolverResult:  # noqa: ARG002 - nothing is drawn
        """Enumerate every outcome of an exact reduced model: the best feasible one is an optimum of the instance."""
        words = all_outcomes(self.reduced_model.size, self.reduced_model.cardinality)
        tops: list[U8] = []
        for first in range(0, len(words), _EXHAUSTIVE_BLOCK):
            block = words[first : first + _EXHAUSTIVE_BLOCK]
            top = evaluate_outcomes(self.problem, self.reduced_model, block).ranking()[:1]
            tops.append(self.reduced_model.expand(block[top]))
        rows = np.concatenate(tops)
        best = self._best(rows, evaluate(self.problem, rows), evaluations=len(words))
        optimal = self._allows_proof(best)
        return replace(best, optimal=optimal, bound=best.solution_value[0] if optimal else None)

    def _sample(self, seed: int) -> _RandomSamples:
        """Draw as many outcomes of the reduced model as the quantum side has shots; over the instance if nothing is left."""
        if self.reduced_model.size:
            words, counts = random_counts(
                generator(seed),
                self.reduced_model.size,
                self.samples,
                self.reduced_model.cardinality,
            )
            rows = self.reduced_model.expand(words)
            raw = evaluate_outcomes(self.problem, self.reduced_model, words)
            movable = np.flatnonzero(self.reduced_model.root >= 0)
        else:
            rows = random_assignments(self.problem, self.samples, seed)
            counts = np.ones(len(rows), dtype=np.int64)
            raw = evaluate(self.problem, rows)
            movable = None
        return _RandomSamples(rows=rows, repaired=repair(self.problem, rows), counts=counts, raw=raw, movable=movable)

    def _random(self, samples: _RandomSamples) -> _SolverResult:
        found = reevaluate(self.problem, samples.raw, old=samples.rows, new=samples.repaired)
        # The mean is that of the samples as drawn, like the mean over shots of the quantum side.
        mean = _mean(samples.raw, samples.counts)
        return self._best(samples.repaired, found, evaluations=int(samples.counts.sum()), mean=mean)

    def _local_search(self, repaired: U8, counts: npt.NDArray[np.int64], movable: Columns | None) -> _SolverResult:
        rows = improve(self.problem, repaired, movable)
        found = evaluate_distinct(self.problem, rows)
        return self._best(rows, found, evaluations=int(counts.sum()), mean=_mean(found, counts))

    def _best(
        self, rows: U8, found: Evaluation, *, evaluations: int | None = None, mean: float | None = None
    ) -> _SolverResult:
        """Return the best of rows, its objective computed once more on its own."""
        assignment, solution_value = best_assignment(self.problem, rows[found.ranking()[:1]])
        return _SolverResult(
            assignment=assignment, solution_value=solution_value, evaluations=evaluations, mean_objective=mean
        )


def _mean(found: Evaluation, counts: npt.NDArray[np.int64]) -> float | None:
    """Return the mean objective over feasible samples, None without any."""
    feasible = found.feasible
    return float(np.average(found.objective[feasible], weights=counts[feasible])) if feasible.any() else None
