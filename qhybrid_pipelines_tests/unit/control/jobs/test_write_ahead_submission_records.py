"""What the protocol writes down: tokens that a vendor can hold, and all that a doubted answer said."""

from __future__ import annotations

import re

import pytest

from qhybrid_pipelines.control.jobs.job_ids import token_for
from qhybrid_pipelines.core.errors import Ambiguous, ProviderError, Throttled
from qhybrid_pipelines_tests.support.dispatcher_harness import SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import make_batch


def test_a_token_has_32_hexadecimal_digits_and_follows_from_job_attempt_tenant_and_backend() -> None:
    told = {
        token_for(job, attempt, tenant=tenant, backend=backend)
        for job in ("j1", "j2")
        for attempt in (1, 2)
        for tenant in ("", "team")
        for backend in ("v:a", "v:b")
    }
    assert len(told) == 16
    assert all(re.fullmatch("[0-9a-f]{32}", token) for token in told)
    assert token_for("j1", 1, tenant="", backend="v:a") in told


@pytest.mark.parametrize("retry_after_seconds", [7.0, None])
def test_an_answer_that_may_be_wrong_is_noted_with_all_that_it_said(harness, retry_after_seconds: float | None) -> None:
    """A gateway answers 429 although the vendor has the job."""
    submit = harness.one.submit

    def throttled_after_acceptance(batch, token):
        submit(batch, token)
        raise Throttled("busy.", retry_after_seconds=retry_after_seconds)

    harness.one.submit = throttled_after_acceptance
    try:
        job = harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    except (Ambiguous, ProviderError):
        [job] = harness.ledger.jobs()
    [doubted] = [event for event in harness.ledger.events(job.job_id) if event.event == "JobAnswerDoubted"]
    assert doubted.detail["class"] == "Throttled"
    assert doubted.detail["message"] == "busy."
    assert "retry_after_seconds" in doubted.detail
    assert doubted.detail["retry_after_seconds"] == retry_after_seconds
    assert len(harness.one.book()) == 1
