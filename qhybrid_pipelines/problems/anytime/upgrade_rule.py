"""Whether a candidate may take the place of an answer that was given already.

It must be feasible by the family's own check, better by a stated share, and, where the coefficients of the objective are uncertain,
better in so many scenarios that the lower bound of that probability reaches the confidence asked for. Who chooses the candidate does
so by the stated coefficients alone, so that all scenarios are fresh ones: chosen and judged on the same ones, twice as many upgrades
turn out worse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.classical.statistics import wilson_interval
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.core.vocabulary.decision_words import CandidateOutcome
from qhybrid_pipelines.problems.anytime.objective_terms import ObjectiveTerms, objective_terms
from qhybrid_pipelines.problems.evaluation import Problem, evaluate, is_better

#: Scenarios that are drawn where only the noise is stated.
DRAWN_SCENARIOS = 1000
#: Fewer say too little: with 50, a confidence of 0.8 already needs 45 of them.
FEWEST_SCENARIOS = 50
#: A two-sided interval of this level has the bounds of one-sided ones of 95 %.
_TWO_SIDED = 0.90
#: The realised gain should lie below the low quantile, and above the high one, no more often than this; `error_gate` counts it.
TAIL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertainty:
    """How the coefficients of the objective may turn out.

    Attributes:
        noise: standard deviation of every coefficient, as a share of its size; independent and normal. 0 is certain.
        scenarios: coefficients of each variable in each scenario, shape ``(s, n)``, in the family's own unit; in place of noise.
        seed: of the scenarios that are drawn.
    """

    noise: float = 0.0
    scenarios: F64 | None = None
    seed: int = 0

    @property
    def is_certain(self) -> bool:
        """Nothing may turn out otherwise."""
        return self.scenarios is None and not self.noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a candidate is worth compared with the current answer, in the family's unit.

    Attributes:
        outcome: UPGRADED where nothing in the candidate itself speaks against it.
        objective: of the candidate.
        feasible: by the family's own check.
        gain: by which it is better by the coefficients as stated; negative where it is worse, None where one of the two is
            infeasible.
        wins: scenarios in which it is better; None where nothing is uncertain.
        scenarios: number of them.
        confidence_low: one-sided lower 95 % bound (Wilson) of the probability that it is better.
        low_gain, high_gain: quantiles `TAIL` and 1 - `TAIL` of its gain over the scenarios.
    """

    outcome: CandidateOutcome
    objective: float
    feasible: bool
    gain: float | None
    wins: int | None = None
    scenarios: int | None = None
    confidence_low: float | None = None
    low_gain: float | None = None
    high_gain: float | None = None


def judge(
    problem: Problem, incumbent: U8, candidate: U8, *, min_gain: float, confidence: float, uncertainty: Uncertainty
) -> Judgement:
    """Judge a candidate against the current answer.

    Args:
        problem: the instance.
        incumbent: the answer that was given, shape ``(n,)``.
        candidate: shape ``(n,)``; of another shape it is an error of whoever found it.
        min_gain: least gain, as a share of the size of the incumbent's objective.
        confidence: least lower bound of the probability of being better.
        uncertainty: how coefficients may turn out.

    Raises:
        InvalidInput: there are scenarios or noise, and the family's objective is not a sum to which they could apply.
    """
    if candidate.shape != incumbent.shape or not np.isin(candidate, (0, 1)).all():
        return Judgement(outcome=CandidateOutcome.ERROR, objective=float("nan"), feasible=False, gain=None)
    both = np.stack([incumbent, candidate])
    found = evaluate(problem, both)
    (before, after), (was_feasible, feasible) = found.objective.tolist(), found.feasible.tolist()
    if not feasible:
        return Judgement(outcome=CandidateOutcome.INFEASIBLE, objective=after, feasible=False, gain=None)
    if not was_feasible:
        return Judgement(outcome=CandidateOutcome.UPGRADED, objective=after, feasible=True, gain=None)
    gain = -problem.penalised_model.sign * (after - before)
    better = is_better(problem.family, (after, True), (before, True)) and gain >= min_gain * abs(before)
    stated = Judgement(
        outcome=CandidateOutcome.UPGRADED if better else CandidateOutcome.NOT_BETTER,
        objective=after,
        feasible=True,
        gain=gain,
    )
    if uncertainty.is_certain or not (incumbent != candidate).any():
        return stated
    gains = scenario_gains(objective_terms(problem, both), problem.penalised_model.sign, both, uncertainty)
    wins = int(np.count_nonzero(gains > 0))
    low = wilson_interval(wins, len(gains), level=_TWO_SIDED)[0]
    outcome = stated.outcome if not better or low >= confidence else CandidateOutcome.LOW_CONFIDENCE
    low_gain, high_gain = gain_quantiles(gains)
    return Judgement(
        outcome=outcome,
        objective=after,
        feasible=True,
        gain=gain,
        wins=wins,
        scenarios=len(gains),
        confidence_low=low,
        low_gain=low_gain,
        high_gain=high_gain,
    )


