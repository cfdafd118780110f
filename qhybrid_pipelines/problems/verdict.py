"""The rules of the verdict.

In this order: nothing was left to be sent; nothing was measured; the reduced model's exact optimum is no better than what was
known before, so nothing could be won; then the paired gains over the best baseline. ``quantum_better`` needs the lower
95 % bound above the margin, ``classical_better`` the upper one below minus the margin, ``tie`` both bounds within it,
each over at least 10 runs. Against a proved optimum no interval is needed where all of them agree: what reaches it
cannot be beaten, and what misses it every time has missed it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.core.verdicts import Verdict

#: A mean gain counts from this share of the reference.
MARGIN_SHARE = 0.001
MIN_RUNS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a verdict rests on.

    Attributes:
        solved_by_reduction: nothing was left to be sent to a QPU.
        optimum: proved optimum, or None.
        n_qubits: width of the reduced model.
        incumbent: objective known before anything quantum.
        ceiling_below: the reduced model's exact optimum is no better than the incumbent, and no quantum answer is.
        reduced_model_optimum: that optimum.
        runs: quantum runs.
        quantum_feasible: quantum runs with a feasible answer.
        solver: the best baseline, or None if none found anything feasible.
        best_classical: best feasible objective over all baselines, or None.
        gains: paired gains over it, shape ``(runs,)``; None if one side never found anything feasible.
        interval: 95 % bounds of the mean gain, None without gains.
        margin: gain that counts as better.
        baseline_is_optimum: the best baseline reached the proved optimum in every run.
        without_counts: why nothing was measured, as a sentence, where somebody knows.
    """

    solved_by_reduction: bool
    optimum: float | None
    n_qubits: int
    incumbent: float
    ceiling_below: bool
    reduced_model_optimum: float
    runs: int
    quantum_feasible: int
    solver: str | None
    best_classical: float | None
    gains: F64 | None
    interval: tuple[float, float] | None
    margin: float
    baseline_is_optimum: bool
    without_counts: str | None = None


def decide_verdict(evidence: Evidence) -> tuple[Verdict, str]:
    """Return the verdict and its reason in one sentence."""
    if evidence.solved_by_reduction:
        value = evidence.reduced_model_optimum
        return (
            Verdict.SOLVED_BY_REDUCTION,
            f"Reduction alone proved the optimum {_format_number(value)}; nothing was sent to a QPU.",
        )
    if not evidence.runs:
        return Verdict.INCONCLUSIVE, evidence.without_counts or "There are no measured counts to compare."
    if evidence.ceiling_below:
        return Verdict.REDUCED_MODEL_CEILING, (
            f"The exact optimum of the {evidence.n_qubits}-qubit reduced model is worth {_format_number(evidence.reduced_model_optimum)}, no better "
            f"than the {_format_number(evidence.incumbent)} of the incumbent: nothing could be won in this reduced model."
            f"{_best_classical_sentence(evidence)}"
        )
    if evidence.gains is None or evidence.interval is None:
        return _verdict_without_gains(evidence)
    return _verdict_from_gains(evidence, evidence.gains, evidence.interval)


def _best_classical_sentence(evidence: Evidence) -> str:
    """Return what the best baseline reached, so that a ceiling hides no classical win."""
    if evidence.solver is None or evidence.best_classical is None:
        return ""
    return f" The best classical answer is {_format_number(evidence.best_classical)}, by {evidence.solver}."


def _verdict_without_gains(evidence: Evidence) -> tuple[Verdict, str]:
    """Judge where at least one side never found anything feasible."""
    if evidence.solver is not None:
        reason = f"None of {evidence.runs} quantum runs found a feasible assignment; {evidence.solver} did."
        return Verdict.CLASSICAL_BETTER, reason
    if not evidence.quantum_feasible:
        return Verdict.INCONCLUSIVE, "Neither the quantum runs nor any baseline found a feasible assignment."
    found = f"{evidence.quantum_feasible} of {evidence.runs} quantum runs found a feasible assignment, no baseline did"
    if evidence.quantum_feasible == evidence.runs >= MIN_RUNS:
        return Verdict.QUANTUM_BETTER, f"{found}."
    return Verdict.INCONCLUSIVE, f"{found}; a claim needs at least {MIN_RUNS} runs, all feasible."


def _verdict_from_gains(evidence: Evidence, gains: F64, interval: tuple[float, float]) -> tuple[Verdict, str]:
    if evidence.baseline_is_optimum and evidence.optimum is not None and evidence.runs >= MIN_RUNS:
        runs, solver, optimum = evidence.runs, evidence.solver, _format_number(evidence.optimum)
        if bool((gains >= -evidence.margin).all()):
            reason = (
                f"All {runs} quantum runs came within {_format_number(evidence.margin)} of the proved optimum {optimum}"
            )
            return Verdict.TIE, f"{reason}, and so did {solver}."
        if bool((gains < -evidence.margin).all()):
            missed = f"by {_format_number(-float(gains.mean()))} on average"
            reason = f"All {runs} quantum runs missed the proved optimum {optimum}, {missed}; {solver} reached it."
            return Verdict.CLASSICAL_BETTER, reason
    return _verdict_from_interval(evidence, float(gains.mean()), *interval)


def _verdict_from_interval(evidence: Evidence, gain: float, low: float, high: float) -> tuple[Verdict, str]:
    margin, runs, solver = evidence.margin, evidence.runs, evidence.solver
    interval = f"95 % interval {_format_number(low)} to {_format_number(high)}"
    basis = f"mean gain {_format_number(gain)} over {solver}, {interval}, margin {_format_number(margin)}, {runs} runs"
    if runs < MIN_RUNS:
        verdict, claim = Verdict.INCONCLUSIVE, f"Too few runs for a claim, at least {MIN_RUNS} are needed"
    elif low > margin:
        verdict, claim = Verdict.QUANTUM_BETTER, "The quantum side is better"
    elif high < -margin:
        verdict, claim = Verdict.CLASSICAL_BETTER, f"{solver} is better"
    elif low >= -margin and high <= margin:
        verdict, claim = Verdict.TIE, "Both sides agree within the margin"
    else:
        verdict, claim = Verdict.INCONCLUSIVE, "The runs do not decide"
    return verdict, f"{claim}: {basis}."


def _format_number(value: float) -> str:
    """Return a figure as people write it; rounding noise around zero is zero."""
    return f"{0.0 if np.isclose(value, 0.0, atol=1e-12) else value:.6g}"
