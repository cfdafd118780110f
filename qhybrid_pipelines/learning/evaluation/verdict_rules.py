"""The rules of a learning verdict, in the words of the optimisation side.

Intervals know how many rows were tested (`intervals`): with a margin of 0.01 no `tie` is claimed from fewer than 369 rows,
even where both models are right about all of them.

Over at least 10 folds, ``quantum_better`` needs the lower 95 % bound of the paired gain over the best baseline above the
margin, and that claim's p-value below 2.5 % after Holm's correction for all circuits that were compared;
``classical_better`` the upper bound below minus the margin, and that claim's p-value below 2.5 % after Bonferroni's correction
for all baselines of which the best was picked, and Holm's for all circuits; ``tie`` both bounds within the margin; anything
else is ``inconclusive``. The control without entanglement is never ``quantum_better``: it is not a quantum model. The gain itself is
over the baseline that did best on these folds, which is biased downward.
"""

from __future__ import annotations

from dataclasses import dataclass

from qhybrid_pipelines.classical.statistics import LEVEL
from qhybrid_pipelines.core.verdicts import Verdict

MIN_FOLDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A paired gain over the folds: its mean, corrected 95 % interval, and p-values of being above and below the margin."""

    mean: float
    low: float
    high: float
    folds: int
    p_value: float
    p_worse: float


def decide_verdict(
    gain: Gain | None,
    *,
    p_adjusted: float | None,
    p_worse_adjusted: float | None,
    margin: float,
    metric: str,
    baseline: str | None,
    gain_over_unentangled: Gain | None,
    is_unentangled_control: bool,
) -> tuple[Verdict, str]:
    """Return the verdict about one circuit and its reason in a sentence or two.

    Args:
        gain: over the best baseline; None where there is nothing to compare with.
        p_adjusted: of the claim to be better, after Holm.
        p_worse_adjusted: of the claim to be worse, after Bonferroni over the baselines and Holm.
        margin: mean gain that counts.
        metric: in words of the table.
        baseline: the best baseline, as it is called in a sentence.
        gain_over_unentangled: gain over the control without entanglement, where there is one.
        is_unentangled_control: the circuit is that control itself.
    """
    if baseline is None:
        return Verdict.INCONCLUSIVE, f"No baseline has a score in {metric} on every fold, so there is nothing to beat."
    if gain is None:
        return Verdict.INCONCLUSIVE, f"One fold has no spread; a claim needs at least {MIN_FOLDS}."
    verdict, claim = _corrected_verdict(gain, p_adjusted, p_worse_adjusted, margin, baseline)
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


def _corrected_verdict(
    gain: Gain, p_adjusted: float | None, p_worse_adjusted: float | None, margin: float, baseline: str
) -> tuple[Verdict, str]:
    """Return what the interval says, unless the correction for everything that was compared takes it back."""
    level = (1 - LEVEL) / 2
    verdict, claim = _uncorrected_verdict(gain, margin, baseline)
    if verdict == Verdict.QUANTUM_BETTER and p_adjusted is not None and p_adjusted > level:
        return Verdict.INCONCLUSIVE, "Better taken alone, but not after correcting for all circuits compared"
    if verdict == Verdict.CLASSICAL_BETTER and p_worse_adjusted is not None and p_worse_adjusted > level:
        corrected = f"not after correcting for all baselines and circuits compared (p = {p_worse_adjusted:.2g})"
        return Verdict.INCONCLUSIVE, f"{baseline} is better taken alone, but {corrected}"
    return verdict, claim


def _uncorrected_verdict(gain: Gain, margin: float, baseline: str) -> tuple[Verdict, str]:
    if gain.folds < MIN_FOLDS:
        return Verdict.INCONCLUSIVE, f"Too few folds for a claim, at least {MIN_FOLDS} are needed"
    if gain.low > margin:
        return Verdict.QUANTUM_BETTER, "The circuit is better"
    if gain.high < -margin:
        return Verdict.CLASSICAL_BETTER, f"{baseline} is better"
    if gain.low >= -margin and gain.high <= margin:
        return Verdict.TIE, "Both agree within the margin"
    return Verdict.INCONCLUSIVE, "The folds do not decide"


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
