"""A home with a ledger, a real provider on disk, and a stage for processes that die."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.dispatcher_harness import DispatcherHarness
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor
from qhybrid_pipelines_tests.support.ledgers import DATABASE_VARIABLE, open_test_ledger

RunProcess = Callable[..., list[int]]


@pytest.fixture
def vendor(tmp_path: Path) -> DurableVendor:
    return DurableVendor(tmp_path / "vendor")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    made = open_test_ledger(tmp_path)
    yield made
    made.close()


@pytest.fixture
def sleeps() -> list[float]:
    """Seconds that the dispatcher waited, instead of waiting."""
    return []


@pytest.fixture
def dispatcher(tmp_path: Path, ledger: SqlLedger, vendor: DurableVendor, sleeps: list[float]) -> Dispatcher:
    return Dispatcher(ledger, {"vendor": vendor}, RawStore(tmp_path / "raw"), clock=Clock(sleep=sleeps.append))


@pytest.fixture
def harness(tmp_path: Path, ledger: SqlLedger) -> DispatcherHarness:
    return DispatcherHarness(tmp_path, ledger)


@pytest.fixture(scope="session")
def run_process() -> Iterator[RunProcess]:
    """Run a command of ``crash_process.py`` in one or more forked processes and return how each ended."""
    with subprocess.Popen(
        [sys.executable, "-m", "qhybrid_pipelines_tests.support.crash_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def run(action: str, home: Path, **more: Any) -> list[int]:
            print(json.dumps({"action": action, "home": str(home), **more}), file=process.stdin, flush=True)
            answer: list[int] = json.loads(process.stdout.readline())
            return answer

        yield run
        process.stdin.close()


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What every process of a test is told: the module's ``VENDOR``, and where the ledger is, in a file or on a real server."""
    told: dict[str, Any] = {"vendor": request.module.VENDOR, "budget_usd": 5.0}
    if request.param == "sqlite":
        return told
    server = request.getfixturevalue("postgres_home")
    monkeypatch.setenv(DATABASE_VARIABLE, server)
    return told | {"ledgers_in": server}
