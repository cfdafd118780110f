"""The states of a decision as plain functions: what each event makes of it, and what it makes of a candidate.

`OPEN` becomes `UPGRADED` at most once, in time, and never after the client has acted; or `RETAINED`, with the reason; `USED` is what the
client says, and nothing changes it any more. Time is that of the machine since it was started: setting its clock moves no deadline,
and the deadline of a decision that was open when the machine went down has passed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from qhybrid_pipelines.core.vocabulary.decision_words import NO_CANDIDATE, SUPERSEDED, CandidateOutcome, DecisionState


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of one run of the machine: its boot, and seconds since then."""

    boot: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionStatus:
    """The status of a decision.

    Attributes:
        state: its state.
        version: of the current answer, from 1.
        reason: why the first answer was retained; None before.
        deadline: after this nothing is upgraded.
        used_version: what the client acted on; None before.
        last_outcome: of the candidate that came last; None before.
    """

    state: DecisionState
    version: int
    reason: str | None
    deadline: Moment
    used_version: int | None = None
    last_outcome: CandidateOutcome | None = None

    def is_over(self, now: Moment) -> bool:
        """Tell whether the deadline has passed."""
        return now.boot != self.deadline.boot or now.seconds >= self.deadline.seconds


class IllegalUse(ValueError):
    """The client says that it has acted on a version that there never was, or on another one than it said before."""


def opened(deadline: Moment, *, final: str | None) -> DecisionStatus:
    """Return the status of a new decision; ``final`` says why nothing will come any more, if that is so."""
    state = DecisionState.OPEN if final is None else DecisionState.RETAINED
    return DecisionStatus(state=state, version=1, reason=final, deadline=deadline)


def offered(
    status: DecisionStatus, now: Moment, judged: CandidateOutcome, *, gate_closed: bool
) -> tuple[DecisionStatus, CandidateOutcome]:
    """Return the status after a candidate was offered, and what became of the candidate.

    Args:
        status: before it.
        now: when it is stored, after it was judged.
        judged: what speaks against the candidate itself; UPGRADED where nothing does.
        gate_closed: claims of this subject did not hold.
    """
    outcome = judged
    if status.state is DecisionState.USED:
        outcome = CandidateOutcome.ALREADY_USED
    elif status.reason == SUPERSEDED:
        outcome = CandidateOutcome.SUPERSEDED
    elif status.state is DecisionState.UPGRADED:
        outcome = CandidateOutcome.ALREADY_UPGRADED
    elif status.state is DecisionState.RETAINED or status.is_over(now):
        outcome = CandidateOutcome.LATE
    elif judged is CandidateOutcome.UPGRADED and gate_closed:
        outcome = CandidateOutcome.GATE_CLOSED
    if outcome is CandidateOutcome.UPGRADED:
        return replace(status, state=DecisionState.UPGRADED, version=status.version + 1, last_outcome=outcome), outcome
    if status.state is DecisionState.OPEN and not status.is_over(now):
        return replace(status, last_outcome=outcome), outcome
    return status, outcome


def at(status: DecisionStatus, now: Moment) -> DecisionStatus:
    """Return the status as time has left it: an open decision is retained once its deadline has passed."""
    if status.state is DecisionState.OPEN and status.is_over(now):
        return replace(status, state=DecisionState.RETAINED, reason=status.last_outcome or NO_CANDIDATE)
    return status


def used(status: DecisionStatus, version: int) -> DecisionStatus:
    """Return the status after the client has acted on a version; saying so again changes nothing.

    Raises:
        IllegalUse: there was no such version, or another one was used.
    """
    if status.state is DecisionState.USED:
        if version != status.used_version:
            raise IllegalUse(f"version {status.used_version} was used already")
        return status
    if not 1 <= version <= status.version:
        raise IllegalUse(f"there is no version {version}; the current answer is version {status.version}")
    return replace(status, state=DecisionState.USED, used_version=version)


def superseded(status: DecisionStatus) -> DecisionStatus:
    """Return the status after another decision took its place; what was used or upgraded stays what it is."""
    if status.state is DecisionState.OPEN:
        return replace(status, state=DecisionState.RETAINED, reason=SUPERSEDED)
    return status
