"""The words of the last stages: verdicts of a comparison, and what is decided after it."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """Who won, in one word; ``quantum_better`` needs the lower 95 % bound above the margin against the best baseline."""

    QUANTUM_BETTER = "quantum_better"
    TIE = "tie"
    CLASSICAL_BETTER = "classical_better"
    INCONCLUSIVE = "inconclusive"
    SOLVED_BY_REDUCTION = "solved_by_reduction"
    REDUCED_MODEL_CEILING = "reduced_model_ceiling"


class DecisionKind(StrEnum):
    """What happens after a verdict."""

    ACCEPT = "accept"  # the quantum answer (or an equal one) stands
    CONTINUE = "continue"  # a next round with adjusted parameters was written
    FALL_BACK = "fall_back"  # the classical answer is used
