"""Two hundred jobs in flight, and everything is killed in turn: a run worker, the cloud, the daemon with its workers.

Dagster's real daemon takes an experiment from the inbox to its verdict through its sensors. The cloud is emulated, and
its own book is the judge: every job accepted once, none missing. Nothing is drawn at random here but the samples, from
the seeds below; each kill comes when the book has grown to a given length.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing

import pyarrow.compute as pc
import pytest
import yaml

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.dagster_daemon import DaemonProcess
from qhybrid_pipelines_tests.support.emulator_client import Client

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, experiment_homes.RUNS_IN_PROCESS]

JOBS, CIRCUITS_PER_JOB = 200, 1
POINTS, REPETITIONS, SHOTS = 20, 10, 50
SEED = 7
#: Virtual seconds of queue: nothing is done before the test jumps ahead.
QUEUE_SECONDS = 1e6
SPEC = {
    "name": "in flight",
    "problem": {"family": "maxcut", "source": {"generator": "random_regular", "nodes": 4, "degree": 3, "seed": SEED}},
    "ansatz": {"layers": 1},
    "sweep": {"strategy": "fixed_angles", "points": POINTS},
    "repetitions": REPETITIONS,
    "shots": SHOTS,
    "rounds": {"max": 1},
    "backends": ["ionq:simulator"],
}
POLICY = """
rules: [{name: all, then: allow, reason: a test}]
routing: {breaker: {open_seconds: 1, max_open_seconds: 4}}
tiers: {batch: {poll_min_seconds: 1, poll_max_seconds: 5}}
"""
#: For each step; a busy machine may need most of it.
PATIENCE_SECONDS = 240.0


@pytest.fixture
def cloud(tmp_path):
    with (
        running_emulator(tmp_path / "cloud", key="in-flight", speed=0.001, seed=SEED) as emulator,
        closing(Client(emulator)) as client,
    ):
        small = {"max_circuits_per_job": CIRCUITS_PER_JOB, "extra_wait_seconds": QUEUE_SECONDS}
        client.admin("PUT", "/backends/simulator", small)
        yield client


@pytest.fixture
def deployment(tmp_path, cloud):
    environment = {**cloud.emulator.environment, "IONQ_LISTING_LAG_SECONDS": "0.2"}
    opened = DaemonProcess(tmp_path / "checkout", environment)
    (opened.home / "policy.yaml").write_text(POLICY)
    yield opened
    opened.kill()


class Watch:
    """Waits for things to happen, and says when they did."""

    def __init__(self, deployment: DaemonProcess) -> None:
        self._deployment, self._began = deployment, time.monotonic()

    def until(self, condition: Callable[[], object], what: str) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < until, f"waited for: {what}\n{self._deployment.log.read_text()[-20_000:]}"
            time.sleep(0.02)
        print(f"{time.monotonic() - self._began:6.1f} s  {what}")


def run_workers(deployment: DaemonProcess) -> list[int]:
    return [pid for pid, arguments in deployment.processes().items() if "spawn_main" in " ".join(arguments)]


@pytest.mark.long
def test_everything_is_killed_while_two_hundred_jobs_are_in_flight(deployment, cloud):
    watch, emulator = Watch(deployment), cloud.emulator
    home = Home(deployment.home).make()
    lake, dropped = Lake(home), home.inbox / "spec.yaml"
    dropped.write_text(yaml.safe_dump(SPEC))
    os.utime(dropped, (time.time() - 60,) * 2)
    print(f"seed {SEED}")

    deployment.start()
    watch.until(lambda: len(cloud.book()) >= JOBS // 5, "a fifth is accepted; the run worker is killed")
    workers = run_workers(deployment)
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    watch.until(lambda: len(cloud.book()) >= 2 * JOBS // 5, "two fifths are accepted; the cloud is killed")
    emulator.restart()
    watch.until(
        lambda: len(cloud.book()) >= 3 * JOBS // 5, "three fifths are accepted; the daemon and its workers are killed"
    )
    deployment.kill()
    deployment.start()
    watch.until(lambda: len(cloud.book()) == JOBS, "all are in flight; the cloud is killed, and ends them")
    emulator.restart()
    cloud.advance(2 * QUEUE_SECONDS)
    watch.until(lambda: lake.keys(schemas.BASELINE_COMPARISONS), "the verdict")
    deployment.kill()

    book, jobs = cloud.book(), experiment_homes.read_jobs(deployment.home)
    assert len({entry["metadata"]["qhybrid_token"] for entry in book}) == len(book) == JOBS
    assert {entry["id"] for entry in book} == {job["provider_job_id"] for job in jobs}
    assert [job["state"] for job in jobs] == ["VERIFIED"] * JOBS
    (partition,) = lake.keys(schemas.QPU_RESULT_SETS)
    counts = lake.read(schemas.QPU_RESULT_SETS, partition)
    assert pc.sum(counts["count"]).as_py() == POINTS * REPETITIONS * SHOTS
    assert set(counts["job_id"].to_pylist()) == {job["job_id"] for job in jobs}
    assert SqlLedger.open_sqlite(home.ledger).verify_chain().is_intact
