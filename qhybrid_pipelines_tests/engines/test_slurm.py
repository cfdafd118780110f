"""The pipeline on a real Slurm of two nodes, which are killed; the judges are the emulated cloud's own book and Slurm's.

`make test-slurm`; needs Debian's packages slurmctld, slurmd, slurm-client, slurm-wlm-basic-plugins and munge.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import combinations

import dagster as dg
import httpx
import pytest
from dagster._core.instance.ref import InstanceRef

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.reporting.spans import job_spans
from qhybrid_pipelines.launchers.slurm_jobs import SlurmResources, SlurmUnavailable, cancel_job, find_job, submit_job
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes, postgres_databases, slurm_cluster
from qhybrid_pipelines_tests.support.browser import answers, get_free_port, wait_until
from qhybrid_pipelines_tests.support.dagster_daemon import DaemonProcess
from qhybrid_pipelines_tests.support.engine_deployments import POLICY, QUEUE_SECONDS, Watch, drop, messages, slow_cloud
from qhybrid_pipelines_tests.support.slurm_cluster import SlurmCluster, processes_with, slurm_cluster_in

REASON = slurm_cluster.reason_against()
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(REASON is not None, reason=str(REASON)),
    experiment_homes.RUNS_IN_PROCESS,
]

CLOUD_EXPERIMENTS, LOCAL_EXPERIMENTS, JOBS_EACH = 4, 4, 10


def specifications(name: str, count: int) -> list[dict[str, object]]:
    """Return experiments for the cloud, one circuit a job, or some that a node simulates for some seconds."""
    local = name == "node"
    source = {"generator": "random_regular", "nodes": 20 if local else 4, "degree": 3}
    return [
        {
            "name": f"{name} {number}",
            "problem": {"family": "maxcut", "source": {**source, "seed": number}},
            "ansatz": {"layers": 2 if local else 1},
            "sweep": {"strategy": "fixed_angles", "points": 300 if local else JOBS_EACH},
            "repetitions": 1,
            "shots": 50,
            "rounds": {"max": 1},
            "backends": ["local:auto" if local else "ionq:simulator"],
        }
        for number in range(1, count + 1)
    ]


@pytest.fixture
def cluster(monkeypatch) -> Iterator[SlurmCluster]:
    with slurm_cluster_in() as opened:
        for name, value in opened.environment.items():
            monkeypatch.setenv(name, value)
        yield opened


@pytest.fixture
def cloud(tmp_path):
    with slow_cloud(tmp_path / "cloud", "on-slurm") as client:
        yield client


@pytest.fixture
def deployment(tmp_path, cloud, cluster, postgres_server, monkeypatch) -> Iterator[DaemonProcess]:
    with (
        postgres_databases.database(postgres_server) as ledger,
        postgres_databases.database(postgres_server) as dagster,
    ):
        own = {"QHYBRID_LEDGER_URL": ledger, "QHYBRID_DAGSTER_POSTGRES_URL": dagster}
        monkeypatch.setenv("QHYBRID_LEDGER_URL", ledger)
        monkeypatch.setenv("QHYBRID_DAGSTER_POSTGRES_URL", dagster)
        environment = {**cloud.emulator.environment, "IONQ_LISTING_LAG_SECONDS": "0.2", **cluster.environment, **own}
        opened = DaemonProcess(tmp_path / "checkout", environment, "deploy/slurm/dagster.yaml")
        (opened.home / "policy.yaml").write_text(POLICY)
        monkeypatch.chdir(opened.folder)
        try:
            yield opened
        finally:
            opened.kill()
            cluster.says("scancel", "--state=RUNNING")
            cluster.says("scancel", "--state=PENDING")
            wait_until(lambda: not cluster.jobs("RUNNING", "COMPLETING"), 60, "the workers to end")


@pytest.fixture
def instance(deployment):
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(deployment.folder))) as opened:
        yield opened


def running(instance, cluster, job: str) -> dict[str, str]:
    """Return the nodes on which runs of a job have begun, by the runs' ids."""
    on_nodes = cluster.jobs("RUNNING")
    runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.STARTED]))
    return {run.run_id: on_nodes[run.run_id] for run in runs if run.run_id in on_nodes}