def gain_quantiles(gains: F64) -> tuple[float, float]:
    """Return the values below and above which one more gain of the same kind lies with a probability of at most `TAIL` each.

    They are order statistics, with nothing between two of them estimated: of ``s`` scenarios and one outcome, all alike, the outcome is
    below the ``k``-th smallest scenario with probability ``k / (s + 1)`` at most. An interpolated quantile of 50 scenarios would be
    undercut in 6.8 of 100 cases instead of 5.

    Args:
        gains: one for each scenario, shape ``(s,)``, `FEWEST_SCENARIOS` at least.
    """
    place = int(TAIL * (len(gains) + 1))
    ordered = np.sort(gains)
    return float(ordered[place - 1]), float(ordered[-place])


def scenario_gains(terms: ObjectiveTerms, sign: int, both: U8, uncertainty: Uncertainty) -> F64:
    """Return the gain of the second row over the first in each scenario, shape ``(s,)``; positive is better.

    Args:
        terms: of the objective, to be minimised.
        sign: -1 where the family maximises.
        both: shape ``(2, n)``.
        uncertainty: with scenarios, or with noise.

    Raises:
        InvalidInput: scenarios of coefficients, and the objective has pairs.
    """
    if uncertainty.scenarios is not None:
        realised = _realised(terms, both, uncertainty.scenarios)
        found: F64 = -sign * (realised[:, 1] - realised[:, 0])
        return found
    first, second = terms.values(both)
    differ = np.flatnonzero(first != second)
    changes = (second - first)[differ] * terms.coefficients[differ]
    drawn = generator(uncertainty.seed, "decision", "scenarios").standard_normal((DRAWN_SCENARIOS, len(differ)))
    gains: F64 = -(1 + uncertainty.noise * drawn) @ changes
    return gains


def realised_objectives(problem: Problem, rows: U8, coefficients: F64) -> F64:
    """Return what feasible rows ``(m, n)`` turned out to be worth, in the family's unit.

    Args:
        problem: the instance.
        rows: feasible.
        coefficients: of each variable as it turned out, shape ``(n,)``, in the family's own unit.

    Raises:
        InvalidInput: the objective has pairs.
    """
    terms = objective_terms(problem, rows)
    constant = problem.penalised_model.sign * terms.offset
    found: F64 = constant + _realised(terms, rows, coefficients[None, :])[0]
    return found


def _realised(terms: ObjectiveTerms, rows: U8, coefficients: F64) -> F64:
    """Return ``(s, m)`` sums of coefficients over the variables that are 1."""
    if not terms.is_linear:
        raise InvalidInput(
            "the objective has terms of two variables, and a coefficient of each variable does not say how it turns out",
            remedy="State noise in place of scenarios, and values in place of coefficients.",
            field="scenarios",
        )
    sums: F64 = coefficients @ rows.T.astype(np.float64)
    return sums
