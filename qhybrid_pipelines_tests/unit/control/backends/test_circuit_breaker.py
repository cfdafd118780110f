"""Breakers: open after failures in a row, twice as long each time, closed by one success, shared by everybody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.control.backends.circuit_breaker import (
    after_failure,
    after_success,
    blocks_calls,
    counts_as_failure,
    half_open,
)
from qhybrid_pipelines.control.backends.health import BackendHealth, CircuitOpen
from qhybrid_pipelines.control.ledger.port import Breaker
from qhybrid_pipelines.control.policy.rules import BreakerRules
from qhybrid_pipelines.core.errors import Ambiguous, Rejected, Throttled, UnknownProviderStatus
from qhybrid_pipelines_tests.support.fake_clock import FakeClock

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
RULES = BreakerRules(failures=3, open_seconds=10.0, max_open_seconds=60.0)


def failed(times: int) -> Breaker:
    breaker = Breaker(backend="v:d")
    for _ in range(times):
        breaker = after_failure(breaker, RULES, NOW, reason="503")
    return breaker


@pytest.mark.parametrize(("times", "seconds"), [(1, None), (2, None), (3, 10), (4, 20), (5, 40), (6, 60), (500, 60)])
def test_it_opens_for_longer_and_longer(times, seconds) -> None:
    breaker = failed(times)
    assert breaker.failures == times
    assert breaker.state == ("closed" if seconds is None else "open")
    assert breaker.retry_at == (None if seconds is None else NOW + timedelta(seconds=seconds))


def test_a_provider_that_says_when_is_taken_at_its_word_within_reason() -> None:
    opened = after_failure(Breaker(backend="v:d"), RULES, NOW, reason="429", retry_after_seconds=4.0)
    assert (opened.state, opened.retry_at) == ("open", NOW + timedelta(seconds=4))
    assert after_failure(
        Breaker(backend="v:d"), RULES, NOW, reason="429", retry_after_seconds=1e9
    ).retry_at == NOW + timedelta(seconds=60)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["fail", "succeed", "try"]), max_size=30), st.integers(0, 100))
def test_whatever_happens_it_lets_somebody_through_in_the_end(history, seconds) -> None:
    breaker, now = Breaker(backend="v:d"), NOW
    for what in history:
        now += timedelta(seconds=seconds)
        if what == "fail":
            breaker = after_failure(breaker, RULES, now, reason="503")
        elif what == "succeed":
            breaker = after_success(breaker)
            assert breaker == Breaker(backend="v:d")
        elif breaker.state != "closed" and not blocks_calls(breaker, now):
            breaker = half_open(breaker, RULES, now)
            assert blocks_calls(breaker, now)
    assert not blocks_calls(breaker, now + timedelta(seconds=RULES.max_open_seconds))
    assert blocks_calls(breaker, now) <= (breaker.state != "closed")


def test_a_refusal_of_our_request_says_nothing_about_the_backend() -> None:
    assert counts_as_failure(Ambiguous("x"))
    assert counts_as_failure(Throttled("x"))
    assert not counts_as_failure(Rejected("x"))
    assert not counts_as_failure(UnknownProviderStatus("x"))


class TestShared:
    """Two processes, each with its own `BackendHealth` over one ledger."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock(NOW)

    @pytest.fixture
    def two(self, ledger, clock) -> tuple[BackendHealth, BackendHealth]:
        return BackendHealth(ledger, RULES, clock=clock.clock), BackendHealth(ledger, RULES, clock=clock.clock)

    def test_failures_of_both_add_up_and_only_one_makes_the_trial(self, two, ledger, clock) -> None:
        error = Ambiguous("reset")
        for health in (*two, two[0]):
            health.admit("v:d")
            health.record_failure("v:d", error)
        with pytest.raises(CircuitOpen, match="reset") as held:
            two[1].admit("v:d")
        assert held.value.retry_after_seconds == 10.0
        clock.at += timedelta(seconds=10)
        two[1].admit("v:d")
        with pytest.raises(CircuitOpen):
            two[0].admit("v:d")
        two[1].record_success("v:d")
        two[0].admit("v:d")
        assert ledger.breaker("v:d").state == "closed"

    def test_being_held_back_is_no_further_failure(self, two, ledger) -> None:
        two[0].record_failure("v:d", CircuitOpen("wait"))
        assert ledger.breaker("v:d") is None

    def test_a_backend_that_never_failed_leaves_no_trace(self, two, ledger) -> None:
        two[0].record_success("v:d")
        assert ledger.breakers() == []
