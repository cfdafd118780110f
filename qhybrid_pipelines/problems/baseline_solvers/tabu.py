"""Multistart tabu search of the whole instance, then repair and local search."""

from __future__ import annotations

from qhybrid_pipelines.classical.solvers.tabu import count_visits, tabu_search
from qhybrid_pipelines.problems.baseline_interface import Baseline, BaselineAnswer
from qhybrid_pipelines.problems.evaluation import Problem
from qhybrid_pipelines.problems.post_processing import improve, repair


class Tabu:
    """See the module."""

    name = "tabu"
    title = "multistart tabu search by D-Wave's sampler"
    always_on = True
    speed_rank = 50

    def solve(self, problem: Problem, samples: int, seed: int) -> BaselineAnswer:  # noqa: ARG002 - its restarts are fixed
        """Return the best assignment of all restarts."""
        model = problem.penalised_model.model
        rows = improve(problem, repair(problem, tabu_search(model, seed=seed)))
        return BaselineAnswer(rows=rows, evaluations=count_visits(model))


BASELINE: Baseline = Tabu()
