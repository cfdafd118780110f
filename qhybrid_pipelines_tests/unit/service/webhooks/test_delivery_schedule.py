"""Pauses grow, keep apart who failed together, follow what receivers ask for within reason, and end."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.service.webhooks.delivery_schedule import (
    DELAYS_SECONDS,
    DISABLE_AFTER_SECONDS,
    LONGEST_PAUSE_SECONDS,
    Attempt,
    disabled_because,
    is_given_up,
    longest_pause_seconds,
    pause_seconds,
)

FAILED = Attempt(delivered=False, status=500, problem="x")


def test_pauses_grow_and_spread():
    middle = [pause_seconds(failures, 0.5) for failures in range(1, 20)]
    assert middle == sorted(middle)
    assert middle[: len(DELAYS_SECONDS)] == list(DELAYS_SECONDS)
    assert pause_seconds(5, 0.0) == pytest.approx(0.8 * 60)
    assert pause_seconds(5, 1.0) == pytest.approx(1.2 * 60)


def test_a_receiver_may_ask_for_more_and_not_for_ever():
    assert pause_seconds(1, 0.5, 120.0) == 120.0
    assert pause_seconds(6, 0.5, 1.0) == 300.0
    assert pause_seconds(1, 0.5, 10**9) == LONGEST_PAUSE_SECONDS <= longest_pause_seconds()


def test_a_message_is_tried_for_more_than_a_day():
    tries = next(failures for failures in range(1, 99) if is_given_up(failures))
    assert sum(pause_seconds(failures, 0.0) for failures in range(1, tries)) > 0.8 * 86_400
    assert tries == len(DELAYS_SECONDS) + 1


def test_what_disables_an_endpoint():
    assert disabled_because(Attempt(delivered=True), failing_seconds=10**9) is None
    assert disabled_because(FAILED, failing_seconds=DISABLE_AFTER_SECONDS - 1) is None
    assert "5 days" in (disabled_because(FAILED, failing_seconds=DISABLE_AFTER_SECONDS) or "")
    assert "410" in (disabled_because(Attempt(delivered=False, status=410), failing_seconds=0.0) or "")
