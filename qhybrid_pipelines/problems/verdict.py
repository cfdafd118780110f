"""The rules of the verdict.

In the order of proof, so that no word hides a lost fight: nothing was left to be sent, or nothing that could be won; nothing was measured; classical won
by more than the margin; raw shots say nothing; nothing could be won, in the instance or in this reduced model; then the
paired gains over the best baseline. ``quantum_better`` needs the lower 95 % bound above the margin, ``classical_better``
the upper one below minus the margin, ``tie`` and ``no_better`` both bounds within it, each over at least 10 runs. Against
a proved optimum no interval is needed where all of them agree: what reaches it cannot be beaten, and what misses it every
time has missed it. A hybrid solver that is better is ``inconclusive``, because which part of it is quantum is not known. A value that the incumbent or a baseline had is never credited to the quantum side: ``no_better``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.vocabulary.verdicts import Verdict
from qhybrid_pipelines.problems.source_sense import stated

#: A mean gain counts from this share of the reference.
MARGIN_SHARE = 0.001
MIN_RUNS = 10

#: Whole numbers below this are written in full.
_WHOLE = 1e15


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
        incumbent_is_optimum: the incumbent already was the proved optimum.
        known_by: who had a value as good as the best quantum one without anything quantum, or None.
        noise_like: no point's raw shots beat uniform random ones.
        single_outcome: all raw shots of every point and run gave the same outcome.
        best_raw: best feasible objective as measured, or None.
        best_quantum: best feasible objective after repair and local search, or None.
        empty_windows: all windows that were looked at, where none holds anything better than the incumbent and nothing was sent.
        without_counts: why nothing was measured, as a sentence, where somebody knows.
        hybrid: the answers are those of a hybrid solver, which no circuit and no qubit is credited with.
        negated: objectives are the negative of what the source maximises; sentences say what it means.
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
    incumbent_is_optimum: bool = False
    known_by: str | None = None
    noise_like: bool = False
    single_outcome: bool = False
    best_raw: float | None = None
    best_quantum: float | None = None
    empty_windows: int | None = None
    without_counts: str | None = None
    hybrid: bool = False
    negated: bool = False

    def say(self, objective: float) -> str:
        """Return an objective as people write it, and as its source means it."""
        return format_number(stated(objective, negated=self.negated))


def decide_verdict(evidence: Evidence) -> tuple[Verdict, str]:
    """Return the verdict and its reason in one sentence, two where a hybrid solver answered."""
    verdict, reason = _decide(evidence)
    if not evidence.hybrid or not evidence.runs:
        return verdict, reason
    if verdict == Verdict.QUANTUM_BETTER:
        verdict = Verdict.INCONCLUSIVE
    return verdict, f"{reason} {_HYBRID_NOTE}"


_HYBRID_NOTE = (
    "The quantum side is a hybrid solver here, classical except for a part that D-Wave does not disclose: what it finds is credited to no "
    "circuit and no annealer, and it has answers, not shots."
)


def _decide(evidence: Evidence) -> tuple[Verdict, str]:
    if evidence.solved_by_reduction:
        return Verdict.SOLVED_BY_REDUCTION, _reduction_sentence(evidence)
    if evidence.empty_windows is not None:
        return Verdict.NO_HEADROOM, _empty_windows_sentence(evidence, evidence.empty_windows)
    if not evidence.runs:
        return Verdict.INCONCLUSIVE, evidence.without_counts or "There are no measured counts to compare."
    if evidence.gains is None or evidence.interval is None:
        verdict, reason = _verdict_without_gains(evidence)
    else:
        verdict, reason = _verdict_from_gains(evidence, evidence.gains, evidence.interval)
    if verdict == Verdict.CLASSICAL_BETTER:
        return verdict, reason
    return _verdict_without_a_contest(evidence, verdict) or (verdict, reason)


def _reduction_sentence(evidence: Evidence) -> str:
    value = evidence.say(evidence.reduced_model_optimum)
    if evidence.optimum is None:
        unproved = "its weights differ by more than float64 can add up, so this is not called proved"
        return f"Reduction alone settled every variable, at {value}; {unproved}."
    return f"Reduction alone proved the optimum {value}; nothing was sent to a QPU."


def _empty_windows_sentence(evidence: Evidence, windows: int) -> str:
    known = evidence.say(evidence.incumbent)
    proved = " It is the proved optimum." if evidence.incumbent_is_optimum else ""
    return (
        f"The exact optima of {windows} windows around the incumbent are no better than its {known}: nothing could be won in any of "
        f"them, and no circuit was run.{proved}{_best_classical_sentence(evidence)}"
    )


def _verdict_without_a_contest(evidence: Evidence, verdict: Verdict) -> tuple[Verdict, str] | None:
    """Return the heading of the gains where classical did not win: noise, or nothing that could be won."""
    if evidence.noise_like:
        return Verdict.NOISE_LIKE, _noise_sentence(evidence)
    if evidence.incumbent_is_optimum and verdict == Verdict.NO_BETTER:
        within = f"All {evidence.runs} quantum runs came within {format_number(evidence.margin)} of it."
        optimum = f"The incumbent already was the proved optimum {evidence.say(evidence.incumbent)}"
        return Verdict.NO_HEADROOM, f"{optimum}: no answer could be better. {within}"
    if evidence.ceiling_below:
        ceiling, known = evidence.say(evidence.reduced_model_optimum), evidence.say(evidence.incumbent)
        return Verdict.REDUCED_MODEL_CEILING, (
            f"The exact optimum of the {evidence.n_qubits}-qubit reduced model is worth {ceiling}, no better than the "
            f"{known} of the incumbent: nothing could be won in this reduced model.{_best_classical_sentence(evidence)}"
        )
    return None


def _noise_sentence(evidence: Evidence) -> str:
    """Return why raw shots say nothing, what they reached, and what local search made of them."""
    shots = (
        "All raw shots of every point gave the same outcome, which is not the optimum of the reduced model"
        if evidence.single_outcome
        else "Raw shots were no better than uniform random ones at any point"
    )
    if evidence.best_raw is None:
        reached = "none of them was feasible"
    else:
        reached = f"the best of them is worth {evidence.say(evidence.best_raw)}"
    if evidence.best_quantum is None or evidence.best_quantum == evidence.best_raw:
        return f"{shots}; {reached}.{_best_classical_sentence(evidence)}"
    improved = f"the {evidence.say(evidence.best_quantum)} beside it is the work of repair and local search"
    return f"{shots}; {reached}, and {improved}.{_best_classical_sentence(evidence)}"


def _best_classical_sentence(evidence: Evidence) -> str:
    """Return what the best baseline reached, so that a ceiling hides no classical win."""
    if evidence.solver is None or evidence.best_classical is None:
        return ""
    return f" The best classical answer is {evidence.say(evidence.best_classical)}, by {evidence.solver}."


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
        runs, solver, optimum = evidence.runs, evidence.solver, evidence.say(evidence.optimum)
        if bool((gains >= -evidence.margin).all()):
            within = format_number(evidence.margin)
            reason = (
                f"All {runs} quantum runs came within {within} of the proved optimum {optimum}, which {solver} reached"
            )
            return Verdict.NO_BETTER, f"{reason} in every run without them.{_raw_sentence(evidence)}"
        if bool((gains < -evidence.margin).all()):
            missed = f"by {format_number(-float(gains.mean()))} on average"
            reason = f"All {runs} quantum runs missed the proved optimum {optimum}, {missed}; {solver} reached it."
            return Verdict.CLASSICAL_BETTER, reason
    return _verdict_from_interval(evidence, float(gains.mean()), *interval)


def _verdict_from_interval(evidence: Evidence, gain: float, low: float, high: float) -> tuple[Verdict, str]:
    margin, runs, solver = evidence.margin, evidence.runs, evidence.solver
    interval = f"95 % interval {format_number(low)} to {format_number(high)}"
    basis = f"mean gain {format_number(gain)} over {solver}, {interval}, margin {format_number(margin)}, {runs} runs"
    if runs < MIN_RUNS:
        verdict, claim = Verdict.INCONCLUSIVE, f"Too few runs for a claim, at least {MIN_RUNS} are needed"
    elif low > margin:
        verdict, claim = Verdict.QUANTUM_BETTER, "The quantum side is better"
    elif high < -margin:
        verdict, claim = Verdict.CLASSICAL_BETTER, f"{solver} is better"
    elif low >= -margin and high <= margin:
        verdict, claim = Verdict.TIE, "Both sides agree within the margin"
        if evidence.known_by is not None:
            verdict, claim = (
                Verdict.NO_BETTER,
                f"Both sides agree within the margin, and {evidence.known_by} had the value",
            )
    else:
        verdict, claim = Verdict.INCONCLUSIVE, "The runs do not decide"
    return verdict, f"{claim}: {basis}."


def _raw_sentence(evidence: Evidence) -> str:
    """Return what raw shots reached, where it is not what is judged."""
    if evidence.best_raw == evidence.best_quantum:
        return ""
    reached = (
        "none was feasible" if evidence.best_raw is None else f"the best is worth {evidence.say(evidence.best_raw)}"
    )
    return f" Raw shots never reached what is compared here ({reached}): repair and local search did."


def format_number(value: float) -> str:
    """Return a figure as people write it: whole numbers whole, others with six digits; rounding noise around zero is zero."""
    if np.isclose(value, 0.0, atol=1e-12):
        return "0"
    if float(value).is_integer() and abs(value) < _WHOLE:
        return str(int(value))
    return f"{value:.10g}" if abs(value) >= 1e6 else f"{value:.6g}"
