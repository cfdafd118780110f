"""The verdict about one circuit: whether its outcomes are better than uniform ones, and how good they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qhybrid_pipelines.core.vocabulary.verdicts import SamplingVerdict
from qhybrid_pipelines.sampling.scores import Score

#: Heavy outputs of a square circuit come with more than this where the device has its quantum volume.
QUANTUM_VOLUME_SHARE = 2 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with its reason, one sentence or two."""

    verdict: SamplingVerdict
    reason: str


def judge(scores: Mapping[str, Score], *, margin: float, family: str = "", square: bool = False) -> Judgement:
    """Return the verdict of measured scores.

    It rests on the polarisation, which is 0 for uniform outcomes and has no bias however few the shots: above the margin with its
    whole interval, not above it with its whole interval, or neither.

    Args:
        scores: by name.
        margin: polarisation up to which outcomes are no better than uniform ones.
        family: of the circuit.
        square: its depth is its width.
    """
    fidelity = scores["hellinger_fidelity"]
    said = f"Fidelity {_with_interval(fidelity)}"
    polarisation = scores.get("polarisation")
    if polarisation is None:
        reason = f"The reference is uniform itself: nothing can be told from it. {said}."
        return Judgement(verdict=SamplingVerdict.INCONCLUSIVE, reason=reason)
    said += f", polarisation {_with_interval(polarisation)}"
    if polarisation.low > margin:
        verdict, word = SamplingVerdict.BETTER_THAN_UNIFORM, "Better than uniform outcomes"
    elif polarisation.high <= margin:
        verdict, word = SamplingVerdict.NO_BETTER_THAN_UNIFORM, "No better than uniform outcomes"
    else:
        verdict = SamplingVerdict.INCONCLUSIVE
        word = f"The polarisation's interval reaches over the margin of {margin:g}; more shots decide it"
    reason = f"{word}: {said[0].lower()}{said[1:]}."
    heavy = scores.get("heavy_output")
    if family == "quantum_volume" and heavy is not None:
        reason += f" Heavy outputs {_with_interval(heavy)}"
        reason += _volume_words(heavy) if square else ""
        reason += "."
    return Judgement(verdict=verdict, reason=reason)


def judge_unmeasured(explanation: str) -> Judgement:
    """Return the verdict where there are no counts."""
    return Judgement(verdict=SamplingVerdict.INCONCLUSIVE, reason=f"Nothing was measured. {explanation}")


def _volume_words(heavy: Score) -> str:
    reached = heavy.low > QUANTUM_VOLUME_SHARE
    return ", more than two thirds with this circuit" if reached else ", not proved to be more than two thirds"


def _with_interval(score: Score) -> str:
    return f"{score.value:.3g} [{score.low:.3g}, {score.high:.3g}]"
