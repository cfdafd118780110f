"""What callers do about jobs over HTTP: each what its key allows, about what is its own, once, and under its own name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.acceptance.test_service_keys import make_key
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.running_service import RunningService, is_problem

pytestmark = [pytest.mark.slow, pytest.mark.acceptance, experiment_homes.RUNS_IN_PROCESS]
POLICY = """
rules:
  - {name: ask, backend: "local:auto", then: approve, reason: somebody should look}
  - {name: rest, backend: "local:*", then: allow, reason: this machine}
"""
SPEC: dict[str, Any] = {
    "name": "acted on",
    "problem": {"family": "maxcut", "source": "networkx:bull"},
    "reduce": {"rules": "none"},
    "sweep": {"strategy": "fixed_angles", "points": 1},
    "shots": 32,
    "repetitions": 1,
    "rounds": {"max": 1},
}
USES = ("approve", "decline", "cancel", "reprioritise", "reroute", "stop", "elsewhere")


class Acted:
    """A service of a home in which ada's jobs wait for approval, one for each use."""

    def __init__(self, home) -> None:
        self.home = Home(home).make()
        (home / "policy.yaml").write_text(POLICY)
        scopes = {
            "ada": ("read", "submit"),
            "bob": ("read", "submit"),
            "grace": ("approve",),
            "olga": ("operate",),
            "reader": ("all",),
        }
        self.keys = {name: make_key(home, name, *given)[0] for name, given in scopes.items()}
        self.service = RunningService(home).wait_ready()
        sent = {
            use: self.ask("ada", "POST", "/v1/experiments", {"specification": {**SPEC, "seed": seed}})
            for seed, use in enumerate(USES)
        }
        self.experiments = {use: answer.json()["experiment"] for use, answer in sent.items()}
        self.service.client.headers["authorization"] = f"Bearer {self.keys['reader']}"
        for key in self.experiments.values():
            self.service.wait_registered(key)
        experiment_homes.run(experiment_homes.make_launcher(home), self.experiments.values())
        self.ledger = Workspace(self.home).control_plane.ledger

    def job(self, use: str) -> str:
        return self.ledger.jobs(experiment=self.experiments[use])[0].job_id

    def ask(self, name: str, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[name]}", "idempotency-key": "k" + str(hash(str(body)))}
        with httpx.Client(base_url=self.service.url, headers=headers, timeout=60.0, trust_env=False) as client:
            return client.request(method, path, json=body)

    def act(self, name: str, use: str, what: str, body: dict[str, Any] | None = None) -> httpx.Response:
        return self.ask(name, "POST", f"/v1/jobs/{self.job(use)}/{what}", body)

    def last_event(self, use: str) -> tuple[str, dict[str, Any]]:
        event = self.ledger.events(self.job(use))[-1]
        return event.event, dict(event.detail or {})


@pytest.fixture(scope="module")
def acted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acted]:
    made = Acted(tmp_path_factory.mktemp("acted") / "home")
    yield made
    made.service.stop()


@pytest.mark.parametrize("what", ["cancel", "approve", "decline", "reprioritise", "reroute"])
def test_what_is_somebody_elses_is_not_there_and_scopes_are_held(acted, what):
    bodies = {
        "approve": {"cost_quoted_usd": 0.0},
        "decline": {"reason": "no"},
        "reprioritise": {"priority": 3},
        "reroute": {"backend": "local:aer-exact"},
    }
    asked = bodies.get(what)
    before = acted.ledger.head()
    stranger = "bob" if what not in ("approve", "decline") else "ada"
    hidden = acted.act(stranger, "elsewhere", what, asked)
    if what in ("approve", "decline"):
        assert is_problem(hidden, 403, "forbidden")  # not even one's own
    else:
        absent = acted.ask("bob", "POST", f"/v1/jobs/nothing/{what}", asked)
        assert is_problem(hidden, 404, "not-found")
        assert hidden.json()["detail"] == absent.json()["detail"]
        assert is_problem(acted.act("grace", "elsewhere", what, asked), 403, "forbidden")
    assert is_problem(acted.act("reader", "elsewhere", what, asked), 403, "forbidden")
    assert acted.ledger.head() == before


