"""Decisions under random faults, and a judge that reads nothing but the rows and the numbers of the instances.

Real processes solve and judge; the clock is set by hand, so that a millisecond before and after a deadline is just that. Faults: no
candidate, one just before or after the deadline, the same twice, infeasible, worse, equal, noise-like, of a wrong width, no answer at
all; the client acts before, between or after; another decision takes its place; the clock is set back; the service is restarted,
or its solver killed, in between; several come at once.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from qhybrid_pipelines.problems.evaluation import Problem
from qhybrid_pipelines.service.decisions.decider import Found
from qhybrid_pipelines.service.decisions.decision_records import DecisionRecord
from qhybrid_pipelines.service.decisions.decision_states import IllegalUse
from qhybrid_pipelines.service.problem_documents import ProblemError
from qhybrid_pipelines_tests.support.decisions import (
    HandClock,
    HandDecider,
    dispatch,
    only_greedy,
    order,
    plain_value,
    round_of,
    solvers,
)

DEADLINE = 3600.0
#: Rounds in which greedy leaves more than 3 %, and others.
WITH_GAP, WITHOUT_GAP = 40, 20


def _rounds() -> list[tuple[int, Problem, str, str]]:
    gap: list[tuple[int, Problem, str, str]] = []
    none: list[tuple[int, Problem, str, str]] = []
    seed = 0
    while len(gap) < WITH_GAP or len(none) < WITHOUT_GAP:
        problem, greedy, best = round_of(seed)
        rounds = gap if (plain_value(problem, best) or 0.0) > 1.03 * (plain_value(problem, greedy) or 0.0) else none
        rounds.append((seed, problem, greedy, best))
        seed += 1
    return gap[:WITH_GAP] + none[:WITHOUT_GAP]


@dataclass
class Tally:
    """What came of the decisions.

    Attributes:
        decisions, candidates, upgrades: how many.
        broken: what a promise was broken by, one sentence each.
        faults: how often each was struck.
        refused: decisions without a solver in time.
    """

    decisions: int = 0
    candidates: int = 0
    upgrades: int = 0
    refused: int = 0
    broken: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)


@dataclass
class _Expected:
    """What a decision must look like at the end, as the harness saw it."""

    record: DecisionRecord
    problem: Problem
    offered: list[tuple[str, float]] = field(default_factory=list)
    used_at: float | None = None
    used_version: int | None = None
    superseded_at: float | None = None


class FaultRun:
    """A run of decisions under faults.

    Args:
        folder: for the database.
        seed: of the faults.
        kill_every: one of so many decisions loses a solver.
        restart_every: one of so many is followed by a new start of the service.
    """

    def __init__(self, folder: Path, seed: int, *, kill_every: int = 500, restart_every: int = 40) -> None:
        self._random, self._folder = random.Random(seed), folder
        self._hand = HandClock()
        only_greedy(folder, self._hand)
        self._answering = solvers()
        self._answering.start()
        self._decider = HandDecider(folder, self._answering, self._hand)
        self._rounds = _rounds()
        self._kill_every, self._restart_every = kill_every, restart_every
        self._expected: list[_Expected] = []
        self.tally = Tally()

    def run(self, decisions: int, progress: Callable[[int], None] = lambda _: None) -> Tally:
        """Make so many decisions, judge every one, and return what came of them."""
        try:
            for number in range(1, decisions + 1):
                if number % self._kill_every == 0:
                    self._kill_a_solver()
                self._one(number)
                if number % self._restart_every == 0:
                    self._strike("service restarted")
                    self._decider.store.close()
                    self._decider = HandDecider(self._folder, self._answering, self._hand)
                progress(number)
            for expected in self._expected:
                self._judge(expected)
        finally:
            self._answering.close()
            self._decider.store.close()
        return self.tally

    def _strike(self, fault: str) -> None:
        self.tally.faults[fault] += 1

    def _one(self, number: int) -> None:
        seed, problem, greedy, best = self._random.choice(self._rounds)
        noise = self._random.choice([0.0, 0.0, 0.0, 0.0, 0.05, 0.5])
        terms = {"noise": noise, "min_gain": self._random.choice([0.0, 0.02]), "seed": number}
        superseded = self._expected[-1] if self._expected and self._random.random() < 0.1 else None
        if superseded is not None and superseded.record.principal == f"p{number - 1}":
            terms["supersedes"] = superseded.record.id
        principal = superseded.record.principal if "supersedes" in terms else f"p{number}"
        try:
            record = self._decider.begin(order(dispatch(seed), **terms), principal=principal, may_seek=lambda: True)
        except ProblemError:
            self.tally.refused += 1
            return
        if "supersedes" in terms and superseded is not None:
            self._strike("superseded")
            superseded.superseded_at = self._hand.seconds
        expected = _Expected(record, problem)
        self._expected.append(expected)
        self.tally.decisions += 1
        self._events(expected, greedy, best)

    def _events(self, expected: _Expected, greedy: str, best: str) -> None:
        opened = self._hand.seconds
        candidates = {
            "optimum": best,
            "equal": greedy,
            "worse": "0" * len(best),
            "infeasible": "1" * len(best),
            "wrong width": best[:-1],
            "no answer": "?" * len(best),
        }
        moments = {
            "at once": 0.0,
            "just in time": DEADLINE - 0.001,
            "just late": DEADLINE + 0.001,
            "late": 2 * DEADLINE,
        }
        acts = self._random.random() < 0.4
        for _ in range(self._random.choice([0, 1, 1, 2, 3])):
            what = self._random.choice(["optimum", "optimum", "optimum", *candidates])
            when = self._random.choice(["at once", "at once", *moments])
            self._hand.go(max(0.0, opened + moments[when] - self._hand.seconds))
            if self._random.random() < 0.1:
                self._strike("clock set back")
                self._hand.world -= timedelta(days=400)
            noise_like = self._random.random() < 0.1
            times = self._random.choice([1, 1, 1, 2, 4])
            for fault in (
                what,
                when,
                *(("noise-like",) if noise_like else ()),
                *(("several at once",) if times > 1 else ()),
            ):
                self._strike(fault)
            found = Found(source="local:auto", assignment=candidates[what], quantum=True, noise_like=noise_like)
            with ThreadPoolExecutor(times) as pool:
                list(pool.map(lambda _, found=found: self._decider.offer(expected.record.id, found), range(times)))
            expected.offered += [(candidates[what], self._hand.seconds)] * times
            if acts and self._random.random() < 0.5 and expected.used_version is None:
                self._strike("the client acts")
                version = self._random.choice([1, 2])
                with contextlib.suppress(IllegalUse):
                    self._decider.store.use(expected.record.id, version)
                    expected.used_at, expected.used_version = self._hand.seconds, version
        if not expected.offered:
            self._strike("no candidate")
        self._hand.go(1.0)

    def _kill_a_solver(self) -> None:
        self._strike("solver killed")
        for pid in self._answering.pids:
            os.kill(pid, signal.SIGKILL)
        # The next decision meets the loss; those after it a new process.
        with contextlib.suppress(ProblemError):
            self._decider.begin(order(dispatch(0)), principal="meets the loss")
        until = time.monotonic() + 300
        while self._answering._idle.empty() and time.monotonic() < until:
            time.sleep(0.05)

    def _judge(self, expected: _Expected) -> None:
        """Hold what was kept against what the harness did: rows are read by plain SQL."""
        connection = sqlite3.connect(self._folder / "decisions.db")
        rows = connection.execute(
            "SELECT assignment, version, outcome, after_seconds, feasible, objective FROM answer WHERE decision = ? ORDER BY place",
            (expected.record.id,),
        ).fetchall()
        state, final, used = connection.execute(
            "SELECT state, version, used_version FROM decision WHERE id = ?", (expected.record.id,)
        ).fetchone()
        connection.close()
        candidates = [row for row in rows if row[2] is not None]
        standing = {version: assignment for assignment, version, *_ in rows if version is not None}
        values = {version: plain_value(expected.problem, assignment) for version, assignment in standing.items()}
        upgrades = [row for row in candidates if row[2] == "upgraded"]
        self.tally.candidates += len(candidates)
        self.tally.upgrades += len(upgrades)
        self.tally.outcomes.update(row[2] for row in candidates)
        opened = expected.record.status.deadline.seconds - DEADLINE
        ended = min(
            (moment - opened for moment in (expected.used_at, expected.superseded_at) if moment is not None),
            default=DEADLINE,
        )
        checks = {
            "an answer that stood is infeasible": None not in values.values(),
            "upgraded twice": len(upgrades) <= 1 and sorted(standing) == list(range(1, final + 1)),
            "upgraded late, or after the client acted": all(row[3] < DEADLINE and row[3] <= ended for row in upgrades),
            "revised for the worse": len(values) < 2 or None in values.values() or values[2] > values[1],
            "a candidate was not kept": sorted(row[0] for row in candidates)
            == sorted(one for one, _ in expected.offered),
            "what was used is not what was said": used == expected.used_version,
            "a used decision is not used": (state == "used") == (expected.used_version is not None),
            "an objective is not that of the instance": all(
                row[5] is None or not row[4] or abs(row[5] - (plain_value(expected.problem, row[0]) or 0.0)) < 1e-9
                for row in rows
            ),
        }
        self.tally.broken += [f"{expected.record.id}: {what}" for what, holds in checks.items() if not holds]
