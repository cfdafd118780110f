"""How many connections a process needs on Postgres: one that stays, and others for a moment, however many locks it holds."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import NullPool, create_engine

from qhybrid_pipelines.control.ledger.databases.file_locks import LockBusy
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support import postgres_databases
from qhybrid_pipelines_tests.support.ledger_plans import apply_events, plan

WORKERS, JOBS_EACH = 12, 3
#: Of which the server keeps three for its administrators.
MAX_CONNECTIONS = 20


def open_connections(url: str) -> int:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return int(connection.exec_driver_sql(count).scalar_one())


@pytest.fixture
def small_server() -> Iterator[str]:
    """The address of a database on a server that takes few connections."""
    server = postgres_databases.LocalServer()
    try:
        admin = create_engine(server.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.exec_driver_sql(f"ALTER SYSTEM SET max_connections = {MAX_CONNECTIONS}")
        server.stop()
        server.start()
        with postgres_databases.database(server.url) as url:
            yield url
    finally:
        server.remove()


def test_many_locks_of_one_process_are_one_connection_and_keep_its_threads_apart(postgres_url: str) -> None:
    ledger = SqlLedger.open_postgres(postgres_url)
    all_held, seen = threading.Barrier(21), []

    def hold(number: int) -> None:
        with ledger.job_lock(f"j-{number}", timeout_seconds=60):
            all_held.wait(timeout=60)
            all_held.wait(timeout=60)

    with ThreadPoolExecutor(20) as pool:
        held = [pool.submit(hold, number) for number in range(20)]
        all_held.wait(timeout=60)
        seen.append(open_connections(postgres_url))
        with pytest.raises(LockBusy, match="j-7"), ledger.job_lock("j-7", timeout_seconds=0):
            pass
        other = SqlLedger.open_postgres(postgres_url)
        with pytest.raises(LockBusy, match="j-7"), other.job_lock("j-7", timeout_seconds=0):
            pass
        other.close()
        all_held.wait(timeout=60)
        for each in held:
            each.result()
    with ledger.job_lock("j-7", timeout_seconds=0):
        pass
    seen.append(open_connections(postgres_url))
    assert seen == [1, 1]
    ledger.close()


def test_a_session_that_the_server_ends_takes_no_lock_from_the_others_for_good(postgres_url: str) -> None:
    ledger, other = SqlLedger.open_postgres(postgres_url), SqlLedger.open_postgres(postgres_url)
    with ledger.job_lock("j-a", timeout_seconds=0):
        engine = create_engine(postgres_url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
            )
        with ledger.job_lock("j-b", timeout_seconds=5):  # opens it again, with what is held
            for name in ("j-a", "j-b"):
                with pytest.raises(LockBusy, match=name), other.job_lock(name, timeout_seconds=0):
                    pass
    for name in ("j-a", "j-b"):
        with other.job_lock(name, timeout_seconds=5):
            pass
    ledger.close()
    other.close()


def _submit(url: str, worker: int, problems) -> None:
    """Submit some jobs as the protocol does: written down first, then sent under the lock of each."""
    try:
        ledger = SqlLedger.open_postgres(url)
        for number in range(JOBS_EACH):
            name = f"{worker}-{number}"
            job = ledger.plan(plan(name, experiment=f"x{worker}-00000000"))
            with ledger.job_lock(job.job_id, timeout_seconds=120):
                apply_events(ledger, job, Event.ACKNOWLEDGE, provider_job_id=f"p-{name}")
        ledger.close()
    except Exception as error:  # noqa: BLE001  of whatever kind, it is the parent's to tell
        problems.put(f"worker {worker}: {type(error).__name__}: {error}")


@pytest.mark.long
def test_more_workers_than_two_connections_each_would_allow_submit_all_their_jobs(small_server: str) -> None:
    SqlLedger.open_postgres(small_server).close()
    fork = multiprocessing.get_context("fork")
    problems = fork.Queue()
    workers = [fork.Process(target=_submit, args=(small_server, number, problems)) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=300)
    assert [worker.exitcode for worker in workers] == [0] * WORKERS
    assert problems.empty(), problems.get()
    ledger = SqlLedger.open_postgres(small_server)
    assert len(ledger.jobs(states=[JobState.SUBMITTED])) == WORKERS * JOBS_EACH
    assert ledger.verify_chain().is_intact
    ledger.close()