def test_eight_experiments_while_a_run_and_a_node_are_killed(deployment, cloud, cluster, instance):
    watch, home = Watch(deployment, cluster.logs), Home(deployment.home).make()
    lake = Lake(home)
    drop(home, *specifications("cloud", CLOUD_EXPERIMENTS))
    drop(home, *specifications("node", LOCAL_EXPERIMENTS))
    deployment.start()

    watch.until(lambda: len(cloud.book()) >= 3, "some jobs are accepted; the run that submits is killed")
    (killed, *_) = running(instance, cluster, "2_submit")
    for pid in processes_with(killed):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    watch.until(
        lambda: instance.get_run_by_id(killed).status is dg.DagsterRunStatus.FAILURE, "Dagster knows that it is gone"
    )
    assert "is FAILED" in messages(instance, killed)
    assert "on node" in messages(instance, killed)

    watch.until(lambda: lake.keys(schemas.BASELINE_COMPARISONS), "a simulated experiment has its verdict")
    watch.until(lambda: running(instance, cluster, "2_execute"), "another one is simulated; its node is killed")
    lost, node = next(iter(running(instance, cluster, "2_execute").items()))
    cluster.kill(node)
    watch.until(
        lambda: instance.get_run_by_id(lost).status is dg.DagsterRunStatus.FAILURE, "Dagster knows of the lost node"
    )
    assert f"is NODE_FAIL on {node}" in messages(instance, lost)
    cluster.start_node(node)
    watch.until(lambda: len(cloud.book()) >= CLOUD_EXPERIMENTS * JOBS_EACH, "all jobs are accepted")
    cloud.faults()
    cloud.advance(2 * QUEUE_SECONDS)
    everything = CLOUD_EXPERIMENTS + LOCAL_EXPERIMENTS
    watch.until(lambda: len(lake.keys(schemas.BASELINE_COMPARISONS)) == everything, "all verdicts")
    deployment.kill()

    ledger = SqlLedger.open_postgres(os.environ["QHYBRID_LEDGER_URL"])
    jobs = [job for job in ledger.jobs() if job.experiment.startswith(("cloud", "node"))]
    book = cloud.book()
    paid = {job.provider_job_id for job in jobs if job.provider == "ionq"}
    assert len({entry["metadata"]["qhybrid_token"] for entry in book}) == len(book) == CLOUD_EXPERIMENTS * JOBS_EACH
    assert {entry["id"] for entry in book} == paid
    assert {str(job.state) for job in jobs} == {"VERIFIED"}
    assert ledger.verify_chain().is_intact

    simulated = [
        span
        for job in jobs
        if job.provider == "local"
        for span in job_spans(job, ledger.events(job.job_id))
        if span.name == "qhybrid.execute"
    ]
    assert len(simulated) == LOCAL_EXPERIMENTS
    together = [min(a.end_time, b.end_time) - max(a.start_time, b.start_time) for a, b in combinations(simulated, 2)]
    print(f"two nodes simulated at the same time for {max(together) / 1e9:.1f} s")
    assert max(together) > 0

    known = instance.get_runs()
    nodes = cluster.jobs()
    assert {nodes[run.run_id] for run in known if run.job_name == "2_execute"} == set(slurm_cluster.NODES)
    submitted = cluster.says("squeue", "--noheader", "--states=all", "--format=%j").split()
    assert len(submitted) == len(set(submitted)), "one job of Slurm for each run"
    assert set(submitted) == {run.run_id for run in known if run.status is not dg.DagsterRunStatus.QUEUED}


TERMINATE = """
mutation ($ids: [String!]!) {
  terminateRuns(runIds: $ids, terminatePolicy: SAFE_TERMINATE) {
    __typename
    ... on TerminateRunsResult { terminateRunResults { __typename } }
    ... on PythonError { message }
  }
}
"""


