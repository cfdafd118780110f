"""Slurm's commands are stood in for by scripts here; `engines/test_slurm.py` asks a real cluster."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.launchers.slurm_jobs import SlurmResources, SlurmUnavailable, find_job, submit_job

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Let the path hold nothing but commands that say what a test wants."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def says(name: str, text: str, *, code: int = 0) -> Path:
        path, asked = tmp_path / name, tmp_path / f"{name}.asked"
        path.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {asked}\nprintf '%s' '{text}'\nexit {code}\n")
        path.chmod(0o755)
        return asked

    return says


@pytest.mark.parametrize(
    ("listed", "state", "alive"),
    [
        ("7|RUNNING|n1|None", "RUNNING", True),
        ("7|PENDING||Priority", "PENDING", True),
        ("7|COMPLETING|n1|None", "COMPLETING", True),
        ("7|A_NEW_STATE|n1|None", "A_NEW_STATE", True),
        ("7|NODE_FAIL|n1|NodeDown", "NODE_FAIL", False),
        ("7|OUT_OF_MEMORY|n1|OutOfMemory", "OUT_OF_MEMORY", False),
        ("7|COMPLETED|n1|None\n9|RUNNING|n2|None", "RUNNING", True),
        ("10|FAILED|n1|NonZeroExitCode\n9|COMPLETED|n2|None", "FAILED", False),
    ],
)
def test_the_controller_is_asked_first(commands, listed, state, alive):
    asked = commands("squeue", listed)
    job = find_job("a-run", since=NOW)
    assert (job.state, job.is_alive) == (state, alive)
    assert "--name=a-run" in asked.read_text().splitlines()


def test_what_the_controller_forgot_the_accounting_remembers(commands):
    commands("squeue", "")
    asked = commands("sacct", "7|CANCELLED by 1000|n1|0:15\n")
    job = find_job("a-run", since=NOW)
    assert (job.job_id, job.state, job.node, job.detail, job.is_alive) == ("7", "CANCELLED", "n1", "0:15", False)
    assert {"--name=a-run", "-X"} <= set(asked.read_text().splitlines())


def test_without_accounting_a_forgotten_job_is_unknown(commands):
    commands("squeue", "")
    assert find_job("a-run", since=NOW) is None
    commands("sacct", "Slurm accounting storage is disabled", code=1)
    assert find_job("a-run", since=NOW) is None


def test_a_controller_that_does_not_answer_is_not_a_job_that_is_gone(commands):
    with pytest.raises(SlurmUnavailable, match="squeue is not installed on this machine"):
        find_job("a-run", since=NOW)
    commands("squeue", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)", code=1)
    with pytest.raises(SlurmUnavailable, match="Unable to contact"):
        find_job("a-run", since=NOW)


def test_an_answer_that_cannot_be_read_is_not_a_job_that_is_gone(commands, tmp_path):
    commands("squeue", "7|RUNNING|n1|None\n\n")
    assert find_job("a-run", since=NOW).job_id == "7", "an empty line says nothing"
    commands("squeue", "CLUSTER: one\n7|RUNNING|n1|None")
    with pytest.raises(SlurmUnavailable, match="cannot be read: 'CLUSTER: one'"):
        find_job("a-run", since=NOW)
    (tmp_path / "squeue").write_bytes(b"#!/bin/sh\nprintf '\\377'\nexit 1\n")
    with pytest.raises(SlurmUnavailable, match="squeue failed"):
        find_job("a-run", since=NOW)
    (tmp_path / "squeue").write_text("no program")
    with pytest.raises(SlurmUnavailable, match="squeue cannot be started"):
        find_job("a-run", since=NOW)


def submit(**resources):
    asked = SlurmResources.from_settings(resources, place="a test")
    return submit_job("#!/bin/sh\n", name="a-run", resources=asked, folder=Path("/home"), log=Path("/tmp/log"))


def test_a_job_asks_for_its_resources_and_is_never_started_again(commands):
    asked = commands("sbatch", "12;cluster")
    assert submit(cores=2, memory="4G", gres="qpu:1", licenses="ionq:1", qpu="ibm_fez", time_limit="1:00:00") == "12"
    wanted = "--no-requeue --cpus-per-task=2 --mem=4G --gres=qpu:1 --licenses=ionq:1 --qpu=ibm_fez --time=1:00:00"
    assert {*wanted.split(), "--job-name=a-run"} <= set(asked.read_text().splitlines())


def test_a_refusal_is_told_from_no_answer(commands):
    commands("sbatch", "sbatch: error: invalid partition specified: nope", code=1)
    with pytest.raises(InvalidInput, match=r"nope.*dagster\.yaml"):
        submit()
    commands("sbatch", "sbatch: error: Batch job submission failed: Unable to contact slurm controller", code=1)
    with pytest.raises(SlurmUnavailable):
        submit()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("core", 2, "there is no resource 'core'.*cores"),
        ("cores", 0, "whole number of cores"),
        ("cores", "2 --uid=0", "whole number of cores"),
        ("memory", "4 G", "memory is '4 G'"),
        ("partition", "--uid=0", "partition is '--uid=0'"),
        ("gres", "a\nb", "gres is"),
        ("qpu", "", "qpu is ''"),
    ],
)
def test_what_slurm_would_not_understand_is_wrong_input(name, value, message):
    with pytest.raises(InvalidInput, match=message) as error:
        SlurmResources.from_settings({name: value}, place="the run's tags")
    assert "the run's tags" in str(error.value)
