"""The pipeline on real Celery workers, one of which is killed; the judge is the emulated cloud's own book.

`make test-celery`; needs Debian's package redis-server.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.instance.ref import InstanceRef

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import celery_workers, experiment_homes, postgres_databases
from qhybrid_pipelines_tests.support.celery_workers import Workers, running_broker
from qhybrid_pipelines_tests.support.dagster_daemon import ROOT, DaemonProcess
from qhybrid_pipelines_tests.support.engine_deployments import POLICY, QUEUE_SECONDS, Watch, drop, messages, slow_cloud

REASON = celery_workers.reason_against()
pytestmark = [
    pytest.mark.celery,
    pytest.mark.skipif(REASON is not None, reason=str(REASON)),
    experiment_homes.RUNS_IN_PROCESS,
]

CLOUD_EXPERIMENTS, LOCAL_EXPERIMENTS, JOBS_EACH = 3, 2, 10
WORKERS = ("worker1", "worker2")


def specifications(name: str, count: int) -> list[dict[str, object]]:
    """Return experiments for the cloud, one circuit a job, or some that a worker simulates."""
    local = name == "own"
    return [
        {
            "name": f"{name} {number}",
            "problem": {
                "family": "maxcut",
                "source": {"generator": "random_regular", "nodes": 4, "degree": 3, "seed": number},
            },
            "ansatz": {"layers": 1},
            "sweep": {"strategy": "fixed_angles", "points": JOBS_EACH},
            "repetitions": 1,
            "shots": 50,
            "rounds": {"max": 1},
            "backends": ["local:auto" if local else "ionq:simulator"],
        }
        for number in range(1, count + 1)
    ]


@pytest.fixture
def broker(tmp_path):
    with running_broker(tmp_path) as opened:
        yield opened


@pytest.fixture
def cloud(tmp_path):
    with slow_cloud(tmp_path / "cloud", "on-celery") as client:
        yield client


@pytest.fixture
def deployment(tmp_path, cloud, broker, postgres_server, monkeypatch) -> Iterator[DaemonProcess]:
    with (
        postgres_databases.database(postgres_server) as ledger,
        postgres_databases.database(postgres_server) as dagster,
    ):
        own = {
            "QHYBRID_LEDGER_URL": ledger,
            "QHYBRID_DAGSTER_POSTGRES_URL": dagster,
            "QHYBRID_CELERY_URL": broker.url,
        }
        for name, value in own.items():
            monkeypatch.setenv(name, value)
        environment = {**cloud.emulator.environment, "IONQ_LISTING_LAG_SECONDS": "0.2", **own}
        opened = DaemonProcess(tmp_path / "checkout", environment, "deploy/celery/dagster.yaml")
        keep_the_pause(opened.folder / "dagster.yaml")
        (opened.home / "policy.yaml").write_text(POLICY)
        monkeypatch.chdir(opened.folder)
        try:
            yield opened
        finally:
            opened.kill()


def keep_the_pause(settings: Path) -> None:
    """Let Dagster's monitor ask as often as in the settings that are shipped: how soon a killed worker is noticed hangs on it."""
    shipped = yaml.safe_load((ROOT / "deploy" / "celery" / "dagster.yaml").read_text())
    read = yaml.safe_load(settings.read_text())
    read["run_monitoring"]["poll_interval_seconds"] = shipped["run_monitoring"]["poll_interval_seconds"]
    settings.write_text(yaml.safe_dump(read))


@pytest.fixture
def workers(deployment) -> Iterator[Workers]:
    opened = Workers(deployment.folder, deployment.environment)
    try:
        for name in WORKERS:
            opened.start(name)
        yield opened
    finally:
        opened.stop()


@pytest.fixture
def instance(deployment):
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(deployment.folder))) as opened:
        yield opened


def running(instance, job: str) -> dict[str, str]:
    """Return the names of the workers in which runs of a job have begun, by the runs' ids."""
    answers = instance.run_launcher.celery.control.inspect(timeout=2.0).active() or {}
    found = {task["id"]: worker.partition("@")[2] for worker, tasks in answers.items() for task in tasks}
    begun = instance.get_runs(dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.STARTED]))
    return {run.run_id: found[run.run_id] for run in begun if run.run_id in found}


def status_of(instance, run_id: str) -> dg.DagsterRunStatus:
    return instance.get_run_by_id(run_id).status


