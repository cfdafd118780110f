"""The ledger's database for many machines: Postgres, with every writing transaction behind one row.

A transaction that writes takes the head of the chain first (SELECT ... FOR UPDATE): events need one order over the whole
ledger anyway, and with that row in hand what it reads of budgets and jobs stays true until it commits, without deadlocks
and without retries. Transactions that only read see one snapshot and wait for nobody. A commit is on the server's disk
(``synchronous_commit``) when it returns.

A server that restarts takes its sessions with it: connections are tested before they are used, and opened again for
`RECONNECT_TIMEOUT_SECONDS`. What a transaction had not committed was not written; nothing else is lost.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from qhybrid_pipelines.control.ledger.databases import schema
from qhybrid_pipelines.control.ledger.databases.file_locks import lock_key
from qhybrid_pipelines.control.ledger.databases.postgres_locks import LOCKS_OPTION
from qhybrid_pipelines.control.ledger.databases.sqlite import READ_ONLY_OPTION
from qhybrid_pipelines.control.ledger.errors import LedgerUnreachable
from qhybrid_pipelines.core.errors import InvalidInput, QHybridError
from qhybrid_pipelines.storage.postgres import postgres_url

LEDGER_VARIABLE = "QHYBRID_LEDGER_URL"

#: How long a ledger that was open before waits for a server that is away.
RECONNECT_TIMEOUT_SECONDS = 30.0

CONNECT_TIMEOUT_SECONDS = 10

#: Connections of one process at the same moment.
MAX_CONNECTIONS = 15

#: What every session of ours is told, whatever the server's defaults are: a commit is durable; a process that was stopped
#: in a transaction does not keep the others waiting for ever; and a machine that vanished is noticed within a minute.
_SESSION = """
    SET synchronous_commit = on;
    SET idle_in_transaction_session_timeout = '30s';
    SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3
"""


def open_database(address: str) -> Engine:
    """Return an engine on the database, whose tables are created or upgraded first.

    Any number of processes and machines may do this at the same time.

    Raises:
        InvalidInput: the server cannot be reached, or a newer release has written the ledger.
    """
    url = postgres_url(address, variable=LEDGER_VARIABLE)
    engine = create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        # One connection stays open; what threads need at the same time, or beside the locks, is opened for that moment. Where the
        # server takes no more, `_connect_with_retry` waits until another process has closed its own.
        pool_size=1,
        max_overflow=MAX_CONNECTIONS - 1,
        pool_timeout=30,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS, "application_name": "qhybrid ledger"},
    )
    event.listen(engine, "connect", _configure)
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key("schema")})
            schema.prepare(connection)
    except DBAPIError as error:
        engine.dispose()
        raise InvalidInput(
            f"the ledger at {_redact_address(url)} cannot be opened: {_first_line(error.orig)}",
            remedy="Start the server, or correct the address: user, password, host, port and database must exist, and "
            "the user must be allowed to create tables.",
            field=LEDGER_VARIABLE,
        ) from None
    except QHybridError:
        engine.dispose()
        raise
    event.listen(engine, "begin", _begin)
    event.listen(engine, "do_connect", _connect_with_retry)
    return engine


def read_clock(connection: Connection) -> datetime:
    """Return what the server's clock says at this moment."""
    at: datetime = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    return at.astimezone(UTC)


def _configure(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SESSION)
    connection.commit()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get(LOCKS_OPTION, False):
        return
    if options.get(READ_ONLY_OPTION, False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    else:
        connection.exec_driver_sql("SELECT 1 FROM chain_head FOR UPDATE")


def _connect_with_retry(dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
    """Return a connection of the driver, as soon as the server answers."""
    driver = dialect.loaded_dbapi
    deadline = time.monotonic() + RECONNECT_TIMEOUT_SECONDS
    pause = 0.05
    while True:
        try:
            return driver.connect(*arguments, **parameters)
        except driver.OperationalError as error:
            if time.monotonic() >= deadline:
                raise LedgerUnreachable(
                    f"the ledger's server has not answered for {RECONNECT_TIMEOUT_SECONDS:g} s: {_first_line(error)}. "
                    "Nothing was written; try again when it is back."
                ) from None
        time.sleep(pause)
        pause = min(2 * pause, 1.0)


def _redact_address(url: URL) -> str:
    """Return where a database is, without who opens it and by which password."""
    return f"{url.host or 'this machine'}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]
