"""``qhybrid backends verify`` against the emulated service in both published forms, and against answers that were altered.

The emulated service's book says what was sent and paid; a proxy in between alters one kind of answer at a time, and the fact
that this changes has to be named.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.control.backend_monitoring.verification import verify_backend
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.emulator.response_bodies import PROJECT, SUBMITTER
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.emulator_client import Client
from qhybrid_pipelines_tests.support.recording_proxy import proxy

KEY = "a-key-that-must-not-be-told"
FORMS = ("2026-04", "2026-10")


@pytest.fixture(scope="module")
def emulators(tmp_path_factory):
    running = {
        form: start_emulator(tmp_path_factory.mktemp("cloud") / form, key=KEY, speed=4000.0, seed=7, interface=form)
        for form in FORMS
    }
    yield running
    for emulator in running.values():
        emulator.stop()


@pytest.fixture
def enter(emulators, monkeypatch):
    """Point the adapter at one of the services, and return a look at its book."""

    clients = []

    def go(form: str) -> Callable[[], list[dict[str, Any]]]:
        for name, value in emulators[form].environment.items():
            monkeypatch.setenv(name, value)
        client = Client(emulators[form])
        clients.append(client)
        before = len(client.book())
        return lambda: client.book()[before:]

    yield go
    for client in clients:
        client.close()


def verify(tmp_path, backend: str, *, max_usd: float = 0.0):
    plane = Workspace(Home(tmp_path / "home")).control_plane
    return verify_backend(plane, backend, max_usd=max_usd, wait_seconds=30.0)


@pytest.mark.parametrize("form", FORMS)
def test_the_free_simulator_agrees_in_both_forms_with_one_job(form, enter, tmp_path):
    book = enter(form)
    found = verify(tmp_path, "ionq:simulator")
    assert found.differences == ()
    assert len(found.facts) > 30
    assert found.job.endswith("is VERIFIED, cost $0.00")
    assert [job["charged_usd"] for job in book()] == [0.0]
    names = [fact.name for fact in found.facts]
    assert {"listing lag and token search", "results: decoding", "result: bit order", "estimate: form"} <= set(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_paid_beyond_the_limit_and_one_job_a_day_within_it(form, enter, tmp_path):
    book = enter(form)
    found = verify(tmp_path, "ionq:qpu.forte-1")
    assert found.differences == ()
    assert found.job == "no job was sent: it would cost up to $25.79, and the limit is $0.00 (--max-usd)"
    assert book() == []
    found = verify(tmp_path, "ionq:qpu.forte-1", max_usd=30.0)
    assert found.differences == ()
    assert "cost $25.79" in found.job
    again = verify(tmp_path, "ionq:qpu.forte-1", max_usd=30.0)
    assert again.differences == ()
    assert [job["charged_usd"] for job in book()] == [25.7899]


def test_the_command_prints_a_report_without_secrets(enter, emulators, tmp_path):
    enter("2026-10")
    file = tmp_path / "report.md"
    arguments = ["backends", "verify", "ionq:simulator", "--home", str(tmp_path), "--report", str(file)]
    ended = CliRunner().invoke(app, [*arguments, "--json"])
    assert ended.exit_code == 0, ended.output
    said = json.loads(ended.stdout)
    assert (said["backend"], said["differences"]) == ("ionq:simulator", 0)
    text = file.read_text()
    assert "| results: form | addresses (2026-04) or artifacts (2026-10) | 2026-10 | yes |" in text
    for secret in (KEY, PROJECT, SUBMITTER):
        assert secret not in text + ended.output


def test_what_cannot_be_compared_says_so(tmp_path, monkeypatch):
    with pytest.raises(InvalidInput, match="cannot compare itself"):
        verify(tmp_path, "local:auto")
    with pytest.raises(InvalidInput, match="there is no provider"):
        verify(tmp_path, "nobody:here")
    for name in ("IONQ_API_KEY", "IONQ_API_KEY_FILE", "IONQ_API_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidInput, match="IONQ_API_KEY"):
        verify(tmp_path, "ionq:simulator")


def jobs_of(answer: Any) -> list[dict[str, Any]]:
    """The jobs of an answer: of a list, or the one that it is."""
    single = [answer] if "submitted_at" in answer else []
    return answer.get("jobs", single)


def each_job(change: Callable[[dict[str, Any]], Any]) -> Callable[[Any], Any]:
    def altered(answer: Any) -> Any:
        if isinstance(answer, dict):
            for job in jobs_of(answer):
                change(job)
        return answer

    return altered


def without(*names: str) -> Callable[[dict[str, Any]], None]:
    def change(entry: dict[str, Any]) -> None:
        for name in names:
            entry.pop(name, None)

    return change


def updated(**values: Any) -> Callable[[Any], Any]:
    return lambda answer: {**answer, **values} if isinstance(answer, dict) else answer


def renamed_children(job: dict[str, Any]) -> None:
    if job["parent_job_id"] is not None:
        job["name"] = "renamed"


def reversed_outcomes(answer: Any) -> Any:
    return {
        child: {str(int(f"{int(state):03b}"[::-1], 2)): share for state, share in shares.items()}
        for child, shares in answer.items()
    }


#: What is altered: part of the path, and how its answer changes; then the fact that names it.
ALTERED = {
    "backend not listed": ("/backends$", lambda answer: answer[1:], "backends: list"),
    "backend running": ("/backends/simulator$", updated(status="running"), "backends: status"),
    "no queue time": ("/backends/simulator$", updated(average_queue_time=None), "backends: entry"),
    "limits as a list": ("/backends/simulator$", updated(limits=[1]), "backends: limits"),
    "no project": ("/whoami$", updated(project_id=None), "account: project"),
    "estimate in euros": ("/jobs/estimate", updated(cost_unit="eur"), "estimate: unit"),
    "estimate in another form": ("/jobs/estimate", lambda _: {"price": 1.0}, "estimate: form"),
    "next missing": ("/jobs\\?", lambda answer: {"jobs": answer["jobs"]}, "list of jobs: page"),
    "page limit ignored, oldest first": ("/jobs\\?target=.*limit=25", lambda answer: {**answer, "jobs": answer["jobs"][::-1]}, "list of jobs: order"),
    "ids ignored": ("/jobs\\?ids=0000", lambda answer: {**answer, "jobs": [{"id": "x"}]}, "list of jobs: filter by ids"),
    "unknown job answered": ("/jobs/00000000-0000-4000-8000-00000000dead", lambda _: {"id": "x"}, "unknown job"),
    "metadata lost": ("/jobs/[0-9a-f-]{36}$", updated(metadata=None), "job: token"),
    "a new state": ("/jobs\\?target", each_job(lambda job: job.update(status="compiled")), "list of jobs: states"),
    "no shots on a list of shots": ("/jobs/[0-9a-f-]{36}$", updated(shots="100"), "job: shots"),
    "no width": ("/jobs/[0-9a-f-]{36}$", updated(stats={}), "job: width"),
    "names of circuits": ("/jobs\\?parent_job_id", each_job(renamed_children), "job: names of circuits"),
    "times without a zone": ("/jobs/[0-9a-f-]{36}$", lambda answer: {**answer, "submitted_at": "2026-10-01T00:00:00"}, "job: submitted_at"),
    "results in another form": ("/jobs/[0-9a-f-]{36}$", updated(results={"blob": 1}), "results: form"),
    "percent": ("/results/probabilities", lambda answer: {child: {state: 100 * share for state, share in shares.items()} for child, shares in answer.items()}, "results: decoding"),
    "bits the other way round": ("/results/probabilities", reversed_outcomes, "result: bit order"),
    "cost as text": ("/cost$", lambda _: {"dry_run": False, "cost": {"value": "0", "unit": "usd"}}, "cost: fields"),
}  # fmt: skip


@pytest.fixture(scope="module")
def two_jobs(emulators, tmp_path_factory):
    """A job of a home that verified true answers, and another one: the lists that are altered have two entries."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulators["2026-04"].environment.items():
            patch.setenv(name, value)
        assert verify(tmp_path_factory.mktemp("true"), "ionq:simulator").differences == ()
    client = Client(emulators["2026-04"])
    client.submit_job()
    client.close()


