"""The ledger's database on one machine: SQLite in the only mode that was measured to lose nothing and to lock nobody out.

WAL, ``synchronous=FULL`` (NORMAL may forget the last commits in a power cut, and a forgotten intent is paid again), a
busy timeout of 30 s, and BEGIN IMMEDIATE for every transaction that writes: a deferred one that reads before it writes
fails at once when somebody else has written, whatever the timeout. WAL needs a local disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from qhybrid_pipelines.control.ledger.databases import schema
from qhybrid_pipelines.control.ledger.databases.file_locks import hold_lock
from qhybrid_pipelines.control.ledger.databases.read_only_files import may_write_database, read_only_options
from qhybrid_pipelines.core.errors import InvalidInput, QHybridError
from qhybrid_pipelines.core.system.files import make_with_usual_permissions

BUSY_TIMEOUT_SECONDS = 30

#: Execution option of connections that only read: they see one snapshot and hold up nobody.
READ_ONLY_OPTION = "reads_only"


def lock_file(path: Path) -> Path:
    """Return the file that carries the locks of the ledger at ``path``."""
    return path.with_name(f"{path.name}-locks")


def open_database(path: Path) -> Engine:
    """Return an engine on the ledger's file, which is created or upgraded first.

    Any number of processes may do this at the same time.

    Raises:
        InvalidInput: the file cannot be created or opened, is not a ledger, or was written by a newer release.
    """
    may_write = may_write_database(path)
    url = URL.create("sqlite", database=str(path)) if may_write else _read_only_url(path)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS}, pool_timeout=30)
    event.listen(engine, "connect", _configure if may_write else _configure_for_reading)
    event.listen(engine, "begin", _begin)
    try:
        if may_write:
            _prepare(engine, path)
        else:
            with engine.connect().execution_options(**{READ_ONLY_OPTION: True}) as connection:
                connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
    except (OSError, DatabaseError) as error:
        engine.dispose()
        cause = error.orig if isinstance(error, DatabaseError) else error
        raise InvalidInput(
            f"the ledger cannot be opened: {cause}",
            remedy="Name a folder on a local disk that you may write to, not a file of another program.",
            file=str(path),
        ) from error
    except QHybridError:
        engine.dispose()
        raise
    return engine


def _prepare(engine: Engine, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # The switch to WAL does not wait for other connections, and two first users must not both create tables.
    with hold_lock(lock_file(path), "schema", timeout_seconds=BUSY_TIMEOUT_SECONDS):
        make_with_usual_permissions(path)
        with engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            raw.execute("PRAGMA journal_mode=WAL")
        with engine.begin() as connection:
            schema.prepare(connection)


def _read_only_url(path: Path) -> URL:
    return URL.create("sqlite", database=f"file:{quote(str(path))}", query={**read_only_options(path), "uri": "true"})


def _configure_for_reading(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # no hidden BEGIN by the driver


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # no hidden BEGIN by the driver
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get(READ_ONLY_OPTION, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