def test_agreement_is_to_a_price_and_says_by_whom(acted):
    quoted = acted.ask("grace", "GET", f"/v1/jobs/{acted.job('approve')}").json()["cost_quoted_usd"]
    wrong = acted.act("grace", "approve", "approve", {"cost_quoted_usd": quoted + 0.01})
    assert is_problem(wrong, 409, "wrong-state")
    answers = [acted.act("grace", "approve", "approve", {"cost_quoted_usd": quoted}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[-1].text
    assert answers[0].json() == answers[1].json()
    assert (answers[0].json()["state"], answers[0].json()["approved_by"]) == ("APPROVED", "grace")
    assert acted.last_event("approve")[1]["by"] == "grace"
    assert is_problem(acted.act("grace", "approve", "decline", {"reason": "late"}), 409, "wrong-state")


def test_a_refusal_keeps_its_reason_and_who_said_it(acted):
    answers = [acted.act("grace", "decline", "decline", {"reason": " too dear "}) for _ in range(2)]
    assert [answer.json()["state"] for answer in answers] == ["REJECTED", "REJECTED"], answers[-1].text
    assert answers[0].json()["events"] == answers[1].json()["events"]
    assert acted.last_event("decline")[1] == {"by": "grace", "reason": "too dear"}
    assert is_problem(acted.act("grace", "decline", "approve", {"cost_quoted_usd": 0.0}), 409, "wrong-state")
    for body in ({}, {"reason": "  "}, {"reason": 3}, {"reason": "x", "by": "bob"}, {"reason": "x" * 501}):
        assert is_problem(acted.act("grace", "decline", "decline", body), 422, "invalid-input")


def test_a_job_is_cancelled_by_its_owner_once(acted):
    answers = [acted.act("ada", "cancel", "cancel") for _ in range(2)]
    assert [answer.json()["state"] for answer in answers] == ["CANCELLED", "CANCELLED"], answers[-1].text
    assert answers[0].json() == answers[1].json()
    assert acted.last_event("cancel") == ("JobCancelled", {"by": "ada"})


def test_another_place_in_the_queue_is_given_by_an_operator(acted):
    answers = [acted.act("olga", "reprioritise", "reprioritise", {"priority": 7}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[-1].text
    assert answers[0].json()["events"] == answers[1].json()["events"]
    assert acted.last_event("reprioritise")[1] == {"from": 0, "to": 7, "by": "olga"}
    assert is_problem(acted.act("olga", "reprioritise", "reprioritise", {"priority": 1001}), 422, "invalid-input")
    assert is_problem(acted.act("olga", "reprioritise", "reprioritise", {"priority": True}), 422, "invalid-input")
    assert is_problem(acted.act("olga", "cancel", "reprioritise", {"priority": 1}), 409, "wrong-state")


def test_work_goes_elsewhere_once(acted):
    nowhere = acted.act("ada", "reroute", "reroute", {"backend": "local:nowhere"})
    assert is_problem(nowhere, 422, "invalid-input")
    assert nowhere.json()["field"] == "backend"
    first = acted.job("reroute")
    answers = [acted.ask("ada", "POST", f"/v1/jobs/{first}/reroute", {"backend": "local:aer-exact"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[-1].text
    assert answers[0].json()["job"] == answers[1].json()["job"] != first
    assert (answers[0].json()["backend"], answers[0].json()["principal"]) == ("local:aer-exact", "ada")
    jobs = acted.ledger.jobs(experiment=acted.experiments["reroute"])
    assert sorted(job.state for job in jobs) == sorted([JobState.REROUTED, jobs[-1].state])
    left = acted.ledger.events(first)[-1].detail or {}
    assert (left["backend"], left["by"]) == ("local:aer-exact", "ada")


def test_an_experiment_is_stopped_with_its_jobs_by_its_owner(acted):
    key = acted.experiments["stop"]
    assert is_problem(acted.ask("bob", "POST", f"/v1/experiments/{key}/cancel"), 404, "not-found")
    assert is_problem(acted.ask("grace", "POST", f"/v1/experiments/{key}/cancel"), 403, "forbidden")
    first = acted.ask("ada", "POST", f"/v1/experiments/{key}/cancel")
    assert first.status_code == 200, first.text
    assert [(job["job"], job["state"], job["problem"]) for job in first.json()["jobs"]] == [
        (acted.job("stop"), "CANCELLED", None)
    ]
    assert acted.ask("ada", "POST", f"/v1/experiments/{key}/cancel").json()["jobs"] == []
    note = Stops(acted.home).get(key)
    assert note is not None
    assert (note.principal, note.reason) == ("ada", "HTTP")
    assert acted.ask("ada", "GET", f"/v1/experiments/{key}").json()["state"] == "stopped"
    assert acted.last_event("stop") == ("JobCancelled", {"by": "ada"})
    nothing = acted.ask("ada", "POST", "/v1/experiments/nothing-0000000000000000/cancel")
    assert is_problem(nothing, 404, "not-found")


def test_a_body_of_another_form_changes_nothing(acted):
    path, before = f"/v1/jobs/{acted.job('elsewhere')}/decline", acted.ledger.head()
    headers = {"authorization": f"Bearer {acted.keys['grace']}"}
    with httpx.Client(base_url=acted.service.url, headers=headers, trust_env=False) as client:
        assert is_problem(client.post(path, content=b"{}"), 415, "media-type")
        for content, status, code in (
            (b"", 400, "bad-request"),
            (b"[]", 422, "invalid-input"),
            (b'{"reason": NaN}', 400, "bad-request"),
            (b'{"reason": "a", "reason": "b"}', 400, "bad-request"),
            (b"[" * 50_000, 422, "invalid-input"),
        ):
            answer = client.post(path, content=content, headers={"content-type": "application/json"})
            assert is_problem(answer, status, code), answer.text
    assert acted.ledger.head() == before
