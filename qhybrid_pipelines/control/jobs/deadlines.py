"""When a job is polled next, and when it is given up: functions of the times in the ledger, without hidden state.

The polls of a job form a fixed series that starts at its last change and gets rarer: after ``poll_min`` seconds, then at
intervals that grow by half, up to ``poll_max``. A poll is due if a time of the series lies between the last round of
polls and now. So all that a poller must remember is when it polled last, and forgetting it costs one poll.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from qhybrid_pipelines.control.policy.tiers import Tier

_GROWTH = 1.5


def deadline_for(tier: Tier, planned_at: datetime) -> datetime:
    """Return when a job that is planned now is given up."""
    return planned_at + timedelta(seconds=tier.deadline_seconds)


def is_overdue(deadline_at: datetime | None, now: datetime) -> bool:
    """Return whether the deadline has come."""
    return deadline_at is not None and now >= deadline_at


def polls_within(age_seconds: float, tier: Tier) -> int:
    """Return how many polls of the series lie within the first ``age_seconds`` after the last change."""
    least, most = tier.poll_min_seconds, tier.poll_max_seconds
    if age_seconds < least:
        return 0
    # Growing intervals least * g^k until they reach most, then equal ones.
    growing = math.ceil(math.log(most / least, _GROWTH)) if most > least else 0
    grown_age = least * (_GROWTH**growing - 1) / (_GROWTH - 1) if growing else 0.0
    if age_seconds < grown_age:
        return math.floor(math.log(age_seconds * (_GROWTH - 1) / least + 1, _GROWTH) + 1e-9)
    return growing + math.floor((age_seconds - grown_age) / most + 1e-9)


def is_due(changed_at: datetime, tier: Tier, *, last_poll: datetime | None, now: datetime) -> bool:
    """Return whether a job is to be polled now.

    Args:
        changed_at: when the job changed last; where that is still to come, a poll is due at the longest interval.
        tier: its tier's rules.
        last_poll: when jobs were polled last; None if nobody knows, then a poll is due.
        now: the present.
    """
    if last_poll is None:
        return True
    if changed_at > now:  # dated by a clock that was wrong: its series has not begun, and nobody waits for that
        return (now - last_poll).total_seconds() >= tier.poll_max_seconds
    before, after = ((at - changed_at).total_seconds() for at in (last_poll, now))
    return polls_within(after, tier) > polls_within(before, tier)
