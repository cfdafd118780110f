"""Dagster's daemon on several machines, one of them at work: the others stand by, and one takes over when it is gone.

Two daemons on one record would start runs twice. So the daemon holds a lock of the Postgres server that has Dagster's record, by a session
of its own process: it is given back when the process ends, however it ends, and within half a minute when its machine vanishes. A daemon that
loses its session ends at once, before the server can give the lock to another one.

    python -m qhybrid_pipelines.standby_daemon -w workspace.yaml        # the options of `dagster-daemon run`
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from qhybrid_pipelines.control.ledger.databases.file_locks import lock_key
from qhybrid_pipelines.core.errors import InvalidInput, QHybridError
from qhybrid_pipelines.settings import DAGSTER_POSTGRES_VARIABLE
from qhybrid_pipelines.storage.postgres import postgres_url

#: How often a standby asks for the lock, and the holder whether it still has its session.
PAUSE_SECONDS = 5.0
#: The server gives a vanished machine up after 10 + 3 × 5 s; the holder notices a dead line before that, after 5 + 10 s.
_SERVER_SIDE = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
_CLIENT_SIDE = {"connect_timeout": 10, "tcp_user_timeout": 10_000, "application_name": "qhybrid standby daemon"}
_TRY_LOCK, _IS_THERE = text("SELECT pg_try_advisory_lock(:key)"), text("SELECT 1")


class DaemonLock:
    """The right to be the daemon.

    Args:
        address: of the database with Dagster's record.
        pause_seconds: between two questions to the server.

    Raises:
        InvalidInput: this is not the address of a Postgres database.
    """

    def __init__(self, address: str, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        url = postgres_url(address, variable=DAGSTER_POSTGRES_VARIABLE)
        self._engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=_CLIENT_SIDE)
        self._pause_seconds = pause_seconds
        self._session: Connection | None = None

    def wait(self, told: Callable[[str], None]) -> None:
        """Return once this process is the daemon, after however long.

        Args:
            told: is given a sentence whenever the reason to wait changes.
        """
        said = ""
        while True:
            try:
                self._session = self._session or self._connect()
                if self._session.scalar(_TRY_LOCK, {"key": lock_key("dagster daemon")}):
                    return
                reason = "another daemon is at work; this one stands by"
            except DBAPIError as error:
                self._session = None
                first_line = str(error.orig).strip().partition("\n")[0]  # empty where the server said nothing
                reason = f"the server of Dagster's record does not answer: {first_line}"
            if reason != said:
                told(reason)
                said = reason
            time.sleep(self._pause_seconds)

    def watch(self, lost: Callable[[], None]) -> threading.Thread:
        """Ask from a thread whether the session is still there, and call ``lost`` once it is not; return the thread."""
        thread = threading.Thread(target=self._watch, args=(lost,), name="daemon-lock", daemon=True)
        thread.start()
        return thread

    def _watch(self, lost: Callable[[], None]) -> None:
        while self._session is not None:
            try:
                self._session.scalar(_IS_THERE)
            except DBAPIError:
                lost()
                return
            time.sleep(self._pause_seconds)

    def _connect(self) -> Connection:
        session = self._engine.connect()
        session.exec_driver_sql(_SERVER_SIDE)
        return session


def main(arguments: Sequence[str]) -> None:
    """Stand by, and be Dagster's daemon once nobody else is.

    Raises:
        InvalidInput: Dagster's record is not on a Postgres server.
    """
    address = os.environ.get(DAGSTER_POSTGRES_VARIABLE)
    if not address:
        raise InvalidInput(
            "a standby needs Dagster's record on a Postgres server",
            remedy="Set it as docs/postgres.md says, or start one `dagster-daemon run`.",
            field=DAGSTER_POSTGRES_VARIABLE,
        )
    lock = DaemonLock(address)
    lock.wait(_say)
    _say("this is the daemon now")
    lock.watch(_end)
    from dagster._daemon.cli import run_command

    run_command.main(list(arguments), prog_name="standby_daemon")


def _say(sentence: str) -> None:
    sys.stderr.write(f"standby daemon: {sentence}\n")
    sys.stderr.flush()


def _end() -> None:
    """End without finishing anything: somebody else may be the daemon in a moment. What was begun is resumed."""
    _say("its session with the server was lost; it ends, and has to be started again")
    os._exit(3)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except QHybridError as error:
        _say(str(error))
        sys.exit(error.exit_code)
