"""Every fault of a plan, seen from the client's side and judged by the emulator's own book."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime

import httpx
import pytest

from qhybrid_pipelines.emulator.process import Emulator, start_emulator
from qhybrid_pipelines_tests.support.emulator_client import BELL, Client, job_body


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = start_emulator(tmp_path_factory.mktemp("cloud"), speed=1, seed=7)
    yield running
    running.stop()


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Client]:
    own = Client(emulator)
    own.faults()
    yield own
    own.faults()
    own.close()


def accepted_jobs_under_fault(client: Client, rule: dict) -> tuple[int, httpx.Response | Exception]:
    """Submit one job under a rule; return how many the book gained, and what the client saw."""
    before = len(client.book())
    client.faults(rule)
    try:
        seen: httpx.Response | Exception = client.post(job_body())
    except httpx.HTTPError as error:
        seen = error
    return len(client.book()) - before, seen


@pytest.mark.parametrize("status", [500, 502, 503])
def test_before_accept_answers_an_error_and_takes_nothing(client: Client, status: int) -> None:
    gained, seen = accepted_jobs_under_fault(
        client, {"route": "POST /jobs", "fault": "before_accept", "params": {"status": status}}
    )
    assert gained == 0
    assert isinstance(seen, httpx.Response)
    assert seen.status_code == status
    assert seen.json()["statusCode"] == status


def test_after_accept_answers_an_error_and_has_taken_the_job(client: Client) -> None:
    gained, seen = accepted_jobs_under_fault(client, {"route": "POST /jobs", "fault": "after_accept"})
    assert gained == 1
    assert isinstance(seen, httpx.Response)
    assert seen.status_code == 504


@pytest.mark.parametrize(("fault", "gained"), [("before_accept", 0), ("after_accept", 1)])
def test_dropped_connections(client: Client, fault: str, gained: int) -> None:
    rule = {"route": "POST /jobs", "fault": fault, "params": {"drop": True}}
    found, seen = accepted_jobs_under_fault(client, rule)
    assert found == gained
    assert isinstance(seen, (httpx.RemoteProtocolError, httpx.ReadError))


def test_reset_breaks_the_answer_off_after_the_job_was_taken(client: Client) -> None:
    gained, seen = accepted_jobs_under_fault(client, {"route": "POST /jobs", "fault": "reset"})
    assert gained == 1
    assert isinstance(seen, httpx.HTTPError)


def test_truncated_json_looks_like_a_whole_answer(client: Client) -> None:
    gained, seen = accepted_jobs_under_fault(client, {"route": "POST /jobs", "fault": "truncated_json"})
    assert gained == 1
    assert isinstance(seen, httpx.Response)
    assert seen.status_code == 201
    with pytest.raises(json.JSONDecodeError):
        seen.json()


@pytest.mark.parametrize(("accept", "gained"), [(False, 0), (True, 1)])
def test_html_with_200(client: Client, accept: bool, gained: int) -> None:  # noqa: FBT001
    rule = {"route": "POST /jobs", "fault": "html_200", "params": {"accept": accept}}
    found, seen = accepted_jobs_under_fault(client, rule)
    assert found == gained
    assert isinstance(seen, httpx.Response)
    assert seen.status_code == 200
    assert seen.text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("accept", ["first", "last"])
def test_slow_answers_outlast_a_timeout_and_the_job_is_taken_all_the_same(client: Client, accept: str) -> None:
    before = len(client.book())
    client.faults({"route": "POST /jobs", "fault": "slow", "params": {"seconds": 0.4, "accept": accept}, "times": 1})
    with pytest.raises(httpx.TimeoutException):
        httpx.post(
            f"{client.emulator.url}/jobs",
            json=job_body(),
            headers={"Authorization": f"apiKey {client.emulator.key}"},
            timeout=0.15,
        )
    assert len(client.book()) - before == (1 if accept == "first" else 0)
    time.sleep(0.5)
    assert len(client.book()) - before == 1


def test_throttle_says_when_to_come_back_and_ends_after_n(client: Client) -> None:
    client.faults({"route": "GET /backends", "fault": "throttle", "params": {"n": 2, "retry_after": 7}})
    answers = [client.get("/backends") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "7"


def test_stuck_jobs_never_end(client: Client) -> None:
    client.faults({"fault": "stuck"})
    job = client.submit_job()
    assert client.run_to_end(job)["status"] == "ready"
    assert client.get(f"/jobs/{job}/results/probabilities").status_code == 404


def test_lost_jobs_are_unknown_to_clients_and_known_to_the_book(client: Client) -> None:
    client.faults({"fault": "lost", "nth": 1})
    lost, kept = client.submit_job(), client.submit_job()
    assert client.get(f"/jobs/{lost}").status_code == 404
    listed = [job["id"] for job in client.get("/jobs").json()["jobs"]]
    assert kept in listed
    assert lost not in listed
    assert client.book()[-2]["id"] == lost
    assert client.book()[-2]["outcome"] == "lost"


def test_failed_jobs_say_why_and_cost_nothing(client: Client) -> None:
    client.faults({"fault": "failed", "params": {"code": "SystemCancel", "message": "Sorry."}})
    job = client.submit_job(backend="qpu.forte-1")
    assert client.get(f"/jobs/{job}").json()["status"] == "submitted"
    ended = client.run_to_end(job)
    assert ended["status"] == "failed"
    assert ended["failure"] == {"code": "SystemCancel", "message": "Sorry."}
    assert ended["results"] is None
    assert client.get(f"/jobs/{job}/cost").json()["cost"]["value"] == 0.0
    assert client.get(f"/jobs/{job}/results/probabilities").status_code == 404


def test_results_may_be_missing_for_some_looks(client: Client) -> None:
    client.faults({"fault": "result_missing", "params": {"n": 2}})
    job = client.submit_job()
    assert client.run_to_end(job)["status"] == "completed"
    looks = [client.get(f"/jobs/{job}/results/probabilities").status_code for _ in range(4)]
    assert looks == [404, 404, 200, 200]


def test_listing_lag_hides_young_jobs_from_lists_only(client: Client) -> None:
    client.faults({"fault": "listing_lag", "params": {"seconds": 0.5}})
    job = client.submit_job()
    assert job not in [one["id"] for one in client.get("/jobs").json()["jobs"]]
    assert client.get("/jobs", ids=job).json()["jobs"] == []
    assert client.get(f"/jobs/{job}").status_code == 200
    time.sleep(0.6)
    assert job in [one["id"] for one in client.get("/jobs").json()["jobs"]]


def test_clock_skew_moves_every_time_that_is_shown_and_no_course(client: Client) -> None:
    job = client.submit_job()
    before = datetime.fromisoformat(client.get(f"/jobs/{job}").json()["submitted_at"])
    client.faults({"fault": "clock_skew", "params": {"seconds": -3600}})
    after = client.get(f"/jobs/{job}").json()
    assert (before - datetime.fromisoformat(after["submitted_at"])).total_seconds() == pytest.approx(3600)
    assert after["status"] in ("submitted", "ready")


def test_rules_may_concern_one_backend_only(client: Client) -> None:
    client.faults({"route": "*", "backend": "qpu.aria-1", "fault": "before_accept"})
    assert client.post(job_body(backend="qpu.aria-1")).status_code == 503
    assert client.post(job_body(backend="qpu.forte-1")).status_code == 201
    assert client.get("/backends/qpu.aria-1").status_code == 503
    assert client.get("/backends/qpu.forte-1").status_code == 200
    assert client.get("/jobs/estimate", backend="qpu.aria-1").status_code == 503
    assert client.get("/jobs").status_code == 200


def test_the_nth_request_and_what_rules_have_seen(client: Client) -> None:
    client.faults({"route": "GET /backends", "fault": "before_accept", "nth": 2, "times": 2})
    assert [client.get("/backends").status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    (rule,) = client.admin("GET", "/faults")["rules"]
    assert (rule["seen"], rule["fired"]) == (5, 2)


def test_a_plan_that_is_refused_changes_nothing(client: Client) -> None:
    client.faults({"route": "GET /backends", "fault": "before_accept"})
    answer = httpx.put(f"{client.emulator.admin_url}/faults", json=[{"fault": "explode"}], timeout=10)
    assert answer.status_code == 400
    assert "[0].fault" in answer.json()["message"]
    assert client.get("/backends").status_code == 503


def test_the_plan_and_its_counts_survive_a_kill(client: Client, emulator: Emulator) -> None:
    client.faults({"route": "GET /backends", "fault": "before_accept", "nth": 2}, {"fault": "stuck", "nth": 2})
    client.submit_job(BELL)
    assert client.get("/backends").status_code == 200
    emulator.restart()
    assert client.get("/backends").status_code == 503
    assert client.get("/backends").status_code == 200
    assert client.run_to_end(client.submit_job())["status"] == "ready"


@pytest.mark.parametrize("status", [400, 401, 404, 409, 429])
@pytest.mark.parametrize("accept", [True, False])
def test_a_gateway_answers_in_its_own_words(client: Client, status: int, *, accept: bool) -> None:
    before = len(client.book())
    client.faults({"route": "POST /jobs", "fault": "gateway", "params": {"status": status, "accept": accept}})
    answer = client.post(job_body())
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html")
    assert ("retry-after" in answer.headers) == (status == 429)
    assert len(client.book()) - before == accept


def test_answers_may_come_too_early(client: Client) -> None:
    job = client.submit_job(BELL, BELL)
    whole = client.run_to_end(job)
    results = client.get(f"/jobs/{job}/results/probabilities").json()
    early = {"route": "GET /jobs/{id}/results", "nth": 1, "fault": "early_answer"}
    client.faults(early)
    assert client.get(f"/jobs/{job}/results/probabilities").json() == {}
    assert client.get(f"/jobs/{job}/results/probabilities").json() == results
    client.faults(early | {"params": {"what": "short"}})
    assert len(client.get(f"/jobs/{job}/results/probabilities").json()) == 1
    assert client.get(f"/jobs/{job}/results/probabilities").json() == results
    for what, change in (("failed", {"status": "failed"}), ("no_shots", {})):
        client.faults({"route": "GET /jobs/{id}", "nth": 1, "fault": "early_answer", "params": {"what": what}})
        expected = {name: value for name, value in whole.items() if (what, name) != ("no_shots", "shots")}
        assert client.get(f"/jobs/{job}").json() == expected | change
        assert client.get(f"/jobs/{job}").json() == whole
        client.faults({"route": "GET /jobs", "nth": 1, "fault": "early_answer", "params": {"what": what}})
        (listed,) = client.get("/jobs", ids=job).json()["jobs"]
        assert (listed["status"] == "failed", "shots" in listed) == (what == "failed", what != "no_shots")


def test_children_lag_shows_half_of_the_circuits_for_a_while(client: Client) -> None:
    job = client.submit_job(BELL, BELL, BELL, BELL)
    client.run_to_end(job)
    assert len(client.get("/jobs", parent_job_id=job).json()["jobs"]) == 4
    client.faults({"fault": "children_lag", "params": {"seconds": 1e9}})
    assert len(client.get("/jobs", parent_job_id=job).json()["jobs"]) == 2
    client.faults({"fault": "children_lag", "params": {"seconds": 0.0}})
    assert len(client.get("/jobs", parent_job_id=job).json()["jobs"]) == 4
