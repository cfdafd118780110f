"""Every command of the runbook runs, in order, and those of the emulated cloud and the first paid job, on such a cloud."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines_tests.support.documented_commands import (
    commands,
    jobs,
    keys,
    shown_files,
    write,
)
from qhybrid_pipelines_tests.support.job_histories import UNKNOWN, write_job_history
from qhybrid_pipelines_tests.support.page_commands import (
    ROOT,
    TOP,
    Terminal,
    replaced,
)

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]


@pytest.fixture
def terminal(tmp_path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


@contextmanager
def cloud(folder: Path, *faults: dict[str, object]) -> Iterator[dict[str, str]]:
    """Run an emulated cloud that begins with faults; give the variables that lead to it."""
    (folder / "faults.json").write_text(json.dumps(faults))
    with running_emulator(folder / "cloud", key="my-key", speed=5000.0, faults=folder / "faults.json") as emulator:
        yield emulator.environment


@pytest.mark.long
def test_the_runbook(terminal):
    folder = terminal.folder
    (folder / "data").mkdir()
    asks = {"name": "ask", "backend": "local:aer-exact", "then": "approve", "reason": "somebody should look"}
    rest = {"name": "rest", "backend": "*", "then": "allow", "reason": "all else"}
    (folder / "data" / "policy.yaml").write_text(yaml.safe_dump({"rules": [asks, rest]}))
    stuck = {"fault": "stuck", "backend": "qpu.aria-1"}
    fails = {"fault": "failed", "backend": "simulator", "nth": 1, "times": 1}
    with cloud(folder, stuck, fails) as environment:
        terminal.environment |= environment
        _first_look(terminal)
        _jobs_of_a_cloud(terminal)
        _approvals_and_budgets(terminal)
        _files_and_figures(terminal)


def _first_look(terminal: Terminal) -> None:
    for seed in (1, 2):
        terminal.run(f"qhybrid run {write(terminal.folder, f'desk {seed}', seed=seed)}")
    [verified, _] = jobs(terminal, "VERIFIED")
    values = {"KEY": "latest", "JOB": verified}
    for line in commands("runbook.md", "First look"):
        terminal.run(line, **{name: value for name, value in values.items() if name in line})
    for line in commands("runbook.md", "A result looks wrong"):
        terminal.run(line, JOB=verified)
    [line] = commands("runbook.md", "A number changed")
    first, second = keys(terminal)
    terminal.run(line.replace("KEY KEY", f"{first} {second}"))
    for line in commands("runbook.md", "Questions that help at night"):
        told = terminal.run(line, **({"JOB": verified} if "'JOB'" in line else {}))
        assert "JOB" not in line or "JobVerified" in told or "'JOB'" not in line
    [line] = commands("runbook.md", "The calibration is old")
    terminal.run(line)


def _jobs_of_a_cloud(terminal: Terminal) -> None:
    folder = terminal.folder
    usd = {"usd": 1000.0}
    killed, listed, again = commands("runbook.md", "A process was killed")
    spec = write(folder, "killed", backends=["ionq:qpu.forte-1"], budget=usd)
    terminal.run(killed, code=-9, SPEC=spec)
    assert "SUBMITTING" in terminal.run(listed)
    terminal.run(again, SPEC=spec)
    terminal.run("qhybrid run SPEC --wait", SPEC=spec)
    spec = write(folder, "stuck", backends=["ionq:qpu.aria-1"], budget=usd)
    terminal.run("qhybrid run SPEC", SPEC=spec)
    online, queued, reroute = commands("runbook.md", "The queue is full")
    terminal.run(online, code=(0, 3))
    waiting = json.loads(terminal.run("qhybrid jobs list --json --open --backend ionq:qpu.aria-1"))[0]["job_id"]
    terminal.run(queued)
    terminal.run(reroute, JOB=waiting)
    for heading in ("A provider is down, or its breaker is open", "A clock is wrong"):
        [line] = commands("runbook.md", heading)
        terminal.run(line, code=(0, 3))
    spec = write(folder, "fails", backends=["ionq:simulator"], seed=9)
    terminal.run("qhybrid run SPEC --wait", code=3, SPEC=spec)
    [failed] = jobs(terminal, "FAILED")
    fetch, replay, retry = commands("runbook.md", "A result is refused")
    terminal.run(fetch, JOB=failed, code=(0, 2, 3))
    terminal.run(replay, JOB=failed, code=2)  # nothing was ever received of it
    terminal.run(retry, JOB=failed)
    expired, _ = commands("runbook.md", "The deadline passed")
    terminal.run(expired)
    unknown = ["u1", "u2", "u3"]
    with closing_ledger(folder / "data") as ledger:
        for job in unknown:
            write_job_history(ledger, job, UNKNOWN)
    show, *resolve = commands("runbook.md", "A job is SUBMIT_UNKNOWN")
    assert "SUBMIT_UNKNOWN" in terminal.run(show, JOB="u1")
    for line, job in zip(resolve, unknown, strict=True):
        # The third has no other home's job to pay an own one beside.
        terminal.run(replaced(line.replace("ID", "there-1"), {"JOB": job}), code=2 if "--pay-own" in line else 0)


@contextmanager
def closing_ledger(home: Path) -> Iterator[SqlLedger]:
    ledger = SqlLedger.open_sqlite(home / "ledger.db")
    yield ledger
    ledger.close() if hasattr(ledger, "close") else None


def _approvals_and_budgets(terminal: Terminal) -> None:
    folder = terminal.folder
    for seed in range(4):
        terminal.run(f"qhybrid run {write(folder, f'asks {seed}', backends=['local:aer-exact'], seed=seed)}", code=3)
    first, second, third, fourth = jobs(terminal, "AWAITING_APPROVAL")
    listed, show, approve, decline = commands("runbook.md", "A job waits for approval")
    assert first in terminal.run(listed)
    terminal.run(show, JOB=first)
    terminal.run("qhybrid jobs reprioritise JOB 5", JOB=first)
    terminal.run(approve, JOB=first, NAME="grace")
    terminal.run(decline, JOB=second, NAME="grace", TEXT="'not now'")
    assert jobs(terminal, "REJECTED") == [second]
    [_, retry] = commands("runbook.md", "The deadline passed")
    terminal.run(retry, JOB=second)
    price, due, cancel = commands("runbook.md", "The budget is gone")
    terminal.run(price, SPEC="asks-0.yaml")
    terminal.run(due, code=(0, 4))
    terminal.run(cancel, JOB=third)
    cancel, whole, again = commands("runbook.md", "Cancel, run again")
    terminal.run(cancel, JOB=fourth)
    [key] = [key for key in keys(terminal) if key.startswith("asks-0-")]
    terminal.run(whole, KEY=key)
    terminal.run(again, KEY=key, code=(0, 3))


def _files_and_figures(terminal: Terminal) -> None:
    quarantine = terminal.folder / "data" / "quarantine"
    (quarantine / "bad.error.json").write_text('{"file": "bad.mc", "line": 1}')
    for heading in ("Quarantine fills up", "The disk is full"):
        for line in commands("runbook.md", heading):
            terminal.run(line)
    terminal.environment |= {"QHYBRID_HOME": str(terminal.folder / "data"), "DAGSTER_HOME": str(terminal.folder)}
    shutil.copy(ROOT / "dagster.yaml", terminal.folder)
    for heading in ("The warehouse is stale", "MLflow is away"):
        for line in commands("runbook.md", heading):
            terminal.run(line)
    terminal.run("qhybrid metrics")
    terminal.run("qhybrid doctor --full", code=(0, 3))


@pytest.mark.long
def test_the_emulated_cloud_and_the_first_paid_job(terminal):
    folder = terminal.folder
    start, export = commands("emulator.md", "Start")
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    options = "--interface 2026-10"  # as the page of the first paid job has it
    server = subprocess.Popen(
        ["bash", "-c", f"exec {start.replace('8765', str(port)).replace('--speed 60', '--speed 3600')} {options}"],
        cwd=folder,
        env=terminal.shell_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline().split() == ["ready", f"http://127.0.0.1:{port}/v0.4"]
        terminal.run(export.replace("8765", str(port)))
        (folder / "ionq.key").write_text("my-key")
        del terminal.environment["IONQ_API_KEY"]
        for line in commands("first-paid-job.md", TOP):
            terminal.run(line)
        assert (folder / "machine.md").is_file()
        assert (folder / "ionq.key").stat().st_mode & 0o777 == 0o600
        write(folder, "my problem", backends=["ionq:qpu.forte-1"], budget={"usd": 1000.0})
        terminal.run("qhybrid estimate my-problem.yaml")
        for line in commands("backends.md", TOP):
            assert ("local:auto" if "show local:auto" in line else "ionq:qpu.forte-1") in terminal.run(line)
        (folder / "loop.yaml").write_text(shown_files("experiments.md")["loop.yaml"])
        terminal.run("qhybrid estimate loop.yaml")
        for line in commands("emulator.md", "The annealing face"):
            terminal.run(line.replace("8765", str(port)))
        for line in commands("emulator.md", "The Braket face"):
            terminal.run(line.replace("8765", str(port)))
        for line in commands("emulator.md", "The face of IBM"):
            terminal.run(line.replace("8765", str(port)))
        terminal.run("qhybrid backends verify ionq:qpu.forte-1 --max-usd 30")
        terminal.run("qhybrid jobs list")
        terminal.run("qhybrid run my-problem.yaml --no-wait")
        terminal.run("qhybrid run KEY", KEY=keys(terminal)[0])
        terminal.run("qhybrid doctor", code=(0, 3))
        book = httpx.get(f"http://127.0.0.1:{port}/_admin/jobs", timeout=30).json()["jobs"]
        assert (
            len([job for job in book if job["backend"] == "qpu.forte-1"]) == 2
        )  # the verification's, and the experiment's
    finally:
        server.terminate()
        server.communicate(timeout=60)
