"""What the service shows of experiments that really ran is what ledger and lake hold, page by page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qhybrid_pipelines.core.specifications.experiment_key import CANARY_EXPERIMENT
from qhybrid_pipelines.steps.on_demand.answers import named_answers
from qhybrid_pipelines_tests.support.experiment_homes import RUNS_IN_PROCESS, make_launcher, register, run
from qhybrid_pipelines_tests.support.running_service import RunningService, is_problem

pytestmark = [pytest.mark.slow, RUNS_IN_PROCESS]
SPECS = [
    {
        "name": f"read {number}",
        "problem": {"family": "maxcut", "source": "networkx:bull"},
        "reduce": {"rules": "none"},
        "sweep": {"strategy": "fixed_angles", "points": 2},
        "shots": 64,
        "repetitions": 2,
        "seed": number,
        "rounds": {"max": 1},
        "backends": ["local:auto", "local:aer-exact"][: number + 1],
    }
    for number in range(2)
]


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory):
    made = make_launcher(tmp_path_factory.mktemp("read") / "home")
    run(made, register(made, SPECS))
    return made


@pytest.fixture(scope="module")
def service(launcher) -> Iterator[RunningService]:
    with RunningService(launcher.workspace.home.path) as running:
        yield running


def pages(service: RunningService, path: str) -> list[dict]:
    """Return the items of all pages, as the links lead."""
    found: list[dict] = []
    while path:
        answer = service.client.get(path)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        found += body["items"]
        path = body["next"]
        assert answer.links.get("next", {}).get("url") == path
    return found


def test_experiments_are_those_of_the_register(service, launcher):
    keys = list(launcher.workspace.specifications)
    assert [one["experiment"] for one in pages(service, "/v1/experiments?limit=1")] == keys
    for key in keys:
        shown = service.client.get(f"/v1/experiments/{key}").json()
        assert shown["state"] == "decided", shown
        spec = launcher.workspace.specifications.load(key)
        assert shown["specification"] == spec.model_dump(mode="json")
        assert [one["backend"] for one in shown["backends"]] == list(spec.backends)


def test_results_are_those_of_the_lake(service, launcher):
    for key in launcher.workspace.specifications:
        shown = service.client.get(f"/v1/experiments/{key}/results").json()
        answers = named_answers(key, launcher.workspace.specifications, launcher.workspace.lake)
        assert [one["objective"] for one in shown["answers"]] == [one.objective for one in answers]
        assert [one["variables"] for one in shown["answers"]] == [list(one.variables) for one in answers]
        assert {one["backend"] for one in shown["verdicts"]} == {one.backend for one in answers}
        assert all(one["verdict"] for one in shown["verdicts"])


def test_jobs_are_those_of_the_ledger_page_by_page(service, launcher):
    ledger = launcher.workspace.control_plane.ledger
    jobs = {job.job_id: job for job in ledger.jobs() if job.experiment != CANARY_EXPERIMENT}
    shown = pages(service, "/v1/jobs?limit=1")
    assert [one["job"] for one in shown] == sorted(jobs)
    assert len(shown) >= 3
    for one in shown:
        job = jobs[one["job"]]
        assert (one["state"], one["cost_charged_usd"]) == (str(job.state), job.cost_settled_usd)
        detail = service.client.get(one["href"]).json()
        assert [event["sequence"] for event in detail["events"]] == list(range(1, job.version + 1))
    key = next(iter(launcher.workspace.specifications))
    own = pages(service, f"/v1/jobs?limit=1&experiment={key}")
    assert [one["job"] for one in own] == sorted(job.job_id for job in jobs.values() if job.experiment == key)


def test_events_are_those_of_the_ledger_each_once(service, launcher):
    ledger = launcher.workspace.control_plane.ledger
    hidden = {job.job_id for job in ledger.jobs() if job.experiment == CANARY_EXPERIMENT}
    events = [event for event in ledger.events() if event.job_id not in hidden]
    shown = pages(service, "/v1/events?limit=3")
    assert [(one["position"], one["type"]) for one in shown] == [(event.position, event.event) for event in events]
    last = service.client.get("/v1/events?limit=200").json()["position"]
    assert last == ledger.head().position
    assert service.client.get(f"/v1/events?after={last}").json() == {"items": [], "position": last, "next": None}
    done = pages(service, "/v1/events?type=JobCompleted,JobVerified&limit=1")
    assert [one["position"] for one in done] == [
        event.position for event in events if event.event in ("JobCompleted", "JobVerified")
    ]


def test_the_circuits_of_a_verification_are_not_shown(service):
    assert is_problem(service.client.get(f"/v1/experiments/{CANARY_EXPERIMENT}"), 404, "not-found")


def test_figures_are_those_of_the_ledger_and_of_the_service(service):
    assert service.client.get("/v1/jobs").status_code == 200
    text = service.client.get("/metrics").text
    assert "qhybrid_jobs{" in text
    assert 'qhybrid_http_requests_total{route="/v1/jobs",status="200"}' in text


def test_who_waits_for_what_is_decided_gets_its_outcome(service, launcher):
    key = next(iter(launcher.workspace.specifications))
    answers = [
        service.client.post(
            "/v1/experiments",
            json={"specification": SPECS[number]},
            headers={"Idempotency-Key": f"waits-{number}", "Prefer": "wait=30"},
        )
        for number in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    assert {answer.headers["preference-applied"] for answer in answers} == {"wait=30"}
    found = {answer.json()["experiment"]: answer.json() for answer in answers}
    shown = service.client.get(f"/v1/experiments/{key}/results").json()
    assert (found[key]["state"], found[key]["verdicts"]) == ("decided", shown["verdicts"])
    assert found[key]["answers"] == shown["answers"]
    again = service.client.post(
        "/v1/experiments", json={"specification": SPECS[0]}, headers={"Idempotency-Key": "waits-0"}
    )
    assert again.status_code == 202
    assert again.json().items() <= {**answers[0].json(), "state": "accepted"}.items()
