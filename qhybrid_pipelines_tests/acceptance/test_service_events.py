"""Events as they happen: each once and in order over streams that are cut, and `qhybrid wait` for scripts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines_tests.support.ledger_plans import apply_events, plan
from qhybrid_pipelines_tests.support.running_service import COMMAND, KARATE, RunningService, is_problem

PAGE = Path(__file__).resolve().parents[2] / "docs" / "service.md"
pytestmark = [pytest.mark.slow, pytest.mark.acceptance]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("events") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def ledger(service: RunningService) -> Iterator[SqlLedger]:
    """The same ledger, opened by another process than the service's: that of the tests."""
    opened = SqlLedger.open_sqlite(service.home / "ledger.db")
    yield opened
    opened.close()


def read_stream(
    service: RunningService,
    *,
    after: int = 0,
    last_event_id: int | None = None,
    until: int,
    most: int = 10**6,
    **query: str,
) -> list[dict]:
    """Return the events of a stream up to a position, or so many and then hang up."""
    headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
    found: list[dict] = []
    fields: dict[str, str] = {}
    with service.client.stream(
        "GET", "/v1/events/stream", params={"after": after, **query}, headers=headers, timeout=60
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream"), answer.read()
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            if "data" in fields:
                event = json.loads(fields["data"])
                assert (fields["id"], fields["event"]) == (str(event["position"]), event["type"])
                found.append(event)
            if int(fields.get("id", 0)) >= until or len(found) >= most:
                return found
            fields = {}
    return found


def test_a_stream_that_is_cut_goes_on_where_it_was(service, ledger):
    def write() -> None:
        for number in range(30):
            ledger.plan(plan(f"stream{number}"))
            time.sleep(0.02)

    writer = threading.Thread(target=write)
    writer.start()
    found: list[dict] = []
    goal = 90
    while len(found) < goal:
        last = found[-1]["position"] if found else 0
        found += read_stream(service, last_event_id=last, until=goal, most=17)
    writer.join()
    events = ledger.events()
    assert [(one["position"], one["type"]) for one in found] == [(event.position, event.event) for event in events]


def test_an_event_comes_after_it_is_written_without_being_asked_for(service, ledger):
    head = ledger.head().position
    writer = threading.Timer(1.0, lambda: ledger.plan(plan("soon")))
    writer.start()
    [*_, last] = read_stream(service, after=head, until=head + 3)
    assert last["position"] == head + 3
    writer.join()


def test_a_stream_may_be_of_some_events_only(service, ledger):
    head = ledger.head().position
    found = read_stream(service, until=head, type="JobPlanned")
    assert [one["type"] for one in found] == ["JobPlanned"] * len(found)
    assert len(found) * 3 == head
    assert is_problem(service.client.get("/v1/events/stream", params={"type": "JobDreamt"}), 400, "bad-request")
    for wrong in ("x", "-1", "9" * 30, "1.5"):
        answer = service.client.get("/v1/events/stream", headers={"Last-Event-ID": wrong})
        assert is_problem(answer, 400, "bad-request")
    assert is_problem(service.client.get("/v1/events/stream?experiment=nothing-00000000"), 404, "not-found")


def test_those_who_do_not_read_keep_nobody_waiting(service):
    with httpx.Client(base_url=service.url, timeout=30, trust_env=False) as many:
        open_streams = [many.stream("GET", "/v1/events/stream") for _ in range(50)]
        for one in open_streams:
            one.__enter__()
        try:
            for _ in range(10):
                assert service.client.get("/v1/events?limit=1").status_code == 200
        finally:
            for one in open_streams:
                one.__exit__(None, None, None)


def wait(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "wait", *arguments, "--url", url, "--json"], capture_output=True, text=True, check=False, timeout=120
    )


def test_a_script_waits_for_an_event_of_its_experiment(service, ledger):
    key = service.post({**KARATE, "seed": 900}).json()["experiment"]
    service.wait_registered(key)
    planned = threading.Timer(2.0, lambda: ledger.plan(plan("waited", experiment=key)))
    planned.start()
    done = wait(key, "--for", "JobSubmitting", "--timeout", "60", url=service.url)
    planned.join()
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["experiment"], found["type"]) == (key, "JobSubmitting")


def test_waiting_ends_and_says_why(service):
    key = service.post({**KARATE, "seed": 901}).json()["experiment"]
    service.wait_registered(key)
    late = wait(key, "--for", "JobCompleted", "--timeout", "2", url=service.url)
    assert late.returncode == 3
    assert "the time is up" in late.stderr + late.stdout
    for arguments in ((key, "--for", "JobDreamt"), ("nothing-00000000",), (key, "--timeout", "-1")):
        done = wait(*arguments, url=service.url)
        assert done.returncode == 2, done.stdout
    away = wait(key, "--timeout", "1", url="http://127.0.0.1:9")
    assert away.returncode == 3
    assert "cannot be reached" in away.stderr + away.stdout


def test_the_workflow_of_the_page_sends_waits_and_ends_well(service, ledger, tmp_path):
    """Its steps as they stand in the page, each by the shell that such a workflow uses; the one that installs is left out."""
    [text] = re.findall(r"```yaml\n(# a workflow.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    job = yaml.safe_load(text)["jobs"]["experiment"]
    install, send, waits = (step["run"] for step in job["steps"] if "run" in step)
    assert install.startswith("pip install")
    values = {"QHYBRID_SERVICE_URL": service.url, "QHYBRID_SERVICE_KEY": "none-is-asked-for"}
    assert job["env"].keys() == values.keys()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, **values, "PATH": path, "GITHUB_RUN_ID": "4711"}
    (tmp_path / "request.json").write_text(json.dumps({"specification": {**KARATE, "seed": 902}}))

    def run(step: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", "-e", "-c", step]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
        )

    for _ in range(2):  # a job that is repeated sends nothing new
        assert run(send).returncode == 0
        key = (tmp_path / "key").read_text().strip()
        service.wait_registered(key)
    assert service.client.get(f"/v1/experiments/{key}").status_code == 200
    began = ledger.plan(plan("workflow", experiment=key))
    ends = (Event.ACKNOWLEDGE, Event.QUEUE, Event.START, Event.COMPLETE)
    apply_events(ledger, began, *ends, provider_job_id="v-workflow")
    done = run(waits)
    assert done.returncode == 0, done.stderr