def test_experiments_while_a_worker_with_a_run_is_killed(deployment, cloud, workers, instance):
    watch, home = Watch(deployment, workers.logs), Home(deployment.home).make()
    lake = Lake(home)
    # Asking the workers takes seconds: a run must not have sent everything by then.
    cloud.faults({"route": "POST /jobs", "fault": "slow", "params": {"seconds": 2.0}})
    drop(home, *specifications("cloud", CLOUD_EXPERIMENTS))
    drop(home, *specifications("own", LOCAL_EXPERIMENTS))
    deployment.start()

    submitting = watch.until(lambda: len(cloud.book()) >= 3 and running(instance, "2_submit"), "some jobs are accepted")
    killed, name = next(iter(submitting.items()))
    before = {run.run_id for run in instance.get_runs()}
    workers.kill(name)
    began = time.monotonic()
    watch.until(lambda: status_of(instance, killed) is dg.DagsterRunStatus.FAILURE, f"{name} was killed, and is missed")
    seconds = time.monotonic() - began
    print(f"the killed worker was noticed after {seconds:.1f} s")
    assert seconds < 60
    assert f"celery@{name} has not said for" in messages(instance, killed)

    def again() -> list[dg.DagsterRun]:
        runs = instance.get_runs(dg.RunsFilter(job_name="2_submit"))
        return [run for run in runs if run.parent_run_id == killed and run.run_id not in before]

    watch.until(again, "the run is asked for again")
    workers.start(name)
    watch.until(lambda: len(cloud.book()) >= CLOUD_EXPERIMENTS * JOBS_EACH, "all jobs are accepted")
    cloud.faults()
    cloud.advance(2 * QUEUE_SECONDS)
    everything = CLOUD_EXPERIMENTS + LOCAL_EXPERIMENTS
    watch.until(lambda: len(lake.keys(schemas.BASELINE_COMPARISONS)) == everything, "all verdicts")
    deployment.kill()

    ledger = SqlLedger.open_postgres(os.environ["QHYBRID_LEDGER_URL"])
    jobs = [job for job in ledger.jobs() if job.experiment.startswith(("cloud", "own"))]
    book = cloud.book()
    assert len({entry["metadata"]["qhybrid_token"] for entry in book}) == len(book) == CLOUD_EXPERIMENTS * JOBS_EACH
    assert {entry["id"] for entry in book} == {job.provider_job_id for job in jobs if job.provider == "ionq"}
    assert {str(job.state) for job in jobs} == {"VERIFIED"}
    assert ledger.verify_chain().is_intact
    lost = [run for run in instance.get_runs() if run.status is dg.DagsterRunStatus.FAILURE]
    assert {run.run_id for run in lost} <= before, "no healthy run was given up"


def test_a_run_is_terminated_and_its_worker_lives_and_a_killed_process_is_told_by_its_worker(
    deployment, cloud, workers, instance
):
    watch, home = Watch(deployment, workers.logs), Home(deployment.home).make()
    cloud.faults({"route": "POST /jobs", "fault": "slow", "params": {"seconds": 5.0}})
    drop(home, *specifications("cloud", 2))
    deployment.start()
    submitting = watch.until(lambda: len(cloud.book()) >= 2 and running(instance, "2_submit"), "some jobs are accepted")
    (run_id, name) = next(iter(submitting.items()))
    answers = instance.run_launcher.celery.control.inspect(timeout=2.0).stats()[f"celery@{name}"]
    assert instance.run_launcher.terminate(run_id)
    watch.until(lambda: status_of(instance, run_id) is dg.DagsterRunStatus.CANCELED, "the run is cancelled")
    watch.until(lambda: run_id not in running(instance, "2_submit"), "its task has ended")
    now = instance.run_launcher.celery.control.inspect(timeout=2.0).stats()[f"celery@{name}"]
    assert now["pool"]["processes"] == answers["pool"]["processes"], "the worker's processes are the same"

    submitting = watch.until(lambda: running(instance, "2_submit"), "the next run submits; its process is killed")
    (run_id, name) = next(iter(submitting.items()))
    [task] = [
        task
        for task in instance.run_launcher.celery.control.inspect(timeout=2.0).active()[f"celery@{name}"]
        if task["id"] == run_id
    ]
    workers.kill_process(name, task["worker_pid"])
    watch.until(lambda: status_of(instance, run_id) is dg.DagsterRunStatus.FAILURE, "Dagster knows that it is gone")
    assert "its task ended as FAILURE, and the run did not" in messages(instance, run_id), messages(instance, run_id)


def test_the_broker_dies_and_comes_back_empty_while_a_run_goes_on(deployment, broker, cloud, workers, instance):
    watch, home = Watch(deployment, workers.logs), Home(deployment.home).make()
    cloud.faults({"route": "POST /jobs", "fault": "slow", "params": {"seconds": 12.0}})
    drop(home, *specifications("cloud", 1))
    deployment.start()
    [run_id] = watch.until(
        lambda: len(cloud.book()) >= 1 and running(instance, "2_submit"), "a job is accepted; the broker is killed"
    )
    broker.kill()
    accepted = len(cloud.book())
    watch.until(lambda: len(cloud.book()) >= accepted + 4, "the run goes on without it; it comes back")
    broker.start()
    watch.until(lambda: status_of(instance, run_id).value in {"SUCCESS", "FAILURE"}, "the run has ended")
    assert status_of(instance, run_id) is dg.DagsterRunStatus.SUCCESS, messages(instance, run_id)[-2000:]
    cloud.faults()
    cloud.advance(2 * QUEUE_SECONDS)
    watch.until(lambda: Lake(home).keys(schemas.BASELINE_COMPARISONS), "the verdict")
    assert len(cloud.book()) == JOBS_EACH
    failed = [
        run for run in instance.get_runs() if run.status is dg.DagsterRunStatus.FAILURE and run.job_name == "2_submit"
    ]
    assert failed == []
