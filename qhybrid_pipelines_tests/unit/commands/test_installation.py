"""`qhybrid doctor --full` says before how long it takes, where that is more than a moment."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.commands import installation
from qhybrid_pipelines.control.ledger.port import ChainHead
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.tampering import fill


def test_a_full_check_of_a_large_ledger_says_how_long_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path / "home").make()
    ledger = SqlLedger.open_sqlite(home.ledger)
    fill(ledger)
    events = ledger.head().position
    ledger.close()

    def said() -> str:
        installation._say_how_long(Workspace(home))
        return capsys.readouterr().err

    assert said() == ""
    monkeypatch.setattr(installation, "MANY_EVENTS", events)
    monkeypatch.setattr(installation, "EVENTS_PER_SECOND", 1)
    assert said() == f"{events} events are compared, which takes about 1 min of processor time\n"
    told = CliRunner().invoke(app, ["doctor", "--full", "--home", str(home.path)]).stderr
    assert f"{events} events are compared" in told
    monkeypatch.setattr(SqlLedger, "head", lambda _: 1 / 0)
    assert said() == "", "a check tells what is wrong with the ledger"
    monkeypatch.setattr(
        SqlLedger, "head", lambda _: ChainHead(position="damaged", hash="")
    )  # SQLite holds text there too
    assert said() == "", "nor does a position that is no number end the command"
