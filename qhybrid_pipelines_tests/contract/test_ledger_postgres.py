"""What only a real server can show: restarts, races between processes, locks of the dead, and wrong addresses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from qhybrid_pipelines.control.ledger.databases import postgres, postgres_locks
from qhybrid_pipelines.control.ledger.databases.file_locks import LockBusy
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import LedgerUnreachable
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger, open_ledger
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import postgres_databases
from qhybrid_pipelines_tests.support.ledger_plans import apply_events, plan, run_in_processes

#: Holds a lock until it is killed; with a second argument, beside a child that it forked.
HOLDER = """
import os, sys, time
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger

with SqlLedger.open_postgres(sys.argv[1]).job_lock("j-a", timeout_seconds=0):
    child = os.fork() if sys.argv[2] else None
    if child != 0:
        print("held", child or 0, flush=True)
    time.sleep(60)
"""

OPEN = "ledger = SqlLedger.open_postgres(url)"


@pytest.fixture
def ledger(postgres_url: str) -> Iterator[SqlLedger]:
    made = SqlLedger.open_postgres(postgres_url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def own_server() -> Iterator[postgres_databases.LocalServer]:
    """A server that a test may stop, whatever server the others use."""
    server = postgres_databases.LocalServer()
    yield server
    server.remove()


@pytest.fixture
def own(own_server: postgres_databases.LocalServer) -> Iterator[SqlLedger]:
    with postgres_databases.database(own_server.url) as url:
        made = SqlLedger.open_postgres(url)
        yield made
        own_server.start()
        made.close()


class TestDatabase:
    def test_sessions_are_told_what_the_server_might_not_say(self, ledger: SqlLedger) -> None:
        with ledger._engine.connect() as connection:
            said = {
                name: connection.exec_driver_sql(f"SHOW {name}").scalar()
                for name in ("synchronous_commit", "idle_in_transaction_session_timeout", "transaction_isolation")
            }
        assert said == {
            "synchronous_commit": "on",
            "idle_in_transaction_session_timeout": "30s",
            "transaction_isolation": "read committed",
        }

    def test_a_reader_waits_for_no_writer_and_sees_one_moment(self, ledger: SqlLedger) -> None:
        ledger.plan(plan("a"))
        with ledger._transaction() as connection:
            connection.exec_driver_sql("UPDATE chain_head SET hash = 'half done'")
            assert ledger.verify_chain().is_intact
            connection.rollback()

    def test_an_address_opens_that_database_and_none_opens_the_file(self, postgres_url: str, tmp_path: Path) -> None:
        home = Home(tmp_path)
        for url, dialect in ((postgres_url, "postgresql"), (None, "sqlite")):
            ledger = open_ledger(home, url)
            assert ledger._engine.dialect.name == dialect
            ledger.close()


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://bob:planted-secret@127.0.0.1:1/ledger",
            "postgres://bob:planted-secret@127.0.0.1:planted-secret/ledger",
            "mysql://bob:planted-secret@127.0.0.1/ledger",
            "postgresql+psycopg://bob:planted-secret@127.0.0.1:1/ledger",
            "bob planted-secret",
            "",
        ],
    )
    def test_a_wrong_one_is_wrong_input_and_its_password_is_not_repeated(self, url: str) -> None:
        with pytest.raises(InvalidInput) as error:
            SqlLedger.open_postgres(url)
        assert error.value.field == "QHYBRID_LEDGER_URL"
        assert "planted-secret" not in "".join(traceback.format_exception(error.value))

    def test_a_database_that_is_not_there_is_named(self, postgres_url: str) -> None:
        missing = postgres_url.replace("qhybrid_test", "qhybrid_nobody")
        with pytest.raises(InvalidInput, match=r"qhybrid_nobody\w+\" does not exist"):
            SqlLedger.open_postgres(missing)


class TestRestart:
    def test_what_was_committed_is_there_and_the_same_object_goes_on(self, own, own_server) -> None:
        job = own.plan(plan("a", quote=0.5, budget=1.0))
        before = own.events()
        own_server.stop()
        own_server.start()
        assert own.job("j-a") == job
        assert own.events() == before
        apply_events(own, job, Event.ACKNOWLEDGE, provider_job_id="p")
        assert own.verify_chain().is_intact

    def test_a_write_waits_for_a_server_that_is_away(self, own, own_server) -> None:
        own.plan(plan("a"))
        own_server.stop()
        back = threading.Timer(0.3, own_server.start)
        back.start()
        own.plan(plan("b"))
        back.join()
        assert [job.job_id for job in own.jobs()] == ["j-a", "j-b"]

    def test_a_transaction_that_was_cut_off_was_not_written_and_says_so(self, own, own_server) -> None:
        job = own.plan(plan("a"))
        with pytest.raises(LedgerUnreachable, match="same command"), own._transaction() as connection:  # noqa: PT012
            connection.exec_driver_sql("UPDATE job SET state = 'VERIFIED'")
            own_server.stop()
            connection.exec_driver_sql("UPDATE job SET version = 99")
        own_server.start()
        assert own.job("j-a") == job

    def test_a_server_that_stays_away_is_an_error_with_an_exit_code(self, own, own_server, monkeypatch) -> None:
        own_server.stop()
        monkeypatch.setattr(postgres, "RECONNECT_TIMEOUT_SECONDS", 0.1)
        with pytest.raises(LedgerUnreachable, match=r"has not answered for 0.1 s") as error:
            own.jobs()
        assert error.value.exit_code == 3

    def test_the_lock_of_a_job_under_way_is_kept_back_after_a_restart(self, own, own_server, monkeypatch) -> None:
        """Its holder may have lost the lock in the middle of a call, and the call may still be accepted."""
        monkeypatch.setattr(postgres_locks, "RESTART_GRACE_SECONDS", 1.5)
        own.plan_all([plan("a"), plan("b", events=(Event.PLAN, Event.APPROVE))])
        with own.job_lock("j-a", timeout_seconds=0):
            own_server.stop()
            own_server.start()
            started = time.monotonic()
        with own.job_lock("j-b", timeout_seconds=0):
            pass
        assert time.monotonic() - started < 1.0
        with own.job_lock("j-a", timeout_seconds=0):
            assert time.monotonic() - started > 1.0


class TestProcesses:
    def test_eight_first_users_at_once_make_one_ledger(self, postgres_url: str, tmp_path: Path) -> None:
        work = "plan(SqlLedger.open_postgres(url), 'a' if number % 2 else 'b')"
        assert run_in_processes(8, work, tmp_path, url=postgres_url) == [0] * 8
        ledger = SqlLedger.open_postgres(postgres_url)
        assert [job.job_id for job in ledger.jobs()] == ["j-a", "j-b"]
        assert ledger.verify_chain().events == 6
        ledger.close()

    def test_eight_processes_racing_on_one_budget_and_one_chain(self, postgres_url: str, tmp_path: Path) -> None:
        """20 quotes of $0.10 each by 8 processes, for a budget that holds 25; the parent's connections are inherited."""
        work = "[plan(ledger, f'{number}-{i}', quote=0.1, budget=2.5) for i in range(20)]"
        answers = run_in_processes(8, work, tmp_path, before=f"{OPEN}; ledger.jobs()", url=postgres_url)
        assert answers == [0] * 8
        ledger = SqlLedger.open_postgres(postgres_url)
        account = ledger.account("maxcut-small-00000000")
        assert len(ledger.jobs()) == 25
        assert (account.reserved_usd, account.settled_usd) == (2.5, 0.0)
        report = ledger.verify_chain()
        assert report.is_intact
        assert report.events == 75
        ledger.close()

    @pytest.mark.parametrize("forks", ["", "forks"])
    def test_the_lock_of_a_killed_holder_is_free_at_once(
        self, ledger: SqlLedger, postgres_url: str, forks: str
    ) -> None:
        """Also when a child that it forked is still alive, with a copy of everything the holder had open."""
        command = [sys.executable, "-c", HOLDER, postgres_url, forks]
        holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        child = 0
        try:
            word, number = holder.stdout.readline().split()
            child = int(number)
            assert word == "held"
            with pytest.raises(LockBusy), ledger.job_lock("j-a", timeout_seconds=0):
                pass
        finally:
            holder.kill()
            holder.wait()
        with ledger.job_lock("j-a", timeout_seconds=5):
            pass
        if child:
            os.kill(child, signal.SIGKILL)
        holder.stdout.close()

    def test_ledgers_of_one_server_have_locks_of_their_own(self, ledger: SqlLedger, postgres_home: str) -> None:
        with postgres_databases.schema(postgres_home) as url:
            other = SqlLedger.open_postgres(url)
            with ledger.job_lock("j-a", timeout_seconds=0), other.job_lock("j-a", timeout_seconds=0):
                pass
            other.close()

    def test_a_stopped_writer_does_not_keep_the_others_for_ever(self, ledger: SqlLedger) -> None:
        with pytest.raises(LedgerUnreachable), ledger._transaction() as connection:  # noqa: PT012
            connection.exec_driver_sql("SET idle_in_transaction_session_timeout = '100ms'")
            time.sleep(0.3)
            assert ledger.plan(plan("a")).state is JobState.SUBMITTING
            connection.exec_driver_sql("UPDATE chain_head SET hash = ''")
        assert ledger.verify_chain().is_intact


def test_the_driver_is_one_that_dagster_can_notify_with(postgres_url: str) -> None:
    """Under psycopg 3, which newer releases of SQLAlchemy choose for a plain address, this statement is an error."""
    engine = postgres.open_database(postgres_url.replace("postgresql+psycopg2:", "postgresql:"))
    with engine.connect() as connection:
        assert engine.driver == "psycopg2"
        connection.exec_driver_sql("NOTIFY run_events, %s", ("1",))
    engine.dispose()
