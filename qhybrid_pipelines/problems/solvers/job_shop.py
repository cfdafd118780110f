"""Schedules of a job shop as 0 and 1: which operation starts when, and what is still running after each possible end.

Variable ``x(o, t)`` says that operation ``o`` starts at ``t``, a multiple of a time step, no earlier than the operations before it allow and no
later than those behind it need. After them come the levels: level ``k`` says that some job ends later than the end before it, and
costs the time in between, so that the makespan is a sum.

Source of the time-indexed form for quantum annealers: D. Venturelli, D. J. J. Marchand, G. Rojo, arXiv:1506.08479 (2016).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.seeds import derive_seed_31bit
from qhybrid_pipelines.problems.formats.jsplib import Jobs
from qhybrid_pipelines.problems.solvers.cp_sat_solver import repeatable_solver

#: CP-SAT's own unit of work, close to a second; the same on every machine, unlike the clock.
MAX_DETERMINISTIC_TIME = 5.0

Pairs = npt.NDArray[np.int32]
#: Start of every operation, job after job.
Starts = list[int]


@dataclass(frozen=True, kw_only=True)
class JobShop:
    """Jobs, the latest end that is looked at, and the step of time.

    Attributes:
        jobs: machine and duration of each operation of each job, in order.
        horizon: no operation ends later.
        step: starts are multiples of it.
    """

    jobs: Jobs
    horizon: int
    step: int

    @cached_property
    def operations(self) -> tuple[tuple[int, int, int], ...]:
        """Job, machine and duration of each operation, job after job."""
        return tuple((j, machine, duration) for j, job in enumerate(self.jobs) for machine, duration in job)

    @cached_property
    def last_operations(self) -> tuple[int, ...]:
        """The last operation of each job."""
        return tuple((np.cumsum([len(job) for job in self.jobs]) - 1).tolist())

    def on_grid(self, time: int) -> int:
        """Return the first possible start at or after a time."""
        return -(-time // self.step) * self.step

    @cached_property
    def starts(self) -> tuple[range, ...]:
        """Possible starts of each operation."""
        found = []
        for job in self.jobs:
            earliest, latest = [0], [0]
            for _, duration in job[:-1]:
                earliest.append(self.on_grid(earliest[-1] + duration))
            end = self.horizon
            for _, duration in reversed(job):
                end = (end - duration) // self.step * self.step
                latest.append(end)
            found += [range(a, b + 1, self.step) for a, b in zip(earliest, reversed(latest[1:]), strict=True)]
        return tuple(found)

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Possible ends of the whole, the earliest first; level ``k`` (from 1) leads from ``ends[k - 1]`` to ``ends[k]``."""
        last = [(self.starts[o], self.operations[o][2]) for o in self.last_operations]
        base = max(starts[0] + duration for starts, duration in last)
        later = {start + duration for starts, duration in last for start in starts}
        return (base, *sorted(end for end in later if end > base))

    @cached_property
    def first_place(self) -> tuple[int, ...]:
        """Index of the first variable of each operation, and of the first level."""
        return (0, *itertools.accumulate(map(len, self.starts)))

    @property
    def size(self) -> int:
        """Number of variables."""
        return self.first_place[-1] + len(self.ends) - 1

    def variable(self, operation: int, start: int) -> int:
        """Return the index of a start."""
        return self.first_place[operation] + self.starts[operation].index(start)

    def makespan(self, starts: Starts) -> int:
        """Return when the last operation of a schedule ends."""
        return max(starts[o] + self.operations[o][2] for o in self.last_operations)

    def encode(self, starts: Starts) -> U8:
        """Return the assignment ``(size,)`` of a schedule within the horizon."""
        row = np.zeros(self.size, dtype=np.uint8)
        for operation, start in enumerate(starts):
            row[self.variable(operation, start)] = 1
        makespan = self.makespan(starts)
        row[self.first_place[-1] :] = [makespan > end for end in self.ends[:-1]]
        return row

    def decode(self, row: U8) -> list[int | None]:
        """Return the first start of each operation that an assignment ``(size,)`` names, None without any."""
        found: list[int | None] = []
        for operation, starts in enumerate(self.starts):
            ones = np.flatnonzero(row[self.first_place[operation] : self.first_place[operation + 1]])
            found.append(starts[int(ones[0])] if len(ones) else None)
        return found

    @cached_property
    def level_costs(self) -> F64:
        """Time between two possible ends, for each level."""
        return np.diff(np.array(self.ends, dtype=np.float64))

    @cached_property
    def exclusions(self) -> Pairs:
        """Pairs of starts of different operations that cannot both be: order within a job, and one machine at a time."""
        found = [np.zeros((0, 2), dtype=np.int64)]
        for a, b in itertools.combinations(range(len(self.operations)), 2):
            (job_a, machine_a, duration_a), (job_b, machine_b, duration_b) = self.operations[a], self.operations[b]
            at_a, at_b = np.array(self.starts[a]), np.array(self.starts[b])
            if job_a == job_b and b == a + 1:
                clash = at_b[None, :] < at_a[:, None] + duration_a
            elif machine_a == machine_b:
                clash = (at_b[None, :] < at_a[:, None] + duration_a) & (at_a[:, None] < at_b[None, :] + duration_b)
            else:
                continue
            found.append(np.argwhere(clash) + np.array([self.first_place[a], self.first_place[b]]))
        return np.concatenate(found).astype(np.int32)

    @cached_property
    def unpaid(self) -> Pairs:
        """Pairs of a start of a last operation and a level that it needs."""
        first = self.first_place[-1]
        found = [
            (self.variable(o, start), first + level)
            for o in self.last_operations
            for start in self.starts[o]
            for level, end in enumerate(self.ends[:-1])
            if start + self.operations[o][2] > end
        ]
        return np.array(found, dtype=np.int32).reshape(-1, 2)

    def violations(self) -> tuple[F64, Pairs, F64, float]:
        """Return ``(linear, pairs, quadratic, offset)`` of the number of broken rules.

        ``(starts - 1)^2`` for each operation, and 1 for each exclusion and each level that is needed and not paid.
        """
        linear = np.zeros(self.size)
        linear[: self.first_place[-1]] = -1
        pairs, values = [self.exclusions, self.unpaid], [np.ones(len(self.exclusions)), -np.ones(len(self.unpaid))]
        for operation, starts in enumerate(self.starts):
            i, j = np.triu_indices(len(starts), k=1)
            pairs.append((np.stack([i, j], axis=1) + self.first_place[operation]).astype(np.int32))
            values.append(np.full(len(i), 2.0))
        np.add.at(linear, self.unpaid[:, 0], 1.0)
        return linear, np.concatenate(pairs), np.concatenate(values), float(len(self.operations))

    def allowed(self, rows: U8) -> npt.NDArray[np.bool_]:
        """Return which rows are schedules that pay for their levels."""
        good = np.ones(len(rows), dtype=np.bool_)
        for first, last in itertools.pairwise(self.first_place):
            good &= rows[:, first:last].sum(axis=1, dtype=np.int64) == 1
        good &= ~(rows[:, self.exclusions[:, 0]] & rows[:, self.exclusions[:, 1]]).any(axis=1)
        good &= (rows[:, self.unpaid[:, 0]] <= rows[:, self.unpaid[:, 1]]).all(axis=1)
        return good


