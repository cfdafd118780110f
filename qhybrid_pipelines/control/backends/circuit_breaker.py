"""A backend that failed several times in a row gets no requests for a while, from any process: its breaker opens.

Pure. The state is kept in the ledger, because a breaker in memory would start closed in each new process. An open
breaker lets one attempt through when its time has come: whoever saves `half_open` first makes it. If that process dies, the
next one may try after the same time again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from qhybrid_pipelines.control.ledger.port import Breaker
from qhybrid_pipelines.control.policy.rules import BreakerRules
from qhybrid_pipelines.core.errors import ProviderError, Rejected, UnknownProviderStatus

#: How far the clocks of machines that share a ledger may be apart.
_CLOCKS_AGREE = timedelta(seconds=60.0)


def poll_breaker_name(provider: str) -> str:
    """Return the name of the breaker for polls of a provider's jobs; those for submissions have the backend's name."""
    return f"{provider}:*"


def counts_as_failure(error: ProviderError) -> bool:
    """Return whether an error says something about the health of a backend, as opposed to one request of ours."""
    return not isinstance(error, Rejected | UnknownProviderStatus)


def blocks_calls(breaker: Breaker | None, now: datetime) -> bool:
    """Return whether nothing may be sent yet.

    A breaker that opens only in some minutes was opened by a machine with a wrong clock, and blocks nobody else: when it shall
    close again would be as wrong, perhaps by a day.
    """
    if breaker is None or breaker.state == "closed" or breaker.retry_at is None:
        return False
    if breaker.opened_at is not None and breaker.opened_at - now > _CLOCKS_AGREE:
        return False
    return now < breaker.retry_at


def half_open(breaker: Breaker, rules: BreakerRules, now: datetime) -> Breaker:
    """Return the breaker of whoever makes the one attempt; others wait as long as for another failure."""
    wait = timedelta(seconds=_open_seconds(breaker.failures, rules))
    return replace(breaker, state="half_open", opened_at=now, retry_at=now + wait)


def after_failure(
    breaker: Breaker, rules: BreakerRules, now: datetime, *, reason: str, retry_after_seconds: float | None = None
) -> Breaker:
    """Return the breaker after one more failure.

    Args:
        breaker: as it was.
        rules: of the policy.
        now: when it failed.
        reason: what was seen.
        retry_after_seconds: when the provider itself wants to be asked again; opens the breaker for just that long.
    """
    failures = breaker.failures + 1
    if failures < rules.failures and breaker.state == "closed" and retry_after_seconds is None:
        return replace(breaker, failures=failures, reason=reason)
    seconds = _open_seconds(failures, rules) if failures >= rules.failures else 0.0
    if retry_after_seconds is not None:
        seconds = max(min(retry_after_seconds, rules.max_open_seconds), seconds)
    return replace(
        breaker,
        state="open",
        failures=failures,
        opened_at=now,
        retry_at=now + timedelta(seconds=seconds),
        reason=reason,
    )


def after_success(breaker: Breaker) -> Breaker:
    """Return the breaker closed, with nothing counted."""
    return replace(breaker, state="closed", failures=0, opened_at=None, retry_at=None, reason=None)


def _open_seconds(failures: int, rules: BreakerRules) -> float:
    doublings = min(max(failures - rules.failures, 0), 60)
    return float(min(rules.open_seconds * 2.0**doublings, rules.max_open_seconds))
