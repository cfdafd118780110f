"""The ledger in a SQL database, through SQLAlchemy Core: short transactions, chained events, a version on every job.

What is written and read within a transaction is in `control.ledger.sql.writes` and `control.ledger.sql.queries`; what is
special to one database (its mode, its locks) in a module of its own, such as `control.ledger.databases.sqlite`.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from qhybrid_pipelines.control.ledger.budget import Account
from qhybrid_pipelines.control.ledger.chain import event_chain, event_triggers
from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead, ChainReport
from qhybrid_pipelines.control.ledger.databases import file_locks, postgres, postgres_locks, sqlite
from qhybrid_pipelines.control.ledger.databases.read_only_files import may_write_database
from qhybrid_pipelines.control.ledger.databases.sqlite import READ_ONLY_OPTION
from qhybrid_pipelines.control.ledger.errors import LedgerUnreachable, StaleJob
from qhybrid_pipelines.control.ledger.records import (
    AttemptRecord,
    Breaker,
    EventRecord,
    HomeIdentity,
    JobRecord,
    Plan,
    StoredCalibration,
    StoredResult,
    Transition,
)
from qhybrid_pipelines.control.ledger.sql import audit, backend_rows, home_row, queries, tables
from qhybrid_pipelines.control.ledger.sql.budget_rows import get_account, get_accounts
from qhybrid_pipelines.control.ledger.sql.totals_rows import SqlTotals
from qhybrid_pipelines.control.ledger.sql.writes import write_plan, write_transition
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.storage.layout import Home

#: Moves in one transaction of `SqlLedger.advance_all`: a few tenths of a second, so that no writer waits long.
TRANSITIONS_PER_TRANSACTION = 200


class SqlLedger(SqlTotals):
    """The ledger behind the port `control.ledger.port.Ledger`, which says what each method does.

    One object may be used by many threads. It may be used in a forked child too, which opens connections of its own: it
    leaves those that it inherited unused and unclosed, because no handle of SQLite may cross a fork. Do not fork while
    another thread is in a call, or hand a connection to a child.

    Args:
        engine: on a database that has the newest schema. Its transactions write alone, one after the other; those with
            the execution option `READ_ONLY_OPTION` see one snapshot.
        hold_lock: the locks of this ledger.
        has_server_clock: its time is that of the database's server, and not this machine's.
    """

    #: Is told what was written, after it was written; it must not raise, because what it is told is done.
    observer: Callable[[Sequence[tuple[Plan | Transition, JobRecord]]], None] | None = None
    #: Without it nothing is kept about backends, so that prices can be asked for where nothing can be sent.
    _may_write = True

    def __init__(self, engine: Engine, *, hold_lock: file_locks.NamedLocks, has_server_clock: bool = False) -> None:
        self._engine, self._exclusive, self.has_server_clock = engine, hold_lock, has_server_clock
        self._process = os.getpid()
        # A command ends without closing anything; Python 3.13 complains about SQLite handles that are dropped open.
        weakref.finalize(self, _close, engine, self._process)

    @classmethod
    def open_sqlite(cls, path: Path) -> SqlLedger:
        """Return the ledger in a SQLite file, created if it is not there.

        Raises:
            InvalidInput: the file cannot be opened, or a newer release has written it.
        """
        engine = sqlite.open_database(path)
        ledger = cls(engine, hold_lock=partial(file_locks.hold_lock, sqlite.lock_file(path)))
        ledger._may_write = may_write_database(path)
        return ledger

    @classmethod
    def open_postgres(cls, url: str, *, server_clock: bool = True) -> SqlLedger:
        """Return the ledger in a Postgres database, whose tables are created if they are not there.

        Args:
            url: of the database.
            server_clock: its time is the server's; without it, that of the caller's clock, for simulations.

        Raises:
            InvalidInput: the database cannot be opened, or a newer release has written it.
        """
        engine = postgres.open_database(url)
        locks = postgres_locks.LockSession(engine)
        return cls(engine, hold_lock=locks.hold, has_server_clock=server_clock)

    def close(self) -> None:
        """Close the connections; a ledger that is used again opens new ones."""
        self._engine.dispose()

    def read_time(self, machine_now: datetime) -> datetime:
        """Return the present by the ledger's clock."""
        with self._snapshot() as connection:
            if self.has_server_clock:
                return postgres.read_clock(connection)
            return max(machine_now, queries.newest_event_time(connection))

    def plan(self, plan: Plan) -> JobRecord:
        """Write a job down and reserve its quote, in one transaction."""
        [job] = self.plan_all([plan])
        return job

    def plan_all(self, plans: Sequence[Plan]) -> list[JobRecord]:
        """Write many jobs down and reserve their quotes, in one transaction."""
        with self._transaction() as connection:
            jobs = [queries.find_planned(connection, plan) or write_plan(connection, plan) for plan in plans]
        return self._tell(plans, jobs)

    def advance(self, transition: Transition) -> JobRecord:
        """Write the steps of one job."""
        with self._transaction() as connection:
            job = write_transition(connection, transition)
        self._tell([transition], [job])
        return job

    def advance_all(self, transitions: Sequence[Transition]) -> list[JobRecord]:
        """Write the steps of many jobs, skipping stale moves."""
        records = []
        for start in range(0, len(transitions), TRANSITIONS_PER_TRANSACTION):
            with self._transaction() as connection:
                for transition in transitions[start : start + TRANSITIONS_PER_TRANSACTION]:
                    try:
                        records.append(write_transition(connection, transition))
                    except StaleJob:
                        records += queries.select_jobs(connection, tables.job.c.job_id == transition.job.job_id)
        return self._tell(transitions, records)

    def job(self, job_id: str) -> JobRecord:
        """Return one job."""
        with self._snapshot() as connection:
            found = queries.select_jobs(connection, tables.job.c.job_id == job_id)
        if not found:
            raise InvalidInput(f"the ledger has no job '{job_id}'", remedy="`qhybrid jobs list` shows those it has.")
        return found[0]

    def latest(self, experiment: str, backend: str, payload_sha256: str) -> JobRecord | None:
        """Return the last job of a payload, or None."""
        job = tables.job.c
        with self._snapshot() as connection:
            found = queries.select_jobs(
                connection,
                job.experiment == experiment,
                job.backend == backend,
                job.payload_sha256 == payload_sha256,
            )
        return found[-1] if found else None

    def jobs(
        self,
        *,
        experiment: str | None = None,
        states: Collection[JobState] | None = None,
        ids: Collection[str] | None = None,
        cancel_intended: bool = False,
    ) -> list[JobRecord]:
        """Return jobs, all or those of one experiment, of some states or of some ids, or those that are wanted back."""
        conditions = queries.job_conditions(experiment=experiment, states=states, cancel_intended=cancel_intended)
        with self._snapshot() as connection:
            if ids is not None:
                return queries.select_jobs_by_id(connection, ids, *conditions)
            return queries.select_jobs(connection, *conditions)

    def newest_jobs(
        self,
        *,
        limit: int,
        experiment: str | None = None,
        states: Collection[JobState] | None = None,
        place: str | None = None,
        without: str | None = None,
    ) -> tuple[list[JobRecord], int]:
        """Return the jobs that were written down last, and how many there are."""
        conditions = queries.job_conditions(experiment=experiment, states=states, place=place)
        with self._snapshot() as connection:
            return queries.select_newest_jobs(connection, *conditions, limit=limit, without=without)

    def backends_used(self) -> set[str]:
        """Return the backends of all jobs."""
        with self._snapshot() as connection:
            return queries.select_backends_used(connection)

    def page_of_jobs(self, *, after: str = "", limit: int, experiment: str | None = None) -> list[JobRecord]:
        """Return up to ``limit`` jobs by id, those after one."""
        conditions = [tables.job.c.job_id > after]
        if experiment is not None:
            conditions.append(tables.job.c.experiment == experiment)
        with self._snapshot() as connection:
            return queries.select_page_of_jobs(connection, *conditions, limit=limit)

    def events(self, job_id: str | None = None, *, after: int = 0, limit: int | None = None) -> list[EventRecord]:
        """Return the events of the ledger or of one job after a position."""
        conditions = [] if job_id is None else [tables.event.c.job_id == job_id]
        if after:
            conditions.append(tables.event.c.position > after)
        with self._snapshot() as connection:
            return queries.select_events(connection, *conditions, limit=limit)

    def histories(self, job_ids: Collection[str]) -> dict[str, list[EventRecord]]:
        """Return the events of some jobs by job."""
        with self._snapshot() as connection:
            return queries.select_histories(connection, job_ids)

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Return the attempts to submit a job."""
        with self._snapshot() as connection:
            return queries.select_attempts(connection, job_id)

    def stored_result(self, job_id: str) -> StoredResult | None:
        """Return where the raw result of a job is kept, or None."""
        with self._snapshot() as connection:
            return queries.select_result(connection, job_id)

    def account(self, experiment: str) -> Account | None:
        """Return what an experiment may spend and has spent, or None."""
        with self._snapshot() as connection:
            return get_account(connection, experiment)

    def accounts(self, experiments: Collection[str]) -> dict[str, Account]:
        """Return what some experiments may spend and have spent."""
        with self._snapshot() as connection:
            return get_accounts(connection, experiments)

    def breaker(self, backend: str) -> Breaker | None:
        """Return the breaker of a backend, or None."""
        with self._snapshot() as connection:
            found = backend_rows.select_breakers(connection, tables.breaker.c.backend == backend)
        return found[0] if found else None

    def breakers(self) -> list[Breaker]:
        """Return all breakers."""
        with self._snapshot() as connection:
            return backend_rows.select_breakers(connection)

    def save_breaker(self, breaker: Breaker) -> Breaker:
        """Write a breaker, where the file may be written to, and return it with its next version."""
        if not self._may_write:
            return replace(breaker, version=breaker.version + 1)
        with self._transaction() as connection:
            return backend_rows.write_breaker(connection, breaker)

    def add_calibration(self, backend: str, calibration: Calibration) -> bool:
        """Keep a calibration, if it is not known and the file may be written to."""
        if not self._may_write:
            return False
        with self._transaction() as connection:
            return backend_rows.write_calibration(connection, backend, calibration)

    def calibrations(self, backend: str | None = None) -> list[StoredCalibration]:
        """Return the calibrations of one backend or of all."""
        conditions = [] if backend is None else [tables.calibration.c.backend == backend]
        with self._snapshot() as connection:
            return backend_rows.select_calibrations(connection, *conditions)

    def calibrated_at(self) -> dict[str, datetime]:
        """Return when each backend's newest calibration was measured."""
        with self._snapshot() as connection:
            return backend_rows.select_calibration_times(connection)

    def head(self) -> ChainHead:
        """Return the last link of the chain of events."""
        with self._snapshot() as connection:
            return queries.chain_head(connection)

    def contains(self, link: ChainHead) -> bool:
        """Tell whether a link is part of the chain."""
        with self._snapshot() as connection:
            return link in (ChainHead(), queries.chain_link(connection, link.position))

    def verify_chain(self, anchor: ChainHead | None = None, *, start: ChainHead | None = None) -> ChainReport:
        """Recompute the chain of events, or what comes after a link of it."""
        start = start or ChainHead()
        with self._snapshot() as connection:
            if start not in (ChainHead(), queries.chain_link(connection, start.position)):
                problem = f"event {start.position} is not the one that was found whole before"
                return ChainReport(events=0, broken_at=start.position, problem=problem)
            rows = queries.iter_event_rows(connection, tables.event.c.position > start.position)
            return event_chain.verify(rows, queries.chain_head(connection), anchor, start=start)

    def audit_rows(self, *, job_id: str | None = None, after: int = 0) -> list[str]:
        """Rebuild rows from the events and return how those of the ledger differ."""
        with self._snapshot() as connection:
            if job_id is not None:
                return audit.audit_one(connection, job_id)
            return audit.audit_changed(connection, after) if after else audit.audit_all(connection)

    def missing_guards(self) -> list[str]:
        """Return the triggers that are not in force."""
        with self._snapshot() as connection:
            return event_triggers.missing(connection)

    def identity(self) -> HomeIdentity:
        """Return which home the ledger belongs to."""
        with self._snapshot() as connection:
            return home_row.select_identity(connection)

    def count_opening(self) -> HomeIdentity:
        """Count that a program opens the ledger to send something."""
        with self._transaction() as connection:
            return home_row.count_opening(connection)

    def change_identity(self, identity: HomeIdentity) -> None:
        """Let the ledger belong to a home of another id."""
        with self._transaction() as connection:
            home_row.change_identity(connection, identity)

    def sent_tokens(self, tokens: Collection[str]) -> dict[str, str | None]:
        """Return those of some tokens that the ledger has sent, with the provider's ids."""
        with self._snapshot() as connection:
            return home_row.select_sent_tokens(connection, tokens)

    def job_lock(self, job_id: str, *, timeout_seconds: float) -> AbstractContextManager[None]:
        """Keep every other process and thread from handing this job over."""
        return self._exclusive(job_id, timeout_seconds=timeout_seconds)

    def _tell(self, written: Sequence[Plan | Transition], jobs: list[JobRecord]) -> list[JobRecord]:
        if self.observer is not None:
            self.observer(list(zip(written, jobs, strict=True)))
        return jobs

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with _translate_disconnect(), self._own_engine().begin() as connection:
            yield connection

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        """Give a connection that only reads; a value of another kind than was written raises `CorruptFile`."""
        with (
            _translate_disconnect(),
            self._own_engine().connect().execution_options(**{READ_ONLY_OPTION: True}) as connection,
            connection.begin(),
        ):
            try:
                yield connection
            except (TypeError, ValueError) as error:
                raise queries.damaged(connection, f"a stored value cannot be read ({error})") from error

    def _own_engine(self) -> Engine:
        """Return the engine; a forked child leaves its parent's connections alone and opens its own."""
        if os.getpid() != self._process:
            self._engine.dispose(close=False)
            self._process = os.getpid()
        return self._engine


def open_ledger(home: Home, url: str | None) -> SqlLedger:
    """Return the ledger of a home: on a Postgres server where an address is given, else in a SQLite file of the home.

    It is created or upgraded if need be.

    Args:
        home: its folder holds the ledger when there is no ``url``.
        url: of a Postgres database, ``postgresql+psycopg2://...``; what QHYBRID_LEDGER_URL says.

    Raises:
        InvalidInput: it cannot be opened, or a newer release has written it.
    """
    return SqlLedger.open_postgres(url) if url else SqlLedger.open_sqlite(home.ledger)


@contextmanager
def _translate_disconnect() -> Iterator[None]:
    """Say in our words that a server went away in the middle of a transaction."""
    try:
        yield
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise LedgerUnreachable(
            "the ledger's server went away in the middle of a transaction, which was written whole or not at all. "
            "Run the same command again: it reads what is there and goes on from it."
        ) from error


def _close(engine: Engine, process: int) -> None:
    """Close the connections in the process that opened them; no handle of SQLite may be touched in a fork of it."""
    if os.getpid() == process:
        engine.dispose()
