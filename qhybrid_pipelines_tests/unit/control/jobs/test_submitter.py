"""What a request is worth to the policy, and what is remembered of a backend that does not take it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qhybrid_pipelines.core.errors import Refused, Throttled, Unavailable
from qhybrid_pipelines_tests.support.dispatcher_harness import ALLOW, SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import BACKEND, make_batch


@pytest.mark.parametrize(("times", "shots"), [(1, 600), (3, 1800)])
def test_the_policy_counts_the_shots_of_all_circuits_and_rounds(harness, times: int, shots: int) -> None:
    """Three points, two repetitions, 100 shots each."""
    batch, request = make_batch(points=3), replace(SUBMIT_REQUEST, times=times)
    with pytest.raises(Refused, match=f"run {shots} shots"):
        harness.dispatcher(ALLOW | {"max_shots": shots - 1}).submit(batch, request)
    assert harness.one.book() == []
    harness.dispatcher(ALLOW | {"max_shots": shots}).submit(batch, request)
    assert len(harness.one.book()) == 1


@pytest.mark.parametrize("error", [Throttled("busy", request_sent=False), Unavailable("no answer")])
def test_a_failed_submission_counts_against_the_health_of_its_backend(harness, error) -> None:
    def refuse(batch, token):
        raise error

    accept, harness.one.submit = harness.one.submit, refuse
    assert harness.ledger.breaker(BACKEND) is None
    with pytest.raises(type(error)):
        harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    assert harness.ledger.breaker(BACKEND).failures == 1
    harness.one.submit = accept
    harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    assert harness.ledger.breaker(BACKEND).failures == 0
