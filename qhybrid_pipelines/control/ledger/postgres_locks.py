"""Locks by name on a Postgres server, shared by all machines, that the server gives back when their holder dies.

Each lock has a connection of its own and belongs to its session, which ends with the process, or within a minute with the
machine (keepalive). A pooler between us and the server must keep sessions apart: PgBouncer's mode "session".

A restart of the server ends the sessions of living holders too, one of whom may be calling a provider at that moment. So
right after a start, the lock of a job whose submission is under way is given out only when such a call must have ended.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from qhybrid_pipelines.control.ledger.file_locks import LockBusy, lock_key
from qhybrid_pipelines.core.job_states import JobState

#: Longer than a provider call takes: every adapter limits its own.
RESTART_GRACE_SECONDS = 60.0

_TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")
_UNLOCK = text("SELECT pg_advisory_unlock(:key)")
_SCHEMA = text("SELECT current_schema()")
_UPTIME_WHILE_SUBMITTING = text(
    """
    SELECT CAST(extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) AS DOUBLE PRECISION)
    FROM job WHERE job_id = :name AND state = :submitting
    """
)

#: Sockets of the locks that this process holds.
_sockets: set[int] = set()


@contextmanager
def hold_lock(sessions: Engine, name: str, *, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock ``name`` of the ledger for the length of a ``with`` block.

    Raises:
        LockBusy: somebody else holds it for longer than ``timeout_seconds``.
    """
    with sessions.connect() as session:
        # The locks of a server are counted by database; several ledgers may share one, a schema each.
        key = {"key": lock_key(f"{session.scalar(_SCHEMA)}/{name}")}
        _acquire(session, name, key, timeout_seconds)
        raw: Any = session.connection.driver_connection
        socket = raw.fileno()
        _sockets.add(socket)
        try:
            _wait_after_restart(session, name)
            yield
        finally:
            _sockets.discard(socket)
            with contextlib.suppress(DBAPIError):  # the server has gone, and the lock with it
                session.execute(_UNLOCK, key)


def _acquire(session: Connection, name: str, key: dict[str, int], timeout_seconds: float) -> None:
    """Ask again and again: a statement that waits on the server could not be interrupted from the keyboard."""
    deadline = time.monotonic() + timeout_seconds
    pause = 0.002
    while not session.scalar(_TRY_LOCK, key):
        if time.monotonic() >= deadline:
            raise LockBusy(
                f"'{name}' has been locked by another process for more than {timeout_seconds:g} s. Try again later, "
                "or end the process that holds it; nothing was changed."
            )
        time.sleep(pause)
        pause = min(2 * pause, 0.1)


def _wait_after_restart(session: Connection, name: str) -> None:
    uptime = session.scalar(_UPTIME_WHILE_SUBMITTING, {"name": name, "submitting": JobState.SUBMITTING})
    if uptime is not None and uptime < RESTART_GRACE_SECONDS:
        time.sleep(RESTART_GRACE_SECONDS - uptime)


def _close_inherited_sockets() -> None:
    """A forked child closes its copies of the sockets, which would keep the locks of a parent that has died."""
    for socket in _sockets:
        with contextlib.suppress(OSError):
            os.close(socket)
    _sockets.clear()


os.register_at_fork(after_in_child=_close_inherited_sockets)