def test_a_run_that_a_person_terminates_is_cancelled_and_not_asked_for_again(deployment, cloud, cluster, instance):
    watch, home = Watch(deployment, cluster.logs), Home(deployment.home).make()
    drop(home, *specifications("cloud", 1))
    deployment.start()
    address = deployment.serve(get_free_port())
    watch.until(lambda: answers(f"{address}/server_info"), "the web page")
    watch.until(lambda: len(cloud.book()) >= 2, "some jobs are accepted; a person terminates the run")
    (run_id,) = running(instance, cluster, "2_submit")
    workers = processes_with(run_id)
    assert workers
    answer = httpx.post(f"{address}/graphql", json={"query": TERMINATE, "variables": {"ids": [run_id]}}, timeout=60)
    (result,) = answer.json()["data"]["terminateRuns"]["terminateRunResults"]
    assert result["__typename"] == "TerminateRunSuccess", answer.text
    watch.until(lambda: instance.get_run_by_id(run_id).status is dg.DagsterRunStatus.CANCELED, "it is cancelled")
    watch.until(lambda: not processes_with(run_id), "its process has ended")
    watch.until(lambda: not find_job(run_id, since=datetime.now(UTC)).is_alive, "its job has, too")
    accepted, known = len(cloud.book()), len(instance.get_runs())
    ticks = len(instance.get_ticks(*_due_stages(instance)))
    watch.until(lambda: len(instance.get_ticks(*_due_stages(instance))) > ticks + 5, "the sensor looks again and again")
    assert (len(cloud.book()), len(instance.get_runs())) == (accepted, known)


def _due_stages(instance: dg.DagsterInstance) -> tuple[str, str]:
    (state,) = [state for state in instance.all_instigator_state() if state.name == "due_stages"]
    return state.instigator_origin_id, state.selector_id


class TestJobsOfSlurm:
    """What the launcher asks Slurm for, and what it is told."""

    @pytest.fixture
    def cluster(self, monkeypatch) -> Iterator[SlurmCluster]:
        with slurm_cluster_in(job_seconds=2) as opened:
            for name, value in opened.environment.items():
                monkeypatch.setenv(name, value)
            yield opened

    def test_a_job_lives_waits_is_cancelled_and_is_forgotten(self, cluster, tmp_path):
        now = datetime.now(UTC)

        def submit(name: str) -> None:
            asked = SlurmResources(cores="2", memory="1G", licenses="ionq:1", partition="batch", time_limit="10")
            script = "#!/bin/sh\nexec sleep 1000\n"
            submit_job(script, name=name, resources=asked, folder=tmp_path, log=tmp_path / "log")

        def state(name: str) -> str:
            job = find_job(name, since=now)
            return job.state if job else "unknown"

        assert find_job("first", since=now) is None
        submit("first")
        wait_until(lambda: state("first") == "RUNNING", 60, "the first to run")
        submit("second")
        job, waiting = find_job("first", since=now), find_job("second", since=now)
        assert job is not None
        assert waiting is not None
        assert (job.is_alive, job.has_begun, waiting.is_alive, waiting.has_begun) == (True, True, True, False)
        shown = cluster.says("scontrol", "show", "job", job.job_id)
        assert "Requeue=0" in shown
        assert "NumCPUs=2" in shown
        assert "Licenses=ionq:1" in shown
        cancel_job(job.job_id)
        wait_until(lambda: state("first") == "CANCELLED", 60, "the first to be cancelled")
        wait_until(lambda: state("second") == "RUNNING", 120, "the second to have the licence")
        wait_until(lambda: state("first") == "unknown", 120, "the controller to forget the first")

    def test_without_a_controller_nothing_is_known(self, cluster, tmp_path, monkeypatch):
        monkeypatch.setattr("qhybrid_pipelines.launchers.slurm_jobs.COMMAND_SECONDS", 5.0)
        cluster.kill("slurmctld")
        with pytest.raises(SlurmUnavailable):
            find_job("any", since=datetime.now(UTC))
        with pytest.raises(SlurmUnavailable):
            submit_job("#!/bin/sh\n", name="any", resources=SlurmResources(), folder=tmp_path, log=tmp_path / "log")
