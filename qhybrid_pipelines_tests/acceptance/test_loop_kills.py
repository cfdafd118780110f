"""A loop through the emulated cloud, killed again and again: it goes on from the last paid step, to the same trace.

The cloud's own book is the judge. The same loop runs without kills on another cloud of the same seed. `QHYBRID_LOOP_KILLS` says how often a process is
killed (`make test-loop`: 20); the seed and every moment are printed.
"""

import os
import random

import pytest
import yaml

from qhybrid_pipelines.control.ledger.sql import SqlLedger
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.cli_process import KILLED, CommandServer
from qhybrid_pipelines_tests.support.emulator_client import Client

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, experiment_homes.RUNS_IN_PROCESS]

SEED = int(os.environ.get("QHYBRID_KILL_SEED", "20"))
KILLS = int(os.environ.get("QHYBRID_LOOP_KILLS", "3"))
STEPS = 4 if KILLS < 10 else 12
#: On a machine that costs money and has a queue.
SPEC = {
    "name": "killed loop",
    "problem": {"family": "maxcut", "source": {"generator": "erdos_renyi", "nodes": 6, "probability": 0.8, "seed": 2}},
    "ansatz": {"layers": 1},
    "sweep": {"strategy": "optimise", "optimiser": "spsa", "steps": STEPS},
    "shots": 128,
    "repetitions": 1,
    "rounds": {"max": 1},
    "backends": ["ionq:qpu.aria-1"],
    "budget": {"usd": 100_000},
}
POLICY = """
rules: [{name: all, then: allow, reason: a test}]
tiers: {batch: {poll_min_seconds: 0.2, poll_max_seconds: 0.5}}
"""
LOST_ANSWERS = {"route": "POST /jobs", "probability": 0.25, "fault": "after_accept", "params": {"drop": True}}
TRACE = "SELECT step, point, angles, value, standard_error, best_value, stop_reason FROM optimiser_steps ORDER BY point"


class Run:
    """A home, its cloud and the processes that run the loop there."""

    def __init__(self, folder, emulator):
        self.cloud, self.folder, self.home = Client(emulator), folder, folder / "home"
        self.home.mkdir(parents=True)
        (self.home / "policy.yaml").write_text(POLICY)
        (folder / "loop.yaml").write_text(yaml.safe_dump(SPEC))
        self.process = CommandServer(folder, {**emulator.environment, "IONQ_LISTING_LAG_SECONDS": "0.2"})

    def run(self, **kill):
        return self.process.run(self.home, self.folder / "loop.yaml", options=("--wait",), **kill)["code"]

    def close(self):
        self.process.close()
        self.cloud.close()


@pytest.fixture
def runs(tmp_path):
    """A home for the kills and one without, each with a cloud of its own that draws the same shots."""
    # The calibration stays, so that the shots of a job do not depend on when it ran.
    options = {"key": "loop-kills", "speed": 3600, "seed": 7, "drift_hours": 1e6}
    emulators = [start_emulator(tmp_path / f"cloud {name}", **options) for name in ("killed", "whole")]
    made = [Run(tmp_path / name, emulator) for name, emulator in zip(("killed", "whole"), emulators, strict=True)]
    yield made
    for run, emulator in zip(made, emulators, strict=True):
        run.close()
        emulator.stop()


@pytest.mark.long
def test_a_killed_loop_goes_on_from_its_last_paid_step(runs):
    killed, whole = runs
    assert whole.run() == 0
    expected = experiment_homes.rows(whole.home, TRACE)
    rng, kills = random.Random(SEED), 0
    killed.cloud.faults(LOST_ANSWERS)
    book, booked = f"{killed.cloud.emulator.admin_url}/jobs", len(whole.cloud.book())
    # Right after the cloud has accepted a job, whatever the process had written by then; and a random while later.
    for number in range(KILLS):
        accepted = len(killed.cloud.book())
        if accepted >= booked:
            break
        wait = rng.choice([0.0, rng.uniform(0, 1.5)])
        print(f"seed {SEED}, kill {number}: {wait:.3f} s after job {accepted + 1}")
        kills += killed.run(kill_after_jobs=accepted + 1, book=book, then_seconds=wait) == KILLED
    assert kills >= min(KILLS, STEPS) - 1
    killed.cloud.faults()
    assert killed.run() == 0
    assert experiment_homes.rows(killed.home, TRACE) == expected
    assert len(expected) == 2 * STEPS
    jobs = experiment_homes.read_jobs(killed.home)
    assert sorted(job["provider_job_id"] for job in jobs) == sorted(entry["id"] for entry in killed.cloud.book())
    assert len(killed.cloud.book()) == booked
    of_loop = [job for job in jobs if job["experiment"].startswith("killed-loop")]
    assert [job["state"] for job in of_loop] == ["VERIFIED"] * STEPS
    assert SqlLedger.open_sqlite(Home(killed.home).ledger).verify_chain().is_intact
