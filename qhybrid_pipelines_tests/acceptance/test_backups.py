"""Backups that are made while jobs are being sent, and backups of a ledger on a server; the emulator's own book is the judge."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.control.control_plane import ControlPlane
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.core.errors import InvalidInput, Refused
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.emulator.process import Emulator, running_emulator
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.steps.on_demand.home_backups import ask_providers, back_up, restore
from qhybrid_pipelines.storage.home_note import FORMAT, read_note, write_note
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.paid_once.ledger_copies import PostgresPlace

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

JOBS, BACKUPS, LAG_SECONDS = 12, 3, 0.05


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with running_emulator(tmp_path / "cloud", key="some-key", speed=4000.0, seed=7) as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("IONQ_LISTING_LAG_SECONDS", str(LAG_SECONDS))
        yield emulator


def book(cloud: Emulator) -> list[str]:
    return sorted(job["id"] for job in httpx.get(f"{cloud.admin_url}/jobs", timeout=30).json()["jobs"])


def work(number: int) -> CircuitBatch:
    batch, _ = canary_batch("batch", width=4, qubit=1, backend="ionq:simulator")
    return replace(batch, experiment="backups-00000000", seeds=batch.seeds + np.uint64(number))


def send(control_plane: ControlPlane, number: int) -> JobRecord:
    return control_plane.dispatcher.submit(work(number), SubmitRequest(tier="batch", budget_usd=1.0))


def test_a_backup_while_jobs_are_being_sent_pays_nothing_twice(cloud: Emulator, tmp_path: Path) -> None:
    """Whatever a backup has missed is found at the provider; after a person's word it is adopted."""
    home = Home(tmp_path / "home").make()
    control_plane = ControlPlane(home)
    send(control_plane, 0)  # the list must show one from now on
    failures: list[BaseException] = []

    def send_all() -> None:
        try:
            for number in range(1, JOBS):
                send(control_plane, number)
        except BaseException as error:  # noqa: BLE001 - the test's own thread says it
            failures.append(error)

    sender = threading.Thread(target=send_all)
    sender.start()
    heads = []
    for number in range(BACKUPS):
        heads.append(back_up(home, ControlPlane(home), tmp_path / f"backup{number}").head.position)
        time.sleep(0.2)
    still_sending = sender.is_alive()
    sender.join()
    assert failures == []
    assert heads[0] < control_plane.ledger.head().position, "something was sent after the first backup"
    assert heads == sorted(heads)
    paid = book(cloud)
    assert len(paid) == JOBS, (still_sending, heads)
    time.sleep(2 * LAG_SECONDS)
    for number in range(BACKUPS):
        restored = Home(tmp_path / f"restored{number}")
        restore(tmp_path / f"backup{number}", restored)
        again = ControlPlane(restored)
        with pytest.raises(Refused, match="qhybrid home continue"):
            again.guard.check()  # its providers were not asked yet
        assert ask_providers(restored, again) == {}
        if again.guard.problems():
            again.guard.go_on(by="ada")
        jobs = [send(again, one) for one in range(JOBS)]
        assert sorted(str(job.provider_job_id) for job in jobs) == paid, number
        assert book(cloud) == paid, number
        again.ledger.close()


def test_an_older_release_makes_no_backup_of_a_newer_ones_home(tmp_path: Path) -> None:
    """It may collect there, and does not know what else belongs to the home."""
    home = Home(tmp_path / "home").make()
    control_plane = ControlPlane(home)
    control_plane.guard.check()
    note = read_note(home)
    assert note is not None
    write_note(home, replace(note, format=FORMAT + 1))
    with pytest.raises(InvalidInput, match=f"the home has format {FORMAT + 1}"):
        back_up(home, control_plane, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
    control_plane.ledger.close()
    shown = CliRunner().invoke(app, ["home", "show", "--json", "--home", str(home.path)])
    assert json.loads(shown.output)["format"] == FORMAT + 1


class TestOnAServer:
    def test_the_command_is_refused_in_one_sentence(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
    ) -> None:
        monkeypatch.setenv("QHYBRID_LEDGER_URL", postgres_url)
        Home(tmp_path / "home").make()
        result = CliRunner().invoke(app, ["backup", str(tmp_path / "backup"), "--home", str(tmp_path / "home")])
        assert isinstance(result.exception, InvalidInput), result.output
        assert "on a Postgres server" in str(result.exception)
        assert "docs/copies.md says in which order" in str(result.exception)
        assert not (tmp_path / "backup").exists()

    def test_the_servers_own_backup_pays_nothing_twice(
        self, cloud: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_database: str
    ) -> None:
        """As the page says: the lake, then the database by the server's tools, then the rest; after a restore, a check."""
        database = str(make_url(postgres_database).database)
        place = PostgresPlace(postgres_database, database, admin_database="postgres")
        monkeypatch.setenv("QHYBRID_LEDGER_URL", postgres_database)
        home = Home(tmp_path / "home").make()
        before = ControlPlane(home)
        for number in range(3):
            assert send(before, number).state is not JobState.SUBMIT_UNKNOWN
        before.ledger.close()
        place.keep_copy()
        shutil.copytree(home.path, tmp_path / "saved")
        goes_on = ControlPlane(home)
        for number in range(3, 6):
            send(goes_on, number)
        goes_on.ledger.close()
        paid = book(cloud)
        assert len(paid) == 6
        time.sleep(2 * LAG_SECONDS)
        place.put_back()
        shutil.rmtree(home.path)
        shutil.copytree(tmp_path / "saved", home.path)
        again = ControlPlane(home)
        assert ask_providers(home, again) == {}
        assert again.guard.problems(), "jobs were sent since"
        with pytest.raises(Refused, match="qhybrid home continue"):
            send(again, 6)
        again.guard.go_on(by="ada")
        jobs = [send(again, number) for number in range(6)]
        assert sorted(str(job.provider_job_id) for job in jobs) == paid == book(cloud)
        again.ledger.close()
