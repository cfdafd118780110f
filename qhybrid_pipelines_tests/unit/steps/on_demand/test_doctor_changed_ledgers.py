"""Whatever somebody has written into a ledger from outside, the doctor says so in sentences, and no look ends the others."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.steps.on_demand.doctor import findings
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.job_histories import COMPLETE, FAILED, write_job_history
from qhybrid_pipelines_tests.support.ledger_plans import plan

#: A type of SQLite that no column has, and a text that is no number, state or time.
VALUES = (b"\xff\x00", "x")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "ledger.db"
    ledger = SqlLedger.open_sqlite(path)
    write_job_history(ledger, "j1", COMPLETE)
    write_job_history(ledger, "j2", FAILED)
    ledger.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


def changed(whole: bytes, home: Path, *statements: str, values: tuple[object, ...] = ()) -> bool:
    """Put a ledger into a home that somebody has changed; False where SQLite's own rules do not allow that."""
    home.mkdir()
    (home / "ledger.db").write_bytes(whole)
    with closing(sqlite3.connect(home / "ledger.db")) as connection:
        triggers = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for trigger in triggers:
            connection.execute(f"DROP TRIGGER {trigger}")
        try:
            for statement in statements:
                connection.execute(statement, values)
            connection.commit()
        except sqlite3.IntegrityError:
            return False
    return True


def failed(home: Path) -> dict[str, str]:
    workspace = Workspace(Home(home).make())
    rows = findings(workspace.home, workspace.control_plane, workspace.specifications, full=True, now=datetime.now(UTC))
    return {row["check"]: row["finding"] for row in rows if not row["ok"]}


@pytest.mark.parametrize("table", ["chain_head", "home", "event", "job", "attempt"])
def test_an_emptied_table(table: str, whole: bytes, tmp_path: Path) -> None:
    assert changed(whole, tmp_path / "home", f"DELETE FROM {table}")
    found = failed(tmp_path / "home")
    assert {name for name in found if name.startswith(("ledger", "copies"))} >= {"ledger triggers"}
    assert set(found) - {"ledger triggers"}, "beside the triggers, the rows are missed"
    assert not [finding for finding in found.values() if "could not be looked at" in finding], found


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("job", "state"),
        ("job", "updated_at_us"),
        ("job", "cost_quoted_microusd"),
        ("job", "job_id"),
        ("job", "run_number"),
        ("attempt", "outcome"),
        ("attempt", "number"),
        ("event", "observed_at_us"),
        ("event", "detail"),
        ("event", "job_id"),
        ("chain_head", "position"),
        ("home", "accepted_jobs"),
        ("budget", "experiment"),
        ("budget", "limit_microusd"),
    ],
)
@pytest.mark.parametrize("value", VALUES, ids=["bytes", "text"])
def test_a_value_of_another_kind(table: str, column: str, value: object, whole: bytes, tmp_path: Path) -> None:
    last = f"rowid = (SELECT MAX(rowid) FROM {table})"
    if not changed(whole, tmp_path / "home", f"UPDATE {table} SET {column} = ? WHERE {last}", values=(value,)):
        pytest.skip("SQLite's own rules refuse it")
    found = failed(tmp_path / "home")
    assert [name for name in found if name.startswith(("ledger chain", "ledger rows", "copies"))], found


def test_a_ledger_that_cannot_be_read_takes_nothing_new(whole: bytes, tmp_path: Path) -> None:
    assert changed(whole, tmp_path / "home", "DELETE FROM chain_head")
    ledger = SqlLedger.open_sqlite(tmp_path / "home" / "ledger.db")
    with pytest.raises(
        CorruptFile, match=r"home/ledger\.db: the row with the last link .* the ledger was changed from outside"
    ):
        ledger.plan(plan())
    ledger.close()
