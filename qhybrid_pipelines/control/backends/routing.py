"""Where work goes: a pure choice among the requested backend and those that the policy lets stand in for it.

Three kinds of answers: a backend that takes the work now; a backend for later (everybody is out for the moment, and an
outage must not lose a request); or a refusal with the reasons of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from qhybrid_pipelines.control.backends.circuit_breaker import blocks_calls
from qhybrid_pipelines.control.ledger.port import Breaker
from qhybrid_pipelines.control.policy.rules import CalibrationRules, Routing
from qhybrid_pipelines.control.policy.tiers import Tier
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.circuit_jobs import BackendStatus, Calibration

#: Two clocks may differ by this much before one of them is wrong.
CLOCK_TOLERANCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is known about a backend that could take the work.

    Attributes:
        unsuitable_reason: why it can never take this work (limits, policy), or None.
        breaker: None if it never failed.
        status: None if nobody asked, or the provider does not say.
        unreachable_reason: why its provider did not answer, or None.
        calibration: None for a backend without one, or one whose calibration never changes (a simulated device).
        has_virtual_clock: its time is an emulator's, which goes faster than ours.
    """

    backend: str
    unsuitable_reason: str | None = None
    breaker: Breaker | None = None
    status: BackendStatus | None = None
    unreachable_reason: str | None = None
    calibration: Calibration | None = None
    has_virtual_clock: bool = False

    def staleness(self, rules: CalibrationRules, now: datetime) -> str | None:
        """Return in words what is wrong with the age of its calibration, or None."""
        return staleness(self.calibration, rules, now, has_virtual_clock=self.has_virtual_clock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The choice.

    Attributes:
        reason: why not the requested backend, or what was accepted about it; empty if there is nothing to say.
        offline: the backend takes no jobs now, so nothing is sent yet. (One whose breaker is open is held back there.)
    """

    backend: str
    reason: str = ""
    offline: bool = False


def choose_route(candidates: Sequence[Candidate], *, routing: Routing, tier: Tier, now: datetime) -> Route:
    """Return where work goes; the first candidate is the requested backend, the others stand in for it in order.

    Raises:
        Refused: no candidate can ever take it, or the requested one is stale and the policy refuses that.
    """
    requested = candidates[0]
    objections = {c.backend: objection(c, routing=routing, tier=tier, now=now) for c in candidates}
    stale = requested.staleness(routing.calibration, now)
    if stale and routing.calibration.stale == "refuse" and requested.unsuitable_reason is None:
        raise Refused(
            f"'{requested.backend}': {stale}, and the policy refuses that. Wait for a new one, or name another backend."
        )
    if _could_run(requested, routing, now) and _wait_is_short(requested, routing, tier, now):
        return Route(backend=requested.backend, reason=f"'{requested.backend}' {objections[requested.backend]}")
    for candidate in candidates:
        if objections[candidate.backend] is None:
            if candidate is requested:
                return Route(backend=requested.backend, reason=stale or "")
            return Route(backend=candidate.backend, reason=f"'{requested.backend}' {objections[requested.backend]}")
    usable = [candidate for candidate in candidates if _could_run(candidate, routing, now)]
    if usable:
        return _choose_despite_objections(usable, objections, now)
    if len(candidates) == 1 and requested.unsuitable_reason is not None:
        raise Refused(requested.unsuitable_reason)
    raise Refused(
        "no backend takes this work: " + "; ".join(f"'{name}' {why}" for name, why in objections.items()) + "."
    )


def objection(candidate: Candidate, *, routing: Routing, tier: Tier, now: datetime) -> str | None:
    """Return the first thing that speaks against a candidate, or None."""
    if candidate.unsuitable_reason is not None:
        return f"cannot take it: {candidate.unsuitable_reason}"
    if candidate.unreachable_reason is not None:
        return f"does not answer: {candidate.unreachable_reason}"
    breaker = candidate.breaker
    if breaker is not None and blocks_calls(breaker, now):
        return f"is left alone until {breaker.retry_at:%Y-%m-%d %H:%M:%S} UTC after {breaker.reason}"
    if candidate.status is not None and not candidate.status.online:
        return "is offline"
    stale = candidate.staleness(routing.calibration, now)
    if stale and routing.calibration.stale != "accept":
        return f"is stale: {stale}"
    return saturation(candidate.status, routing, tier)


def staleness(
    calibration: Calibration | None, rules: CalibrationRules, now: datetime, *, has_virtual_clock: bool = False
) -> str | None:
    """Return in words that a calibration is too old, or of a time to come, so that nobody knows how old it is; or None.

    One without a date is never stale: its provider says what holds now, and not since when.
    """
    if calibration is None or calibration.measured_at is None or rules.max_age_seconds is None:
        return None
    age_seconds = (now - calibration.measured_at).total_seconds()
    if age_seconds < -CLOCK_TOLERANCE.total_seconds() and not has_virtual_clock:
        return (
            f"its calibration {calibration.calibration_id} is dated {-age_seconds / 3600:.1f} h in the future; "
            "one of the two clocks is wrong"
        )
    if age_seconds <= rules.max_age_seconds:
        return None
    return (
        f"its calibration {calibration.calibration_id} is {age_seconds / 3600:.1f} h old, "
        f"and {rules.max_age_seconds / 3600:g} h are allowed"
    )


def saturation(status: BackendStatus | None, routing: Routing, tier: Tier) -> str | None:
    """Return in words that a queue is too long for the tier, or None."""
    if status is None:
        return None
    limits, tolerance = routing.saturation, tier.saturation_tolerance
    for what, seen, limit in (
        ("jobs", status.queued_jobs, limits.queued_jobs),
        ("s", status.queue_seconds, limits.queue_seconds),
    ):
        if seen is not None and limit is not None and seen > limit * tolerance:
            return f"has a queue of {seen:g} {what}, and {limit * tolerance:g} {what} are tolerated"
    return None


def _could_run(candidate: Candidate, routing: Routing, now: datetime) -> bool:
    """Return whether only time speaks against a candidate; shots are not spent on a stale one because nothing better is there."""
    stale = candidate.staleness(routing.calibration, now) is not None
    return candidate.unsuitable_reason is None and (not stale or routing.calibration.stale == "accept")


def _choose_despite_objections(
    usable: Sequence[Candidate], objections: Mapping[str, str | None], now: datetime
) -> Route:
    """Choose where something speaks against everybody: a long queue beats waiting here, and waiting beats losing."""
    for candidate in usable:
        out = candidate.unreachable_reason is not None or blocks_calls(candidate.breaker, now)
        if not out and (candidate.status is None or candidate.status.online):
            reason = f"'{candidate.backend}' {objections[candidate.backend]}, and there is nothing better"
            return Route(backend=candidate.backend, reason=reason)
    first = usable[0]
    offline = first.status is not None and not first.status.online
    return Route(backend=first.backend, reason=f"'{first.backend}' {objections[first.backend]}", offline=offline)


def _wait_is_short(candidate: Candidate, routing: Routing, tier: Tier, now: datetime) -> bool:
    """Return whether the provider named a short time to come back; that is not a reason to go elsewhere."""
    breaker = candidate.breaker
    if breaker is None or breaker.retry_at is None or not blocks_calls(breaker, now):
        return False
    seconds = (breaker.retry_at - now).total_seconds()
    return breaker.failures < routing.breaker.failures and seconds <= tier.retry.wait_seconds
