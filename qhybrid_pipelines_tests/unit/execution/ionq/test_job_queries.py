"""Looking at and searching for jobs, at a vendor that says what no honest vendor should."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from qhybrid_pipelines.core.errors import (
    InvalidInput,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
    UnknownProviderStatus,
)
from qhybrid_pipelines.core.job_states import JobState
from qhybrid_pipelines.core.jobs import CancelOutcome, JobRef
from qhybrid_pipelines.execution.ionq.job_queries import MAX_PAGES, PAGE_JOBS
from qhybrid_pipelines.execution.providers.ionq import IonQProvider
from qhybrid_pipelines_tests.support.scripted_server import reply, scripted_server

BACKEND = "ionq:qpu.aria-1"
HOME, AWAY = "project-home", "project-away"


class Cloud:
    """A vendor with as many jobs as wanted, its lies switched on one by one."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict] = {}
        self.project = HOME
        self.replies: dict[str, object] = {}
        self.listed = True
        self.filters = True

    def add(self, job_id: str, status: str = "ready", **facts) -> JobRef:
        at = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=len(self.jobs))).isoformat()
        self.jobs[job_id] = {
            "id": job_id,
            "status": status,
            "backend": "qpu.aria-1",
            "submitted_at": at,
            "parent_job_id": None,
            "metadata": None,
            **facts,
        }
        return JobRef(provider="ionq", backend=BACKEND, provider_job_id=job_id)

    def answer(self, method, path, query):
        if path in self.replies:
            return self.replies[path]
        if path == "/whoami":
            return reply({"key_id": "k", "key_name": "n", "project_id": self.project})
        if path == "/jobs" and method == "GET":
            return self.page(query)
        if path.endswith("/status/cancel"):
            return reply({"id": path.split("/")[2], "status": "canceled"})
        if path.endswith("/cost"):
            return reply({"dry_run": False, "cost": {"value": 1.25, "unit": "usd"}})
        job = self.jobs.get(path.removeprefix("/jobs/"))
        return reply(job) if job else reply({"message": "not found"}, 404)

    def page(self, query):
        jobs = list(reversed(self.jobs.values())) if self.listed else []
        if self.filters and "ids" in query:
            jobs = [job for job in jobs if job["id"] in query["ids"]]
        begin = int(query.get("next", ["0"])[0])
        end = begin + int(query["limit"][0])
        return reply({"jobs": jobs[begin:end], "next": str(end) if end < len(jobs) else None})


@pytest.fixture
def cloud(monkeypatch):
    cloud = Cloud()
    with scripted_server(cloud.answer) as server:
        monkeypatch.setenv("IONQ_API_URL", server.url)
        monkeypatch.setenv("IONQ_API_KEY", "some-key")
        cloud.server = server
        yield cloud


@pytest.fixture
def provider(tmp_path):
    return IonQProvider(tmp_path / "ionq")


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
PRICES = {
    "cost_unit": "USD",
    "estimated_at": "2026-01-01T00:00:00Z",
    "estimated_cost": 40.0,
    "rate_information": {"job_cost_minimum": 12.0, "cost_1q_gate": 0.001, "cost_2q_gate": 0.01, "organization": "o"},
}


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


def price_estimate(provider):
    from qhybrid_pipelines.execution.canary_circuits import canary_batch

    return provider.estimate(canary_batch("batch", width=4, qubit=0, backend=BACKEND, shots=100)[0])


def test_a_price_names_its_source_and_date(cloud, provider):
    cloud.replies["/jobs/estimate"] = reply(PRICES)
    estimate = price_estimate(provider)
    assert (estimate.low_usd, estimate.high_usd) == (12.0, 40.0)
    assert "2026-01-01" in estimate.source
    [(_, _, query)] = cloud.server.asked
    assert query["1q_gates"] == ["12"]
    assert query["shots"] == ["100"]


#: In the form of October 2026.
OCTOBER_PRICES = {
    "estimate_context": {"backend": "qpu.aria-1"},
    "estimated_at": "2026-10-02T00:00:00Z",
    "estimated_unit": "USD",
    "rate_card": {
        "id": "card",
        "rates": [
            {"sku": "machine", "unit": "gates", "cost_1q_gate": 0.001, "cost_2q_gate": 0.01, "job_cost_minimum": 7.5}
        ],
    },
    "estimated_total_cost": 33.0,
    "estimated_execution_time": 96250,
    "current_predicted_queue_time": 397577,
}


@pytest.mark.parametrize(
    ("changes", "low_usd", "high_usd"),
    [
        ({}, 7.5, 33.0),
        ({"estimated_total_cost": 2.0}, 7.5, 7.5),
        ({"rate_card": {"id": "card", "rates": []}, "estimated_total_cost": 0.0}, 0.0, 0.0),
        # billed by time: there is no rate from which less could be computed
        (
            {"rate_card": {"id": "card", "rates": [{"sku": "s", "unit": "compute_second", "unit_cost": 2.0}]}},
            33.0,
            33.0,
        ),
    ],
)
def test_prices_in_octobers_form(changes, low_usd, high_usd, cloud, provider):
    cloud.replies["/jobs/estimate"] = reply({**OCTOBER_PRICES, **changes})
    estimate = price_estimate(provider)
    assert (estimate.low_usd, estimate.high_usd) == (low_usd, high_usd)
    assert "2026-10-02" in estimate.source


@pytest.mark.parametrize(("unit", "remedy"), [("eur", "bill in USD"), ("credit", "IONQ_USD_PER_CREDIT"), (None, "USD")])
def test_a_price_in_another_unit_says_what_to_do(unit, remedy, cloud, provider):
    for prices, name in ((PRICES, "cost_unit"), (OCTOBER_PRICES, "estimated_unit")):
        cloud.replies["/jobs/estimate"] = reply({**prices, name: unit})
        with pytest.raises(InvalidInput, match=remedy):
            price_estimate(provider)


@pytest.mark.parametrize(
    "answer",
    [
        reply({**PRICES, "estimated_cost": None}),
        reply({**OCTOBER_PRICES, "estimated_total_cost": None}),
        reply({**OCTOBER_PRICES, "estimated_total_cost": -1}),
        reply({**OCTOBER_PRICES, "rate_card": {}}),
        reply({**OCTOBER_PRICES, "rate_card": {"rates": [{"unit": "gates"}]}}),
        reply({**PRICES, "estimated_cost": -1}),
        reply({**PRICES, "rate_information": {}}),
        reply({}),
        reply([]),
        reply({}, 500),
        reply({}, 400),
        reply({}, 404),
    ],
)
def test_a_price_that_is_not_known_is_not_nothing(answer, cloud, provider):
    cloud.replies["/jobs/estimate"] = answer
    with pytest.raises(ProviderError):
        price_estimate(provider)
