"""Job shop scheduling against all orders of all machines, and published optima."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, ProblemSpec
from qhybrid_pipelines.problems.families.job_shop import FAMILY, Options, make_instance
from qhybrid_pipelines.problems.reduction import reduce_instance
from qhybrid_pipelines.problems.sources import load_instance
from qhybrid_pipelines_tests.support.family_cases import FamilyCases
from qhybrid_pipelines_tests.support.instance_files import named


def variables_of(payload):
    """(operation, job, machine, start, end) of each start, then the ends that a level stands behind, and all ends."""
    step, horizon = payload["time_step"], payload["horizon"]
    starts, last = [], []
    operation = 0
    for j, job in enumerate(payload["jobs"]):
        for place, (machine, duration) in enumerate(job):
            for t in range(0, horizon + 1, step):
                before = 0
                for _, d in job[:place]:
                    before = -(-(before + d) // step) * step
                end = t + duration
                for _, d in job[place + 1 :]:
                    end = -(-end // step) * step + d
                if t >= before and end <= horizon:
                    starts.append((operation, j, machine, t, t + duration))
                    if place == len(job) - 1:
                        last.append((j, t + duration))
            operation += 1
    base = max(min(end for j, end in last if j == job) for job in range(len(payload["jobs"])))
    ends = sorted({base, *(end for _, end in last if end > base)})
    return starts, ends, {(j, end) for j, end in last}, operation


def objective_and_feasibility(payload, x):
    starts, ends, _, operations = variables_of(payload)
    paid = x[len(starts) :]
    assert len(paid) == len(ends) - 1
    objective = ends[0] + sum(b - a for (a, b), bit in zip(itertools.pairwise(ends), paid, strict=True) if bit)
    chosen = [start for start, bit in zip(starts, x, strict=False) if bit]
    allowed = sorted(start[0] for start in chosen) == list(range(operations))
    last_of_job = {j: max(start[0] for start in starts if start[1] == j) for j in range(len(payload["jobs"]))}
    for a, b in itertools.combinations(chosen, 2):
        if a[2] == b[2] and a[0] != b[0]:
            allowed = allowed and (a[4] <= b[3] or b[4] <= a[3])
        if a[1] == b[1] and b[0] == a[0] + 1:
            allowed = allowed and a[4] <= b[3]
    for operation, j, _, _, end in chosen:
        if operation == last_of_job[j]:
            allowed = allowed and all(bit for level, bit in zip(ends, paid, strict=False) if level < end)
    return objective, allowed


CASES = FamilyCases(
    small={
        "random": [
            {"jobs": 2, "machines": 1, "duration_max": 3, "seed": 1},
            {"jobs": 2, "machines": 2, "duration_max": 2, "seed": 4},
            {"jobs": 2, "machines": 2, "duration_max": 4, "time_step": 3, "seed": 4},
        ],
    },
    definition=objective_and_feasibility,
)


def build(jobs, time_step=1):
    shop = tuple(tuple(tuple(step) for step in job) for job in jobs)
    return make_instance(shop, time_step=time_step, name="by hand", source="generator:by hand", best_known=None)


def generate(**parameters):
    source = {"generator": "random", **parameters}
    return load_instance(ProblemSpec.model_validate({"family": "job_shop", "source": source}), lambda _: b"")


def shortest(jobs, step=1):
    """The least makespan by trying every order of operations: each is started as early as it can be."""
    turns = [j for j, job in enumerate(jobs) for _ in job]
    best = None
    for order in set(itertools.permutations(turns)):
        ready, busy, done = [0] * len(jobs), {}, [0] * len(jobs)
        for j in order:
            machine, duration = jobs[j][done[j]]
            start = -(-max(ready[j], busy.get(machine, 0)) // step) * step
            ready[j] = busy[machine] = start + duration
            done[j] += 1
        best = max(ready) if best is None else min(best, max(ready))
    return best


def test_the_answer_says_when_each_job_is_where():
    instance = build([[(2, 3), (0, 1)], [(2, 2)]])
    row = np.array([name in _TAKEN for name in instance.variables], dtype=np.uint8)
    assert FAMILY.describe(instance, row) == "job 1: machine 2 at 0, machine 0 at 3; job 2: machine 2 at 3"
    assert not FAMILY.names_zeros


#: The first job before the second.
_TAKEN = {"job 1 on machine 2 at 0", "job 1 on machine 0 at 3", "job 2 on machine 2 at 3", "some job ends after 4"}


@st.composite
def shops(draw):
    machines, jobs = draw(st.sampled_from([(1, 3), (2, 2), (2, 3), (3, 2)]))
    orders = [draw(st.permutations(range(machines))) for _ in range(jobs)]
    return [[(machine, draw(st.integers(1, 5))) for machine in order] for order in orders], draw(st.integers(1, 3))


@settings(deadline=None, max_examples=60)
@given(shops(), st.integers(0, 3))
def test_solver_greedy_and_lowest_energy_against_all_orders(shop, seed):
    jobs, step = shop
    least = shortest(jobs, step)
    instance = build(jobs, step)
    answer = FAMILY.solve(instance, seed)
    assert (answer.optimal, answer.bound) == (True, least)
    assert objective_and_feasibility(instance.payload, answer.assignment.tolist()) == (least, True)
    greedy, allowed = objective_and_feasibility(instance.payload, FAMILY.greedy(instance, seed).tolist())
    assert (greedy, allowed) == (instance.payload["horizon"], True)
    if instance.size <= 16:
        rows = unpack(np.arange(2**instance.size, dtype=np.uint64), instance.size)
        energies = FAMILY.penalised_model(instance).model.assignment_energies(rows)
        assert energies.min() == least
        assert all(objective_and_feasibility(instance.payload, row)[1] for row in rows[energies == least].tolist())


def test_two_hours_of_one_machine_and_a_queue():
    """Three jobs on one machine end when all of it is worked off, whatever their order."""
    instance = build([[(0, 2)], [(0, 3)], [(0, 4)]])
    assert FAMILY.solve(instance, 0).bound == 9


def test_a_coarser_step_needs_fewer_variables_and_is_never_shorter():
    jobs = [[(0, 3), (1, 5)], [(1, 4), (0, 2)]]
    fine, coarse = build(jobs), build(jobs, 4)
    assert coarse.size < fine.size
    assert FAMILY.solve(coarse, 0).bound >= FAMILY.solve(fine, 0).bound == 9


def test_the_own_file_has_the_optimum_of_all_orders():
    file = named("shop3x3")
    instance = FAMILY.parsers["jsplib"](file.text, Options(), file.path.name)
    assert shortest([[tuple(step) for step in job] for job in instance.payload["jobs"]]) == file.best_known


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_reduced_model_re_orders_operations_of_one_machine(seed):
    source = {"generator": "random", "jobs": 4, "machines": 3, "seed": seed}
    instance = generate(jobs=4, machines=3, seed=seed)
    problem = {"family": "job_shop", "source": source}
    spec = ExperimentSpec.model_validate({"name": "window", "problem": problem, "reduce": {"windows": 1}})
    reduction = reduce_instance(FAMILY, instance, spec)
    free = np.flatnonzero(reduction.reduced_model.root >= 0)
    starts, _, _, _ = variables_of(instance.payload)
    assert 0 < len(free) <= 16
    assert len({starts[v][2] for v in free if v < len(starts)}) <= 1
    # Every row of the window, judged by the definition.
    rows = reduction.reduced_model.expand(np.arange(2**reduction.reduced_model.size, dtype=np.uint64))
    allowed = rows[FAMILY.feasible(instance, rows)]
    judged = [objective_and_feasibility(instance.payload, row) for row in allowed.tolist()]
    assert all(feasible for _, feasible in judged)
    assert reduction.reduced_model_optimum == min(objective for objective, _ in judged)


def test_a_violation_says_what_is_wrong():
    instance = build([[(0, 1)], [(0, 2)]])
    row = FAMILY.greedy(instance, 0)
    assert FAMILY.violation(instance, row) == ""
    names = list(instance.variables)
    nothing = np.zeros_like(row)
    assert FAMILY.violation(instance, nothing) == "job 1 on machine 0: 0 starts instead of 1"
    both = nothing.copy()
    both[[names.index("job 1 on machine 0 at 0"), names.index("job 2 on machine 0 at 0")]] = 1
    assert FAMILY.violation(instance, both) == "job 1 on machine 0 at 0 and job 2 on machine 0 at 0 exclude each other"


def test_a_model_that_is_too_large_is_refused_with_a_step_that_helps():
    jobs = [[(machine, 60 + 7 * j) for machine in range(5)] for j in range(10)]
    with pytest.raises(InvalidInput, match="too many products") as caught:
        build(jobs)
    assert "options.time_step" in caught.value.remedy
    assert build(jobs, 60).size < 2_000
