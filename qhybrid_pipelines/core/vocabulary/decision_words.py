"""The words of the decision service: the states of a decision, what became of a candidate, and why none was sought."""

from __future__ import annotations

from enum import StrEnum

#: The name of the event that streams and webhooks tell of, beside those of jobs.
DECISION_UPGRADED = "DecisionUpgraded"


class DecisionState(StrEnum):
    """The states of a decision; docs/decisions.md has a diagram."""

    OPEN = "open"
    UPGRADED = "upgraded"
    RETAINED = "retained"
    USED = "used"


class CandidateOutcome(StrEnum):
    """What became of an answer that came after the first one."""

    UPGRADED = "upgraded"
    LATE = "late"
    INFEASIBLE = "infeasible"
    NOT_BETTER = "not_better"
    LOW_CONFIDENCE = "low_confidence"
    NOISE_LIKE = "noise_like"
    GATE_CLOSED = "gate_closed"
    ALREADY_UPGRADED = "already_upgraded"
    ALREADY_USED = "already_used"
    SUPERSEDED = "superseded"
    ERROR = "error"


class NotTried(StrEnum):
    """Why no quantum answer was sought."""

    NOT_ASKED = "not_asked"
    PROVED_OPTIMAL = "proved_optimal"
    SATURATED = "saturated"
    REFUSED = "refused"


#: Why the first answer was retained where no candidate was the reason.
NO_CANDIDATE, SUPERSEDED = "no_candidate", "superseded"
