"""Runs that a killed command line left behind, and Dagster's storage that it may not leave half made."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from qhybrid_pipelines.core.system.files import write_bytes
from qhybrid_pipelines.core.system.processes import process_has_ended, process_name
from qhybrid_pipelines.dagster_home import instance_ref, make_dagster_storage
from qhybrid_pipelines.defs.heartbeats import SILENCE_SECONDS, Heartbeat, Listener, beat_file
from qhybrid_pipelines.defs.orphans import end_orphans, process_tags
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.defs.run_tags import PROCESS_TAG
from qhybrid_pipelines.storage.layout import Home

NAME = "from qhybrid_pipelines.core.system.processes import process_name; print(process_name(), flush=True)"
DIE_WHILE_MAKING = """
import os, signal, sys
from pathlib import Path
from dagster._core.storage.event_log.sqlite import sqlite_event_log as inside
inside.stamp_alembic_rev = lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL)
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.dagster_home import make_dagster_storage
from qhybrid_pipelines.storage.layout import Home
make_dagster_storage(Home(Path(sys.argv[1])).make())
"""


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path).make()


@pytest.fixture
def instance(home):
    make_dagster_storage(home)
    with dg.DagsterInstance.from_ref(instance_ref(home.dagster)) as opened:
        yield opened


@pytest.fixture(scope="module")
def dead():
    return subprocess.run([sys.executable, "-c", NAME], capture_output=True, text=True, check=True).stdout.strip()


def add_run(instance, status, tags, parent=None):
    run = dg.DagsterRun(job_name="execute", status=status, tags=tags, parent_run_id=parent, root_run_id=parent)
    instance.add_run(run)
    return run.run_id


def test_a_process_knows_itself_and_the_dead(dead):
    assert not process_has_ended(process_name())
    assert process_has_ended(dead)
    assert not process_has_ended("")
    assert not process_has_ended("1.1.000000000000")  # on another machine: nobody here can know


def test_only_runs_of_dead_processes_are_ended(instance, dead):
    started = dg.DagsterRunStatus.STARTED
    orphan = add_run(instance, started, {PROCESS_TAG: dead})
    own, foreign = add_run(instance, started, process_tags()), add_run(instance, started, {})
    done = add_run(instance, dg.DagsterRunStatus.SUCCESS, {PROCESS_TAG: dead})
    assert end_orphans(instance) == 1
    assert end_orphans(instance) == 0
    status = {run_id: instance.get_run_by_id(run_id).status for run_id in (orphan, own, foreign, done)}
    assert status == {
        orphan: dg.DagsterRunStatus.FAILURE,
        own: started,
        foreign: started,
        done: dg.DagsterRunStatus.SUCCESS,
    }


def test_a_run_that_replaces_an_orphan_is_none_before_it_has_a_process_of_its_own(instance, home, dead):
    """Dagster copies the tags of the run that it starts again."""
    first = add_run(instance, dg.DagsterRunStatus.FAILURE, {PROCESS_TAG: dead})
    add_run(instance, dg.DagsterRunStatus.STARTING, {PROCESS_TAG: dead}, parent=first)
    assert end_orphans(instance) == 0


def test_an_orphan_leaves_no_place_in_a_pool_taken(instance, dead):
    pools = instance.event_log_storage
    pools.set_concurrency_slots("submissions", 1)
    orphan = add_run(instance, dg.DagsterRunStatus.STARTED, {PROCESS_TAG: dead})
    assert pools.claim_concurrency_slot("submissions", orphan, "qpu_submissions").is_claimed
    end_orphans(instance)
    assert pools.claim_concurrency_slot("submissions", "next run", "qpu_submissions").is_claimed


def test_a_process_writes_its_name_over_that_of_a_dead_one(instance, home, dead):
    @dg.op(required_resource_keys={"workspace"})
    def nothing(): ...

    @dg.job(resource_defs={"workspace": WorkspaceResource(home=str(home.path))})
    def replacing():
        nothing()

    run = replacing.execute_in_process(instance=instance, tags={PROCESS_TAG: dead})
    assert instance.get_run_by_id(run.run_id).tags[PROCESS_TAG] == process_name()


def test_a_kill_while_storage_is_made_leaves_nothing_that_looks_finished(home):
    killed = subprocess.run([sys.executable, "-c", DIE_WHILE_MAKING, str(home.path)], check=False)
    assert killed.returncode == -9
    assert list(home.dagster.iterdir()) == []
    make_dagster_storage(home)
    with dg.DagsterInstance.from_ref(instance_ref(home.dagster)) as opened:
        opened.add_dynamic_partitions("experiments", ["one"])
        assert opened.get_dynamic_partitions("experiments") == ["one"]


def test_storage_that_a_daemon_makes_at_the_same_time_is_left_to_it(home, monkeypatch):
    make = dg.DagsterInstance.from_ref

    def while_a_daemon_does(ref):
        theirs = home.dagster / "history"
        theirs.mkdir(parents=True)
        (theirs / "runs.db").write_text("theirs")
        return make(ref)

    monkeypatch.setattr(dg.DagsterInstance, "from_ref", while_a_daemon_does)
    make_dagster_storage(home)
    assert (home.dagster / "history" / "runs.db").read_text() == "theirs"
    assert (home.dagster / "schedules").is_dir()


ELSEWHERE = f"1.1.{'0' * 12}"


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def test_a_healthy_run_elsewhere_is_never_ended_however_long_it_takes(instance, home):
    clock = Clock()
    listener = Listener(clock)
    run_id = add_run(instance, dg.DagsterRunStatus.STARTED, {PROCESS_TAG: ELSEWHERE})
    file = beat_file(home.locks, run_id)
    for hour in range(100):
        write_bytes(file, str(hour).encode())
        assert end_orphans(instance, home.locks, listener) == 0
        clock.seconds += SILENCE_SECONDS - 1


@pytest.mark.parametrize("beats", [None, "17"])
def test_a_run_that_vanished_with_its_machine_is_ended_once(instance, home, beats):
    """Also one that never showed a sign of life, as those of an older release."""
    clock = Clock()
    listener = Listener(clock)
    run_id = add_run(instance, dg.DagsterRunStatus.STARTED, {PROCESS_TAG: ELSEWHERE})
    waiting = add_run(instance, dg.DagsterRunStatus.NOT_STARTED, {PROCESS_TAG: ELSEWHERE})
    own = add_run(instance, dg.DagsterRunStatus.STARTED, process_tags())
    if beats is not None:
        write_bytes(beat_file(home.locks, run_id), beats.encode())
    assert end_orphans(instance, home.locks, listener) == 0
    clock.seconds += SILENCE_SECONDS
    assert end_orphans(instance, home.locks, listener) == 0
    clock.seconds += 1
    assert end_orphans(instance, home.locks, listener) == 1
    assert end_orphans(instance, home.locks, listener) == 0
    assert instance.get_run_by_id(run_id).status is dg.DagsterRunStatus.FAILURE
    assert instance.get_run_by_id(waiting).status is dg.DagsterRunStatus.NOT_STARTED
    assert instance.get_run_by_id(own).status is dg.DagsterRunStatus.STARTED


def test_a_process_that_stops_beating_falls_silent(home):
    file = beat_file(home.locks, "run")
    heartbeat = Heartbeat(file, interval_seconds=0.01)
    heartbeat.start()
    seen = {file.read_text()}
    while len(seen) < 3:
        seen.add(file.read_text())
    heartbeat.stop()
    assert not file.exists()


@pytest.mark.parametrize("file", ["dagster.yaml", "deploy/postgres/dagster.yaml"])
def test_no_setting_limits_how_long_a_run_takes(file):
    settings = yaml.safe_load((Path(__file__).parents[2] / file).read_text())
    assert "max_runtime_seconds" not in settings["run_monitoring"]
    assert settings["run_monitoring"]["enabled"]
