"""A run that a person terminates in Dagster's page stays stopped, in the middle of its submissions.

Dagster's real daemon and web server, a real browser; the cloud is emulated, and its own book is the judge. The control
is in `test_in_flight`: a run whose worker is killed is resumed without a question. The same word given to Dagster's instance, without
daemon and browser, is in `pipeline/test_automation.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing

import dagster as dg
import pytest
import yaml
from dagster._core.instance.ref import InstanceRef

from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.browser import (
    RUN_SECONDS,
    START_SECONDS,
    answers,
    get_free_port,
    open_page,
    wait_until,
)
from qhybrid_pipelines_tests.support.dagster_daemon import DaemonProcess
from qhybrid_pipelines_tests.support.emulator_client import Client

pytestmark = [pytest.mark.acceptance, pytest.mark.long, experiment_homes.RUNS_IN_PROCESS]

JOBS = 100
#: Real seconds that each acceptance takes: submitting all jobs takes longer than a person needs to end the run.
ACCEPT_SECONDS = 0.9
#: Virtual seconds of queue: nothing is done before the test jumps ahead.
QUEUE_SECONDS = 1e6
SPEC = {
    "name": "terminated",
    "problem": {"family": "maxcut", "source": {"generator": "random_regular", "nodes": 4, "degree": 3, "seed": 7}},
    "ansatz": {"layers": 1},
    "sweep": {"strategy": "fixed_angles", "points": JOBS // 10},
    "repetitions": 10,
    "shots": 50,
    "rounds": {"max": 1},
    "backends": ["ionq:simulator"],
}
POLICY = "rules: [{name: all, then: allow, reason: a test}]\n"
#: The sensors of the test tick every second: time for a resumption that must not come.
WATCH_SECONDS = 20.0


@pytest.fixture
def cloud(tmp_path):
    with (
        running_emulator(tmp_path / "cloud", key="terminated", speed=0.001, seed=7) as emulator,
        closing(Client(emulator)) as client,
    ):
        client.admin("PUT", "/backends/simulator", {"max_circuits_per_job": 1, "extra_wait_seconds": QUEUE_SECONDS})
        client.faults({"route": "POST /jobs", "fault": "slow", "params": {"seconds": ACCEPT_SECONDS}})
        yield client


@pytest.fixture
def deployment(tmp_path, cloud):
    environment = {**cloud.emulator.environment, "IONQ_LISTING_LAG_SECONDS": "0.2"}
    opened = DaemonProcess(tmp_path / "checkout", environment)
    (opened.home / "policy.yaml").write_text(POLICY)
    yield opened
    opened.kill()


@pytest.fixture
def instance(deployment, monkeypatch):
    monkeypatch.chdir(deployment.folder)
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(deployment.folder))) as opened:
        yield opened


def drop(deployment):
    dropped = Home(deployment.home).make().inbox / "spec.yaml"
    dropped.write_text(yaml.safe_dump(SPEC))
    os.utime(dropped, (time.time() - 60,) * 2)


def runs(instance, *statuses):
    found = instance.get_runs(dg.RunsFilter(statuses=list(statuses) or None))
    return [run for run in found if run.job_name != "operate_publish"]


def terminate(page, run_id):
    """Click what a person clicks."""
    page.goto(f"/runs/{run_id}")
    page.get_by_role("button", name="Terminate").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Terminate").click()


def test_a_terminated_run_is_not_asked_for_again_until_a_person_does(deployment, cloud, instance):
    deployment.start()
    address = deployment.serve(get_free_port())
    drop(deployment)
    wait_until(lambda: answers(f"{address}/server_info"), START_SECONDS, "the web page to start")
    with open_page(address) as page:
        wait_until(lambda: len(cloud.book()) >= JOBS // 10, 240, "a tenth to be accepted")
        (running,) = runs(instance, dg.DagsterRunStatus.STARTED)
        assert running.job_name == "2_submit"
        terminate(page, running.run_id)
        wait_until(
            lambda: instance.get_run_by_id(running.run_id).status is dg.DagsterRunStatus.CANCELED,
            RUN_SECONDS,
            "the run to be cancelled",
        )
    accepted, known = len(cloud.book()), len(runs(instance))
    assert accepted < JOBS
    time.sleep(WATCH_SECONDS)
    assert (len(cloud.book()), len(runs(instance))) == (accepted, known)
    deployment.kill()
    cloud.faults()

    (key,) = instance.get_dynamic_partitions("experiments")
    ended = subprocess.run(
        [sys.executable, "-c", "from qhybrid_pipelines.cli import main; main()", "run", key, "--home", deployment.home],
        env={**os.environ, **cloud.emulator.environment, "IONQ_LISTING_LAG_SECONDS": "0.2"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert len(cloud.book()) == JOBS
