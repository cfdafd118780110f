"""What runs by itself: sensors and schedules are evaluated as the daemon does, and what they request is really run."""

import json
import os
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.control.experiments.stops import Stops
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.defs.automation import (
    DEFAULT_PUBLISH_MINUTES,
    INTERVAL_VARIABLE,
    PAUSE_AFTER_FAILURE,
    PUBLISH_VARIABLE,
    interval_seconds,
    publish_interval,
)
from qhybrid_pipelines.defs.jobs import STAGES
from qhybrid_pipelines.defs.partitions import EXPERIMENT_PARTITIONS
from qhybrid_pipelines.defs.run_history import MAX_ATTEMPTS, read_run_history
from qhybrid_pipelines.defs.run_tags import (
    EXPERIMENT_TAG,
    PARTITION_TAG,
    PRIORITIES,
    PRIORITY_TAG,
    VERDICT_TAG,
    stage_tags,
)
from qhybrid_pipelines.steps.operate.warehouse import publish
from qhybrid_pipelines.storage import analyst, schemas
from qhybrid_pipelines.storage.lake import PartitionKey
from qhybrid_pipelines.storage.tables import empty
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.code_location import NIGHT, open_code_location, requested_stages

pytestmark = experiment_homes.RUNS_IN_PROCESS

BACKEND = "local:auto"
SMALL = "shots: 64\nrepetitions: 2\nsweep: {strategy: fixed_angles, points: 2}\nrounds: {max: 1}\n"
PETERSEN = f"name: petersen\nproblem: {{family: maxcut, source: 'networkx:petersen'}}\n{SMALL}"
TRIANGLE = f"name: triangle\nproblem: {{family: maxcut, source: triangle.csv, format: csv_edges}}\n{SMALL}"


