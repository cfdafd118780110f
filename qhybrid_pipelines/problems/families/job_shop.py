"""Job shop scheduling: every job goes through all machines in its own order, and the last one shall be done as early as possible.

The model is indexed by time: a variable for each operation and each of its possible starts, up to the end of the best schedule
of four dispatching rules. A time step makes it coarser: then operations start at multiples of it, while durations stay as they
are. A shop of six jobs and six machines has hundreds of variables: what a quantum computer gets of it is a window of the incumbent, some
operations of one machine that are put into another order. A row says which ends it pays for; its objective is the last of them.

Sources: J. F. Muth, G. L. Thompson, Industrial Scheduling (1963); `solvers.job_shop` names that of the formulation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.names import name_without_ending
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.core.specifications.experiment_specification import StrictModel
from qhybrid_pipelines.problems.family import Family, Parser, PenalisedModel, SolverResult
from qhybrid_pipelines.problems.family_defaults import FamilyDefaults
from qhybrid_pipelines.problems.formats import jsplib
from qhybrid_pipelines.problems.instance import Instance, Sense
from qhybrid_pipelines.problems.proofs import ObjectiveRounding
from qhybrid_pipelines.problems.solvers import job_shop
from qhybrid_pipelines.problems.solvers.job_shop import JobShop
from qhybrid_pipelines.problems.solvers.row_blocks import apply_in_blocks, weighted_sums

if TYPE_CHECKING:
    import dimod

#: Penalty of a broken rule in units of the most that it can win, the time between the first and the last possible end.
PENALTY_FACTOR = 1.0625

#: Most variables, and most products of two of them.
MAX_SIZE = 5_000
MAX_PRODUCTS = 400_000


class Options(StrictModel):
    """What a specification may say about a job shop."""

    best_known: float | None = Field(default=None, description="Least known makespan, where a source states one.")
    time_step: int = Field(
        default=1, ge=1, description="Operations start at multiples of it; larger means fewer qubits."
    )


class Random(StrictModel):
    """Parameters of `random`: every job visits all machines in a random order, for durations drawn evenly."""

    jobs: int = Field(ge=1, le=50, description="Number of jobs.")
    machines: int = Field(ge=1, le=20, description="Number of machines.")
    duration_max: int = Field(default=9, ge=1, le=1_000, description="Durations are drawn from 1 to this.")
    time_step: int = Field(default=1, ge=1, description="Operations start at multiples of it.")
    seed: int = Field(default=7, ge=0, description="Seed of the random choices.")


def make_instance(jobs: jsplib.Jobs, *, time_step: int, name: str, source: str, best_known: float | None) -> Instance:
    """Return the instance of jobs.

    Raises:
        InvalidInput: the model would be too large.
    """
    starts = job_shop.dispatched(jobs, time_step)
    durations = [duration for job in jobs for _, duration in job]
    horizon = max(start + duration for start, duration in zip(starts, durations, strict=True))
    problem = JobShop(jobs=jobs, horizon=horizon, step=time_step)
    # Starts of two operations on one machine exclude each other in about that many cases.
    products = sum(len(range_) ** 2 for range_ in problem.starts) * len(jobs) // 2
    if problem.size > MAX_SIZE or products > 20 * MAX_PRODUCTS or len(problem.exclusions) > MAX_PRODUCTS:
        raise InvalidInput(
            f"the model by time has {problem.size:,} variables or too many products of them",
            remedy=f"Declare options.time_step: {max(2, horizon // 60)} or more, or take a smaller shop.",
            field="problem.options.time_step",
        )
    return Instance(
        name=name,
        family="job_shop",
        variables=_variable_names(problem),
        payload={"jobs": [[list(step) for step in job] for job in jobs], "horizon": horizon, "time_step": time_step},
        best_known=best_known,
        source=source,
    )


def _variable_names(problem: JobShop) -> tuple[str, ...]:
    names = []
    for operation, (job, machine, _) in enumerate(problem.operations):
        names += [f"job {job + 1} on machine {machine} at {start}" for start in problem.starts[operation]]
    return (*names, *(f"some job ends after {end}" for end in problem.ends[:-1]))


def random_shop(parameters: BaseModel) -> Instance:
    """Return a random shop; nothing is known about its optimum."""
    assert isinstance(parameters, Random)
    random = generator(parameters.seed, "job_shop", "random")
    jobs = []
    for _ in range(parameters.jobs):
        order = random.permutation(parameters.machines).tolist()
        durations = random.integers(1, parameters.duration_max + 1, size=parameters.machines).tolist()
        jobs.append(tuple(zip(order, durations, strict=True)))
    return make_instance(
        tuple(jobs),
        time_step=parameters.time_step,
        name="random-j{jobs}-m{machines}-d{duration_max}-t{time_step}-s{seed}".format(**parameters.model_dump()),
        source="generator:random",
        best_known=None,
    )


def _from_file(text: str, options: BaseModel, file: str) -> Instance:
    assert isinstance(options, Options)
    return make_instance(
        jsplib.read(text, file=file),
        time_step=options.time_step,
        name=name_without_ending(file),
        source=f"file:{file}",
        best_known=options.best_known,
    )


@lru_cache(maxsize=16)
def _problem_of(canonical: str) -> JobShop:
    payload = json.loads(canonical)
    jobs = tuple(tuple((machine, duration) for machine, duration in job) for job in payload["jobs"])
    return JobShop(jobs=jobs, horizon=payload["horizon"], step=payload["time_step"])


@lru_cache(maxsize=16)
def _fallback_of(canonical: str) -> job_shop.Starts:
    problem = _problem_of(canonical)
    return job_shop.dispatched(problem.jobs, problem.step)


def _problem(instance: Instance) -> JobShop:
    return _problem_of(instance.canonical)


class JobShopScheduling(FamilyDefaults):
    """The family; see the module."""

    name = "job_shop"
    title = "Job shop scheduling"
    sense: Sense = "min"
    unit = "makespan"
    answer_words = ("{name}: no", "{name}: yes")
    names_zeros = False
    options: type[BaseModel] = Options
    parsers: Mapping[str, Parser] = MappingProxyType({"jsplib": _from_file})
    file_suffixes: Mapping[str, str] = MappingProxyType({".jsp": "jsplib"})
    native_suffixes: frozenset[str] = frozenset({".jsp"})
    generators: Mapping[str, tuple[type[BaseModel], Callable[[BaseModel], Instance]]] = MappingProxyType(
        {"random": (Random, random_shop)}
    )
    solver_name = "cp_sat"

    def model(self, instance: Instance) -> dimod.ConstrainedQuadraticModel:
        """Return: minimise the last end that is paid for; one start for each operation, none that exclude each other."""
        import dimod

        problem, names = _problem(instance), list(instance.variables)
        model = dimod.ConstrainedQuadraticModel()  # type: ignore[no-untyped-call]
        costs = dict(zip(names, _costs(problem).tolist(), strict=True))
        model.set_objective(dimod.BinaryQuadraticModel(costs, {}, float(problem.ends[0]), dimod.BINARY))
        for operation, starts in enumerate(problem.starts):
            first = problem.first_place[operation]
            one = [(name, 1) for name in names[first : first + len(starts)]]
            model.add_constraint_from_iterable(one, "==", 1, label=f"operation_{operation}")
        for a, b in problem.exclusions.tolist():
            model.add_constraint_from_iterable([(names[a], 1), (names[b], 1)], "<=", 1, label=f"exclude_{a}_{b}")
        for a, level in problem.unpaid.tolist():
            model.add_constraint_from_iterable([(names[a], 1), (names[level], -1)], "<=", 0, label=f"level_{a}_{level}")
        return model

    def penalised_model(self, instance: Instance) -> PenalisedModel:
        """Return the last end with a penalty for each broken rule.

        Every row pays at least the first possible end, and some schedule ends at the last one: more than the time between
        them is enough for every minimum to keep all rules.
        """
        problem = _problem(instance)
        penalty = PENALTY_FACTOR * (problem.ends[-1] - problem.ends[0]) or 1.0
        linear, pairs, quadratic, offset = problem.violations()
        model = IsingModel.from_qubo(
            _costs(problem) + penalty * linear, pairs, penalty * quadratic, problem.ends[0] + penalty * offset
        )
        return PenalisedModel(model=model, penalty_weight=penalty, sign=1)

    def objective(self, instance: Instance, assignments: U8) -> F64:
        """Return the first possible end and the levels that each row pays for, whether it is a schedule or not."""
        problem = _problem(instance)
        return problem.ends[0] + weighted_sums(_costs(problem), assignments)

    def feasible(self, instance: Instance, assignments: U8) -> npt.NDArray[np.bool_]:
        """Return which rows are schedules that pay for the end they have."""
        problem = _problem(instance)
        rules = len(problem.exclusions) + len(problem.unpaid)
        return apply_in_blocks(problem.allowed, assignments, bytes_per_row=3 * rules + 2 * instance.size)

    def violation(self, instance: Instance, assignment: U8) -> str:
        """Return the first broken rule; empty when feasible."""
        problem, names = _problem(instance), instance.variables
        for operation, starts in enumerate(problem.starts):
            first = problem.first_place[operation]
            number = int(assignment[first : first + len(starts)].sum(dtype=np.int64))
            if number != 1:
                return f"{names[first].rpartition(' at ')[0]}: {number} starts instead of 1"
        for a, b in problem.exclusions.tolist():
            if assignment[a] and assignment[b]:
                return f"{names[a]} and {names[b]} exclude each other"
        for a, level in problem.unpaid.tolist():
            if assignment[a] > assignment[level]:
                return f"{names[a]}, and not: {names[level]}"
        return ""

    def repair(self, instance: Instance, assignments: U8) -> U8:
        """Return rows of schedules in the order of the starts that they name; see ``job_shop.made_allowed``."""
        problem, fallback = _problem(instance), _fallback_of(instance.canonical)
        repaired = assignments.copy()
        for place in np.flatnonzero(~self.feasible(instance, assignments)).tolist():
            repaired[place] = problem.encode(job_shop.made_allowed(problem, assignments[place], fallback))
        return repaired

    def objective_rounding(self, instance: Instance) -> ObjectiveRounding:  # noqa: ARG002 - the same for all
        """Return that there is none: every value is a whole number."""
        return ObjectiveRounding(error=0.0, step=1.0)

    def subproblem(self, instance: Instance, incumbent: U8, size: int, rng: np.random.Generator) -> list[int] | None:
        """Return starts that put some operations of one machine into another order; see ``job_shop.window``."""
        problem = _problem(instance)
        schedule = [start for start in problem.decode(incumbent) if start is not None]
        if not self.feasible(instance, incumbent[None])[0]:
            return None
        return job_shop.window(problem, schedule, size, rng)

    def greedy(self, instance: Instance, seed: int) -> U8:  # noqa: ARG002 - the rules know no chance
        """Return the best schedule of four dispatching rules."""
        return _problem(instance).encode(_fallback_of(instance.canonical))

    def solve(self, instance: Instance, seed: int) -> SolverResult:
        """Run CP-SAT on intervals, from the schedule of the dispatching rules, with a deterministic limit of work."""
        problem, start = _problem(instance), _fallback_of(instance.canonical)
        found = job_shop.prove(problem, start, seed)
        if found is None:
            return SolverResult(assignment=problem.encode(start), optimal=False, bound=None, evaluations=None)
        return SolverResult(
            assignment=problem.encode(found.starts),
            optimal=found.optimal,
            bound=float(found.bound),
            evaluations=found.evaluations,
        )

    def describe(self, instance: Instance, assignment: U8) -> str:
        """Return when each job is on which machine; an operation without a start is left out."""
        problem = _problem(instance)
        jobs: list[list[str]] = [[] for _ in problem.jobs]
        for (job, machine, _), start in zip(problem.operations, problem.decode(assignment), strict=True):
            if start is not None:
                jobs[job].append(f"machine {machine} at {start}")
        return "; ".join(f"job {number}: {', '.join(steps)}" for number, steps in enumerate(jobs, start=1))

    def features(self, instance: Instance) -> dict[str, float]:
        """Return sizes, durations and how much choice the horizon leaves."""
        problem = _problem(instance)
        durations = np.array([duration for _, _, duration in problem.operations], dtype=np.float64)
        return {
            "jobs": float(len(problem.jobs)),
            "machines": float(len({machine for _, machine, _ in problem.operations})),
            "operations": float(len(durations)),
            "horizon": float(problem.horizon),
            "earliest_end": float(problem.ends[0]),
            "starts_mean": float(np.mean([len(starts) for starts in problem.starts])),
            "duration_mean": float(durations.mean()),
            "duration_max": float(durations.max()),
            "penalty_weight": self.penalised_model(instance).penalty_weight,
        }


def _costs(problem: JobShop) -> F64:
    """Return what each variable adds to the objective, shape ``(size,)``: only levels do."""
    return np.concatenate([np.zeros(problem.first_place[-1]), problem.level_costs])


FAMILY: Family = JobShopScheduling()
