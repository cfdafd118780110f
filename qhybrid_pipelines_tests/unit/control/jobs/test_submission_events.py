"""What the events of a job say about its submission: every series of up to four events, against the series cut at the last intent."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from qhybrid_pipelines.control.jobs.submission_events import SENT_AT, doubted_refusal, error_detail, sent_at
from qhybrid_pipelines.core.errors import Ambiguous, Rejected, Throttled
from qhybrid_pipelines_tests.support.dispatcher_harness import NOON, SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import make_batch

EARLY = (NOON - timedelta(hours=2)).isoformat()
KINDS = (
    ("JobSubmitting", None),
    ("JobSubmitting", {SENT_AT: EARLY}),
    ("JobAnswerDoubted", {"class": "Rejected", "phase": "submit", SENT_AT: EARLY}),
    ("JobAnswerDoubted", {"reason": "it is not listed"}),
    ("JobCancelIntended", {"by": "eve"}),
    ("JobApproved", None),
)


@pytest.fixture
def job(harness):
    return harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)


@pytest.fixture
def series(harness, job):
    """Series of events that differ in kind and detail, a minute apart."""
    one = harness.ledger.events(job.job_id)[0]

    def made(kinds):
        return [
            replace(one, event=name, detail=detail, observed_at=NOON + timedelta(minutes=at))
            for at, (name, detail) in enumerate(kinds)
        ]

    return [made(kinds) for length in range(5) for kinds in itertools.product(KINDS, repeat=length)]


def since_the_last_intent(events):
    """Return the events after the last intent, and the intent itself where there is one."""
    intents = [at for at, event in enumerate(events) if event.event == "JobSubmitting"]
    return (events[intents[-1] + 1 :], events[intents[-1]]) if intents else (events, None)


def test_a_refusal_is_doubted_if_that_was_said_after_the_last_intent(series) -> None:
    for events in series:
        after, _ = since_the_last_intent(events)
        said = [event for event in after if "class" in (event.detail or {})]
        expected = {"class": "Rejected", "phase": "submit"} if said else None
        assert doubted_refusal(events) == expected, [event.event for event in events]


def test_a_job_was_sent_when_its_last_step_says_or_was_taken(series, job) -> None:
    """A request to cancel moves the time that the ledger has for the job, and not the time that a window is measured from."""
    changed = replace(job, updated_at=NOON + timedelta(minutes=30))
    for events in series:
        steps = [event for event in events if event.event != "JobCancelIntended"]
        last = steps[-1].observed_at if steps and len(steps) < len(events) else changed.updated_at
        if not steps and events:
            continue  # no job begins with a request to cancel it
        after, intent = since_the_last_intent(steps)
        noted = any(SENT_AT in (event.detail or {}) for event in [*after, *([intent] if intent else [])])
        assert sent_at(changed, events) == (NOON - timedelta(hours=2) if noted else last)


def test_a_time_that_is_noted_never_moves_a_submission_forward(series, job) -> None:
    later = [replace(event, detail={SENT_AT: (NOON + timedelta(days=1)).isoformat()}) for event in series[1]]
    assert sent_at(replace(job, updated_at=NOON), later) == NOON


@pytest.mark.parametrize("error", [Rejected("no"), Throttled("busy"), Ambiguous("reset")])
def test_what_the_ledger_notes_of_a_refusal(error) -> None:
    assert error_detail(error) == {
        "phase": error.phase,
        "class": type(error).__name__,
        "retryable": isinstance(error, Throttled),
    }
