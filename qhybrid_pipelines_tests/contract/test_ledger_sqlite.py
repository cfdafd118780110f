"""What only a database file can show: safe first use, no lost writers, and files that are none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qhybrid_pipelines.control.ledger.databases.file_locks import LockBusy
from qhybrid_pipelines.control.ledger.databases.sqlite import open_database
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines_tests.support.ledger_plans import run_in_processes


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


def test_the_lock_of_a_killed_holder_is_free_at_once(ledger: SqlLedger, tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger\n"
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