@pytest.mark.usefixtures("two_jobs")
@pytest.mark.parametrize("what", ALTERED)
def test_an_altered_answer_is_named(what, enter, emulators, tmp_path, monkeypatch):
    import re

    pattern, change, fact = ALTERED[what]
    enter("2026-04")

    def alter(asked, reply):
        status, headers, content = reply
        path = asked.target.removeprefix("/v0.4")
        if status != 200 and "dead" not in path:
            return reply
        if not re.search(pattern, path):
            return reply
        return 200, headers, json.dumps(change(json.loads(content))).encode()

    with proxy(emulators["2026-04"].url, alter) as between:
        monkeypatch.setenv("IONQ_API_URL", between.url)
        found = verify(tmp_path / "fresh", "ionq:simulator")
    assert fact in [one.name for one in found.differences], [(one.name, one.found) for one in found.facts]


def test_a_list_that_lags_longer_than_is_waited_for_is_named(enter, emulators, tmp_path, monkeypatch):
    enter("2026-04")
    monkeypatch.setenv("IONQ_LISTING_LAG_SECONDS", "0.2")
    client = Client(emulators["2026-04"])
    client.faults({"fault": "listing_lag", "params": {"seconds": 2.0}})
    try:
        found = verify(tmp_path, "ionq:simulator")
    finally:
        client.faults()
        client.close()
    [lag] = [fact for fact in found.facts if fact.name == "listing lag and token search"]
    assert lag.agrees is False
    assert lag.found.startswith("found after ")
    assert 1.0 < float(lag.found.split()[2]) < 10.0
