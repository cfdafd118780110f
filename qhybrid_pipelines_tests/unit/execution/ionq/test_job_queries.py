"""Looking at and searching for jobs, at a vendor that says what no honest vendor should."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from qhybrid_pipelines.core.errors import (
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
    UnknownProviderStatus,
)
from qhybrid_pipelines.core.jobs.circuit_jobs import CancelOutcome, JobRef
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.ionq.job_queries import MAX_PAGES, PAGE_JOBS
from qhybrid_pipelines.execution.providers.ionq import IonQProvider
from qhybrid_pipelines_tests.support.ionq_job_list import AWAY, BACKEND, HOME, Cloud
from qhybrid_pipelines_tests.support.scripted_server import reply


def sent(provider: IonQProvider, cloud: Cloud, *names: str) -> None:
    """Note what `submit` notes."""
    for name in names:
        provider._account_registry.record_project(cloud.server.url, name, HOME)


def test_many_open_jobs_take_a_request_per_page(cloud, provider):
    refs = [cloud.add(f"job-{index}") for index in range(210)]
    looks = provider.poll(refs[::-1])
    assert [poll_jobs.ref for poll_jobs in looks] == refs[::-1]
    assert {poll_jobs.state for poll_jobs in looks} == {JobState.QUEUED}
    assert provider.requests == len(cloud.server.asked) == -(-210 // PAGE_JOBS)


def test_ended_jobs_cost_one_more_request_each(cloud, provider):
    refs = [
        cloud.add("a", "completed"),
        cloud.add("b", "started"),
        cloud.add("c", "canceled"),
        cloud.add("d", "failed"),
    ]
    looks = provider.poll(refs)
    assert [poll_jobs.cost_usd for poll_jobs in looks] == [1.25, None, 1.25, 1.25]
    assert provider.requests == 1 + 3


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        ({"code": "TimedOut", "error": "the job was ended"}, JobState.FAILED),
        ({"code": "ExecutionTimeLimit"}, JobState.FAILED),
        ({"error": "execution took too long"}, JobState.FAILED),
        ({"error": "asked for by the user"}, JobState.CANCELLED),
        (None, JobState.CANCELLED),
    ],
)
def test_a_job_that_ran_too_long_has_failed_whatever_its_status_is_called(failure, state, cloud, provider):
    ref = cloud.add("a", "canceled")
    cloud.jobs["a"]["failure"] = failure
    [seen] = provider.poll([ref])
    assert seen.state is state
    if state is JobState.FAILED:
        assert all(word in seen.message for word in failure.values())


def test_a_job_that_is_not_listed_yet_is_looked_at_alone(cloud, provider):
    ref = cloud.add("a", "started")
    cloud.listed = False
    assert provider.poll([ref])[0].state is JobState.RUNNING
    assert provider.requests == 2


def test_a_listing_that_ignores_the_filter_is_bounded(cloud, provider):
    refs = [cloud.add(f"job-{index}") for index in range(200)]
    cloud.filters = False
    assert provider.poll(refs[:1])[0].state is JobState.QUEUED
    assert provider.requests <= 3


@pytest.mark.parametrize("kinds", [("transmogrified", UnknownProviderStatus), (None, Unavailable), (7, Unavailable)])
def test_one_odd_job_hides_no_other(kinds, cloud, provider):
    word, error = kinds
    refs = [cloud.add(f"job-{index}") for index in range(60)]
    cloud.jobs["job-31"]["status"] = word
    with pytest.raises(error, match=r"job-31") as caught:
        provider.poll(refs)
    assert {poll_jobs.ref for poll_jobs in caught.value.seen} == {
        ref for ref in refs if ref.provider_job_id != "job-31"
    }


def test_a_provider_that_fails_half_way_keeps_what_was_seen_and_is_left_alone(cloud, provider):
    refs = [cloud.add(f"job-{index}") for index in range(100)]
    pages = iter([None, None])
    honest = cloud.page
    cloud.page = lambda query: honest(query) if next(pages, 1) is None else reply({}, 429, Retry_After="9")
    with pytest.raises(Throttled) as caught:
        provider.poll(refs)
    assert len(caught.value.seen) == 2 * PAGE_JOBS
    assert caught.value.retry_after_seconds == 9
    assert provider.requests == 3


def test_times_reasons_and_unknown_costs(cloud, provider):
    failure = {"code": "QuantumComputerError", "message": "it  broke\nsome-key"}
    ref = cloud.add("a", "failed", failure=failure, started_at="2026-01-01T00:00:05.500Z", completed_at="not a time")
    cloud.replies["/jobs/a/cost"] = reply({}, 500)
    [poll_jobs] = provider.poll([ref])
    assert poll_jobs.message == "QuantumComputerError: it broke [hidden]"
    assert poll_jobs.started_at == datetime(2026, 1, 1, 0, 0, 5, 500_000, tzinfo=UTC)
    assert poll_jobs.completed_at is None
    assert poll_jobs.cost_usd is None


@pytest.mark.parametrize(
    "cost", [{"value": 3, "unit": "credits"}, {"value": -1, "unit": "usd"}, {"value": "3", "unit": "usd"}, None]
)
def test_a_cost_that_is_no_price_in_dollars_is_unknown(cost, cloud, provider):
    ref = cloud.add("a", "completed")
    cloud.replies["/jobs/a/cost"] = reply({"cost": cost})
    assert provider.poll([ref])[0].cost_usd is None


# --- absence -------------------------------------------------------------------------------------------------------


def test_a_job_is_lost_only_to_the_project_that_sent_it(cloud, provider):
    ref = JobRef(provider="ionq", backend=BACKEND, provider_job_id="gone")
    other = cloud.add("here")
    with pytest.raises(Unavailable, match="project") as caught:
        provider.poll([ref, other])
    assert [poll_jobs.ref for poll_jobs in caught.value.seen] == [other]
    sent(provider, cloud, "gone")
    [poll_jobs, _] = provider.poll([ref, other])
    assert (poll_jobs.state, poll_jobs.raw_status) == (JobState.FAILED, "lost")
    for call in (provider.fetch, provider.cancel):
        with pytest.raises(Rejected, match="gone"):
            call(ref)
    cloud.project = AWAY
    for call in (lambda ref: provider.poll([ref]), provider.fetch, provider.cancel):
        with pytest.raises(Unavailable, match=AWAY):
            call(ref)


def test_a_token_is_found_on_any_page_and_the_first_job_counts(cloud, provider):
    for index in range(60):
        cloud.add(f"job-{index}", metadata={"qhybrid_token": f"token-{index}"})
    assert provider.find(BACKEND, "token-3").provider_job_id == "job-3"
    assert provider.find(BACKEND, "token-x") is None
    cloud.add("paid-twice", metadata={"qhybrid_token": "token-59"})
    assert provider.find(BACKEND, "token-59").provider_job_id == "job-59"


def test_the_first_of_two_jobs_counts_though_pages_lie_between_them(cloud, provider):
    cloud.add("first", metadata={"qhybrid_token": "t"})
    for index in range(3 * PAGE_JOBS):
        cloud.add(f"job-{index}")
    cloud.add("second", metadata={"qhybrid_token": "t"})
    assert provider.find(BACKEND, "t").provider_job_id == "first"


def test_a_search_that_has_found_a_job_reads_no_further_back_than_its_twin_could_lie(cloud, provider):
    for index in range(4 * PAGE_JOBS):
        cloud.add(f"old-{index}", submitted_at="2025-12-01T00:00:00Z")
    cloud.add("mine", metadata={"qhybrid_token": "t"})
    before = provider.requests
    assert provider.find(BACKEND, "t").provider_job_id == "mine"
    assert provider.requests - before == 1


def test_circuits_and_jobs_of_other_backends_are_not_the_job(cloud, provider):
    cloud.add("child", metadata={"qhybrid_token": "t"}, parent_job_id="parent")
    cloud.add("elsewhere", metadata={"qhybrid_token": "t"}, backend="qpu.forte-1")
    assert provider.find(BACKEND, "t") is None


def test_an_empty_listing_is_believed_only_where_no_job_is_known(cloud, provider):
    assert provider.find(BACKEND, "t") is None
    cloud.add("known")
    provider._account_registry.record_accepted(cloud.server.url, BACKEND, "known")
    cloud.listed = False
    with pytest.raises(Unavailable, match="known"):
        provider.find(BACKEND, "t")
    del cloud.jobs["known"]  # the provider was cleared
    assert provider.find(BACKEND, "t") is None


def test_a_token_is_not_missed_with_a_key_of_another_project(cloud, provider):
    sent(provider, cloud, "t")
    cloud.add("somebody's")
    assert provider.find(BACKEND, "t") is None
    cloud.project = AWAY
    with pytest.raises(Unavailable, match=AWAY):
        provider.find(BACKEND, "t")


@pytest.mark.parametrize(
    "page",
    [
        reply({"jobs": [], "next": "same"}),
        reply({"jobs": [], "next": 3}),
        reply({"jobs": None, "next": None}),
        reply({"next": None}),
        reply([]),
        reply({}, 500),
        reply(b"<html>"),
        reply(b'{"jobs": [], "ne'),
        reply({}, 401),
    ],
)
def test_a_listing_that_fails_is_no_answer(page, cloud, provider):
    cloud.replies["/jobs"] = page
    with pytest.raises(ProviderError):
        provider.find(BACKEND, "t")


def test_a_listing_without_end_is_no_answer(cloud, provider):
    cloud.page = lambda query: reply({"jobs": [{"id": "a"}], "next": str(int(query.get("next", ["0"])[0]) + 1)})
    with pytest.raises(Unavailable, match="pages"):
        provider.list_tokens(BACKEND, ["t"], known_jobs=["z"])
    assert provider.requests == MAX_PAGES


def test_before_anything_was_sent_a_listing_without_end_is_read_to_its_limit(cloud, provider):
    cloud.page = lambda query: reply({"jobs": [{"id": "a"}], "next": str(int(query.get("next", ["0"])[0]) + 1)})
    assert not provider.list_tokens(BACKEND, ["t"]).jobs
    assert provider.requests == MAX_PAGES


# --- results and cancelling ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "result", [reply({}, 404), reply(b'{"a": {"0": 1'), reply(b"<html>"), reply({}, 503), reply({}, 401)]
)
def test_a_result_that_is_not_there_yet_may_come(result, cloud, provider):
    ref = cloud.add("a", "completed", child_job_ids=[])
    cloud.replies["/jobs/a/results/probabilities"] = result
    with pytest.raises(Unavailable):
        provider.fetch(ref)


@pytest.mark.parametrize("page_jobs", [PAGE_JOBS, 10, 1])
def test_all_circuits_are_listed_however_few_a_page_has(cloud, provider, page_jobs):
    """A paid result without the list of its circuits cannot be read, today or later."""
    circuits = [f"child-{number}" for number in range(60)]
    ref = cloud.add("parent", "completed", child_job_ids=circuits)
    for circuit in circuits:
        cloud.add(circuit, "completed", parent_job_id="parent")
    of_the_cloud = cloud.page

    def children(query):
        assert query["parent_job_id"] == ["parent"]
        return of_the_cloud({**query, "ids": circuits, "limit": [str(min(page_jobs, int(query["limit"][0])))]})

    cloud.page = children
    cloud.replies["/jobs/parent/results/probabilities"] = reply({circuit: {"0": 1.0} for circuit in circuits})
    kept = json.loads(provider.fetch(ref).content)
    listed = [job["id"] for page in kept["children"] for job in json.loads(page)["jobs"]]
    assert sorted(listed) == sorted(circuits)


def test_an_answer_about_another_job_is_no_answer(cloud, provider):
    ref = cloud.add("a", "completed")
    cloud.jobs["a"]["id"] = "b"
    with pytest.raises(Unavailable, match="something else"):
        provider.fetch(ref)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("canceled", CancelOutcome.CANCELLED),
        ("completed", CancelOutcome.TOO_LATE),
        ("failed", CancelOutcome.TOO_LATE),
        ("started", CancelOutcome.REQUESTED),
        ("ready", CancelOutcome.REQUESTED),
    ],
)
def test_what_came_of_a_cancellation_is_looked_at_not_believed(status, outcome, cloud, provider):
    assert provider.cancel(cloud.add("a", status)) is outcome


# --- backends and prices ---------------------------------------------------------------------------------------------

ENTRY = {"backend": "qpu.aria-1", "status": "available", "qubits": 25, "average_queue_time": 90_500, "last_updated": ""}


def test_limits_that_are_not_stated_are_the_published_ones_and_are_remembered(cloud, provider):
    cloud.replies["/backends/qpu.aria-1"] = reply(ENTRY)
    first = provider.capabilities(BACKEND)
    assert (first.max_qubits, first.max_shots, first.min_shots) == (25, 10_000, 1)
    assert (first.max_circuits_per_job, first.max_gates_per_job) == (5_000, 150_000)
    assert provider.capabilities(BACKEND) == first
    assert provider.requests == 2  # the backend, and once which backends there are
    assert provider.status(BACKEND).queue_seconds == 90.5


@pytest.mark.parametrize(
    "entry", [{**ENTRY, "qubits": 0}, {**ENTRY, "qubits": "25"}, {**ENTRY, "backend": "other"}, []]
)
def test_limits_that_make_no_sense_are_no_limits(entry, cloud, provider):
    cloud.replies["/backends/qpu.aria-1"] = reply(entry)
    with pytest.raises(Unavailable):
        provider.capabilities(BACKEND)


def test_a_backend_that_was_taken_away_is_rejected(cloud, provider):
    with pytest.raises(Rejected):
        provider.capabilities(BACKEND)
