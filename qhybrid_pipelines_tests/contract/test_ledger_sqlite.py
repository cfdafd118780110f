"""What only a database file can show: safe first use, no lost writers, ledgers of earlier and of later releases."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect

from qhybrid_pipelines.control.ledger import migrations, tables
from qhybrid_pipelines.control.ledger.file_locks import LockBusy
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.migrations import MIGRATIONS, Migration, migrate
from qhybrid_pipelines.control.ledger.port import StoredResult, correlation_id_for
from qhybrid_pipelines.control.ledger.sql import SqlLedger
from qhybrid_pipelines.control.ledger.sqlite import open_database
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs import JobState
from qhybrid_pipelines_tests.support.ledger_plans import apply_events, plan, run_in_processes

#: A ledger as release 0.1.0 wrote it, with a finished job and one in doubt.
VERSION_1 = Path(__file__).with_name("ledger_version_1.sql")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    made = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    yield made
    made.close()


def test_its_modes_are_those_that_were_measured_to_be_safe(ledger: SqlLedger) -> None:
    with ledger._engine.connect() as connection:
        modes = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        }
    assert modes == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30_000, "foreign_keys": 1}


def test_the_tables_of_the_code_are_those_of_the_database(ledger: SqlLedger) -> None:
    found = inspect(ledger._engine)
    assert set(found.get_table_names()) == set(tables.metadata.tables)
    for name, table in tables.metadata.tables.items():
        assert [c["name"] for c in found.get_columns(name)] == [c.name for c in table.columns]


def test_a_later_migration_keeps_what_is_there_and_is_applied_once(ledger: SqlLedger) -> None:
    ledger.plan(plan())
    later = Migration(
        version=3,
        summary="a new column",
        statements=("ALTER TABLE job ADD COLUMN colour TEXT",),
        dialects={"postgresql": ("not for here",)},
    )
    for _ in range(2):
        with ledger._engine.begin() as connection:
            assert migrate(connection, (*MIGRATIONS, later)) == 3
    with ledger._engine.connect() as connection:
        versions = connection.exec_driver_sql("SELECT version FROM schema_version ORDER BY version").scalars()
        assert list(versions) == [1, 2, 3]
        assert connection.exec_driver_sql("SELECT job_id, colour FROM job").all() == [("j-a", None)]


def test_a_ledger_of_a_newer_release_is_not_touched(tmp_path: Path) -> None:
    ledger = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO schema_version VALUES (7, 'from the future', 0)")
    ledger.close()
    with pytest.raises(InvalidInput, match="schema version 7"):
        SqlLedger.open_sqlite(tmp_path / "ledger.db")


def test_versions_count_up_by_one() -> None:
    assert [m.version for m in migrations.MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


def test_a_file_of_another_program_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("these are my notes, in no way a database " * 100)
    with pytest.raises(InvalidInput, match="not a database") as error:
        SqlLedger.open_sqlite(tmp_path / "ledger.db")
    assert error.value.file == str(tmp_path / "ledger.db")


def test_a_folder_that_cannot_be_made_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(InvalidInput, match="cannot be opened"):
        SqlLedger.open_sqlite(tmp_path / "home" / "ledger.db")


def test_eight_first_users_at_once_make_one_ledger(tmp_path: Path) -> None:
    answers = run_in_processes(
        8, "plan(SqlLedger.open_sqlite(home / 'ledger.db'), 'a' if number % 2 else 'b')", tmp_path
    )
    assert answers == [0] * 8
    ledger = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    assert [job.job_id for job in ledger.jobs()] == ["j-a", "j-b"]
    assert len(ledger.events()) == 6
    assert ledger.verify_chain().is_intact
    ledger.close()


def test_eight_processes_racing_on_one_budget_never_overspend(tmp_path: Path) -> None:
    """20 quotes of $0.10 each by 8 processes, for a budget that holds 25."""
    work = "[plan(ledger, f'{number}-{i}', quote=0.1, budget=2.5) for i in range(20)]"
    answers = run_in_processes(8, work, tmp_path, before="ledger = SqlLedger.open_sqlite(home / 'ledger.db')")
    assert answers == [0] * 8
    ledger = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    account = ledger.account("maxcut-small-00000000")
    assert len(ledger.jobs()) == 25
    assert (account.reserved_usd, account.settled_usd) == (2.5, 0.0)
    assert ledger.verify_chain().is_intact
    ledger.close()


def test_a_forked_child_opens_its_own_connections(tmp_path: Path) -> None:
    answers = run_in_processes(
        4,
        "plan(ledger, str(number))",
        tmp_path,
        before="ledger = SqlLedger.open_sqlite(home / 'ledger.db'); ledger.jobs()",
    )
    assert answers == [0] * 4
    ledger = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    assert len(ledger.jobs()) == 4
    ledger.close()


def test_a_ledger_of_version_1_is_brought_up_to_date_in_its_place(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as old:
        old.executescript(VERSION_1.read_text())
        events = old.execute("SELECT * FROM event ORDER BY position").fetchall()
    old.close()
    for _ in range(2):
        ledger = SqlLedger.open_sqlite(tmp_path / "ledger.db")
        done, doubtful = ledger.jobs()
        assert (done.state, done.version, done.engine, done.cost_settled_usd) == (JobState.VERIFIED, 9, "e-1", 0.25)
        assert ledger.stored_result("j-a") == StoredResult(
            sha256="0" * 64, size_bytes=12, content_type="application/json"
        )
        assert (done.requested_backend, done.principal, done.environment, done.data_class, done.priority) == (
            "v:d",
            "unknown",
            "dev",
            "internal",
            0,
        )
        assert done.correlation_id == correlation_id_for("maxcut-small-00000000", "v:d") == "c5b0970f1d00f6229"
        assert (done.deadline_at, done.policy_sha256, done.approved_by, done.rerouted_to) == (None, None, None, None)
        assert ledger.verify_chain().is_intact
        ledger.close()
    job = apply_events(ledger, doubtful, Event.ADOPT, provider_job_id="p-2", priority=3)
    assert (ledger.job("j-b"), job.priority, job.state) == (job, 3, JobState.SUBMITTED)
    assert ledger.plan(plan("c", quote=0.25, budget=2.0)).state is JobState.SUBMITTING
    assert ledger.breakers() == []
    assert ledger.calibrations() == []
    assert ledger.verify_chain().is_intact
    with ledger._engine.connect() as connection:
        now = connection.exec_driver_sql("SELECT * FROM event WHERE position <= 13 ORDER BY position").all()
    assert [tuple(row) for row in now] == events
    ledger.close()


def test_the_lock_of_a_killed_holder_is_free_at_once(ledger: SqlLedger, tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from qhybrid_pipelines.control.ledger.sql import SqlLedger\n"
        "with SqlLedger.open_sqlite(Path(sys.argv[1])).job_lock('j-a', timeout_seconds=0): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "ledger.db")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockBusy), ledger.job_lock("j-a", timeout_seconds=0):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with ledger.job_lock("j-a", timeout_seconds=0):
        pass


def test_the_sqlite_file_can_be_opened_again_and_again(tmp_path: Path) -> None:
    for _ in range(3):
        engine = open_database(tmp_path / "a b%c" / "ledger.db")
        engine.dispose()
    assert (tmp_path / "a b%c" / "ledger.db").is_file()
