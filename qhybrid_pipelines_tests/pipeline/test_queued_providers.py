"""Submit, leave, collect: the pipeline over a provider that queues, with the emulated cloud as the judge of what was accepted."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from qhybrid_pipelines.control.jobs import status_poller
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.processes import process_name
from qhybrid_pipelines.defs import run_history
from qhybrid_pipelines.defs.jobs import JOB_NAMES, STAGES
from qhybrid_pipelines.defs.partitions import execution_key
from qhybrid_pipelines.defs.run_tags import OUTAGE_TAG, PROCESS_TAG, STATE_TAG, read_tag
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.steps.on_demand.reroutes import retry
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.code_location import open_code_location, requested_stages
from qhybrid_pipelines_tests.support.emulator_client import client_in_environment
from qhybrid_pipelines_tests.support.queued_experiments import QUEUED, policy, specification

pytestmark = experiment_homes.RUNS_IN_PROCESS

APPROVE = "rules: [{name: all, mode: emulator, then: approve, reason: somebody has to look at it}]"
RESTING = r"0 stages are running, 0 failed, \d are resting, the first \(ionq:simulator\) until [\d:]+ UTC"
STUCK = {"route": "POST /jobs", "fault": "stuck"}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    """A cloud whose time hardly passes unless the test says so."""
    running = start_emulator(tmp_path_factory.mktemp("cloud"), key="pipeline-test", speed=0.001, seed=7)
    yield running
    running.stop()


@pytest.fixture
def cloud(emulator, monkeypatch):
    with client_in_environment(emulator, monkeypatch, IONQ_LISTING_LAG_SECONDS="0.05") as client:
        yield client


@pytest.fixture
def code_location(tmp_path, cloud):
    with open_code_location(tmp_path) as opened:
        yield opened


def set_policy(code_location, **settings):
    code_location.home.joinpath("policy.yaml").write_text(policy(**settings))


def close_breakers(code_location, *, state="closed"):
    """Let the time of every rest be over, without waiting for it."""
    ledger = code_location.workspace.control_plane.ledger
    for breaker in ledger.breakers():
        ledger.save_breaker(replace(breaker, state=state, retry_at=datetime.now(UTC)))


def onward(code_location):
    """Run what the sensor asks for until it asks for nothing; return the jobs that ran and what it says last."""
    ran = []
    while not isinstance(requests := code_location.tick("due_stages"), str):
        for request in requests:
            assert code_location.run(request).success, request.job_name
            ran.append(STAGES[request.job_name])
    return ran, requests


def accepted_jobs(cloud, code_location):
    """What the cloud accepted for the jobs of this home."""
    ours = {
        attempt.token
        for job in jobs(code_location)
        for attempt in code_location.workspace.control_plane.ledger.attempts(job.job_id)
    }
    return [entry for entry in cloud.book() if any(token in str(entry) for token in ours)]


def jobs(code_location):
    found = code_location.workspace.control_plane.ledger.jobs()
    return [job for job in found if not job.experiment.startswith("canary-")]


def row(code_location, sql):
    (found,) = experiment_homes.rows(code_location.home, sql)
    return found


def find_completed_executions(code_location, key):
    records = code_location.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey("qpu_completions"), asset_partitions=[execution_key(QUEUED, key)]),
        limit=10,
    ).records
    return [record.asset_materialization for record in records]


def test_submit_leaves_and_the_sensors_collect(code_location, cloud):
    set_policy(code_location)
    key = code_location.register(specification(code_location.home.name))
    assert onward(code_location) == (
        ["prepare", "submit", "publish"],
        "1 jobs are with their providers or wait for a person",
    )
    assert code_location.poll().asset_events == []
    assert onward(code_location)[0] == []
    (job,) = jobs(code_location)
    assert job.state in (JobState.SUBMITTED, JobState.QUEUED)

    cloud.advance(10_000)
    (event,) = code_location.poll().asset_events
    assert event.partition == execution_key(QUEUED, key)
    assert code_location.poll().asset_events == []  # told once
    (kept,) = find_completed_executions(code_location, key)
    assert kept.metadata["states"].value == "1 COMPLETED"
    assert requested_stages(code_location.tick("due_stages")) == [("collect", f"{QUEUED}|{key}")]
    assert onward(code_location) == (["collect", "publish"], "everything is decided")

    assert len(accepted_jobs(cloud, code_location)) == 1
    # Every run says which process executes it, so that nobody waits for one whose process was killed.
    assert {run.tags[PROCESS_TAG] for run in code_location.instance.get_runs()} == {process_name()}
    found = row(code_location, "SELECT verdict, cost_usd FROM verdicts")
    assert found["verdict"] != ""
    assert found["cost_usd"] == 0.0
    parts = row(
        code_location, "SELECT sub_batch, first_point, first_repetition, points, repetitions FROM qpu_submissions"
    )
    assert tuple(parts.values()) == (0, 0, 0, 2, 2)
    latency = row(
        code_location, "SELECT l.* FROM latency l JOIN jobs j USING (job_id) WHERE j.backend = 'ionq:simulator'"
    )
    assert all(value is not None for value in latency.values())
    shares = [latency["application_seconds"], latency["provider_seconds"]]
    assert sum(shares) == pytest.approx(
        sum(v for name, v in latency.items() if name.endswith("_seconds")) - sum(shares)
    )


def test_a_person_has_to_agree_and_then_it_goes_on_by_itself(code_location, cloud):
    set_policy(code_location, rules=APPROVE)
    code_location.register(specification(code_location.home.name))
    ran, said = onward(code_location)
    assert (ran, said) == (["prepare", "submit", "publish"], "1 jobs are with their providers or wait for a person")
    (job,) = jobs(code_location)
    assert job.state is JobState.AWAITING_APPROVAL
    assert accepted_jobs(cloud, code_location) == []

    code_location.workspace.control_plane.dispatcher.decisions.approve(job.job_id, by="grace")
    assert onward(code_location)[0][0] == "submit"
    assert len(accepted_jobs(cloud, code_location)) == 1
    cloud.advance(10_000)
    code_location.poll()
    assert onward(code_location)[1] == "everything is decided"
    assert row(code_location, "SELECT approved_by, state FROM jobs WHERE approved_by IS NOT NULL") == {
        "approved_by": "grace",
        "state": "VERIFIED",
    }


@pytest.mark.long  # `test_jobs_by_hand` takes work elsewhere too
def test_work_that_is_taken_elsewhere_is_collected_from_there(code_location, cloud):
    set_policy(code_location)
    key = code_location.register(specification(code_location.home.name))
    onward(code_location)
    (job,) = jobs(code_location)
    batches = code_location.workspace.lake.read(schemas.CIRCUIT_BATCHES, PartitionKey(experiment=key, backend=QUEUED))
    batch = batch_from_row(batches.to_pylist()[0])
    code_location.workspace.control_plane.dispatcher.decisions.reroute(
        job.job_id, replace(batch, backend="local:auto"), reason="a test"
    )
    code_location.poll()
    assert onward(code_location)[1] == "everything is decided"
    provenance = row(code_location, "SELECT backend, ran_on, job_id FROM provenance")
    assert (provenance["backend"], provenance["ran_on"]) == (QUEUED, "local:auto")
    counts = row(code_location, "SELECT DISTINCT backend, job_id FROM qpu_result_sets")
    assert counts == {"backend": QUEUED, "job_id": provenance["job_id"]}
    assert {job.state for job in jobs(code_location)} == {JobState.REROUTED, JobState.VERIFIED}
    log = experiment_homes.rows(
        code_location.home,
        "SELECT backend, requested_backend FROM operations_log WHERE state = 'VERIFIED' AND outcomes > 0",
    )
    assert log == [{"backend": "local:auto", "requested_backend": QUEUED}]


def test_a_deadline_ends_in_the_classical_answer_recorded_as_such(code_location, cloud):
    cloud.faults(STUCK)
    set_policy(code_location, deadline_seconds=0.5)
    key = code_location.register(specification(code_location.home.name))
    onward(code_location)
    for _ in range(50):
        code_location.poll()
        if jobs(code_location)[0].state is JobState.EXPIRED:
            break
    (job,) = jobs(code_location)
    assert job.state is JobState.EXPIRED
    assert onward(code_location)[1] == "everything is decided"
    found = row(
        code_location,
        "SELECT v.verdict, v.decision, v.reason, d.reason AS why, d.final_source FROM verdicts v JOIN decisions d USING (experiment)",
    )
    assert (found["verdict"], found["decision"]) == ("inconclusive", "fall_back")
    for part in (job.job_id, QUEUED, "deadline"):
        assert part in found["reason"]
        assert part in found["why"]
    assert not found["final_source"].startswith("quantum")
    lake, partition = code_location.workspace.lake, PartitionKey(experiment=key, backend=QUEUED)
    for table in (schemas.QPU_RESULT_SETS, schemas.POINT_SCORES, schemas.SCORED_SOLUTIONS):
        assert lake.read(table, partition).num_rows == 0
    assert (
        lake.read(schemas.PROVENANCE, partition).num_rows == lake.read(schemas.TRACKING_RUNS, partition).num_rows == 1
    )
    assert experiment_homes.rows(code_location.home, "SELECT useful_results FROM cost_by_backend") == [
        {"useful_results": 0}
    ]


def test_what_was_decided_without_a_job_is_decided_again_with_the_result_of_its_retry(code_location, cloud):
    cloud.faults({**STUCK, "times": 1})
    set_policy(code_location, deadline_seconds=0.5)
    key = code_location.register(specification(code_location.home.name))
    onward(code_location)
    for _ in range(50):
        code_location.poll()
        if jobs(code_location)[0].state is JobState.EXPIRED:
            break
    assert onward(code_location)[1] == "everything is decided"
    set_policy(code_location)
    workspace = Workspace(Home(code_location.home))
    retry(jobs(code_location)[0], workspace.control_plane.dispatcher, workspace.lake, workspace.specifications)
    cloud.advance(10_000)
    code_location.poll()
    ran, last = onward(code_location)
    assert (ran[0], last) == ("collect", "everything is decided")
    assert sorted(job.state for job in jobs(code_location)) == [JobState.EXPIRED, JobState.VERIFIED]
    lake, partition = code_location.workspace.lake, PartitionKey(experiment=key, backend=QUEUED)
    assert lake.read(schemas.QPU_RESULT_SETS, partition).num_rows > 0
    assert row(code_location, "SELECT decision FROM verdicts")["decision"] != ""
    assert "deadline" not in row(code_location, "SELECT reason FROM verdicts")["reason"]


def test_a_failed_job_says_how_to_go_on_and_a_new_one_is_collected(code_location, cloud, monkeypatch):
    monkeypatch.setattr(status_poller, "FAILURE_CONFIRMED_AFTER", timedelta(0))
    cloud.faults({"route": "POST /jobs", "fault": "failed", "times": 1})
    set_policy(code_location)
    key = code_location.register(specification(code_location.home.name))
    onward(code_location)
    cloud.advance(10_000)
    code_location.poll()
    assert jobs(code_location)[0].state is not JobState.FAILED, "one answer alone is not believed"
    code_location.cursor = None  # everything open is due
    code_location.poll()
    (collect,) = code_location.tick("due_stages")
    result = code_location.run(collect)
    assert not result.success
    message = next(e.step_failure_data.error.to_string() for e in result.all_events if e.is_step_failure)
    (job,) = jobs(code_location)
    assert f"qhybrid jobs retry {job.job_id}" in message
    assert code_location.tick("due_stages") == "0 stages are running, 1 failed"

    partition = PartitionKey(experiment=key, backend=QUEUED)
    batch = batch_from_row(code_location.workspace.lake.read(schemas.CIRCUIT_BATCHES, partition).to_pylist()[0])
    dispatcher = code_location.workspace.control_plane.dispatcher
    dispatcher.submit_all(dispatcher.split(batch), SubmitRequest(tier="batch", budget_usd=0.0, repeat=True))
    cloud.advance(10_000)
    code_location.poll()
    assert onward(code_location)[0][0] == "collect"
    assert sorted(job.state for job in jobs(code_location)) == [JobState.FAILED, JobState.VERIFIED]
    assert len(accepted_jobs(cloud, code_location)) == 2


def test_an_outage_of_any_length_loses_no_request_and_pays_once(code_location, cloud, emulator, monkeypatch):
    monkeypatch.setattr(run_history, "LONGEST_BACKOFF", timedelta(0))
    set_policy(code_location)
    code_location.register(specification(code_location.home.name))
    (prepare,) = code_location.tick("due_stages")
    assert code_location.run(prepare).success
    emulator.kill()
    try:
        for _ in range(run_history.MAX_ATTEMPTS + 2):
            if isinstance(requests := code_location.tick("due_stages"), str):
                assert re.fullmatch(RESTING, requests)
                break
            (submit,) = requests
            assert code_location.run(submit).success, "an outage is not a failure"
            run = code_location.instance.get_runs(limit=1)[0]
            assert read_tag(run.tags, OUTAGE_TAG)
            assert run.tags[STATE_TAG].startswith("resting until ")
        assert code_location.poll().asset_events == []
    finally:
        emulator.restart()
    close_breakers(code_location)
    assert onward(code_location)[0][0] == "submit"
    assert len(accepted_jobs(cloud, code_location)) == 1


def test_while_a_provider_rests_no_run_is_asked_for_and_then_one_goes_first(code_location, emulator, monkeypatch):
    monkeypatch.setattr(run_history, "LONGEST_BACKOFF", timedelta(0))
    set_policy(code_location, breaker="{failures: 1, open_seconds: 3600}")
    for name in ("first", "second"):
        code_location.register(specification(f"{code_location.home.name}-{name}"))
    for prepare in code_location.tick("due_stages"):
        assert code_location.run(prepare).success
    emulator.kill()
    try:
        first, second = code_location.tick("due_stages")
        result = code_location.run(first)
        assert result.success
        assert result.get_step_skipped_events() or not result.asset_materializations_for_node("qpu_submissions")
        # The breaker is open now; what was asked for before does not run red either.
        assert code_location.run(second).success
        ended = [run.status for run in code_location.instance.get_runs()]
        assert set(ended) == {dg.DagsterRunStatus.SUCCESS}
        (publish,) = code_location.tick("due_stages")
        assert STAGES[publish.job_name] == "publish"
        assert code_location.run(publish).success
        for _ in range(9):  # the nine red runs that there used to be
            assert re.fullmatch(RESTING, code_location.tick("due_stages"))
        assert code_location.tick("reconcile_submit") == "nothing was left undone"
    finally:
        emulator.restart()
    close_breakers(code_location, state="open")
    assert len(code_location.tick("due_stages")) == 1
    assert onward(code_location)[0].count("submit") == 2


def test_a_provider_that_does_not_answer_is_a_row_with_the_reason(code_location, cloud, emulator, monkeypatch):
    monkeypatch.setenv("IONQ_API_URL", "http://127.0.0.1:9/v0.4")
    result = code_location.definitions.resolve_job_def(JOB_NAMES["publish"]).execute_in_process(
        instance=code_location.instance
    )
    assert result.success
    rows = experiment_homes.rows(
        code_location.home, "SELECT backend, reachable, problem, mode FROM backend_capabilities ORDER BY backend"
    )
    away = [r for r in rows if r["backend"].startswith("ionq:")]
    assert [r["reachable"] for r in away] == [False] * 3
    assert all(r["problem"] and r["mode"] is None for r in away)
    assert all(r["reachable"] for r in rows if r["backend"].startswith("local:"))
