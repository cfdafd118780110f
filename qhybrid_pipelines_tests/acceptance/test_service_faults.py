"""The disk full and the ledger away: nothing is acknowledged that is not there, nobody waits for long, and afterwards it goes on."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest

from qhybrid_pipelines_tests.support.postgres_databases import LocalServer, database
from qhybrid_pipelines_tests.support.running_service import COMMAND, KARATE, RunningService, is_problem

DECISION = {
    "specification": {
        "name": "round",
        "problem": {
            "family": "independent_set",
            "source": {"generator": "dispatch", "vehicles": 3, "jobs": 4, "seed": 1},
        },
    },
    "deadline_ms": 60_000,
    "answer_ms": 20_000,
}
pytestmark = [pytest.mark.slow, pytest.mark.acceptance]


def test_a_full_disk_accepts_nothing_and_reads_on(tmp_path):
    """The kernel lets no file of the service grow any more, as a full disk does."""
    with RunningService(tmp_path / "home") as service:
        assert service.post({**KARATE, "seed": 1}, key="before").status_code == 202
        _, most = resource.prlimit(service.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (4096, most))
        refused = service.post({**KARATE, "seed": 2}, key="full")
        assert is_problem(refused, 503, "storage")
        assert int(refused.headers["retry-after"]) >= 1
        assert service.client.get("/v1/experiments").status_code == 200
        assert service.client.get("/livez").status_code == 200
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (most, most))
        accepted = service.post({**KARATE, "seed": 2}, key="full")
        assert accepted.status_code == 202
        service.wait_registered(accepted.json()["experiment"])
        service.kill()
        service.start()
        service.wait_ready()
        assert service.post({**KARATE, "seed": 2}, key="full").content == accepted.content


@pytest.fixture
def server() -> Iterator[LocalServer]:
    made = LocalServer()
    yield made
    made.remove()


def test_a_ledger_that_is_away_keeps_nobody_waiting(server, tmp_path):
    with database(server.url) as url:
        home = tmp_path / "home"
        service = RunningService(home, "--decisions", environment={"QHYBRID_LEDGER_URL": url}).wait_ready()
        try:
            assert service.post({**KARATE, "seed": 1}, key="before").status_code == 202
            server.stop()
            until = time.monotonic() + 60
            while service.client.get("/readyz").status_code == 200:
                assert time.monotonic() < until
                time.sleep(0.2)
            for refused in (
                service.post({**KARATE, "seed": 2}, key="away"),
                service.client.get("/v1/jobs"),
                service.client.get("/v1/events"),
            ):
                assert is_problem(refused, 503, "not-ready")
                assert int(refused.headers["retry-after"]) >= 1
            decided = service.client.post("/v1/decisions", json=DECISION)  # which needs no ledger
            assert decided.status_code == 200, decided.text
            assert service.client.get(decided.json()["href"]).status_code == 200
            assert httpx.get(f"{service.url}/livez", trust_env=False).status_code == 200
            server.start()
            service.wait_ready()
            assert service.post({**KARATE, "seed": 2}, key="away").status_code == 202
            assert service.client.get("/v1/jobs").status_code == 200
        finally:
            service.stop()


def test_a_ledger_on_a_server_is_served_by_one_process_on_any_machine(server, tmp_path):
    """Another machine has a folder of its own and the same ledger; it may serve once the first one has ended, however it ended."""
    with database(server.url) as url:
        ledger = {"QHYBRID_LEDGER_URL": url}
        first = RunningService(tmp_path / "one", environment=ledger)
        second = subprocess.run(
            [COMMAND, "serve", "--home", str(tmp_path / "two"), "--port", "0"],
            env={**os.environ, **ledger},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert second.returncode == 2
        assert "another process serves the experiments of this ledger" in second.stderr
        assert second.stdout == ""
        first.kill()
        other = RunningService(tmp_path / "two", environment=ledger)
        assert other.client.get("/livez").status_code == 200
        other.stop()
