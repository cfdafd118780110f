"""`qhybrid serve --interactive`: the verdict is in the answer, and everything is as `qhybrid run` would have left it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest

from qhybrid_pipelines.control.experiments.due_stages import EXECUTE, PREPARE
from qhybrid_pipelines.defs.partitions import execution_key
from qhybrid_pipelines.launch import Launcher
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.running_service import RunningService

pytestmark = [pytest.mark.slow, pytest.mark.acceptance, experiment_homes.RUNS_IN_PROCESS]
BACKEND = "local:auto"
TWELVE: dict[str, Any] = {
    "name": "twelve",
    "tier": "interactive",
    "problem": {"family": "maxcut", "source": {"generator": "random_regular", "nodes": 12, "degree": 3, "seed": 4}},
}
FOLLOWED: dict[str, Any] = {
    "name": "followed",
    "tier": "interactive",
    "problem": {"family": "maxcut", "source": "networkx:petersen"},
    "sweep": {"strategy": "fixed_angles", "points": 2},
    "shots": 64,
    "repetitions": 3,
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    running = RunningService(tmp_path_factory.mktemp("interactive") / "home", "--interactive").wait_ready(400)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def answered(service: RunningService) -> dict[str, httpx.Response]:
    """What was answered to both, each sent by somebody who waits for it."""
    return {specification["name"]: wait_for(service, specification) for specification in (TWELVE, FOLLOWED)}


def wait_for(service: RunningService, specification: dict[str, Any], key: str | None = None) -> httpx.Response:
    return httpx.post(
        f"{service.url}/v1/experiments",
        json={"specification": specification},
        headers={"Idempotency-Key": key or specification["name"], "Prefer": "wait=60"},
        timeout=120.0,
        trust_env=False,
    )


def test_the_verdict_is_in_the_answer(service, answered):
    for answer in answered.values():
        assert answer.status_code == 200, (answer.text, service.log)
        found = answer.json()
        assert found["state"] == "decided"
        assert [row["backend"] for row in found["verdicts"]] == [BACKEND]
        assert found["verdicts"][0]["verdict"]
        assert found["answers"][0]["variables"]
        shown = service.client.get(f"/v1/experiments/{found['experiment']}/results").json()
        assert (found["verdicts"], found["answers"]) == (shown["verdicts"], shown["answers"])


def test_nothing_is_left_to_be_run_and_dagster_was_told(service, answered):
    key = answered["twelve"].json()["experiment"]
    launcher = experiment_homes.make_launcher(service.home)
    ran: list[Any] = []
    known, failures = launcher.run(
        [answer.json()["experiment"] for answer in answered.values()], lambda stage, asset: ran.append(stage)
    )
    assert (ran, failures) == ([], [])
    until = time.monotonic() + 60
    while not _told(launcher, "tracking_runs", execution_key(BACKEND, key)):  # told once nobody waits any more
        assert time.monotonic() < until, service.log
        time.sleep(0.2)
    assert all(_told(launcher, asset, key) for asset in PREPARE)
    assert all(_told(launcher, asset, execution_key(BACKEND, key)) for asset in EXECUTE)
    assert len(known) >= 2


def _told(launcher: Launcher, asset: str, partition: str) -> bool:
    return partition in launcher.instance.get_materialized_partitions(dg.AssetKey(asset))


def test_everything_is_what_a_run_would_have_written(service, answered, tmp_path):
    other = experiment_homes.make_launcher(tmp_path / "home")
    keys = experiment_homes.run(other, experiment_homes.register(other, [TWELVE, FOLLOWED]))
    here = experiment_homes.make_launcher(service.home)
    mine = here.with_next_rounds([answer.json()["experiment"] for answer in answered.values()])
    assert mine == keys
    here.publish()
    # What the simulator sent holds its times too, so that the hash of it is another one each time; its counts are compared below.
    ledgers = [launcher.workspace.control_plane.ledger for launcher in (here, other)]
    jobs = [
        sorted(
            (job.job_id, job.experiment, job.payload_sha256, str(job.state), job.tier, job.shots, job.principal)
            for key in keys
            for job in ledger.jobs(experiment=key)
        )
        for ledger in ledgers
    ]
    assert jobs[0] == jobs[1] != []
    tables = [experiment_homes.read_reproducible_columns(path) for path in (service.home, tmp_path / "home")]
    for name, table in tables[0].items():
        assert table.equals(tables[1][name]), name


def test_what_did_not_ask_for_it_is_left_to_the_pipeline(service):
    slow = {**FOLLOWED, "name": "at leisure", "tier": "batch"}
    key = service.post(slow).json()["experiment"]
    service.wait_registered(key)
    assert wait_for(service, {**FOLLOWED, "name": "after it"}, "after-it").status_code == 200
    assert service.client.get(f"/v1/experiments/{key}").json()["state"] == "due"


def test_a_worker_that_is_lost_is_replaced_and_goes_on(service):
    [worker] = _workers(service.pid)
    os.kill(worker, signal.SIGKILL)
    answer = service.post({**FOLLOWED, "name": "in between"})
    assert answer.status_code == 202
    until = time.monotonic() + 300
    while service.client.get(answer.json()["href"]).json()["state"] != "decided":
        assert time.monotonic() < until, service.log
        time.sleep(0.5)
    [another] = _workers(service.pid)
    assert another != worker
    # Where the kernel divides processors between sessions first, a low priority counts within one: it gives way to its own service.
    assert os.getsid(another) == os.getsid(service.pid)


def test_the_worker_ends_with_a_service_that_is_killed(tmp_path):
    running = RunningService(tmp_path / "home", "--interactive")
    until = time.monotonic() + 60
    while not (workers := _workers(running.pid)):
        assert time.monotonic() < until, running.log
        time.sleep(0.1)
    running.kill()
    while any(Path(f"/proc/{pid}/cmdline").exists() and _is_worker(pid) for pid in workers):
        assert time.monotonic() < until, workers
        time.sleep(0.1)


def _workers(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent and _is_worker(int(stat.parent.name)):
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return found


def _is_worker(pid: int) -> bool:
    try:
        return b"interactive_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
