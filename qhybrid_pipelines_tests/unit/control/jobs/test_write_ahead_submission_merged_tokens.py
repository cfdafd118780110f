"""A provider that merges equal tokens is not waited for, but a refusal of it is believed no sooner than any other's."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import Ambiguous
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.dispatcher_harness import SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import make_batch


@pytest.fixture
def merging(harness):
    """A vendor whose list lags, and whose book ages as the test's clock does."""
    sleep = harness.sleep

    def sleep_and_age(seconds: float) -> None:
        sleep(seconds)
        harness.one.accept_earlier(seconds)

    harness.sleep = sleep_and_age
    harness.one.lag = 5.0
    return harness


def test_a_lost_answer_is_asked_for_again_at_once(merging) -> None:
    merging.one.plan_faults("ambiguous_after")
    job = merging.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    assert job.state is JobState.SUBMITTED
    assert merging.sleeps == []
    assert (merging.one.calls("submit"), len(merging.one.book())) == (2, 1)


@pytest.mark.parametrize("fault", ["rejected_after", "throttled_after"])
def test_a_refusal_after_acceptance_is_not_believed_before_the_list_can_show_the_job(merging, fault) -> None:
    merging.one.plan_faults(fault)
    job = merging.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    assert job.state is JobState.SUBMITTED
    assert merging.sleeps == [7.5]
    assert (merging.one.calls("submit"), len(merging.one.book())) == (1, 1)


def test_a_refusal_is_believed_when_nothing_can_be_accepted_any_more(merging) -> None:
    merging.one.acceptance_seconds = 60.0
    merging.one.plan_faults("rejected")
    with pytest.raises(Ambiguous, match="may still accept it"):
        merging.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    [job] = merging.ledger.jobs()
    assert job.state is JobState.SUBMITTING
    merging.sleep(10_000.0)
    job = merging.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    assert job.state is JobState.REJECTED
    assert (merging.one.calls("submit"), merging.one.book()) == (1, [])
