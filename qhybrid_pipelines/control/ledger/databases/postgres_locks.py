"""Locks by name on a Postgres server, shared by all machines, that the server gives back when their holder dies.

All locks of a process are held by one session, which ends with the process, or within a minute with the machine (keepalive); it is there
as long as one is held. Threads of the process are kept apart here, because a session may take a lock of its own again. A pooler
between us and the server must keep sessions apart: PgBouncer's mode "session".

A restart of the server ends the sessions of living holders too, one of whom may be calling a provider at that moment. So
right after a start, the lock of a job whose submission is under way is given out only when such a call must have ended.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.exc import DBAPIError

from qhybrid_pipelines.control.ledger.databases.file_locks import LockBusy, lock_key
from qhybrid_pipelines.core.jobs.job_states import JobState

#: Longer than a provider call takes: every adapter limits its own.
RESTART_GRACE_SECONDS = 60.0

_TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")
_UNLOCK = text("SELECT pg_advisory_unlock(:key)")
_UNLOCK_ALL = text("SELECT pg_advisory_unlock_all()")
_SCHEMA = text("SELECT current_schema()")
_UPTIME_WHILE_SUBMITTING = text(
    """
    SELECT CAST(extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) AS DOUBLE PRECISION)
    FROM job WHERE job_id = :name AND state = :submitting
    """
)

#: Execution option of the connection that carries locks: it is in no transaction.
LOCKS_OPTION = "qhybrid_locks"

#: The sessions of this process, which a forked child forgets.
_sessions: weakref.WeakSet[LockSession] = weakref.WeakSet()


class LockSession:
    """The session that holds all locks of this process on one server.

    Args:
        engine: of the ledger; one of its connections is the session, as long as a lock is held or waited for.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._forget()
        _sessions.add(self)

    def _forget(self) -> None:
        """Begin anew, as a forked child does: connection and locks are its parent's."""
        self._statements, self._changed = threading.Lock(), threading.Condition()
        self._session: Connection | None = None
        self._users = 0
        self._held: set[int] = set()
        self._schema: str | None = None
        self._socket = -1

    @contextmanager
    def hold(self, name: str, *, timeout_seconds: float) -> Iterator[None]:
        """Hold the lock ``name`` of the ledger for the length of a ``with`` block.

        Raises:
            LockBusy: somebody else holds it for longer than ``timeout_seconds``.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._use():
            # The locks of a server are counted by database; several ledgers may share one, a schema each.
            key = lock_key(f"{self._current_schema()}/{name}")
            with self._keep_threads_out(key, name, deadline, timeout_seconds):
                self._acquire(key, name, deadline, timeout_seconds)
                try:
                    self._wait_after_restart(name)
                    yield
                finally:
                    with contextlib.suppress(DBAPIError):  # the server has gone, and the lock with it
                        self._scalar(_UNLOCK, key=key)

    @contextmanager
    def _use(self) -> Iterator[None]:
        with self._changed:
            self._users += 1
        try:
            yield
        finally:
            with self._changed:
                self._users -= 1
                is_last = self._users == 0
            if is_last:
                self._close()

    @contextmanager
    def _keep_threads_out(self, key: int, name: str, deadline: float, timeout_seconds: float) -> Iterator[None]:
        """Keep other threads of this process from a lock."""
        with self._changed:
            if not self._changed.wait_for(lambda: key not in self._held, timeout=max(0.0, deadline - time.monotonic())):
                raise _busy(name, timeout_seconds)
            self._held.add(key)
        try:
            yield
        finally:
            with self._changed:
                self._held.discard(key)
                self._changed.notify_all()

    def _acquire(self, key: int, name: str, deadline: float, timeout_seconds: float) -> None:
        """Ask again and again: a statement that waits on the server would keep the session from the other threads."""
        pause = 0.002
        while not self._scalar(_TRY_LOCK, key=key):
            if time.monotonic() >= deadline:
                raise _busy(name, timeout_seconds)
            time.sleep(pause)
            pause = min(2 * pause, 0.1)

    def _wait_after_restart(self, name: str) -> None:
        uptime = self._scalar(_UPTIME_WHILE_SUBMITTING, name=name, submitting=JobState.SUBMITTING)
        if uptime is not None and uptime < RESTART_GRACE_SECONDS:
            time.sleep(RESTART_GRACE_SECONDS - uptime)

    def _current_schema(self) -> str:
        if self._schema is None:
            self._schema = str(self._scalar(_SCHEMA))
        return self._schema

    def _scalar(self, statement: TextClause, **values: object) -> Any:
        """Run a statement in the session; one that the server ended is opened again, with the locks of this process."""
        with self._statements:
            try:
                return self._open().scalar(statement, values)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                self._drop()
                session = self._open()
                asked = values.get("key")
                for key in self._held - {asked}:
                    session.scalar(_TRY_LOCK, {"key": key})
                return session.scalar(statement, values)

    def _open(self) -> Connection:
        if self._session is None:
            options = {"isolation_level": "AUTOCOMMIT", LOCKS_OPTION: True}
            self._session = self._engine.connect().execution_options(**options)
            raw: Any = self._session.connection.driver_connection
            self._socket = raw.fileno()
            _sockets.add(self._socket)
        return self._session

    def _close(self) -> None:
        with self._statements:
            if self._session is not None and self._users == 0:
                with contextlib.suppress(DBAPIError):
                    self._session.scalar(_UNLOCK_ALL)
                self._drop()

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            _sockets.discard(self._socket)
            session.close()


def _busy(name: str, timeout_seconds: float) -> LockBusy:
    return LockBusy(
        f"'{name}' has been locked by another process for more than {timeout_seconds:g} s. Try again later, "
        "or end the process that holds it; nothing was changed."
    )


#: Sockets of the sessions that hold locks of this process.
_sockets: set[int] = set()


def _leave_inherited_sessions() -> None:
    """A forked child closes its copies of the sockets, which would keep the locks of a parent that has died."""
    for socket in _sockets:
        with contextlib.suppress(OSError):
            os.close(socket)
    _sockets.clear()
    for session in _sessions:
        session._forget()  # noqa: SLF001  in the same module


os.register_at_fork(after_in_child=_leave_inherited_sessions)
