"""One failed look, a killed client, a client less patient than the queue: each pays once, and the result is obtained.

In every public peer that was measured, one of these pays again or loses the result. `qhybrid run` meets them here as a
real process, on an emulated cloud whose own book is the only judge of what was accepted. The naive client at the end
meets the same faults on the same cloud and pays again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest
import yaml

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes, naive_client
from qhybrid_pipelines_tests.support.cli_process import KILLED, CommandServer
from qhybrid_pipelines_tests.support.emulator_client import Client, wait_until
from qhybrid_pipelines_tests.support.matrices import others_are_long
from qhybrid_pipelines_tests.support.naive_client import run_task

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, experiment_homes.RUNS_IN_PROCESS]

KEY = "peers-scenarios"
SPEC = {
    "problem": {"family": "maxcut", "source": "networkx:petersen"},
    "reduce": {"max_qubits": 4, "windows": 1},
    "ansatz": {"layers": 1},
    "sweep": {"strategy": "fixed_angles", "points": 2},
    "shots": 64,
    "repetitions": 2,
    "rounds": {"max": 1},
    "backends": ["ionq:simulator"],
}
POLICY = """
rules: [{name: all, then: allow, reason: a test}]
tiers: {batch: {poll_min_seconds: 0.2, poll_max_seconds: 0.5}}
"""
FAILED_ONCE = {
    "503": {"fault": "before_accept", "params": {"status": 503}},
    "reset": {"fault": "reset"},
    "html": {"fault": "html_200"},
}
#: What the cloud does between the acceptance of a job and its answer, while the client is killed.
BEFORE_THE_ANSWER = {
    "answered": [],
    "lost": [{"route": "POST /jobs", "nth": 1, "fault": "after_accept", "params": {"drop": True}}],
}
#: More than the adapter waits for an answer.
TOO_SLOW_SECONDS = 16.0
#: Virtual seconds of queue: more than the test takes; and real seconds enough for some looks.
HOLD_SECONDS, LOOKED_AT_OFTEN_SECONDS = 1e6, 360.0


class Cloud(Client):
    """The emulated cloud, as one scenario finds it and as its book says at the end."""

    def start_scenario(self) -> None:
        self.faults()
        self._before = len(self.book())

    def accepted(self) -> list[dict[str, Any]]:
        """What the book has since the scenario began."""
        return self.book()[self._before :]

    def struck(self) -> list[int]:
        """How often each rule of the fault plan fired."""
        return [rule["fired"] for rule in self.admin("GET", "/faults")["rules"]]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with running_emulator(tmp_path_factory.mktemp("cloud"), key=KEY, speed=60, seed=7) as emulator:
        client = Cloud(emulator)
        yield client
        client.close()


@pytest.fixture
def cloud(running):
    running.start_scenario()
    return running


@pytest.fixture(scope="module")
def process(running, tmp_path_factory):
    """A user's home and shell, the same for all scenarios."""
    environment = {**running.emulator.environment, "IONQ_LISTING_LAG_SECONDS": "0.2"}
    opened = CommandServer(tmp_path_factory.mktemp("user"), environment)
    home = opened.folder / "home"
    home.mkdir()
    (home / "policy.yaml").write_text(POLICY)
    yield opened
    opened.close()


class Scenario:
    """One experiment of one job, run by the command."""

    def __init__(self, process: CommandServer, cloud: Cloud, name: str) -> None:
        self._stage, self._cloud, self._name, self.home = process, cloud, name, process.folder / "home"
        self._specification = process.folder / f"{name}.yaml"
        self._specification.write_text(yaml.safe_dump({"name": name, **SPEC}))

    def run(self, *options: str, **command: Any) -> int:
        code: int = self._stage.run(self.home, self._specification, options=options, **command)["code"]
        return code

    def run_and_kill_when_accepted(self) -> int:
        """Run the command and kill it as soon as the cloud's book has its job."""
        book = f"{self._cloud.emulator.admin_url}/jobs"
        return self.run(kill_after_jobs=len(self._cloud.book()) + 1, book=book)

    def jobs(self) -> list[dict[str, Any]]:
        return [job for job in experiment_homes.read_jobs(self.home) if job["experiment"].startswith(self._name)]

    def assert_paid_once_with_a_verdict(self) -> None:
        (entry,), (job,) = self._cloud.accepted(), self.jobs()
        assert (job["state"], job["provider_job_id"]) == ("VERIFIED", entry["id"])
        experiment = f"WHERE experiment = '{job['experiment']}'"
        (verdict,) = experiment_homes.rows(self.home, f"SELECT verdict FROM verdicts {experiment}")
        assert verdict["verdict"]
        counted = experiment_homes.rows(self.home, f"SELECT sum(count) AS shots FROM qpu_result_sets {experiment}")
        assert counted == [{"shots": SPEC["shots"] * SPEC["sweep"]["points"] * SPEC["repetitions"]}]
        assert SqlLedger.open_sqlite(Home(self.home).ledger).verify_chain().is_intact


