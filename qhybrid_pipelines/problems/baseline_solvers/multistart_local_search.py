"""Local search from many random assignments of the whole instance."""

from __future__ import annotations

from qhybrid_pipelines.problems.baseline_interface import Baseline, BaselineAnswer, random_assignments
from qhybrid_pipelines.problems.evaluation import Problem
from qhybrid_pipelines.problems.post_processing import improve, repair


class MultistartLocalSearch:
    """See the module."""

    name = "multistart_local_search"
    title = "local search from random assignments of the whole instance"
    always_on = False
    speed_rank = 60

    def solve(self, problem: Problem, samples: int, seed: int) -> BaselineAnswer:
        """Return where each start ends."""
        rows = improve(problem, repair(problem, random_assignments(problem, samples, seed)))
        return BaselineAnswer(rows=rows, evaluations=len(rows), is_sample=True)


BASELINE: Baseline = MultistartLocalSearch()
