"""The words of the decision service: where a decision stands, what became of a candidate, and why none was sought."""

from __future__ import annotations

from enum import StrEnum


class DecisionState(StrEnum):
    """Where a decision stands; docs/decisions.md has the picture."""

    OPEN = "open"
    UPGRADED = "upgraded"
    KEPT = "kept"
    USED = "used"


class CandidateOutcome(StrEnum):
    """What became of an answer that came after the first one."""

    UPGRADED = "upgraded"
    LATE = "kept_late"
    INFEASIBLE = "kept_infeasible"
    NOT_BETTER = "kept_not_better"
    LOW_CONFIDENCE = "kept_low_confidence"
    NOISE_LIKE = "kept_noise_gate"
    GATE_CLOSED = "kept_gate_closed"
    UPGRADED_BEFORE = "kept_upgraded_before"
    USED_BEFORE = "kept_used_before"
    SUPERSEDED = "kept_superseded"
    ERROR = "kept_error"


class NotTried(StrEnum):
    """Why no quantum answer was sought."""

    NOT_ASKED = "not_asked"
    PROVED_OPTIMAL = "proved_optimal"
    SATURATED = "saturated"
    REFUSED = "refused"


#: Why a decision was kept where no candidate was the reason.
NO_CANDIDATE, SUPERSEDED = "no_candidate", "superseded"