@pytest.mark.long
def test_single_failed_looks(process, cloud):
    """Every other look at the job fails, each time in another way."""
    scenario = Scenario(process, cloud, "looks")
    cloud.faults(
        *(
            {"route": "GET /jobs", "nth": nth, **fault}
            for nth, fault in zip((1, 3, 5), FAILED_ONCE.values(), strict=True)
        )
    )
    cloud.admin("PUT", "/backends/simulator", {"extra_wait_seconds": LOOKED_AT_OFTEN_SECONDS})
    assert scenario.run("--wait") == 0
    cloud.admin("PUT", "/backends/simulator", {"extra_wait_seconds": 0.0})
    assert cloud.struck() == [1, 1, 1]
    scenario.assert_paid_once_with_a_verdict()


@pytest.mark.parametrize("moment", others_are_long([*BEFORE_THE_ANSWER], "lost"))
def test_killed_right_after_submission_and_run_again(process, cloud, moment):
    scenario = Scenario(process, cloud, f"kill-{moment}")
    cloud.faults(*BEFORE_THE_ANSWER[moment])
    assert scenario.run_and_kill_when_accepted() == KILLED
    assert len(cloud.accepted()) == 1
    assert scenario.run("--wait") == 0
    scenario.assert_paid_once_with_a_verdict()


@pytest.mark.long
def test_a_client_that_is_less_patient_than_the_cloud_leaves_and_comes_back(process, cloud):
    """It gives the answer to its submission up, finds the job, leaves while it is queued, twice, and returns."""
    scenario = Scenario(process, cloud, "patience")
    cloud.faults(
        {"route": "POST /jobs", "nth": 1, "fault": "slow", "params": {"seconds": TOO_SLOW_SECONDS, "accept": "first"}}
    )
    cloud.admin("PUT", "/backends/simulator", {"extra_wait_seconds": HOLD_SECONDS})
    assert scenario.run() == 0
    assert cloud.struck() == [1]
    assert scenario.run() == 0
    cloud.admin("PUT", "/backends/simulator", {"extra_wait_seconds": 0.0})
    (waiting,) = scenario.jobs()
    assert waiting["state"] in {"SUBMITTED", "QUEUED"}  # the vendor's queue has many jobs of others
    cloud.advance(2 * HOLD_SECONDS)
    assert scenario.run("--wait") == 0
    scenario.assert_paid_once_with_a_verdict()


# -- the same for a client that does what is usual ----------------------------------------------------------------


@pytest.mark.parametrize("fault", FAILED_ONCE)
def test_naive_client_pays_again_for_one_failed_look(cloud, fault):
    cloud.faults({"route": "GET /jobs/{id}", "nth": 1, **FAILED_ONCE[fault]})
    assert run_task(cloud.emulator.url, KEY, attempts=3, timeout_seconds=20) == 1
    assert len(cloud.accepted()) == 2


def test_naive_client_pays_again_when_it_was_killed(cloud):
    arguments = [sys.executable, naive_client.__file__, cloud.emulator.url, KEY, "1", "20"]
    killed = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    wait_until(cloud.accepted)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.communicate()[0] == b""
    assert subprocess.run(arguments, stdout=subprocess.PIPE, check=True).stdout == b"1\n"
    assert len(cloud.accepted()) == 2


def test_naive_client_pays_for_every_try_that_is_shorter_than_the_queue(cloud):
    cloud.admin("PUT", "/backends/simulator", {"extra_wait_seconds": HOLD_SECONDS})
    assert run_task(cloud.emulator.url, KEY, attempts=4, timeout_seconds=0.3) == 0
    cloud.admin("PUT", "/backends/simulator", {"extra_wait_seconds": 0.0})
    assert len(cloud.accepted()) == 4
