"""Processes on machines whose clocks are wrong: reads commands, forks a real process for each, and says what came of it.

It has to be started with libfaketime, which reads the offset of the wall clock from a file whenever somebody asks for the
time; the boot-time clock stays right, as on a machine whose clock is set. Run as a script.
"""

from __future__ import annotations

import json
import os
import select
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.jobs.ledger_clock import LedgerClock
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import Ambiguous, QHybridError
from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines.core.system.failpoints import VARIABLE
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.ionq.client import IonQClient
from qhybrid_pipelines.execution.providers.ionq import IonQProvider
from qhybrid_pipelines.storage.content_store import RawStore

OFFSET_VARIABLE = "FAKETIME_TIMESTAMP_FILE"
LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


def set_clock(offset: str) -> None:
    """Set the wall clock of this process and its children, such as ``+11m``."""
    Path(os.environ[OFFSET_VARIABLE]).write_text(f"{offset}\n")


def make_dispatcher(home: Path, url: str | None) -> Dispatcher:
    ledger = SqlLedger.open_postgres(url) if url else SqlLedger.open_sqlite(home / "ledger.db")
    providers = {"ionq": IonQProvider(home / "ionq", IonQClient())}
    return Dispatcher(ledger, providers, RawStore(home / "raw"), clock=Clock(sleep=pause))


def pause(seconds: float) -> None:
    """Wait; the system call behind `time.sleep` is one that libfaketime does not stand."""
    select.select([], [], [], seconds)


def work(command: dict[str, Any]) -> dict[str, Any]:
    """Submit the command's work, take a look, and end what is overdue; return what came of it."""
    if command.get("trusts_any_clock"):
        LedgerClock.check = lambda *_: None  # type: ignore[method-assign]  the control
        LedgerClock.margin_seconds = lambda *_: 0.0  # type: ignore[method-assign]
    dispatcher = make_dispatcher(Path(command["home"]), command["url"])
    batch, _ = canary_batch("batch", width=4, qubit=command["qubit"], backend="ionq:simulator")
    batch = replace(batch, experiment=command.get("experiment", batch.experiment))
    request = SubmitRequest(tier="interactive", budget_usd=1.0)
    os.environ |= command.get("environment", {})
    errors = []
    for offset in command["offsets"]:
        set_clock(offset)
        try:
            dispatcher.submit(batch, request)
        except (Ambiguous, QHybridError) as error:
            errors.append(type(error).__name__)
        dispatcher.poll_due()
        dispatcher.expire_due()
    return {
        "errors": errors,
        "states": [str(job.state) for job in dispatcher.ledger.jobs()],
        "clock": dispatcher.clock_problems(),
    }


def run(command: dict[str, Any]) -> dict[str, Any]:
    """Do a command in a process of its own."""
    set_clock(command["offsets"][0])
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        child = os.fork()
        if child == 0:
            try:
                os.environ[VARIABLE] = command.get("failpoint", "")
                answer.write_text(json.dumps(work(command)))
                os._exit(0)
            except BaseException:  # noqa: BLE001  the process ends here, whatever happened
                traceback.print_exc()
                os._exit(1)
        _, status = os.waitpid(child, 0)
        said = json.loads(answer.read_text()) if answer.exists() else {}
    return {"exit": os.waitstatus_to_exitcode(status)} | said


if __name__ == "__main__":
    time.sleep = pause
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
