"""Dagster's record read without Dagster says the same as Dagster."""

from __future__ import annotations

import dagster as dg
import pytest

from qhybrid_pipelines.dagster_home import instance_ref, make_dagster_storage
from qhybrid_pipelines.defs.orphans import NOT_ENDED
from qhybrid_pipelines.settings import DAGSTER_POSTGRES_VARIABLE
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.unended_runs import ENDED, may_have_unended_runs


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home").make()


#: A run that waits in the queue needs a code location behind it; the second test names that status as well.
STATUSES = [status for status in dg.DagsterRunStatus if status is not dg.DagsterRunStatus.QUEUED]


@pytest.mark.parametrize("status", STATUSES)
def test_a_run_counts_as_dagster_counts_it(status, home):
    make_dagster_storage(home)
    with dg.DagsterInstance.from_ref(instance_ref(home.dagster)) as instance:
        instance.add_run(dg.DagsterRun(job_name="prepare", status=status))
        assert may_have_unended_runs(home) == (not dg.DagsterRun(job_name="x", status=status).is_finished)
    assert may_have_unended_runs(home) == (status.value not in ENDED)


def test_every_status_that_orphans_are_looked_for_in_counts():
    assert not {status.value for status in NOT_ENDED} & set(ENDED)


def test_a_new_home_has_none(home):
    assert not may_have_unended_runs(home)
    make_dagster_storage(home)
    assert not may_have_unended_runs(home)


def test_what_cannot_be_read_is_left_to_dagster(home):
    (home.dagster / "history").mkdir(parents=True)
    (home.dagster / "history" / "runs.db").write_bytes(b"no database" * 100)
    assert may_have_unended_runs(home)


def test_a_server_is_asked_by_dagster(home, monkeypatch):
    monkeypatch.setenv(DAGSTER_POSTGRES_VARIABLE, "postgresql+psycopg2://nowhere/x")
    assert may_have_unended_runs(home)
