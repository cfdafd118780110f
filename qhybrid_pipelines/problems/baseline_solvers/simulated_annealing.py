"""Simulated annealing of the whole instance, then repair and local search."""

from __future__ import annotations

from qhybrid_pipelines.classical.solvers.annealing import annealing_schedule
from qhybrid_pipelines.problems.baseline_interface import Baseline, BaselineAnswer
from qhybrid_pipelines.problems.evaluation import Problem
from qhybrid_pipelines.problems.incumbents import anneal_instance


class SimulatedAnnealing:
    """See the module."""

    name = "simulated_annealing"
    title = "simulated annealing by D-Wave's sampler"
    always_on = True
    speed_rank = 40

    def solve(self, problem: Problem, samples: int, seed: int) -> BaselineAnswer:  # noqa: ARG002 - its reads are fixed
        """Return one assignment per read."""
        reads, sweeps = annealing_schedule(problem.penalised_model.model)
        return BaselineAnswer(rows=anneal_instance(problem, seed), evaluations=reads * sweeps)


BASELINE: Baseline = SimulatedAnnealing()
