"""Two thousand open jobs and one tick of the sensor that looks at them; the emulated cloud counts the requests."""

from __future__ import annotations

import json
import time

import pytest

from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.defs.automation import POLL_LIMIT_SECONDS
from qhybrid_pipelines.defs.jobs import STAGES
from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.execution.ionq.job_queries import PAGE_JOBS
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.code_location import open_code_location
from qhybrid_pipelines_tests.support.emulator_client import Client
from qhybrid_pipelines_tests.support.recording_proxy import proxy

pytestmark = [pytest.mark.long, experiment_homes.RUNS_IN_PROCESS]

JOBS = 2000
PAGES = JOBS // PAGE_JOBS
#: The cloud's queue, virtual seconds: longer than the test, unless it jumps ahead.
QUEUE_SECONDS = 1e6
SPEC = f"""
name: many jobs
problem: {{family: maxcut, source: {{generator: random_regular, nodes: 4, degree: 3, seed: 1}}}}
ansatz: {{layers: 1}}
sweep: {{strategy: fixed_angles, points: 100}}
repetitions: {JOBS // 100}
shots: 10
rounds: {{max: 1}}
backends: ["ionq:simulator"]
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_emulator(tmp_path_factory.mktemp("cloud"), key="poll-2000", speed=0.001, seed=7) as emulator:
        client = Client(emulator)
        client.admin("PUT", "/backends/simulator", {"max_circuits_per_job": 1, "extra_wait_seconds": QUEUE_SECONDS})
        with pytest.MonkeyPatch.context() as patch:
            for name, value in emulator.environment.items():
                patch.setenv(name, value)
            yield client
        client.close()


@pytest.fixture(scope="module")
def code_location(cloud, tmp_path_factory):
    """A code location whose one experiment was split into two thousand jobs, all of them with the cloud."""
    with open_code_location(tmp_path_factory.mktemp("home")) as code_location:
        code_location.register(SPEC)
        for stage in ("prepare", "submit"):
            (request,) = code_location.tick("due_stages")
            assert STAGES[request.job_name] == stage
            assert code_location.run(request).success
        assert len(cloud.book()) == JOBS
        yield code_location


def states(code_location):
    """How many jobs of the experiment are in which state."""
    found = [
        job.state
        for job in code_location.workspace.control_plane.ledger.jobs()
        if not job.experiment.startswith("canary-")
    ]
    return {state: found.count(state) for state in sorted(set(found))}


def asked(cloud):
    """How many requests of each route the cloud had for jobs so far."""
    return {
        route: count for route, count in cloud.admin("GET", "/requests")["requests"].items() if "GET /jobs" in route
    }


def timed_tick(code_location):
    began = time.monotonic()
    data = code_location.poll()
    return data.skip_message, time.monotonic() - began


def test_one_tick_asks_for_pages_and_the_next_for_nothing(code_location, cloud, capsys):
    before = asked(cloud)
    cloud.advance(10)
    said, seconds = timed_tick(code_location)
    after = asked(cloud)
    assert f"{JOBS} jobs polled" in said
    assert {route: after[route] - before.get(route, 0) for route in after if after[route] != before.get(route)} == {
        "GET /jobs": PAGES
    }
    assert states(code_location) == {JobState.QUEUED: JOBS}
    assert seconds < POLL_LIMIT_SECONDS

    said_next, seconds_next = timed_tick(code_location)
    assert f"0 jobs polled in 0 requests, 0 changed, {JOBS} not due" in said_next
    assert asked(cloud) == after
    with capsys.disabled():
        print(
            f"\n{JOBS} open jobs: a tick that changes all {seconds:.2f} s, {PAGES} requests; the next {seconds_next:.2f} s"
        )


def test_an_odd_job_and_a_failing_page_hide_nothing_else(code_location, cloud, monkeypatch, capsys):
    odd = code_location.workspace.control_plane.ledger.jobs(states=[JobState.QUEUED])[JOBS // 2].provider_job_id

    def strange(request, reply):
        status, headers, content = reply
        if not request.target.partition("?")[0].endswith("/jobs"):
            return reply
        page = json.loads(content) if status == 200 and content.startswith(b"{") else {"jobs": []}
        for job in page["jobs"]:
            if job["id"] == odd:
                job["status"] = "defragmenting"
        return (status, headers, json.dumps(page).encode()) if page["jobs"] else reply

    cloud.advance(2 * QUEUE_SECONDS)
    cloud.faults({"route": "GET /jobs", "nth": 3, "fault": "html_200"})
    code_location.cursor = None  # everything is due, as after a loss of the cursor
    with proxy(cloud.emulator.url, strange) as between:
        monkeypatch.setenv("IONQ_API_URL", between.url)
        said, seconds = timed_tick(code_location)
    found = states(code_location)
    assert "2 problems" in said
    assert set(found) == {JobState.QUEUED, JobState.COMPLETED}
    assert found[JobState.QUEUED] <= 1 + 250  # the odd job, and what was asked for together with the failing page
    assert seconds < POLL_LIMIT_SECONDS
    with capsys.disabled():
        print(f"\n{said}; {seconds:.2f} s with the price of each")

    monkeypatch.undo()
    cloud.faults()
    code_location.cursor = None
    timed_tick(code_location)
    assert states(code_location) == {JobState.COMPLETED: JOBS}
