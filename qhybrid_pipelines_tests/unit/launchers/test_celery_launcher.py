"""The broker and the store of states are Celery's own in memory, and no worker listens; `engines/test_celery.py` launches on real ones."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml
from celery.states import FAILURE, REVOKED, STARTED, SUCCESS
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher.base import WorkerStatus

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.defs.orphans import end_orphans
from qhybrid_pipelines.defs.run_tags import ENGINE_TAG
from qhybrid_pipelines.launchers import celery_launcher
from qhybrid_pipelines.launchers.celery_launcher import ENGINE, CeleryUnavailable, WatchedCeleryRunLauncher
from qhybrid_pipelines_tests.support.browser import get_free_port

SETTINGS = Path(__file__).resolve().parents[3] / "deploy" / "celery" / "dagster.yaml"
RUNNING, STARTING = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING


@pytest.fixture
def instance(monkeypatch):
    """Give an instance in memory whose broker is in memory too; answers of workers are waited for only shortly."""
    monkeypatch.setattr(celery_launcher, "ANSWER_SECONDS", 0.05)
    with dg.DagsterInstance.ephemeral() as opened:
        opened._run_launcher = WatchedCeleryRunLauncher(
            default_queue="dagster", broker="memory://", backend="cache+memory://"
        )
        opened._run_launcher.register_instance(opened)
        yield opened


def add_run(instance, status, state=None, tags=None):
    """Add a run whose task has come to a state, of a worker that does not answer; None for one that waits."""
    run = dg.DagsterRun(job_name="2_submit", status=status, tags={ENGINE_TAG: ENGINE} if tags is None else tags)
    instance.add_run(run)
    if state is not None:
        result = {"pid": 7, "hostname": "celery@gone"} if state == STARTED else ValueError("it failed")
        instance.run_launcher.celery.backend.store_result(run.run_id, 0 if state == SUCCESS else result, state)
    return run


def status_of(instance, run):
    return instance.get_run_by_id(run.run_id).status


def health(instance, run):
    return instance.run_launcher.check_run_worker_health(run)


def test_a_silent_worker_is_asked_again_and_given_up_later(instance, monkeypatch):
    run = add_run(instance, RUNNING, STARTED)
    instance.run_launcher._last_outage = 0.0
    clock = iter([100.0, 124.9, 125.1])
    monkeypatch.setattr(celery_launcher.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(WatchedCeleryRunLauncher, "_is_at_work", lambda *_: False)
    assert health(instance, run).status is WorkerStatus.RUNNING
    assert health(instance, run).status is WorkerStatus.RUNNING
    found = health(instance, run)
    assert found.status is WorkerStatus.FAILED
    assert found.msg == "celery@gone has not said for 25 s that it has the run"


def test_a_worker_that_answers_in_between_is_not_given_up(instance, monkeypatch):
    run = add_run(instance, RUNNING, STARTED)
    instance.run_launcher._last_outage = 0.0
    clock, answers = iter([100.0, 130.0]), iter([False, True, False])
    monkeypatch.setattr(celery_launcher.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(WatchedCeleryRunLauncher, "_is_at_work", lambda *_: next(answers))
    assert [health(instance, run).status for _ in range(3)] == [WorkerStatus.RUNNING] * 3


def test_after_an_outage_of_the_broker_a_worker_has_the_time_to_come_back(instance, monkeypatch):
    run = add_run(instance, RUNNING, STARTED)
    times = [100.0, 110.0, 120.0, 169.9, 170.1]  # 110 is the outage; 110 + 35 + 25 = 170
    clock = iter(times)
    monkeypatch.setattr(celery_launcher.time, "monotonic", lambda: next(clock))
    instance.run_launcher._last_outage = 0.0

    def ask(_launcher, _task, _worker):
        if next(asked) == "away":
            raise ConnectionRefusedError
        return False

    asked = iter(["silent", "away", "silent", "silent", "silent"])
    monkeypatch.setattr(WatchedCeleryRunLauncher, "_is_at_work", ask)
    assert health(instance, run).status is WorkerStatus.RUNNING
    with pytest.raises(CeleryUnavailable):
        health(instance, run)
    assert [health(instance, run).status for _ in range(3)] == [
        *(WorkerStatus.RUNNING, WorkerStatus.RUNNING),
        WorkerStatus.FAILED,
    ]


def test_nobody_has_the_task_where_no_worker_listens(instance):
    assert not instance.run_launcher._is_at_work("any", "celery@gone")
    assert not instance.run_launcher._is_at_work("any", None)


@pytest.mark.parametrize("state", [SUCCESS, FAILURE, REVOKED])
def test_a_run_that_goes_on_after_its_task_is_lost(instance, state):
    found = health(instance, add_run(instance, RUNNING, state))
    assert found.status is WorkerStatus.FAILED
    assert state in found.msg


def test_dagsters_own_launcher_believes_in_such_a_worker_for_ever(instance):
    run = add_run(instance, RUNNING, STARTED, tags={ENGINE_TAG: ENGINE, "dagster-celery/task_id": "x"})
    instance.run_launcher.celery.backend.store_result("x", {"hostname": "celery@gone"}, STARTED)
    inherited = super(WatchedCeleryRunLauncher, instance.run_launcher).check_run_worker_health(run)
    assert inherited.status is WorkerStatus.RUNNING


@pytest.mark.parametrize(("state", "ended"), [(None, False), (FAILURE, True)])
def test_a_run_waits_for_a_worker_as_long_as_its_task_has_not_ended(instance, state, ended):
    run = add_run(instance, STARTING, state)
    assert end_orphans(instance) == ended
    assert (status_of(instance, run) is dg.DagsterRunStatus.FAILURE) == ended


def test_a_run_of_the_command_line_is_none_of_celerys(instance):
    own = add_run(instance, RUNNING, tags={})
    assert health(instance, own).status is WorkerStatus.RUNNING
    assert not instance.run_launcher.terminate(own.run_id)
    assert status_of(instance, own) is RUNNING


@pytest.mark.parametrize(
    ("status", "state", "ended"), [(STARTING, None, True), (RUNNING, STARTED, False), (RUNNING, None, False)]
)
def test_a_process_is_interrupted_when_its_run_is_cancelling_and_reports_the_end_itself(
    instance, monkeypatch, status, state, ended
):
    """The state of a task is forgotten after a day; its run has begun all the same."""
    run, seen = add_run(instance, status, state), []
    control = type(instance.run_launcher.celery.control)
    monkeypatch.setattr(control, "revoke", lambda *_, **how: seen.append((status_of(instance, run), how["signal"])))
    assert instance.run_launcher.terminate(run.run_id)
    assert seen == [(dg.DagsterRunStatus.CANCELING, "SIGINT")]
    assert (status_of(instance, run) is dg.DagsterRunStatus.CANCELED) == ended


def test_without_a_broker_nothing_is_known_and_no_run_is_given_up():
    nowhere = f"redis://127.0.0.1:{get_free_port()}/0"
    with dg.DagsterInstance.ephemeral() as instance:
        options = {
            "redis_retry_on_timeout": False,
            "result_backend_transport_options": {"retry_policy": {"timeout": 0.1}},
        }
        instance._run_launcher = WatchedCeleryRunLauncher(
            default_queue="dagster", broker=nowhere, backend=nowhere, config_source=options
        )
        instance._run_launcher.register_instance(instance)
        run, waiting = add_run(instance, RUNNING), add_run(instance, STARTING)
        with pytest.raises(CeleryUnavailable, match="broker did not answer"):
            health(instance, run)
        with pytest.raises(CeleryUnavailable, match="broker did not answer"):
            instance.run_launcher.terminate(run.run_id)
        assert end_orphans(instance) == 0
        assert {status_of(instance, one) for one in (run, waiting)} == {RUNNING, STARTING}


def test_the_settings_that_are_shipped_make_the_launcher_and_ours_go_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QHYBRID_CELERY_URL", "memory://")
    shipped = yaml.safe_load(SETTINGS.read_text())
    shipped["run_launcher"]["config"]["config_source"] |= {"task_acks_late": True, "worker_prefetch_multiplier": 4}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(shipped))
    launcher = InstanceRef.from_dir(str(tmp_path)).run_launcher
    assert type(launcher) is WatchedCeleryRunLauncher
    conf = launcher.make_worker_app().conf
    assert (conf.task_acks_late, conf.worker_prefetch_multiplier, conf.worker_disable_prefetch) == (False, 1, True)
    assert conf.worker_max_tasks_per_child == 50
    assert "execute_job" in launcher.celery.tasks


def test_a_worker_of_another_launcher_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with pytest.raises(InvalidInput, match="the run launcher is DefaultRunLauncher, and not Celery's"):
        celery_launcher.main(["worker"])


def test_the_settings_that_are_shipped_differ_from_the_others_where_they_say_so():
    ours, postgres = (
        yaml.safe_load(path.read_text()) for path in (SETTINGS, SETTINGS.parents[1] / "postgres" / "dagster.yaml")
    )
    for name in ("storage", "compute_logs", "local_artifact_storage", "run_retries", "retention", "telemetry"):
        assert ours[name] == postgres[name]
    assert "default_limit" not in ours["concurrency"]["pools"]
    assert "max_runtime_seconds" not in ours["run_monitoring"]
    longest = celery_launcher.SILENT_SECONDS + 3 * ours["run_monitoring"]["poll_interval_seconds"]
    assert longest < 60, "a killed worker is noticed within a minute"
