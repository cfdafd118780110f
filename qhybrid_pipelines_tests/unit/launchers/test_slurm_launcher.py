"""Slurm's commands are stood in for by scripts here; `engines/test_slurm.py` launches on a real cluster."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher.base import WorkerStatus
from dagster._utils.tags import TagConcurrencyLimitsCounter

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.defs.orphans import end_orphans
from qhybrid_pipelines.defs.run_tags import ENGINE_TAG, limit_tags
from qhybrid_pipelines.launchers.slurm_jobs import SlurmUnavailable
from qhybrid_pipelines.launchers.slurm_launcher import ENGINE, SlurmRunLauncher

SETTINGS = Path(__file__).resolve().parents[3] / "deploy" / "slurm" / "dagster.yaml"


@pytest.fixture
def instance(tmp_path):
    """Give an instance in memory with a launcher whose logs are the test's."""
    with dg.DagsterInstance.ephemeral() as opened:
        opened._run_launcher = SlurmRunLauncher(log_folder=str(tmp_path / "logs"))
        opened._run_launcher.register_instance(opened)
        yield opened


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Let the only command of Slurm say what a test wants; what was cancelled stands in a file."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def says(text: str, code: int = 0) -> Path:
        for name, body in (("squeue", f"printf '%s' '{text}'; exit {code}"), ("scancel", f"echo $1 >> {folder}/ended")):
            (folder / name).write_text(f"#!/bin/sh\n{body}\n")
            (folder / name).chmod(0o755)
        return folder / "ended"

    return says


def add_run(instance, status, tags=None):
    run = dg.DagsterRun(job_name="2_submit", status=status, tags={ENGINE_TAG: ENGINE} if tags is None else tags)
    instance.add_run(run)
    return run


def status_of(instance, run):
    return instance.get_run_by_id(run.run_id).status


STARTING, STARTED = dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED


def test_resources_of_tags_go_before_those_of_the_backend_the_job_and_the_usual_ones():
    launcher = SlurmRunLauncher(
        resources={"cores": 1, "memory": "2G", "partition": "batch"},
        jobs={"2_execute": {"cores": 4, "memory": "8G"}},
        backends={"ibm:ibm_fez": {"memory": "3G", "gres": "qpu:1", "qpu": "ibm_fez"}},
    )

    def options(job, **tags):
        return " ".join(launcher.resources_of(dg.DagsterRun(job_name=job, tags=tags)).options)

    assert options("1_prepare") == "--partition=batch --cpus-per-task=1 --mem=2G"
    assert options("2_execute") == "--partition=batch --cpus-per-task=4 --mem=8G"
    fez = "--partition=batch --cpus-per-task=1 --mem=3G --gres=qpu:1 --qpu=ibm_fez"
    assert options("2_submit", **{"dagster/partition/backend": "ibm:ibm_fez"}) == fez
    batch = "ibm:ibm_fez|one-1\nibm:ibm_fez|two-2"
    assert options("2_submit", **{"dagster/qhybrid_partitions": batch}) == fez
    asked = {"slurm/cores": "8", "slurm/partition": "long"}
    assert options("2_execute", **asked) == "--partition=long --cpus-per-task=8 --mem=8G"
    with pytest.raises(InvalidInput, match="the run's tags: there is no resource 'core'"):
        options("2_execute", **{"slurm/core": "8"})


@pytest.mark.parametrize("section", ["jobs", "backends"])
def test_wrong_settings_name_their_place(section):
    with pytest.raises(InvalidInput, match=f"run_launcher, {section}, some: cores is 'many'"):
        SlurmRunLauncher(**{section: {"some": {"cores": "many"}}})


@pytest.mark.parametrize(
    ("listed", "status"),
    [
        ("7|RUNNING|n1|None", WorkerStatus.RUNNING),
        ("7|COMPLETED|n1|None", WorkerStatus.FAILED),
        ("7|NODE_FAIL|n1|NodeDown", WorkerStatus.FAILED),
        ("", WorkerStatus.NOT_FOUND),
    ],
)
def test_health_is_what_slurm_says_of_the_job_of_the_name(instance, squeue, listed, status):
    squeue(listed)
    assert instance.run_launcher.check_run_worker_health(add_run(instance, STARTED)).status is status


def test_no_answer_is_no_health_and_a_run_of_the_command_line_is_none_of_slurms(instance, squeue):
    squeue("Unable to contact slurm controller", 1)
    with pytest.raises(SlurmUnavailable):
        instance.run_launcher.check_run_worker_health(add_run(instance, STARTED))
    own = add_run(instance, STARTED, tags={})
    assert instance.run_launcher.check_run_worker_health(own).status is WorkerStatus.RUNNING