@pytest.fixture
def code_location(tmp_path):
    with open_code_location(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("text", ["0", "-1", "soon", "1.5"])
def test_a_pause_between_two_ticks_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv(INTERVAL_VARIABLE, text)
    with pytest.raises(InvalidInput, match=f"'{text}' is not a time"):
        interval_seconds()
    monkeypatch.setenv(INTERVAL_VARIABLE, "3")
    assert interval_seconds() == 3


@contextmanager
def written_to(file):
    """Somebody writes to a file all the time, however long the machine takes to look at it."""
    ended = threading.Event()

    def write():
        while not ended.wait(0.1):
            os.utime(file)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


def test_inbox_takes_in_what_is_right_and_quarantines_what_is_wrong(code_location):
    code_location.drop("petersen.yaml", PETERSEN)
    code_location.drop("wrong.yaml", PETERSEN.replace("maxcut", "maxcat"))
    code_location.drop("growing.yaml", PETERSEN.replace("petersen", "growing"), seconds_ago=0.0)
    with written_to(code_location.home / "inbox" / "growing.yaml"):
        assert code_location.tick("inbox") == "1 files registered, 1 quarantined, 1 still being written"
        assert code_location.tick("inbox") == "0 files registered, 0 quarantined, 1 still being written"
    (key,) = code_location.instance.get_dynamic_partitions(EXPERIMENT_PARTITIONS)
    assert key in code_location.workspace.specifications
    reason = json.loads((code_location.home / "quarantine" / "wrong.yaml.error.json").read_text())
    assert reason["field"] == "problem.family"
    assert "maxcut" in reason["remedy"]
    assert (code_location.home / "inbox" / "growing.yaml").is_file()


def test_what_the_inbox_refused_is_a_check_that_has_not_passed_until_the_file_is_gone(code_location):
    code_location.drop("wrong.yaml", PETERSEN.replace("maxcut", "maxcat"))
    (told,) = code_location.poll("inbox").asset_events
    assert (told.asset_key.path, told.check_name, told.passed, told.severity.value) == (
        ["warehouse"],
        "inbox",
        False,
        "WARN",
    )
    assert "wrong.yaml" in told.description
    assert "maxcat" in told.description
    assert not code_location.poll("inbox").asset_events  # told once
    for file in (code_location.home / "quarantine").iterdir():
        file.unlink()
    (told,) = code_location.poll("inbox").asset_events
    assert told.passed
    assert not code_location.poll("inbox").asset_events


@pytest.mark.slow
def test_onward_leads_a_new_experiment_to_its_verdict(code_location):
    key = code_location.register(PETERSEN)
    asked = []
    while not isinstance(requests := code_location.tick("due_stages"), str):
        asked.append(requested_stages(requests))
        assert all(code_location.run(request).success for request in requests)
    assert requests == "everything is decided"
    assert asked == [[("prepare", key)], [("execute", f"{BACKEND}|{key}")], [("publish", None)]]
    (row,) = analyst.query(code_location.workspace.home, "SELECT experiment, verdict FROM verdicts").to_pylist()
    assert row["experiment"] == key
    tags = {STAGES[run.job_name]: run.tags for run in code_location.instance.get_runs()}
    assert (
        tags["execute"].items()
        >= {EXPERIMENT_TAG: key, PARTITION_TAG: f"{BACKEND}|{key}", VERDICT_TAG: row["verdict"]}.items()
    )


@pytest.mark.parametrize("status", ["STARTING", "STARTED"])
def test_a_leg_that_runs_is_not_requested_by_anyone(code_location, status):
    key = code_location.register(PETERSEN)
    code_location.add_past_run("prepare", dg.DagsterRunStatus[status], stage_tags(Stage(experiment=key)))
    assert code_location.tick("due_stages") == "1 stages are running, 0 failed"
    assert code_location.tick("reconcile_prepare") == "nothing was left undone"


def test_a_failing_leg_is_tried_a_few_times_and_keeps_nobody_waiting(code_location):
    code_location.workspace.home.make()
    (code_location.home / "triangle.csv").write_text("i,j,weight\n1,2,1\n2,3,1\n1,3,1\n")
    bad = code_location.register(TRIANGLE)
    for blob in code_location.workspace.home.blobs.rglob("*"):
        if blob.is_file():
            blob.unlink()
    (first,) = code_location.tick("due_stages")
    assert not code_location.run(first).success
    # The sensor leaves the failed stage alone, and still publishes what the others came to.
    (publish,) = code_location.tick("due_stages")
    assert STAGES[publish.job_name] == "publish"
    assert code_location.run(publish).success
    assert code_location.tick("due_stages") == "0 stages are running, 1 failed"
    good = code_location.register(PETERSEN)
    assert requested_stages(code_location.tick("due_stages")) == [("prepare", good)]

    attempts = 1
    while attempts < 10:
        due = code_location.tick("reconcile_prepare", at=NIGHT + attempts * timedelta(minutes=30))
        mine = [request for request in due if request.partition_key == bad]
        if not mine:
            break
        assert not code_location.run(*mine).success
        attempts += 1
    assert attempts == MAX_ATTEMPTS


def test_reconcile_asks_once_per_moment(code_location):
    key = code_location.register(PETERSEN)
    runs = [code_location.tick("reconcile_prepare", at=NIGHT + k * timedelta(minutes=30))[0] for k in (0, 0, 1)]
    assert {run.partition_key for run in runs} == {key}
    assert runs[0].run_key == runs[1].run_key != runs[2].run_key
    assert code_location.tick("reconcile_execute") == "nothing was left undone"


def test_a_snapshot_grows_no_older_than_its_interval_while_stages_run(code_location, monkeypatch):
    """A house that is never idle has snapshots too: one is asked for beside stages that run or begin, before all that wait."""
    home = code_location.workspace.home
    publish(home, code_location.workspace.control_plane.ledger)
    running = code_location.register(PETERSEN)
    code_location.add_past_run("prepare", dg.DagsterRunStatus.STARTED, stage_tags(Stage(experiment=running)))
    new = code_location.register(PETERSEN.replace("name: petersen", "name: another"))

    def asked_when_it_is_old(minutes):
        moment = time.time() - 60 * minutes
        os.utime(home.warehouse, (moment, moment))
        return requested_stages(code_location.tick("due_stages"))

    # Nothing that the snapshot would show has changed.
    assert asked_when_it_is_old(30) == [("prepare", new)]
    lake = code_location.workspace.lake
    lake.write(schemas.EXPERIMENTS, PartitionKey(experiment=running), empty(schemas.EXPERIMENTS))
    assert asked_when_it_is_old(DEFAULT_PUBLISH_MINUTES - 1) == [("prepare", new)]
    assert asked_when_it_is_old(DEFAULT_PUBLISH_MINUTES + 1) == [("prepare", new), ("publish", None)]
    asked = next(request for request in code_location.tick("due_stages") if STAGES[request.job_name] == "publish")
    assert int(asked.tags[PRIORITY_TAG]) > max(PRIORITIES.values())
    assert [key.path for key in asked.asset_selection] == [["warehouse"]]
    monkeypatch.setenv(PUBLISH_VARIABLE, "60")
    assert asked_when_it_is_old(DEFAULT_PUBLISH_MINUTES + 1) == [("prepare", new)]
    monkeypatch.setenv(PUBLISH_VARIABLE, "soon")
    with pytest.raises(InvalidInput, match="'soon' is not a time between two snapshots"):
        publish_interval()


def test_a_home_without_a_snapshot_gets_its_first_while_stages_run(code_location):
    key = code_location.register(PETERSEN)
    assert requested_stages(code_location.tick("due_stages")) == [("prepare", key)]
    moment = time.time() - 60 * (DEFAULT_PUBLISH_MINUTES + 1)
    for specification in code_location.workspace.home.specifications.iterdir():
        os.utime(specification, (moment, moment))
    assert requested_stages(code_location.tick("due_stages")) == [("prepare", key), ("publish", None)]
    code_location.add_past_run("publish", dg.DagsterRunStatus.STARTED)
    assert requested_stages(code_location.tick("due_stages")) == [("prepare", key)]


def test_a_failed_publication_is_not_tried_again_at_every_look(code_location):
    assert [STAGES[request.job_name] for request in code_location.tick("due_stages")] == ["publish"]
    code_location.add_past_run(
        "publish", dg.DagsterRunStatus.FAILURE, moment=datetime.now(UTC) - PAUSE_AFTER_FAILURE * 1.1
    )
    assert [STAGES[request.job_name] for request in code_location.tick("due_stages")] == ["publish"]
    code_location.add_past_run("publish", dg.DagsterRunStatus.FAILURE)
    assert code_location.tick("due_stages") == "everything is decided"


def test_a_snapshot_whose_worker_was_killed_has_not_failed_once_the_next_one_stands(code_location):
    code_location.add_past_run("publish", dg.DagsterRunStatus.FAILURE, {AUTO_RETRY_RUN_ID_TAG: "the next one"})
    code_location.add_past_run("publish", dg.DagsterRunStatus.SUCCESS)
    assert [STAGES[request.job_name] for request in code_location.tick("due_stages")] == ["publish"]


def test_of_a_leg_whose_worker_was_killed_only_the_run_that_replaces_it_counts(code_location):
    """Dagster says at once that it will replace a run, and names the new one when there is one."""
    stage = Stage(experiment="petersen")

    def after_a_failure_with(tags):
        code_location.add_past_run(stage.job, dg.DagsterRunStatus.FAILURE, stage_tags(stage) | tags)
        return read_run_history(code_location.instance, stage)

    replaced = after_a_failure_with({WILL_RETRY_TAG: "true", AUTO_RETRY_RUN_ID_TAG: "the next one"})
    assert (replaced.failed_attempts, replaced.ended, replaced.backs_off_until) == (0, 1, None)
    to_be_replaced = after_a_failure_with({WILL_RETRY_TAG: "true"})
    assert to_be_replaced.failed_attempts == 0
    assert to_be_replaced.is_backing_off(datetime.now(UTC))
    assert after_a_failure_with({WILL_RETRY_TAG: "false"}).failed_attempts == 1


def test_a_run_that_a_person_ended_is_not_asked_for_again(code_location):
    """A termination asked for in the UI or by the API passes CANCELING; a worker that was ended by its node does not."""
    stage = Stage(experiment="petersen")
    code_location.add_past_run(stage.job, dg.DagsterRunStatus.CANCELED, stage_tags(stage))
    assert not read_run_history(code_location.instance, stage).stopped_by_a_person
    run = code_location.instance.get_runs(limit=1)[0]
    code_location.instance.report_run_canceling(run)
    code_location.instance.report_run_canceled(run)
    assert read_run_history(code_location.instance, stage).stopped_by_a_person
    code_location.add_past_run(stage.job, dg.DagsterRunStatus.FAILURE, stage_tags(stage))
    assert not read_run_history(code_location.instance, stage).stopped_by_a_person


def test_a_stopped_experiment_rests_until_a_person_asks_again(code_location, tmp_path):
    key = code_location.workspace.registration.register_text(PETERSEN, file="a.yaml", folder=tmp_path).key
    assert [request.partition_key for request in code_location.tick("due_stages")] == [key]
    stops = Stops(code_location.workspace.home)
    stops.add([key], principal="ada", now=datetime.now(UTC), reason="Ctrl-C")
    assert [STAGES[request.job_name] for request in code_location.tick("due_stages")] == ["publish"]
    assert code_location.tick("reconcile_prepare") == "nothing was left undone"
    stops.remove([key])
    assert [request.partition_key for request in code_location.tick("due_stages")] == [key]


def test_nightly_benchmark_asks_new_questions_every_night(code_location):
    first, again = (code_location.tick("nightly_benchmark") for _ in range(2))
    later = code_location.tick("nightly_benchmark", at=NIGHT + timedelta(days=1))
    keys, later_keys = ({request.partition_key for request in requests} for requests in (first, later))
    assert len(keys) == 3
    assert not keys & later_keys
    assert [request.run_key for request in first] == [request.run_key for request in again]
    assert set(code_location.instance.get_dynamic_partitions(EXPERIMENT_PARTITIONS)) == keys | later_keys
    assert all("2026-03-01" in code_location.workspace.specifications.load(key).name for key in keys)
