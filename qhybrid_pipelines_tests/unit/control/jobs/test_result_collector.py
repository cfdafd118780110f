"""What the ledger keeps of a result that is another job's, of one that is refused, and of a poll that says there is no such job."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from qhybrid_pipelines.core.errors import ProviderError, Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.dispatcher_harness import SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import make_batch


def last_detail(harness, job):
    return next(event.detail for event in reversed(harness.ledger.events(job.job_id)) if event.detail)


class TestFetch:
    def completed(self, harness):
        dispatcher = harness.dispatcher()
        job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        dispatcher.poll([job])
        job = harness.ledger.job(job.job_id)
        assert job.state is JobState.COMPLETED
        return dispatcher, job

    def test_of_the_result_of_another_job_what_was_sent_is_kept(self, harness) -> None:
        dispatcher, job = self.completed(harness)
        fetch = harness.one.fetch

        def mixed_up(ref):
            raw = fetch(ref)
            return replace(raw, ref=replace(ref, provider_job_id="v-77"))

        harness.one.fetch = mixed_up
        content = fetch(job.ref).content
        with pytest.raises(ProviderError, match=r"asked for the result of job v-1, got that of v-77"):
            dispatcher.collect(job.job_id, make_batch())
        assert last_detail(harness, job)["sha256"] == hashlib.sha256(content).hexdigest()
        assert harness.ledger.stored_result(job.job_id) is None, "it counts as nobody's result"
        harness.one.fetch = fetch
        assert dispatcher.collect(job.job_id, make_batch()).job.state is JobState.VERIFIED

    def test_a_refusal_is_noted_as_one(self, harness) -> None:
        dispatcher, job = self.completed(harness)

        def refuse(ref):
            raise Rejected("404 no result")

        harness.one.fetch = refuse
        with pytest.raises(ProviderError, match="404 no result"):
            dispatcher.collect(job.job_id, make_batch())
        noted = last_detail(harness, job)
        assert (noted["class"], noted["retryable"]) == ("Rejected", False)


@pytest.mark.parametrize("immediate", [True, False])
def test_a_job_that_its_provider_does_not_know_has_failed_only_where_it_would_be_done_at_once(
    harness, immediate
) -> None:
    harness.one.immediate = immediate
    job = harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    assert job.state is JobState.SUBMITTED

    def unknown(refs: list[JobRef]):
        raise Rejected("404 no such job")

    harness.one.poll = unknown
    with pytest.raises(Rejected, match="404 no such job"):
        harness.dispatcher().poll([job])
    job = harness.ledger.job(job.job_id)
    assert job.state is (JobState.FAILED if immediate else JobState.SUBMITTED)
    if immediate:
        assert job.error is not None
        assert job.error.endswith("404 no such job")
        assert last_detail(harness, job) == {"phase": "poll", "class": "Rejected", "retryable": False}
