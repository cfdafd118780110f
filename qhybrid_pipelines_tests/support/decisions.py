"""Deciders with real processes and a clock that is set by hand, orders of dispatch, and an answer that nobody's code of ours judges."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines.problems.anytime.method_times import REMEMBERED, size_class
from qhybrid_pipelines.problems.anytime.solution_methods import EXACT, GREEDY, METHODS, run_method
from qhybrid_pipelines.problems.evaluation import Problem
from qhybrid_pipelines.service.decisions.decider import Decider
from qhybrid_pipelines.service.decisions.decision_body import DecisionOrder, read_decision
from qhybrid_pipelines.service.decisions.decision_records import DecisionRecord
from qhybrid_pipelines.service.decisions.decision_states import Moment
from qhybrid_pipelines.service.decisions.decision_store import DecisionStore
from qhybrid_pipelines.service.decisions.solvers import SolverLimits, Solvers
from qhybrid_pipelines_tests.support.small_problems import small_problem

VEHICLES, JOBS = 4, 5


class HandClock:
    """A machine whose clock and whose seconds since its start are set by hand.

    Attributes:
        seconds: since its start.
        world: what its clock shows.
        boot: tells its starts apart.
    """

    def __init__(self) -> None:
        self.seconds, self.boot = 1000.0, "first"
        self.world = datetime(2026, 3, 1, 8, tzinfo=UTC)

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.world, boot_time=lambda: self.seconds)

    def moment(self) -> Moment:
        return Moment(self.boot, self.seconds)

    def go(self, seconds: float) -> None:
        self.seconds += seconds
        self.world += timedelta(seconds=seconds)


def dispatch(seed: int) -> dict[str, Any]:
    """Return the source of one round of dispatch."""
    return {"generator": "dispatch", "vehicles": VEHICLES, "jobs": JOBS, "seed": seed}


def order(source: dict[str, Any], *, family: str = "independent_set", **terms: Any) -> DecisionOrder:
    """Return what is to be decided about a generated problem."""
    return order_of({"family": family, "source": source}, **terms)


def order_of(problem: dict[str, Any], **terms: Any) -> DecisionOrder:
    """Return what is to be decided, as it would come over the network; there is a minute for the first answer and an hour in all."""
    fields = {
        "specification": {"name": "round", "problem": problem},
        "deadline_ms": 3_600_000,
        "answer_ms": 60_000,
        **terms,
    }
    return read_decision(json.dumps(fields).encode())


def solvers() -> Solvers:
    """Return one process that answers; to be started."""
    return Solvers(SolverLimits(processes=1))


class HandDecider(Decider):
    """A decider whose moments are those of a clock that is set by hand, and whose processes it shares with others."""

    def __init__(self, folder: Path, answering: Solvers, hand: HandClock) -> None:
        self.hand, self.path = hand, folder / "decisions.db"
        super().__init__(
            DecisionStore(self.path, hand.moment), answering, Solvers(SolverLimits(processes=0)), clock=hand.clock
        )

    def now(self) -> Moment:
        return self.hand.moment()

    def begin(self, asked: DecisionOrder, principal: str = "ada", **options: Any) -> DecisionRecord:
        return self.decide(principal, asked, arrived=self.now(), **options)


def only_greedy(folder: Path, hand: HandClock) -> None:
    """Note in the database of a folder that all other methods were seen to take hours, so that they are not begun."""
    sizes = {
        size_class(small_problem("independent_set", {**dispatch(0), "vehicles": v, "jobs": j}))
        for v in (3, 4, 5)
        for j in (4, 5, 6)
    }
    store = DecisionStore(folder / "decisions.db", hand.moment)
    store.save_method_times(
        {
            ("independent_set", size, method): [9e9] * REMEMBERED
            for size in sizes
            for method in METHODS
            if method != GREEDY
        }
    )
    store.close()


def round_of(seed: int) -> tuple[Problem, str, str]:
    """Return a round of dispatch, its greedy answer and its optimum, as 0 and 1."""
    problem = small_problem("independent_set", dispatch(seed))
    found = [run_method(problem, method, None, 0).assignment for method in (GREEDY, EXACT)]
    return problem, *("".join(map(str, row.tolist())) for row in found)


def plain_value(problem: Problem, assignment: str) -> float | None:
    """Return the total weight of a set, or None where two of it exclude each other: from the numbers of the instance alone."""
    chosen = [place for place, digit in enumerate(assignment) if digit == "1"]
    edges = {frozenset(edge) for edge in problem.instance.payload["edges"]}
    if any(frozenset((a, b)) in edges for a in chosen for b in chosen if a < b):
        return None
    return float(np.sum([problem.instance.payload["weights"][place] for place in chosen]))
