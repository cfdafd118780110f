"""Dagster's web page and daemon as a user starts them: what the command line ran is there, and a click runs it again."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef

from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.browser import (
    RUN_SECONDS,
    START_SECONDS,
    answers,
    get_free_port,
    open_page,
    wait_until,
)

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, experiment_homes.RUNS_IN_PROCESS]

ROOT = Path(__file__).resolve().parents[2]
BACKEND = "local:auto"
PETERSEN = {
    "name": "petersen",
    "problem": {"family": "maxcut", "source": "networkx:petersen"},
    "sweep": {"strategy": "fixed_angles", "points": 2},
    "repetitions": 10,
    "shots": 128,
    "rounds": {"max": 1},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as a checkout is one for Dagster, with ``data`` under it, in which one experiment has its verdict."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, folder / name)
    launcher = experiment_homes.make_launcher(folder / "data")
    experiment_homes.run(launcher, experiment_homes.register(launcher, [PETERSEN]))
    return folder


@pytest.fixture(scope="module")
def instance(folder):
    """The instance that Dagster's own processes open in that folder, by its ``dagster.yaml`` alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder))) as instance:
            yield instance


@pytest.fixture(scope="module")
def page_address(folder):
    """Address of a running web page, with a daemon beside it; both are gone afterwards, with all their children."""
    port = get_free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DAGSTER", "QHYBRID"))}
    environment |= {"DAGSTER_HOME": str(folder), "PYTHONPATH": str(ROOT)}
    scripts = Path(sys.executable).parent
    commands = (
        ["dagster-webserver", "-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml"],
        ["dagster-daemon", "run", "-w", "workspace.yaml"],
    )
    processes = []
    try:
        for number, (program, *arguments) in enumerate(commands):
            with (folder / f"{number}-{program}.log").open("w") as log:
                processes.append(
                    subprocess.Popen(
                        [scripts / program, *arguments],
                        cwd=folder,
                        env=environment,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{address}/server_info"), START_SECONDS, "the web page to start")
        yield address
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def page(page_address):
    with open_page(page_address) as page:
        yield page


def materialisations(instance, asset, partition):
    return instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition]), limit=10
    ).records


def test_dagster_yaml_and_the_command_line_mean_the_same_instance(instance):
    """Runs, partitions and metadata written by the launcher are seen without any environment."""
    (key,) = instance.get_dynamic_partitions("experiments")
    assert [run.job_name for run in instance.get_runs()] == ["operate_publish", "2_execute", "1_prepare"]
    assert len(materialisations(instance, "baseline_comparisons", f"{BACKEND}|{key}")) == 1


def test_a_partition_is_materialised_by_clicking_and_its_verdict_is_read(page, instance):
    (key,) = instance.get_dynamic_partitions("experiments")
    partition = f"{BACKEND}|{key}"
    (before,) = materialisations(instance, "baseline_comparisons", partition)
    verdict = before.asset_materialization.metadata["verdict"].value

    page.goto(f"/assets/baseline_comparisons?view=partitions&partition={quote(partition, safe='')}")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("button", name="Launch 1 run").click()
    page.get_by_text("Launched run").wait_for()
    wait_until(
        lambda: len(materialisations(instance, "baseline_comparisons", partition)) == 2, RUN_SECONDS, "the clicked run"
    )
    after = materialisations(instance, "baseline_comparisons", partition)[0]
    assert after.run_id != before.run_id
    assert after.asset_materialization.metadata["sha256"] == before.asset_materialization.metadata["sha256"]

    page.reload()
    page.get_by_text(after.run_id[:8]).first.wait_for()
    row = page.locator("tr", has=page.get_by_text("verdict", exact=True)).first
    assert verdict in row.inner_text()
    assert page.locator("tr", has=page.get_by_text("best_classical", exact=True)).count() == 1
