"""The breakers of all backends, shared by every process through the ledger; the rules are `control.backends.circuit_breaker`."""

from __future__ import annotations

from collections.abc import Callable

from qhybrid_pipelines.control.backends.circuit_breaker import (
    after_failure,
    after_success,
    blocks_calls,
    counts_as_failure,
    half_open,
)
from qhybrid_pipelines.control.ledger.port import Breaker, Ledger, StaleBreaker
from qhybrid_pipelines.control.policy.rules import BreakerRules
from qhybrid_pipelines.core.errors import ProviderError, Throttled
from qhybrid_pipelines.core.system.clock import Clock

#: How often a change is made again on a breaker that somebody else changed meanwhile; then theirs is good enough.
_MAX_ATTEMPTS = 5


class CircuitOpen(Throttled):
    """We keep a job here for now: nothing was sent, so this says nothing new about the backend."""


class BackendHealth:
    """What was seen of each backend's health.

    Args:
        ledger: where breakers are kept.
        rules: of the policy.
        clock: the time.
    """

    def __init__(self, ledger: Ledger, rules: BreakerRules, *, clock: Clock) -> None:
        self._ledger, self._rules, self._clock = ledger, rules, clock

    def admit(self, name: str) -> None:
        """Return if ``name`` may be called now; an open breaker whose time has come lets its first caller through.

        Raises:
            CircuitOpen: it is not called for now.
        """
        breaker, now = self._ledger.breaker(name), self._clock.now()
        if breaker is None or breaker.state == "closed":
            return
        if not blocks_calls(breaker, now):
            try:
                self._ledger.save_breaker(half_open(breaker, self._rules, now))
            except StaleBreaker:
                breaker = self._ledger.breaker(name) or breaker
            else:
                return
        until = breaker.retry_at or now
        raise CircuitOpen(
            f"'{name}' is left alone until {until:%Y-%m-%d %H:%M:%S} UTC after {breaker.reason}; nothing was sent",
            retry_after_seconds=max((until - now).total_seconds(), 0.0),
        )

    def record_failure(self, name: str, error: ProviderError) -> None:
        """Record a failure if the error concerns the backend; any other answer counts as a success."""
        if isinstance(error, CircuitOpen):
            return
        if not counts_as_failure(error):
            self.record_success(name)
            return
        now, after = self._clock.now(), error.retry_after_seconds if isinstance(error, Throttled) else None

        def failure(breaker: Breaker) -> Breaker:
            return after_failure(breaker, self._rules, now, reason=str(error), retry_after_seconds=after)

        self._change(name, failure)

    def record_success(self, name: str) -> None:
        """Record a success."""
        known = self._ledger.breaker(name)
        if known is not None and (known.failures or known.state != "closed"):
            self._change(name, after_success)

    def _change(self, name: str, change: Callable[[Breaker], Breaker]) -> None:
        for _ in range(_MAX_ATTEMPTS):
            try:
                self._ledger.save_breaker(change(self._ledger.breaker(name) or Breaker(backend=name)))
            except StaleBreaker:
                continue
            return
