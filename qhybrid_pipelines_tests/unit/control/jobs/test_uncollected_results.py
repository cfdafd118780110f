"""What was paid and not collected: which jobs count, from which moment on, and what is said of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from qhybrid_pipelines.control.jobs.uncollected_results import describe, uncollected_jobs
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.ledger_plans import NOW, apply_events, plan

E = Event
ENDED = NOW + timedelta(seconds=2)
ACCEPTED = (E.ACKNOWLEDGE, E.QUEUE, E.START)
HOUR = timedelta(hours=1)


def sent(ledger, name, *events, price=2.0, **facts):
    planned = ledger.plan(plan(name, quote=price, budget=50.0))
    return apply_events(ledger, planned, *events, provider_job_id=f"v-{name}", **facts)


def names(ledger, passed: timedelta) -> list[str]:
    return [job.job_id for job in uncollected_jobs(ledger, ENDED + passed)]


@pytest.mark.parametrize("fetched", [True, False])
def test_a_result_that_nobody_has_fetched_counts_after_an_hour(ledger, fetched) -> None:
    sent(ledger, "a", *ACCEPTED, E.COMPLETE, *([E.FETCH] if fetched else []))
    assert names(ledger, HOUR) == []
    assert names(ledger, HOUR + timedelta(microseconds=1)) == ["j-a"]


def test_a_result_that_was_refused_counts_at_once_and_a_verified_one_never(ledger) -> None:
    sent(ledger, "a", *ACCEPTED, E.COMPLETE, E.DOUBT_RESULT, error="shots are missing")
    sent(ledger, "b", *ACCEPTED, E.COMPLETE, E.FETCH, E.VERIFY)
    sent(ledger, "c", *ACCEPTED)
    assert names(ledger, timedelta(0)) == ["j-a"]
    assert names(ledger, 10 * HOUR) == ["j-a"]


@pytest.mark.parametrize(
    ("cost", "accepted", "counts"), [(None, True, True), (1.0, True, True), (0.0, True, False), (None, False, False)]
)
def test_a_failed_job_counts_where_it_was_charged(ledger, cost, accepted, counts) -> None:
    if accepted:
        sent(ledger, "a", *ACCEPTED, E.FAIL, cost_usd=cost)
    else:
        ledger.plan(plan("a", quote=2.0, budget=50.0, events=(E.PLAN, E.REJECT)))
    assert names(ledger, timedelta(0)) == (["j-a"] if counts else [])


def test_a_failed_job_whose_work_was_run_again_counts_no_more(ledger) -> None:
    sent(ledger, "a", *ACCEPTED, E.FAIL)
    other = plan("b", quote=2.0, budget=50.0, payload_sha256="a", run_number=2)
    ledger.plan(other)
    sent(ledger, "c", *ACCEPTED, E.FAIL)
    assert names(ledger, timedelta(0)) == ["j-c"]


@pytest.mark.parametrize(
    ("facts", "why", "cost"),
    [
        ({"cost_settled_usd": 1.25, "cost_usd": 1.5, "error": "404."}, " (404)", "1.25"),
        ({"cost_settled_usd": None, "cost_usd": 1.5, "error": None}, "", "1.50"),
        ({"cost_settled_usd": None, "cost_usd": None, "error": ""}, "", "2.00"),
        ({"cost_settled_usd": 0.0, "cost_usd": 1.5, "error": "a. b"}, " (a. b)", "0.00"),
    ],
)
def test_what_is_said_of_one(ledger, facts, why, cost) -> None:
    job = replace(sent(ledger, "a", *ACCEPTED, E.COMPLETE), state=JobState.FAILED, **facts)
    assert describe(job) == (
        f"job j-a of 'maxcut-small-00000000' on 'v:d' is FAILED{why} and was paid with ${cost}: `qhybrid jobs fetch j-a` "
        "fetches its result, which is free"
    )
