"""`qhybrid serve`: what is accepted is what the inbox would register, once, and is not lost; everything else is refused in one shape."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import yaml

from qhybrid_pipelines.control.experiments.registration import Registration
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines_tests.support.accept_load import Load, judge
from qhybrid_pipelines_tests.support.running_service import COMMAND, KARATE, RunningService, is_problem

pytestmark = [pytest.mark.slow, pytest.mark.acceptance]
BACKENDS = ("local:auto", "local:aer")
TRIANGLE = "3 3\n1 2 1\n2 3 1\n1 3 1\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("service") / "home") as running:
        yield running


def rows(service: RunningService) -> list[tuple[str, str]]:
    connection = sqlite3.connect(service.home / "service.db")
    try:
        return connection.execute("SELECT id, idempotency_key FROM request ORDER BY number").fetchall()
    finally:
        connection.close()


class TestStart:
    def test_it_is_ready_only_once_it_is_warm(self, tmp_path):
        running = RunningService(tmp_path / "home")
        try:
            first = running.client.get("/readyz")
            assert is_problem(first, 503, "not-ready")
            assert int(first.headers["retry-after"]) >= 1
            assert running.client.get("/livez").json() == {"status": "ok"}
            assert is_problem(running.post(KARATE), 503, "not-ready")
            running.wait_ready()
            assert running.post(KARATE).status_code == 202
        finally:
            assert running.stop() in (0, -15, 143)

    def test_another_address_needs_keys(self, tmp_path):
        done = subprocess.run(
            [COMMAND, "serve", "--home", str(tmp_path), "--host", "0.0.0.0", "--port", "0"],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 2
        assert "no key is required" in done.stderr

    def test_a_home_is_served_by_one_process(self, service):
        done = subprocess.run(
            [COMMAND, "serve", "--home", str(service.home), "--port", "0"],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 2
        assert "another process serves" in done.stderr

    def test_a_page_that_was_resolved_to_this_machine_is_refused(self, service):
        answer = service.client.get("/v1/experiments", headers={"Host": "evil.example"})
        assert is_problem(answer, 421, "wrong-host")

    def test_processes_of_a_killed_service_end_too(self, tmp_path):
        running = RunningService(tmp_path / "home").wait_ready()
        children = _descendants(running.pid)
        assert len(children) >= 4
        running.kill()
        until = time.monotonic() + 30
        while alive := [pid for pid in children if Path(f"/proc/{pid}").exists() and not _is_zombie(pid)]:
            assert time.monotonic() < until, alive
            time.sleep(0.1)


def _descendants(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in found.splitlines()]
    wanted, new = {pid}, {pid}
    while new:
        new = {child for child, parent in pairs if parent in wanted} - wanted
        wanted |= new
    return sorted(wanted - {pid})


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class TestAcceptance:
    @pytest.mark.parametrize(
        ("specification", "files"),
        [
            (KARATE, {}),
            (
                {
                    "name": "drawn",
                    "problem": {
                        "family": "maxcut",
                        "source": {"generator": "random_regular", "nodes": 12, "degree": 3, "seed": 4},
                    },
                    "sweep": "auto",
                    "budget": {"usd": 2},
                },
                {},
            ),
            ({"name": "inline", "problem": {"family": "maxcut", "source": "triangle.mc"}}, {"triangle.mc": TRIANGLE}),
            (
                {
                    "name": "taught",
                    "kind": "qml",
                    "dataset": {"source": "points.csv", "target": "kind"},
                    "models": ["kernel"],
                    "features": {"pca": 2},
                },
                {"points.csv": "a,b,kind\n" + "".join(f"{i % 7},{i % 5},{i % 2}\n" for i in range(60))},
            ),
        ],
        ids=["bundled", "generator", "file", "learning"],
    )
    def test_it_is_the_experiment_that_the_page_would_be(self, service, tmp_path, specification, files):
        answer = service.post(specification, files=files)
        assert answer.status_code == 202, answer.text
        accepted = answer.json()
        (tmp_path / "page").mkdir()
        for name, text in files.items():
            (tmp_path / "page" / name).write_text(text)
        (tmp_path / "page" / "page.yaml").write_text(yaml.safe_dump(specification))
        other = Specifications(Home(tmp_path / "home").make())
        by_page = Registration(other, BACKENDS).register_file(tmp_path / "page" / "page.yaml")
        assert accepted["experiment"] == by_page.key
        assert answer.headers["location"] == f"/v1/experiments/{by_page.key}"
        assert int(answer.headers["retry-after"]) >= 1
        service.wait_registered(by_page.key)
        ours = Specifications(Home(service.home))
        assert ours.load_any(by_page.key) == by_page.specification
        for blob in (tmp_path / "home" / "blobs").rglob("*"):
            if blob.is_file():
                found = service.home / blob.relative_to(tmp_path / "home")
                assert found.read_bytes() == blob.read_bytes()

    def test_labels_are_kept(self, service):
        accepted = service.post({**KARATE, "seed": 71, "owner": "ada", "tags": ["paper", "depth"]}).json()
        service.wait_registered(accepted["experiment"])
        shown = service.client.get(accepted["href"]).json()
        assert (shown["owner"], shown["tags"]) == ("ada", ["depth", "paper"])
        listed = service.client.get("/v1/experiments", params={"tag": "depth"}).json()
        assert [one["experiment"] for one in listed["items"]] == [accepted["experiment"]]

    def test_forty_equal_requests_at_once_are_one(self, service):
        key, before = f"forty-{uuid.uuid4()}", len(rows(service))
        with ThreadPoolExecutor(40) as pool:
            answers = list(pool.map(lambda _: service.post({**KARATE, "seed": 40}, key=key), range(40)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.content for answer in answers}) == 1
        assert len(rows(service)) == before + 1

    def test_a_key_may_be_quoted_and_belongs_to_one_body(self, service):
        bare = service.post({**KARATE, "seed": 41}, key="a-key")
        quoted = service.post({**KARATE, "seed": 41}, key='"a-key"')
        assert bare.content == quoted.content
        assert is_problem(service.post({**KARATE, "seed": 42}, key="a-key"), 422, "key-reused")
        reordered = service.client.post(
            "/v1/experiments",
            content=json.dumps({"specification": dict(reversed({**KARATE, "seed": 41}.items()))}, indent=3),
            headers={"Idempotency-Key": "a-key", "Content-Type": "application/json; charset=utf-8"},
        )
        assert reordered.content == bare.content
        for wrong in ("", "two words", "x" * 256, '"open'):
            assert is_problem(service.post(KARATE, key=wrong), 400, "bad-request")

    def test_who_waits_keeps_nobody_else_waiting(self, service):
        """More wait than there are threads; others are answered before the first of them is."""

        def wait(number: int) -> tuple[httpx.Response, float]:
            answer = httpx.post(
                f"{service.url}/v1/experiments",
                json={"specification": {**KARATE, "name": "waited for", "seed": number}},
                headers={"Idempotency-Key": f"waited-{number}", "Prefer": "respond-async, wait=20"},
                timeout=120.0,
                trust_env=False,
            )
            return answer, time.monotonic()

        with ThreadPoolExecutor(50) as pool:
            waiting = [pool.submit(wait, number) for number in range(50)]
            until = time.monotonic() + 60
            while sum(key.startswith("waited-") for _, key in rows(service)) < 50:
                assert time.monotonic() < until, service.log
                time.sleep(0.1)
            assert service.client.get("/v1/experiments").status_code == 200
            assert service.post({**KARATE, "name": "waited for", "seed": 50}).status_code == 202
            answered_at = time.monotonic()
        for one in waiting:
            answer, at = one.result()
            assert answer.status_code == 202, answer.text
            assert answer.headers["preference-applied"] == "wait=20"
            assert int(answer.headers["retry-after"]) >= 1
            assert at > answered_at

    def test_an_estimate_registers_nothing(self, service):
        asked = {**KARATE, "name": "only asked", "shots": 100, "repetitions": 2}
        answer = service.estimate(asked)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["rows"][0]["shots"] == found["total"]["shots"] == 2 * 100  # at one point, the optimised angles
        assert is_problem(service.client.get(f"/v1/experiments/{found['experiment']}"), 404, "not-found")
        refused = service.estimate({**asked, "backends": ["ibm:nowhere"]})
        assert is_problem(refused, 422, "invalid-input")
        assert refused.json()["field"] == "backends"


class TestKilled:
    def test_nothing_acknowledged_is_lost_or_doubled(self, tmp_path):
        """Killed in the middle of a load, again and again: what was acknowledged is there, once, and answers as it did."""
        running, load, kills = RunningService(tmp_path / "home").wait_ready(), Load(), 4
        for _ in range(kills):
            load.until_killed(running, acknowledged=25)
            running.start()
            running.wait_ready()
        with running:
            found = judge(load, running)
        assert (found.lost, found.doubled, found.invented, found.changed) == (0, 0, 0, 0)
        assert found.sent >= found.acknowledged >= kills * 25
