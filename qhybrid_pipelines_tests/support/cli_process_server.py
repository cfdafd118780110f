"""A stage on which `qhybrid` runs and dies: one real process per command, forked from one that has everything imported.

Starting Python and importing Dagster, Qiskit and MLflow costs seconds, in which nothing of ours can be lost; a fork
spends its whole life in the command. Run as a script: reads one JSON object per line, answers with one.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sqlite3
import sys
import time
import traceback
import urllib.request
from pathlib import Path
from typing import Any

from qhybrid_pipelines.cli import main as qhybrid
from qhybrid_pipelines.core.system.failpoints import VARIABLE

#: What a run imports late.
LAZY_MODULES = (
    *("duckdb", "mlflow", "mlflow.tracking", "qiskit", "qiskit.qasm3", "qiskit_aer", "qiskit_qasm3_import"),
    *("ortools.sat.python.cp_model", "scipy.optimize", "networkx", "dimod", "dwave.samplers"),
    *(
        "matplotlib.pyplot",
        "qhybrid_pipelines.launch",
        "qhybrid_pipelines.steps.on_demand.summary",
        "qhybrid_pipelines.terminal",
    ),
)


def perform(command: dict[str, Any]) -> None:
    """Be the command, in the child."""
    log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(command["output"], os.O_WRONLY) if "output" in command else log, 1)
    os.dup2(log, 2)
    os.environ |= {VARIABLE: command.get("failpoint", ""), "TMPDIR": command["tmp"], **command.get("environment", {})}
    os.chdir(command.get("folder", "."))
    sys.argv = ["qhybrid", *command["arguments"]]
    try:
        qhybrid()
    except SystemExit as end:
        os._exit(int(end.code or 0))
    except BaseException:  # noqa: BLE001 - a child must report, whatever happened
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def wait_for_stages(runs: Path, stages: int) -> None:
    """Wait until so many runs have ended well, by Dagster's own book."""
    deadline = time.monotonic() + 120
    while stages and time.monotonic() < deadline:
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{runs}?mode=ro", uri=True)) as book,
        ):
            if book.execute("SELECT count(*) FROM runs WHERE status = 'SUCCESS'").fetchone()[0] >= stages:
                return
        time.sleep(0.02)


def wait_for_accepted_jobs(book: str, jobs: int) -> None:
    """Wait until a provider's own book has so many jobs."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with urllib.request.urlopen(book, timeout=5) as page:
            if len(json.load(page)["jobs"]) >= jobs:
                return
        time.sleep(0.005)


def main() -> None:
    """Serve commands.

    A command may say when it is to be killed: ``failpoint``, or ``kill_after_stages`` and ``kill_after_seconds``, or
    ``kill_after_jobs`` in the ``book`` of a provider, and ``then_seconds`` later.
    """
    for module in LAZY_MODULES:
        importlib.import_module(module)
    for line in sys.stdin:
        command = json.loads(line)
        started = time.time()
        child = os.fork()
        if child == 0:
            perform(command)
        if "kill_after_seconds" in command:
            wait_for_stages(Path(command["runs"]), command["kill_after_stages"])
            time.sleep(command["kill_after_seconds"])
            os.kill(child, signal.SIGKILL)
        if "kill_after_jobs" in command:
            wait_for_accepted_jobs(command["book"], command["kill_after_jobs"])
            time.sleep(command.get("then_seconds", 0.0))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        end = {"code": os.waitstatus_to_exitcode(status), "started": started, "seconds": time.time() - started}
        print(json.dumps(end), flush=True)


if __name__ == "__main__":
    main()