def build_schedule(jobs: Jobs, step: int, priority: Callable[[int, int, int], float]) -> Starts:
    """Return the schedule that always takes the job whose next operation comes first, as early as its machine allows.

    Args:
        jobs: machine and duration of each operation of each job.
        step: starts are multiples of it.
        priority: of a job, an operation of it and its earliest start; the lowest first, ties by the number of the job.
    """
    ready, busy_until = [0] * len(jobs), dict.fromkeys((machine for job in jobs for machine, _ in job), 0)
    found: list[Starts] = [[] for _ in jobs]
    while open_jobs := [j for j, job in enumerate(jobs) if len(found[j]) < len(job)]:

        def earliest(j: int) -> int:
            time = max(ready[j], busy_until[jobs[j][len(found[j])][0]])
            return -(-time // step) * step

        j = min(open_jobs, key=lambda j: (priority(j, len(found[j]), earliest(j)), j))
        machine, duration = jobs[j][len(found[j])]
        start = earliest(j)
        found[j].append(start)
        ready[j] = busy_until[machine] = start + duration
    return [start for starts in found for start in starts]


def dispatched(jobs: Jobs, step: int) -> Starts:
    """Return the shortest schedule of four dispatching rules: most work left, with and without waiting, earliest, shortest.

    Source of the rules: S. S. Panwalkar, W. Iskander, Operations Research 25, 45 (1977).
    """

    def left(j: int, o: int) -> int:
        return sum(duration for _, duration in jobs[j][o:])

    rules: list[Callable[[int, int, int], float]] = [
        lambda j, o, _: -left(j, o),
        lambda j, o, start: start - left(j, o),
        lambda j, o, start: start + left(j, o) / 1e6,
        lambda j, o, start: start + jobs[j][o][1],
    ]
    durations = [duration for job in jobs for _, duration in job]
    last: list[int] = (np.cumsum([len(job) for job in jobs]) - 1).tolist()

    def makespan(starts: Starts) -> int:
        return max(starts[o] + durations[o] for o in last)

    return min((build_schedule(jobs, step, rule) for rule in rules), key=makespan)


def made_allowed(problem: JobShop, row: U8, fallback: Starts) -> Starts:
    """Return the schedule in the order of the starts that a row names, ``fallback`` where that ends too late."""
    wanted = [start if start is not None else fallback[o] for o, start in enumerate(problem.decode(row))]
    first = [0, *(last + 1 for last in problem.last_operations)]
    starts = build_schedule(problem.jobs, problem.step, lambda j, o, _: wanted[first[j] + o])
    return starts if problem.makespan(starts) <= problem.horizon else fallback


def window(problem: JobShop, schedule: Starts, size: int, rng: np.random.Generator) -> list[int]:
    """Return the variables that re-order some consecutive operations of one machine, and of the last levels that are paid.

    ``k`` operations packed in any order have ``k * 2**(k - 1)`` starts at most. Taken is the place where the makespan falls most if
    everything else stays, else one where another order is possible at all, else any.
    """
    k = next((k for k in (4, 3, 2) if k * 2 ** (k - 1) <= size), 1)
    found = []
    for machine in sorted({machine for _, machine, _ in problem.operations}):
        queue = sorted(
            (o for o, (_, used, _) in enumerate(problem.operations) if used == machine), key=schedule.__getitem__
        )
        length = min(k, len(queue))
        for first in range(len(queue) - length + 1):
            following = queue[first + length] if first + length < len(queue) else None
            found.append(_try_orders(problem, schedule, queue[first : first + length], following))
    best = max(rank for rank, _ in found)
    able = [starts for rank, starts in found if rank == best]
    places = sorted(able[int(rng.integers(len(able)))])
    levels = problem.first_place[-1]
    paid = [levels + level for level, end in enumerate(problem.ends[:-1]) if end < problem.makespan(schedule)]
    return places + paid[max(0, len(paid) - (size - len(places))) :]


def _try_orders(
    problem: JobShop, schedule: Starts, block: list[int], following: int | None
) -> tuple[tuple[int, bool], set[int]]:
    """Return what the best order of a block wins and whether it has more than one, and the variables of all orders."""
    places: set[int] = set()
    makespans = []
    for order in itertools.permutations(block):
        starts, time = list(schedule), min(schedule[o] for o in block)
        for operation in order:
            starts[operation] = problem.on_grid(time)
            time = starts[operation] + problem.operations[operation][2]
            if starts[operation] in problem.starts[operation]:
                places.add(problem.variable(operation, starts[operation]))
        if _keeps_order(problem, starts, block) and (following is None or time <= starts[following]):
            makespans.append(problem.makespan(starts))
    for operation in block:  # where the block had gaps, its own starts are among none of these
        places.add(problem.variable(operation, schedule[operation]))
    gain = problem.makespan(schedule) - min(makespans, default=problem.makespan(schedule))
    return (gain, len(makespans) > 1), places


def _keeps_order(problem: JobShop, starts: Starts, block: list[int]) -> bool:
    """Return whether the operations of a block still come between those before and behind them in their jobs."""
    for operation in block:
        job, _, duration = problem.operations[operation]
        before, behind = operation - 1, operation + 1
        follows = operation > 0 and problem.operations[before][0] == job
        if follows and starts[before] + problem.operations[before][2] > starts[operation]:
            return False
        if (
            behind < len(starts)
            and problem.operations[behind][0] == job
            and starts[operation] + duration > starts[behind]
        ):
            return False
    return True


@dataclass(frozen=True, kw_only=True)
class ProvedSchedule:
    """What CP-SAT ended with: a schedule, a bound on the makespan, and whether it is reached."""

    starts: Starts
    bound: int
    optimal: bool
    evaluations: int


def prove(problem: JobShop, start: Starts, seed: int) -> ProvedSchedule | None:
    """Return the best schedule by CP-SAT's intervals from a start, with a deterministic limit of work."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    times: list[cp_model.IntVar] = []
    ends: list[cp_model.LinearExprT] = []
    machines: dict[int, list[cp_model.IntervalVar]] = {}
    makespan = model.new_int_var(problem.ends[0], problem.horizon, "makespan")
    for o, (job, machine, duration) in enumerate(problem.operations):
        starts = problem.starts[o]
        tick = model.new_int_var(starts[0] // problem.step, starts[-1] // problem.step, "")
        model.add_hint(tick, start[o] // problem.step)
        time = tick * problem.step
        if o and problem.operations[o - 1][0] == job:
            model.add(time >= ends[-1])
        times.append(tick)
        ends.append(time + duration)
        machines.setdefault(machine, []).append(model.new_fixed_size_interval_var(time, duration, ""))
    for intervals in machines.values():
        model.add_no_overlap(intervals)
    for o in problem.last_operations:
        model.add(makespan >= ends[o])
    model.minimize(makespan)
    solver = repeatable_solver(seed=derive_seed_31bit(seed, "job_shop", "cp_sat"), max_work=MAX_DETERMINISTIC_TIME)
    solver.parameters.absolute_gap_limit = 0.0
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    return ProvedSchedule(
        starts=[solver.value(tick) * problem.step for tick in times],
        bound=int(np.ceil(solver.best_objective_bound - 1e-6)),
        optimal=status == cp_model.OPTIMAL,
        evaluations=solver.num_branches,
    )
