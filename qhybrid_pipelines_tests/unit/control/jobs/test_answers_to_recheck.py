"""Since when an answer is doubted, by the events of a job alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from qhybrid_pipelines.control.jobs.answers_to_recheck import doubted_since, failure_reported_at, needs_a_person
from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.control.policy.tiers import Tiers
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.dispatcher_harness import NOON, SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import make_batch


@pytest.fixture
def events(dispatcher, ledger):
    """Make a list of events, a minute apart, of one that the ledger wrote."""
    first = ledger.events(dispatcher.submit(make_batch(), SUBMIT_REQUEST).job_id)[0]

    def make(*named):
        return [
            replace(first, event=EVENT_NAMES[event], observed_at=NOON + timedelta(minutes=minute))
            for minute, event in enumerate(named)
        ]

    return make


def test_a_result_is_doubted_since_it_was_refused_first(events) -> None:
    doubted = (Event.COMPLETE, Event.FETCH, Event.DOUBT_RESULT, Event.FETCH, Event.DOUBT_RESULT)
    assert doubted_since(events(*doubted)) == NOON + timedelta(minutes=2)
    assert doubted_since(events(Event.COMPLETE, Event.FETCH)) is None
    assert doubted_since([]) is None


@pytest.mark.parametrize("anew", [Event.COMPLETE, Event.RECOVER, Event.VERIFY])
def test_it_begins_anew_with_a_further_answer_or_a_good_result(events, anew) -> None:
    before = (Event.COMPLETE, Event.DOUBT_RESULT, anew)
    assert doubted_since(events(*before)) is None
    assert doubted_since(events(*before, Event.DOUBT_RESULT)) == NOON + timedelta(minutes=3)


def test_a_failure_counts_from_its_last_report(events) -> None:
    reported = (Event.REPORT_FAILURE, Event.COMPLETE, Event.REPORT_FAILURE, Event.DOUBT_RESULT)
    assert failure_reported_at(events(*reported)) == NOON + timedelta(minutes=2)
    assert failure_reported_at(events(Event.COMPLETE)) is None


def test_a_job_whose_result_is_not_doubted_needs_nobody_however_old_it_is(dispatcher, ledger) -> None:
    job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
    assert needs_a_person(job, ledger, Tiers().batch, NOON + timedelta(days=9000)) is False


def test_how_far_a_job_got_before_the_failure_that_is_not_believed_yet_is_kept(harness) -> None:
    dispatcher = harness.dispatcher()
    job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
    times = {
        "submitted_at": NOON,
        "started_at": NOON + timedelta(seconds=3),
        "completed_at": NOON + timedelta(seconds=5),
    }
    harness.one.show(job.provider_job_id, JobState.FAILED, message="too hot", **times)
    [reported] = dispatcher.poll([job])
    assert reported.state is JobState.RUNNING
    events = harness.ledger.events(job.job_id)[-3:]
    assert [event.event for event in events] == ["JobQueued", "JobStarted", "JobFailureReported"]
    assert [(event.at, event.clock) for event in events[:2]] == [
        (times["submitted_at"], "vendor"),
        (times["started_at"], "vendor"),
    ]
    harness.now += timedelta(seconds=10)
    [failed] = dispatcher.poll([reported])
    assert (failed.state, failed.error) == (JobState.FAILED, "too hot")
