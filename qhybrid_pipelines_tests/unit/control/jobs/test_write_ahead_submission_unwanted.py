"""A job whose sender died within the call is not sent again once its deadline has passed, or once a person wants it elsewhere.

The judge is the book of each provider, and how often it was called.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from qhybrid_pipelines.core.errors import Ambiguous
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.dispatcher_harness import SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import make_batch
from qhybrid_pipelines_tests.unit.control.jobs.test_cancellation_requests import cancel_requests, killed_after

KNOWN = {"experiment": "known-00000000", "seed": 99}
ELSEWHERE = make_batch(backend="other:device")


def cut_off_job(harness, dedupe: str, *, accepted: bool = False):
    """A job that was being sent when its process died; the provider also has one that its list has to show."""
    harness.one.dedupe, harness.one.lag = dedupe, 0.0
    harness.dispatcher().submit(make_batch(**KNOWN), SUBMIT_REQUEST)
    return killed_after(harness, accepted=accepted)


@pytest.mark.parametrize("dedupe", ["token", "tag_lookup"])
@pytest.mark.parametrize("late_by_seconds", [-1, 0, 1, 86_400])
def test_after_its_deadline_it_is_not_sent_again(harness, dedupe: str, late_by_seconds: int) -> None:
    job = cut_off_job(harness, dedupe)
    before = harness.one.calls("submit")
    assert job.deadline_at is not None
    harness.now = job.deadline_at + timedelta(seconds=late_by_seconds)
    is_late = late_by_seconds >= 0
    ended = harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    assert ended.state is (JobState.EXPIRED if is_late else JobState.SUBMITTED)
    assert harness.one.calls("submit") - before == (not is_late)


@pytest.mark.parametrize("dedupe", ["token", "tag_lookup"])
def test_what_was_accepted_is_found_after_its_deadline(harness, dedupe: str) -> None:
    job = cut_off_job(harness, dedupe, accepted=True)
    before = harness.one.calls("submit")
    harness.now = job.deadline_at + timedelta(seconds=1)
    assert harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST).state is JobState.SUBMITTED
    assert (harness.one.calls("submit"), len(harness.one.book())) == (before, 2)


def wanted_elsewhere(harness):
    """A job that a person wanted on another backend while it might still have been accepted on the first."""
    job = cut_off_job(harness, "tag_lookup")
    harness.one.acceptance_seconds = 600.0
    with pytest.raises(Ambiguous):
        harness.dispatcher().decisions.reroute(job.job_id, ELSEWHERE, principal="ada")
    assert cancel_requests(harness.ledger.events(job.job_id)) == ["ada"]
    assert harness.ledger.job(job.job_id).state is JobState.SUBMITTING
    assert harness.two.book() == []
    harness.now += timedelta(seconds=700)
    harness.one.accept_earlier(700.0)
    return job


@pytest.mark.parametrize("way", ["poll", "run"])
def test_a_reroute_that_had_to_wait_is_carried_out(harness, way: str) -> None:
    job = wanted_elsewhere(harness)
    before = harness.one.calls("submit")
    if way == "poll":
        harness.dispatcher().poll_due()
        assert harness.dispatcher().jobs_to_resubmit() == [harness.ledger.job(job.job_id)]
    for _ in range(2):
        moved = harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    assert harness.ledger.job(job.job_id).state is JobState.REROUTED
    assert (moved.backend, moved.state, moved.principal) == ("other:device", JobState.SUBMITTED, "ada")
    assert harness.ledger.job(job.job_id).rerouted_to == moved.job_id
    assert harness.one.calls("submit") == before, "never again where it is not wanted"
    assert (len(harness.one.book()), len(harness.two.book())) == (1, 1)


def test_a_cancellation_after_that_ends_the_work(harness) -> None:
    job = wanted_elsewhere(harness)
    assert harness.dispatcher().decisions.cancel(job.job_id, by="bo").state is JobState.CANCELLED
    assert harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST).state is JobState.CANCELLED
    assert (len(harness.one.book()), len(harness.two.book())) == (1, 0)