@pytest.mark.parametrize(
    ("listed", "ended"),
    [("7|FAILED|n1|NonZeroExitCode", True), ("7|PENDING||Priority", False), ("", False)],
)
def test_a_run_whose_job_ended_before_it_began_is_reported(instance, squeue, listed, ended):
    squeue(listed)
    run = add_run(instance, STARTING)
    assert end_orphans(instance) == ended
    assert (status_of(instance, run) is dg.DagsterRunStatus.FAILURE) == ended


def test_no_run_is_given_up_while_the_controller_is_away(instance, squeue):
    squeue("Unable to contact slurm controller", 1)
    run = add_run(instance, STARTING)
    assert end_orphans(instance) == 0
    assert status_of(instance, run) is STARTING


@pytest.mark.parametrize(
    ("listed", "status", "cancelled"),
    [
        ("7|RUNNING|n1|None", dg.DagsterRunStatus.CANCELING, "7\n"),
        ("7|PENDING||Priority", dg.DagsterRunStatus.CANCELED, "7\n"),
        ("", dg.DagsterRunStatus.CANCELED, ""),
    ],
)
def test_termination_cancels_the_job(instance, squeue, listed, status, cancelled):
    ended = squeue(listed)
    run = add_run(instance, STARTED)
    assert instance.run_launcher.terminate(run.run_id)
    assert status_of(instance, run) is status
    assert (ended.read_text() if ended.exists() else "") == cancelled


def test_a_run_of_the_command_line_is_not_said_to_be_cancelling(instance, squeue):
    squeue("")
    own = add_run(instance, STARTED, tags={})
    assert not instance.run_launcher.terminate(own.run_id)
    assert status_of(instance, own) is STARTED


def test_a_run_is_not_said_to_be_cancelling_while_the_controller_is_away(instance, squeue):
    squeue("Unable to contact slurm controller", 1)
    run = add_run(instance, STARTED)
    with pytest.raises(SlurmUnavailable):
        instance.run_launcher.terminate(run.run_id)
    assert status_of(instance, run) is STARTED


def test_the_settings_that_are_shipped_make_the_launcher(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dagster.yaml").write_text(SETTINGS.read_text())
    launcher = InstanceRef.from_dir(str(tmp_path)).run_launcher
    assert isinstance(launcher, SlurmRunLauncher)
    asked = launcher.resources_of(dg.DagsterRun(job_name="2_execute")).options
    assert asked == ["--cpus-per-task=2", "--mem=2G"]


@pytest.mark.parametrize(
    ("running", "waiting", "blocked"),
    [
        (["local:auto"], "local:auto", False),
        (["local:auto", "local:auto"], "local:auto", True),
        (["local:auto", "ibm:fake_fez"], "local:auto", True),
        (["local:auto", "local:auto"], "ionq:simulator", False),
        (["ionq:simulator"], "ionq:qpu.forte-1", True),
        (["ionq:simulator"], "dwave:advantage", False),
    ],
)
def test_two_nodes_simulate_and_each_cloud_has_one_run_that_submits(running, waiting, blocked):
    def run(backend):
        immediate = backend.startswith(("local:", "ibm:fake_"))
        stage = Stage(experiment="some-1", backend=backend, job="execute" if immediate else "submit")
        return dg.DagsterRun(job_name="any", tags=limit_tags(stage, is_immediate=lambda _: immediate))

    limits = yaml.safe_load(SETTINGS.read_text())["concurrency"]["runs"]["tag_concurrency_limits"]
    counter = TagConcurrencyLimitsCounter(limits, [run(backend) for backend in running])
    assert counter.is_blocked(run(waiting)) == blocked


def test_what_neither_simulates_nor_submits_counts_towards_no_limit():
    for stage in (Stage(experiment="some-1"), Stage(experiment="some-1", backend="ionq:simulator", job="collect")):
        assert limit_tags(stage, is_immediate=lambda _: False) == {}


def test_the_settings_that_are_shipped_differ_from_the_others_where_they_say_so():
    slurm, postgres = (
        yaml.safe_load(path.read_text()) for path in (SETTINGS, SETTINGS.parents[1] / "postgres" / "dagster.yaml")
    )
    for name in ("storage", "compute_logs", "local_artifact_storage", "run_retries", "retention", "telemetry"):
        assert slurm[name] == postgres[name]
    assert "default_limit" not in slurm["concurrency"]["pools"]
    assert "max_runtime_seconds" not in slurm["run_monitoring"]
    assert slurm["run_monitoring"]["start_timeout_seconds"] > 86400
