"""A backend that its provider has retired, or whose key is not set any more: what was sent there is polled and collected.

The emulator's own book is the judge: nothing is sent again. Where the provider cannot be reached, one sentence says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.emulator.process import Emulator, running_emulator
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.emulator_client import Client
from qhybrid_pipelines_tests.support.experiment_homes import RUNS_IN_PROCESS, make_launcher, register
from qhybrid_pipelines_tests.support.recording_proxy import RecordedRequest, proxy
from qhybrid_pipelines_tests.support.scripted_server import Reply

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.slow,
    RUNS_IN_PROCESS,
    pytest.mark.filterwarnings("ignore:AutoDateLocator was unable:UserWarning"),
]

DEVICE = "qpu.aria-1"
SPEC = {
    "name": "orphan",
    "problem": {"family": "maxcut", "source": {"generator": "random_regular", "nodes": 6, "degree": 3, "seed": 4}},
    "backends": [f"ionq:{DEVICE}"],
    "budget": {"usd": 1000.0},
    "ansatz": {"layers": 1},
    "sweep": {"strategy": "fixed_angles", "points": 1},
    "shots": 64,
    "repetitions": 1,
}


def without(device: str) -> Callable[[RecordedRequest, Reply], Reply]:
    """Make of a service's answers those of one that has never heard of a device."""

    def changed(asked: RecordedRequest, answer: Reply) -> Reply:
        status, headers, body = answer
        path = asked.target.partition("?")[0]
        if path.endswith("/backends"):
            left = [one for one in json.loads(body) if one["backend"] != device]
            return status, headers, json.dumps(left).encode()
        if f"/backends/{device}" in path:
            return 404, headers, b'{"error": "Not Found", "message": "there is no such backend"}'
        return status, headers, body

    return changed


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with running_emulator(tmp_path / "cloud", key="some-key", speed=0.001) as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        yield emulator


@pytest.fixture
def sent(cloud: Emulator, tmp_path: Path) -> tuple[Path, list[str]]:
    """A home whose only job is queued at its provider."""
    home = tmp_path / "home"
    launcher = make_launcher(home)
    keys = register(launcher, [SPEC])
    launcher.run(keys, lambda stage, asset: None)
    assert states(home, keys[0]) == [JobState.SUBMITTED]
    return home, keys


def states(home: Path, key: str) -> list[JobState]:
    """Of the experiment's own jobs; there are canaries, too."""
    ledger = SqlLedger.open_sqlite(Home(home).ledger)
    found = [job.state for job in ledger.jobs(experiment=key)]
    ledger.close()
    return found


def book(cloud: Emulator) -> list[str]:
    return [job["id"] for job in httpx.get(f"{cloud.admin_url}/jobs", timeout=30).json()["jobs"]]


def finish(cloud: Emulator) -> None:
    """All jobs at the provider come to their end."""
    client = Client(cloud)
    client.advance(1e6)
    client.close()


def go_on(home: Path, keys: list[str]) -> list[str]:
    """Run the experiment again, in a new process as far as its providers are concerned; return what failed."""
    _, failures = make_launcher(home).run(keys, lambda stage, asset: None, wait=True)
    return [failure.message for failure in failures]


def test_a_retired_device_is_polled_and_collected(
    cloud: Emulator, sent: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, keys = sent
    before = book(cloud)
    finish(cloud)
    with proxy(cloud.url, without(DEVICE)) as service:
        monkeypatch.setenv("IONQ_API_URL", service.url)
        assert go_on(home, keys) == []
        doctor = CliRunner().invoke(app, ["doctor", "--home", str(home)])
        assert "Traceback" not in doctor.output
        assert any("/backends" in request.target for request in service.seen)
    assert states(home, keys[0]) == [JobState.VERIFIED]
    assert book(cloud) == before


def test_a_key_that_is_not_set_any_more_is_one_sentence_and_nothing_is_lost(
    cloud: Emulator, sent: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, keys = sent
    before = book(cloud)
    finish(cloud)
    with monkeypatch.context() as unset:
        for name in ("IONQ_API_KEY", "IONQ_API_URL"):
            unset.delenv(name)
        result = CliRunner().invoke(app, ["run", keys[0], "--home", str(home)])
        assert "IONQ_API_KEY" in result.output, result.output
        assert "Traceback" not in result.output
    assert go_on(home, keys) == []
    assert states(home, keys[0]) == [JobState.VERIFIED]
    assert book(cloud) == before
