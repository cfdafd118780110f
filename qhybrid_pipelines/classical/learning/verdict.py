"""The rules of a learning verdict, in the words of the optimisation side.

Intervals know how many rows were tested (`intervals`): with a margin of 0.01 no `tie` is claimed from fewer than 369 rows,
even where both models are right about all of them.

Over at least 10 folds, ``quantum_better`` needs the lower 95 % bound of the paired gain over the best baseline above the
margin, and that claim's p-value below 2.5 % after Holm's correction for all circuits that were compared;
``classical_better`` the upper bound below minus the margin, and that claim's p-value below 2.5 % after Bonferroni's correction
for all baselines of which the best was picked, and Holm's for all circuits; ``tie`` both bounds within the margin; anything
else is ``inconclusive``. The twin without entanglement is never ``quantum_better``: it is no quantum model. The gain itself is over the baseline that did best on these folds, which is biased downward.
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


def judge(
    gain: Gain | None,
    *,
    p_adjusted: float | None,
    p_worse_adjusted: float | None,
    margin: float,
    metric: str,
    baseline: str | None,
    over_twin: Gain | None,
    is_twin: bool,
) -> tuple[Verdict, str]:
    """Return the verdict about one circuit and its reason in a sentence or two.

    Args:
        gain: over the best baseline; None where there is nothing to compare with.
        p_adjusted: of the claim to be better, after Holm.
        p_worse_adjusted: of the claim to be worse, after Bonferroni over the baselines and Holm.
        margin: mean gain that counts.
        metric: in words of the table.
        baseline: the best baseline, as it is called in a sentence.
        over_twin: gain over the twin without entanglement, where there is one.
        is_twin: the circuit is that twin itself.
    """
    if baseline is None:
        return Verdict.INCONCLUSIVE, f"No baseline has a score in {metric} on every fold, so there is nothing to beat."
    if gain is None:
        return Verdict.INCONCLUSIVE, f"One fold has no spread; a claim needs at least {MIN_FOLDS}."
    word, claim = _word(gain, p_adjusted, p_worse_adjusted, margin, baseline)
    if is_twin and word == Verdict.QUANTUM_BETTER:
        word, claim = Verdict.INCONCLUSIVE, "Better than the baselines, but no quantum model"
    basis = (
        f"mean gain in {metric} {_n(gain.mean)} over {baseline}, corrected 95 % interval {_n(gain.low)} to "
        f"{_n(gain.high)}, margin {_n(margin)}, {gain.folds} folds"
    )
    return word, f"{claim}: {basis}.{_about_entanglement(word, over_twin, is_twin=is_twin)}"


def _word(
    gain: Gain, p_adjusted: float | None, p_worse_adjusted: float | None, margin: float, baseline: str
) -> tuple[Verdict, str]:
    """Return what the interval says, unless the correction for everything that was compared takes it back."""
    level = (1 - LEVEL) / 2
    word, claim = _alone(gain, margin, baseline)
    if word == Verdict.QUANTUM_BETTER and p_adjusted is not None and p_adjusted > level:
        return Verdict.INCONCLUSIVE, "Better taken alone, but not after correcting for all circuits compared"
    if word == Verdict.CLASSICAL_BETTER and p_worse_adjusted is not None and p_worse_adjusted > level:
        corrected = f"not after correcting for all baselines and circuits compared (p = {p_worse_adjusted:.2g})"
        return Verdict.INCONCLUSIVE, f"{baseline} is better taken alone, but {corrected}"
    return word, claim


def _alone(gain: Gain, margin: float, baseline: str) -> tuple[Verdict, str]:
    if gain.folds < MIN_FOLDS:
        return Verdict.INCONCLUSIVE, f"Too few folds for a claim, at least {MIN_FOLDS} are needed"
    if gain.low > margin:
        return Verdict.QUANTUM_BETTER, "The circuit is better"
    if gain.high < -margin:
        return Verdict.CLASSICAL_BETTER, f"{baseline} is better"
    if gain.low >= -margin and gain.high <= margin:
        return Verdict.TIE, "Both agree within the margin"
    return Verdict.INCONCLUSIVE, "The folds do not decide"


def _about_entanglement(word: Verdict, over_twin: Gain | None, *, is_twin: bool) -> str:
    """Return what a reader has to know before calling a good score a quantum effect."""
    if is_twin:
        return (
            " This circuit has no entanglement and is simulated qubit by qubit: what it reaches is no quantum effect."
        )
    if over_twin is None:
        return ""
    if over_twin.mean <= 0:
        return f" Its twin without entanglement is at least as good (gain {_n(over_twin.mean)} over it)."
    if over_twin.low <= 0 and word in {Verdict.QUANTUM_BETTER, Verdict.TIE}:
        return f" Its twin without entanglement is not clearly worse (gain {_n(over_twin.mean)} over it)."
    return ""


def _n(value: float) -> str:
    """Return a figure as people write it; rounding noise around zero is zero."""
    return f"{0.0 if abs(value) < 1e-12 else value:.4g}"
