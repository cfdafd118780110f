"""The family's own greedy rule."""

from __future__ import annotations

from qhybrid_pipelines.problems.baseline_interface import Baseline, BaselineAnswer
from qhybrid_pipelines.problems.evaluation import Problem


class Greedy:
    """See the module."""

    name = "greedy"
    title = "the family's classic greedy rule"
    always_on = True
    speed_rank = 10

    def solve(self, problem: Problem, samples: int, seed: int) -> BaselineAnswer:  # noqa: ARG002 - nothing is sampled
        """Return the one assignment of the rule."""
        return BaselineAnswer(rows=problem.family.greedy(problem.instance, seed)[None, :])


BASELINE: Baseline = Greedy()
