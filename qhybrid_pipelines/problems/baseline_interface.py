"""What a baseline is: one classical solver for problems of every family. One file each in `problems/baseline_solvers/`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from qhybrid_pipelines.classical.solvers.random_sampling import random_rows
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.problems.evaluation import Problem

#: Cells of random assignments over a whole instance; 1024 assignments of 256 variables.
_MAX_START_CELLS = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineAnswer:
    """What one run of a baseline found; objective and feasibility are computed elsewhere, in the same way for all.

    Attributes:
        rows: assignments, shape ``(k, n)`` with ``k`` at least 1; the best of them is the answer.
        evaluations: steps as the solver counts them, or None.
        is_sample: the rows are a sample, whose mean objective means something.
    """

    rows: U8
    evaluations: int | None = None
    is_sample: bool = False


class Baseline(Protocol):
    """A solver that knows nothing of families: bounded by steps and not by the clock, deterministic for a seed."""

    #: As it is in the table `baselines` and in specifications; its stream of random numbers is named after it.
    name: str
    #: What it does, in a few words, for the documentation.
    title: str
    #: Runs for every experiment. Others run where a specification names them.
    always_on: bool
    #: Which of two equally good solvers is named as the one to beat: that of the lower rank, which usually takes less time.
    speed_rank: int

    def solve(self, problem: Problem, samples: int, seed: int) -> BaselineAnswer:
        """Return assignments, repaired and improved as those of the quantum side are.

        Args:
            problem: the instance, its family and its unconstrained form.
            samples: how many shots the quantum side has, for solvers that draw.
            seed: of this run.
        """


def random_assignments(problem: Problem, samples: int, seed: int) -> U8:
    """Return random assignments of the whole instance, ``samples`` of them, fewer for large instances."""
    instance = problem.instance
    number = min(samples, max(1, _MAX_START_CELLS // instance.size))
    return random_rows(generator(seed), instance.size, number, problem.family.cardinality(instance))
