"""Loops through the emulated cloud, one of angles and one of training, killed again and again: each goes on from its last paid step, to the same trace.

The cloud's own book is the judge. The same loop runs without kills on another cloud of the same seed. `QHYBRID_LOOP_KILLS` says how often a process is
killed (`make test-loop`: 20); the seed and every moment are printed.
"""

import os
import random

import pytest
import yaml

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.cli_process import KILLED, CommandServer
from qhybrid_pipelines_tests.support.emulator_client import Client

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, experiment_homes.RUNS_IN_PROCESS]

SEED = int(os.environ.get("QHYBRID_KILL_SEED", "20"))
KILLS = int(os.environ.get("QHYBRID_LOOP_KILLS", "3"))
STEPS = 4 if KILLS < 10 else KILLS + 10
#: On a machine that costs money and has a queue.
SPEC = {
    "name": "killed loop",
    "problem": {"family": "maxcut", "source": {"generator": "erdos_renyi", "nodes": 6, "probability": 0.8, "seed": 2}},
    # A loop ends early after twice as many steps without a better point as it has angles; with so many it makes them all.
    "ansatz": {"layers": STEPS // 4},
    "sweep": {"strategy": "optimise", "optimiser": "spsa", "steps": STEPS},
    "shots": 128,
    "repetitions": 1,
    "rounds": {"max": 1},
    "backends": ["ionq:qpu.aria-1"],
    "budget": {"usd": 100_000},
}
TRAINED = {
    "kind": "qml",
    "name": "killed training",
    "dataset": {"source": "sklearn:wine", "classes": [0, 1]},
    "features": {"pca": 2},
    "models": ["separable"],
    "baselines": ["logistic_regression"],
    "folds": {"k": 2, "repeats": 1},
    "tuning": {"trials": 1},
    "training": {
        "layers": 1,
        "batch_size": 4,
        "backend": "ionq:qpu.aria-1",
        "shots": 64,
        "iterations": STEPS,
        "optimiser": "spsa",
    },
    "evaluation": {"shots": [32]},
    "budget": {"usd": 100_000},
}
POLICY = """
rules: [{name: all, then: allow, reason: a test}]
tiers: {batch: {poll_min_seconds: 0.2, poll_max_seconds: 0.5}}
"""
LOST_ANSWERS = {"route": "POST /jobs", "probability": 0.25, "fault": "after_accept", "params": {"drop": True}}
#: By loop: its specification, its trace, and the rows of that.
LOOPS = {
    "angles": (
        SPEC,
        "SELECT step, point, angles, value, standard_error, best_value, stop_reason FROM optimiser_steps ORDER BY point",
        2 * STEPS,
    ),
    "training": (
        TRAINED,
        "SELECT iteration, fold, parameters, loss, gradient, cost_quoted_usd, stop_reason FROM qml_training_steps ORDER BY iteration, fold",
        2 * STEPS,
    ),
}


class Run:
    """A home, its cloud and the processes that run the loop there."""

    def __init__(self, folder, emulator, specification):
        self.cloud, self.folder, self.home = Client(emulator), folder, folder / "home"
        self.home.mkdir(parents=True)
        (self.home / "policy.yaml").write_text(POLICY)
        (folder / "loop.yaml").write_text(yaml.safe_dump(specification))
        self.process = CommandServer(folder, {**emulator.environment, "IONQ_LISTING_LAG_SECONDS": "0.2"})

    def run(self, **kill):
        return self.process.run(self.home, self.folder / "loop.yaml", options=("--wait",), **kill)["code"]

    def close(self):
        self.process.close()
        self.cloud.close()


@pytest.fixture(params=LOOPS)
def runs(request, tmp_path):
    """A home for the kills and one without, each with a cloud of its own that draws the same shots."""
    # The calibration stays, so that the shots of a job do not depend on when it ran.
    options = {"key": "loop-kills", "speed": 3600, "seed": 7, "drift_hours": 1e6}
    emulators = [start_emulator(tmp_path / f"cloud {name}", **options) for name in ("killed", "whole")]
    specification, trace, length = LOOPS[request.param]
    made = [
        Run(tmp_path / name, emulator, specification)
        for name, emulator in zip(("killed", "whole"), emulators, strict=True)
    ]
    yield *made, trace, length
    for run, emulator in zip(made, emulators, strict=True):
        run.close()
        emulator.stop()


@pytest.mark.long
def test_a_killed_loop_goes_on_from_its_last_paid_step(runs):
    killed, whole, trace, length = runs
    assert whole.run() == 0
    expected = experiment_homes.rows(whole.home, trace)
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
    assert experiment_homes.rows(killed.home, trace) == expected
    assert len(expected) == length
    jobs = experiment_homes.read_jobs(killed.home)
    assert sorted(job["provider_job_id"] for job in jobs) == sorted(entry["id"] for entry in killed.cloud.book())
    assert len(killed.cloud.book()) == booked
    of_loop = [job for job in jobs if job["experiment"].startswith("killed-")]
    assert {job["state"] for job in of_loop} == {"VERIFIED"}
    assert len(of_loop) in (STEPS, STEPS + 1)  # a training is measured by one more
    assert SqlLedger.open_sqlite(Home(killed.home).ledger).verify_chain().is_intact
