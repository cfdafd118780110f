"""The best assignment that is known before anything quantum: greedy, annealing, or what the parent round left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.classical.solvers.annealing import anneal, annealing_schedule
from qhybrid_pipelines.core.binary_models.bits import U8, assignment_array
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.seeds import derive_seed
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.problems.evaluation import Problem, SolutionValue, best_assignment, is_better
from qhybrid_pipelines.problems.post_processing import improve, repair


@dataclass(frozen=True, slots=True, kw_only=True)
class Incumbent:
    """An assignment ``(n,)``, where it comes from, and its objective and feasibility on the original instance."""

    assignment: U8
    source: str
    solution_value: SolutionValue


def find_incumbent(problem: Problem, spec: ExperimentSpec) -> Incumbent:
    """Return the incumbent that the specification asks for, or that of the parent round unless it is worse.

    Raises:
        InvalidInput: ``lineage.incumbent`` has not one digit per variable.
    """
    seed = derive_seed(spec.seed, "incumbent", spec.reduce.incumbent)
    if spec.reduce.incumbent == "annealing":
        candidates = anneal_instance(problem, seed)
    else:
        greedy = problem.family.greedy(problem.instance, seed)[None, :]
        candidates = np.concatenate([greedy, improve(problem, greedy)])
    found = make_incumbent(problem, candidates, spec.reduce.incumbent)
    if spec.lineage.incumbent is None:
        return found
    if len(spec.lineage.incumbent) != problem.instance.size:
        raise InvalidInput(
            f"the incumbent has {len(spec.lineage.incumbent)} digits for {problem.instance.size} variables",
            remedy="This field is written by the pipeline; remove it, or give one digit per variable.",
            field="lineage.incumbent",
        )
    parent = make_incumbent(problem, assignment_array(spec.lineage.incumbent)[None, :], "parent round")
    return found if is_better(problem.family, found.solution_value, parent.solution_value) else parent


def make_incumbent(problem: Problem, rows: U8, source: str) -> Incumbent:
    """Return the best of rows ``(m, n)`` as an incumbent."""
    assignment, solution_value = best_assignment(problem, rows)
    return Incumbent(assignment=assignment, source=source, solution_value=solution_value)


def anneal_instance(problem: Problem, seed: int) -> U8:
    """Return annealed assignments of the whole instance, repaired and improved, one per read."""
    reads, sweeps = annealing_schedule(problem.penalised_model.model)
    found = anneal(problem.penalised_model.model, reads=reads, sweeps=sweeps, seed=seed)
    return improve(problem, repair(problem, found))
