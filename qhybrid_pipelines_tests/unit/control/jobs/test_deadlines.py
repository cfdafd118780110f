"""The series of looks: none is missed however the rounds fall, and they get rarer."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.control.jobs.deadlines import deadline_for, is_due, is_overdue, polls_within
from qhybrid_pipelines.control.policy.tiers import Tiers

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
TIERS = Tiers()
names = st.sampled_from(["interactive", "batch", "scheduled"])


@settings(deadline=None, max_examples=200)
@given(names, st.lists(st.floats(0.01, 5000), min_size=1, max_size=40))
def test_every_look_of_the_series_falls_into_exactly_one_round(name, gaps) -> None:
    tier, at, due, poll_counts = TIERS.of(name), NOW, 0, []
    for gap in gaps:
        before, at = at, at + timedelta(seconds=gap)
        due += is_due(NOW, tier, last_poll=before, now=at)
        poll_counts.append(polls_within((at - NOW).total_seconds(), tier))
    assert poll_counts == sorted(poll_counts)
    assert due == sum(b > a for a, b in zip([0, *poll_counts], poll_counts, strict=False))
    assert (due > 0) == (poll_counts[-1] > 0)


@pytest.mark.parametrize("name", ["interactive", "batch", "scheduled"])
def test_intervals_grow_from_the_least_to_the_most(name) -> None:
    tier = TIERS.of(name)
    step = tier.poll_min_seconds / 50
    ages = [k * step for k in range(int(12 * tier.poll_max_seconds / step))]
    counts = [polls_within(age, tier) for age in ages]
    times = [ages[i] for i in range(1, len(ages)) if counts[i] > counts[i - 1]]
    intervals = [b - a for a, b in zip([0.0, *times], times, strict=False)]
    assert intervals[0] == pytest.approx(tier.poll_min_seconds, abs=2 * step)
    assert intervals[-1] == pytest.approx(tier.poll_max_seconds, abs=2 * step)
    assert all(b >= a - 2.1 * step for a, b in itertools.pairwise(intervals))
    assert max(intervals) <= tier.poll_max_seconds + 2 * step


def test_a_poller_that_remembers_nothing_looks() -> None:
    assert is_due(NOW, TIERS.batch, last_poll=None, now=NOW)


def test_a_change_that_a_wrong_clock_has_dated_tomorrow_keeps_nobody_from_looking() -> None:
    tier, longest, tomorrow = TIERS.batch, timedelta(seconds=TIERS.batch.poll_max_seconds), NOW + timedelta(days=1)
    assert not is_due(tomorrow, tier, last_poll=NOW, now=NOW + longest / 2)
    assert is_due(tomorrow, tier, last_poll=NOW, now=NOW + longest)


def test_deadlines() -> None:
    deadline = deadline_for(TIERS.interactive, NOW)
    assert deadline == NOW + timedelta(seconds=900)
    assert not is_overdue(deadline, NOW)
    assert is_overdue(deadline, deadline)
    assert not is_overdue(None, NOW)
