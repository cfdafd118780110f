"""What one look means: skipped states filled in, vendors' clocks kept, never backwards."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from qhybrid_pipelines.control.jobs.state_transitions import events_from_snapshot
from qhybrid_pipelines.control.ledger.lifecycle import OPEN, Event, next_state
from qhybrid_pipelines.core.errors import UnknownProviderStatus
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef, Snapshot
from qhybrid_pipelines.core.jobs.job_states import JobState

S = JobState
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
BEFORE = [NOW - timedelta(seconds=s) for s in (30, 20, 10)]
REPORTABLE = (S.SUBMITTED, S.QUEUED, S.RUNNING, S.COMPLETED, S.FAILED, S.CANCELLING, S.CANCELLED)


def make_snapshot(state: JobState, **facts) -> Snapshot:
    ref = JobRef(provider="v", backend="v:d", provider_job_id="7")
    return Snapshot(ref=ref, state=state, raw_status=f"raw-{state}", **facts)


def test_a_job_seen_only_when_done_gets_every_state_with_the_vendors_times() -> None:
    times = dict(zip(("submitted_at", "started_at", "completed_at"), BEFORE, strict=True))
    steps = events_from_snapshot(S.SUBMITTED, make_snapshot(S.COMPLETED, **times), now=NOW)
    assert [(step.event, step.at, step.clock) for step in steps] == [
        (Event.QUEUE, BEFORE[0], "vendor"),
        (Event.START, BEFORE[1], "vendor"),
        (Event.COMPLETE, BEFORE[2], "vendor"),
    ]
    assert all(step.raw_status == "raw-COMPLETED" and step.detail is None for step in steps)


def test_without_vendors_times_only_the_state_that_was_seen_has_a_time_of_its_own() -> None:
    steps = events_from_snapshot(S.SUBMITTED, make_snapshot(S.RUNNING), now=NOW)
    assert [(step.event, step.at, step.clock, step.detail) for step in steps] == [
        (Event.QUEUE, NOW, "observed", {"inferred": True}),
        (Event.START, NOW, "observed", None),
    ]


@pytest.mark.parametrize(("state", "seen"), list(itertools.product(sorted(OPEN), REPORTABLE)))
def test_whatever_is_seen_the_steps_are_legal_and_never_lead_back(state: JobState, seen: JobState) -> None:
    order = [S.SUBMITTED, S.QUEUED, S.RUNNING, S.COMPLETED]
    after = state
    for step in events_from_snapshot(state, make_snapshot(seen, submitted_at=BEFORE[0], started_at=BEFORE[1]), now=NOW):
        after = next_state(after, step.event)
    if state is S.CANCELLING:
        assert after is (seen if seen in (S.COMPLETED, S.FAILED, S.CANCELLED) else S.CANCELLING)
    elif seen in order:
        assert order.index(after) == max(order.index(seen), order.index(state))
    else:
        assert after is seen


@pytest.mark.parametrize("state", sorted(set(JobState) - OPEN))
def test_a_job_that_no_provider_can_change_any_more_takes_no_step(state: JobState) -> None:
    assert events_from_snapshot(state, make_snapshot(S.COMPLETED), now=NOW) == ()


def test_a_failure_tells_how_far_the_job_got_and_what_the_provider_said() -> None:
    steps = events_from_snapshot(
        S.SUBMITTED, make_snapshot(S.FAILED, submitted_at=BEFORE[0], started_at=BEFORE[1], message="too hot"), now=NOW
    )
    assert [step.event for step in steps] == [Event.QUEUE, Event.START, Event.FAIL]
    assert steps[-1].detail == {"phase": "execute", "message": "too hot"}
    assert [step.event for step in events_from_snapshot(S.SUBMITTED, make_snapshot(S.FAILED), now=NOW)] == [Event.FAIL]


@pytest.mark.parametrize("state", sorted(set(JobState) - set(REPORTABLE)))
def test_a_state_that_no_provider_can_report_is_loud(state: JobState) -> None:
    with pytest.raises(UnknownProviderStatus, match=f"raw-{state}"):
        events_from_snapshot(S.QUEUED, make_snapshot(state), now=NOW)
