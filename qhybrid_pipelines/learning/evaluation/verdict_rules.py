"""The rules of a learning verdict, in the words of the optimisation side.

Intervals know how many rows were tested (`corrected_intervals`): with a margin of 0.01 no `tie` is claimed from fewer than 369 rows,
even where both models are right about all of them.

Over at least 10 folds and with the 95 % interval of the paired gain over the classical side (`classical_opponent`):

- ``quantum_better`` needs the lower bound above the margin,
- ``classical_better`` the upper bound below minus the margin,
- ``tie`` both bounds within the margin,
- ``no_better`` the upper bound below the margin: whatever the circuit gains is less than what counts.

That one side is better is claimed only if the p-value is below 2.5 % after Holm's correction for the circuits that were compared, in which exact
expectations and shots of one circuit count once; a claim that is taken back becomes the next weaker one that holds. Anything else is ``inconclusive``. The control without entanglement is never
``quantum_better``: it is not a quantum model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from qhybrid_pipelines.classical.statistics import LEVEL
from qhybrid_pipelines.core.vocabulary.verdicts import Verdict

MIN_FOLDS = 10

#: The version of these rules and of the choice of the classical side. Rule 1 held a circuit against the baseline that did best on the test
#: folds, counted every number of shots and the control as a circuit of its own, and had no ``no_better``.
RULE = "validation-opponent/2"


class ClaimPValues(NamedTuple):
    """One-sided p-values of four claims about a mean gain."""

    #: Above the margin.
    better: float
    #: Below minus the margin.
    worse: float
    #: Below the margin.
    no_better: float
    #: Above minus the margin.
    no_worse: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A paired gain over the folds: its mean, corrected 95 % interval, and the p-values of what can be claimed of it."""

    mean: float
    low: float
    high: float
    folds: int
    p_values: ClaimPValues


def decide_verdict(
    gain: Gain | None,
    *,
    p_adjusted: ClaimPValues | None,
    margin: float,
    metric: str,
    baseline: str | None,
    gain_over_unentangled: Gain | None,
    is_unentangled_control: bool,
) -> tuple[Verdict, str]:
    """Return the verdict about one circuit and its reason in a sentence or two.

    Args:
        gain: over the classical side; None where there is nothing to compare with.
        p_adjusted: of the claims, after the correction for all that was compared; None takes the interval's word.
        margin: mean gain that counts.
        metric: in words of the table.
        baseline: the classical side, as it is called in a sentence.
        gain_over_unentangled: gain over the control without entanglement, where there is one.
        is_unentangled_control: the circuit is that control itself.
    """
    if baseline is None:
        return Verdict.INCONCLUSIVE, f"No baseline has a score in {metric} on every fold, so there is nothing to beat."
    if gain is None:
        return Verdict.INCONCLUSIVE, f"One fold has no spread; a claim needs at least {MIN_FOLDS}."
    verdict, claim = _verdict_and_claim(gain, p_adjusted, margin, baseline)
    if is_unentangled_control and verdict == Verdict.QUANTUM_BETTER:
        verdict, claim = Verdict.INCONCLUSIVE, "Better than the baselines, but not a quantum model"
    basis = (
        f"mean gain in {metric} {_format_number(gain.mean)} over {baseline}, corrected 95 % interval {_format_number(gain.low)} to "
        f"{_format_number(gain.high)}, margin {_format_number(margin)}, {gain.folds} folds"
    )
    return (
        verdict,
        f"{claim}: {basis}.{_entanglement_note(verdict, gain_over_unentangled, is_unentangled_control=is_unentangled_control)}",
    )


def _verdict_and_claim(
    gain: Gain, p_adjusted: ClaimPValues | None, margin: float, baseline: str
) -> tuple[Verdict, str]:
    """Return the strongest claim that the interval makes and the correction does not take back."""
    if gain.folds < MIN_FOLDS:
        return Verdict.INCONCLUSIVE, f"Too few folds for a claim, at least {MIN_FOLDS} are needed"
    level = (1 - LEVEL) / 2
    p = p_adjusted or ClaimPValues(0.0, 0.0, 0.0, 0.0)
    taken_back = None
    if gain.low > margin:
        if p.better <= level:
            return Verdict.QUANTUM_BETTER, "The circuit is better"
        taken_back = "Better taken alone, but not after correcting for all circuits compared"
    elif gain.high < -margin:
        if p.worse <= level:
            return Verdict.CLASSICAL_BETTER, f"{baseline} is better"
    elif gain.low >= -margin and gain.high <= margin and max(p.no_better, p.no_worse) <= level:
        return Verdict.TIE, "Both agree within the margin"
    if gain.high < margin:
        if p.no_better <= level:
            return Verdict.NO_BETTER, "No better: the circuit gains less than the margin, if anything"
        taken_back = (
            f"No better taken alone, but not after correcting for the choice of the baseline (p = {p.no_better:.2g})"
        )
    return Verdict.INCONCLUSIVE, taken_back or "The folds do not decide"


def _entanglement_note(verdict: Verdict, gain_over_unentangled: Gain | None, *, is_unentangled_control: bool) -> str:
    """Return what a reader has to know before calling a good score a quantum effect."""
    if is_unentangled_control:
        return " This circuit has no entanglement and is simulated qubit by qubit: what it reaches is not a quantum effect."
    if gain_over_unentangled is None:
        return ""
    if gain_over_unentangled.mean <= 0:
        return f" Its control without entanglement is at least as good (gain {_format_number(gain_over_unentangled.mean)} over it)."
    if gain_over_unentangled.low <= 0 and verdict in {Verdict.QUANTUM_BETTER, Verdict.TIE}:
        return f" Its control without entanglement is not clearly worse (gain {_format_number(gain_over_unentangled.mean)} over it)."
    return ""


def _format_number(value: float) -> str:
    """Return a figure as people write it; rounding noise around zero is zero."""
    return f"{0.0 if abs(value) < 1e-12 else value:.4g}"
