"""Upgrades on generated truth: rounds of dispatch whose weights turn out with noise, and the gate that holds claims against outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from qhybrid_pipelines.core.vocabulary.decision_words import CandidateOutcome
from qhybrid_pipelines.problems.anytime.error_gate import Gate, note_outcome
from qhybrid_pipelines.problems.anytime.solution_methods import EXACT, GREEDY, run_method
from qhybrid_pipelines.problems.anytime.upgrade_rule import TAIL, Uncertainty, judge, realised_objectives
from qhybrid_pipelines_tests.support.small_problems import small_problem

CONFIDENCE = 0.8
#: Its seed, the problem, the greedy answer and the candidate.
Round = tuple[int, Any, Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """What came of some decisions.

    Attributes:
        gate: after all of them.
        upgrades: how many were upgraded.
        worse: of those, how many turned out worse than the answer that they replaced.
        closed_at: after how many decisions the gate closed, if it did.
    """

    gate: Gate
    upgrades: int
    worse: int
    closed_at: int | None


def dispatch_rounds(count: int, first: int) -> Iterator[Round]:
    """Yield problems with the greedy answer and the optimum, which stands for the best that a quantum path could return."""
    for seed in range(first, first + count):
        problem = small_problem("independent_set", {"generator": "dispatch", "vehicles": 4, "jobs": 6, "seed": seed})
        yield (
            seed,
            problem,
            run_method(problem, GREEDY, None, seed).assignment,
            run_method(problem, EXACT, None, seed).assignment,
        )


def decide(rounds: Iterable[Round], *, assumed: float, true: float, rng: np.random.Generator) -> Realised:
    """Return what upgrades turned out to be worth.

    Args:
        rounds: problems with the greedy answer and the candidate.
        assumed: relative noise of the weights that the rule reckons with.
        true: relative noise with which they turn out.
        rng: of what turns out.
    """
    gate, upgrades, worse, closed_at = Gate(), 0, 0, None
    for number, (seed, problem, incumbent, candidate) in enumerate(rounds, start=1):
        found = judge(
            problem,
            incumbent,
            candidate,
            min_gain=0.02,
            confidence=CONFIDENCE,
            uncertainty=Uncertainty(noise=assumed, seed=seed),
        )
        if found.low_gain is None:
            continue
        weights = np.array(problem.instance.payload["weights"])
        realised = weights * (1 + true * rng.standard_normal(len(weights)))
        before, after = realised_objectives(problem, np.stack([incumbent, candidate]), realised)
        upgraded = found.outcome == CandidateOutcome.UPGRADED
        upgrades += upgraded
        worse += bool(upgraded and after < before)
        gate = note_outcome(
            gate,
            gain=float(after - before),
            low_gain=found.low_gain,
            high_gain=found.high_gain,
            tail=TAIL,
            claimed_error=1 - found.confidence_low if upgraded else None,
        )
        if gate.closed and closed_at is None:
            closed_at = number
    return Realised(gate=gate, upgrades=upgrades, worse=worse, closed_at=closed_at)
