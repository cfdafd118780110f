"""What a vendor repeats of a request is nowhere in the home, and what steers a terminal is in no table, run or event of it.

Every word of every answer about a job is followed by the key, in several spellings, and by an escape sequence. One job
completes, one fails; all that the pipeline, Dagster and MLflow have written is then searched.
"""

from __future__ import annotations

import base64
import json

import dagster as dg
import pytest

from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.defs.jobs import JOB_NAMES
from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.code_location import open_code_location
from qhybrid_pipelines_tests.support.emulator_client import client_in_environment
from qhybrid_pipelines_tests.support.leak_scan import files_containing
from qhybrid_pipelines_tests.support.recording_proxy import proxy

pytestmark = [pytest.mark.long, experiment_homes.RUNS_IN_PROCESS]

KEY = "planted-Key-2c91f7e0a4zz"
SPELLINGS = [
    KEY,
    KEY[5:-4],
    KEY[::-1],
    base64.b32encode(KEY.encode()).decode(),
    base64.b64encode(base64.b64encode(KEY.encode())).decode(),
]
ESCAPE = "\x1b]0;owned\x07"
#: As a table holds it, and as JSON in a database or a log writes it.
ESCAPES = [ESCAPE, r"\u001b]0;owned", r"\u001B]0;owned"]
WORDS = f" {' '.join(SPELLINGS)} {ESCAPE}"
#: By these an answer is understood at all.
MEANT = {
    "id",
    "status",
    "type",
    "qhybrid_token",
    "qhybrid_home",
    "backend",
    "parent_job_id",
    "name",
    "results",
    "child_job_ids",
}
SPEC = """
name: {name}
problem: {{family: maxcut, source: "networkx:petersen"}}
ansatz: {{layers: 1}}
shots: 64
sweep: {{strategy: fixed_angles, points: 1}}
rounds: {{max: 1}}
backends: ["ionq:simulator"]
"""
POLICY = """
rules: [{name: all, then: allow, reason: a test}]
tiers: {batch: {poll_min_seconds: 0.001, poll_max_seconds: 0.001}}
"""


def add_words(told):
    """Let every word of an answer be followed by what its vendor should not say."""
    if isinstance(told, dict):
        return {key: value if key in MEANT else add_words(value) for key, value in told.items()} | {"echo": WORDS}
    if isinstance(told, list):
        return [add_words(value) for value in told]
    return told + WORDS if isinstance(told, str) else told


class Vendor:
    """Answers that pass through it are changed; jobs that ``fails`` names have failed."""

    def __init__(self):
        self.fails, self.said = set(), 0

    def change(self, asked, answered):
        status, headers, content = answered
        path = asked.target.partition("?")[0]
        if not content or "/jobs" not in path or "/results" in path or path.endswith("/estimate"):
            return answered
        told = json.loads(content)
        for job in told.get("jobs", [told]) if isinstance(told, dict) else []:
            if job.get("id") in self.fails:
                job |= {"status": "failed", "failure": {"code": "SystemError", "error": "the trap lost its ions"}}
        self.said += 1
        return status, headers, json.dumps(add_words(told)).encode()


@pytest.fixture
def lived(tmp_path, monkeypatch):
    """The home in which one job has completed and one has failed, and what its ledger says of both."""
    vendor = Vendor()
    with (
        running_emulator(tmp_path / "cloud", key=KEY, speed=0.001, seed=7) as emulator,
        proxy(emulator.url, vendor.change) as between,
        client_in_environment(emulator, monkeypatch, IONQ_LISTING_LAG_SECONDS="0.05") as cloud,
    ):
        monkeypatch.setenv("IONQ_API_URL", between.url)
        with open_code_location(tmp_path / "home") as location:
            yield pass_stages(location, cloud, vendor)


def pass_stages(location, cloud, vendor):
    location.home.mkdir(exist_ok=True)
    location.home.joinpath("policy.yaml").write_text(POLICY)
    for name in ("completes", "fails"):
        location.register(SPEC.format(name=name))
    ledger = location.workspace.control_plane.ledger

    def onward():
        while not isinstance(requests := location.tick("due_stages"), str):
            for request in requests:
                location.run(request)

    onward()
    vendor.fails = {job.provider_job_id for job in ledger.jobs() if job.experiment.startswith("fails")}
    cloud.advance(10_000)
    for _ in range(3):
        location.poll()
        onward()
    assert location.run(dg.RunRequest(job_name=JOB_NAMES["publish"])).success
    jobs = {job.experiment.partition("-")[0]: job for job in ledger.jobs()}
    assert vendor.said > len(jobs)
    return location.home, jobs


def test_a_key_and_an_escape_sequence_are_nowhere_in_the_home(lived):
    home, jobs = lived
    assert (jobs["completes"].state, jobs["fails"].state) == (JobState.VERIFIED, JobState.FAILED)
    assert "the trap lost its ions" in jobs["fails"].error
    [failed] = experiment_homes.rows(home, "SELECT error FROM jobs WHERE state = 'FAILED'")
    assert "[hidden]" in failed["error"]
    assert "\\x1b]0;owned" in failed["error"]
    assert files_containing(home, SPELLINGS) == set()
    # An answer is kept as it was received, but for the key; no page and no command shows it.
    assert {file.partition("/")[0] for file in files_containing(home, ESCAPES)} <= {"raw", "blobs"}
    written = {path.name for path in home.rglob("*") if path.is_file()}
    assert {"warehouse.duckdb", "mlflow.db"} <= written
