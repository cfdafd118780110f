"""How analysts open the warehouse: read-only, cut off from files and network, and with errors a person can act on."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.core.system.stop_request import raise_if_stop_requested, stop_requested
from qhybrid_pipelines.storage.shared_snapshot import fetch_snapshot
from qhybrid_pipelines.storage.sql_text import text

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from qhybrid_pipelines.storage.layout import Home

#: A query that takes longer is ended: somebody forgot a join's condition.
LIMIT_SECONDS = 300.0
#: How often a query's limit, and a request to stop, are looked at.
_POLL_SECONDS = 0.1
#: Types whose values DuckDB gives to Python as Arrow would, without the import of Arrow.
_PLAIN_TYPES = {
    *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("FLOAT", "DOUBLE", "DECIMAL", "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
}
T = TypeVar("T")
#: The order matters: what forbids further changes comes last.
_HARDENING = (
    "SET TimeZone = 'UTC'",  # a moment's day is the same for every reader
    "SET python_enable_replacements = false",  # SQL sees tables, never variables of the calling program
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)


def connect(home: Home) -> duckdb.DuckDBPyConnection:
    """Open the newest snapshot. The connection keeps it, whatever is published meanwhile; open again to see more.

    Raises:
        InvalidInput: nothing was published yet, or the file is not a snapshot of this pipeline.
        CorruptFile: the file has other bytes than were written.
        EnvironmentFailure: it lies in an object store that cannot be used.
    """
    import duckdb

    fetch_snapshot(home)
    if not home.warehouse.is_file():
        raise InvalidInput(
            f"there is no warehouse yet in {home.path}",
            remedy="Run an experiment, for example `qhybrid demo`; `--home` selects another home.",
        )
    # Within one process DuckDB shares a database between all who open its path, so that a second reader would get
    # the first one's old snapshot. Attached to an instance of its own, every reader gets the file that is there now.
    connection = duckdb.connect(":memory:", config={"temp_directory": str(_spill_folder())})
    try:
        connection.execute(f"ATTACH {text(str(home.warehouse))} AS warehouse (READ_ONLY)")
    except duckdb.Error as error:
        connection.close()
        if _is_checksum_mismatch(error):
            raise _corrupt_file_error(home, error) from None
        raise InvalidInput(
            f"the warehouse cannot be opened: {_one_line(error)}",
            remedy="Close the program that opened it for writing, and open it read-only there."
            if "Could not set lock" in str(error)
            else "Materialise the asset 'warehouse' again; the data itself is in the lake.",
            file=str(home.warehouse),
        ) from None
    for statement in ("USE warehouse", *_HARDENING):
        connection.execute(statement)
    return connection


def query(home: Home, sql: str, *, limit_seconds: float = LIMIT_SECONDS) -> pa.Table:
    """Return the result of a query on the newest snapshot; of several statements, of the last one.

    Args:
        home: whose warehouse.
        sql: the query.
        limit_seconds: one that takes longer is ended.

    Raises:
        InvalidInput: nothing was published yet, the SQL is wrong or takes too long, or it tries to write or to leave the
            warehouse.
        CorruptFile: what it asks for cannot be read from the file.
        StopRequested: somebody stopped this process meanwhile.
    """
    return _ask(home, sql, lambda result: result.to_arrow_table(), limit_seconds=limit_seconds)


def query_rows(home: Home, sql: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of a query and the names of its columns, without Arrow where no type needs it. Raises as `query`."""

    def read(result: duckdb.DuckDBPyRelation) -> tuple[list[dict[str, Any]], list[str]]:
        if all(str(kind).partition("(")[0] in _PLAIN_TYPES for kind in result.types):
            names = list(result.columns)
            return [dict(zip(names, values, strict=True)) for values in result.fetchall()], names
        table = result.to_arrow_table()
        return table.to_pylist(), table.column_names

    return _ask(home, sql, read)


def _ask(
    home: Home, sql: str, read: Callable[[duckdb.DuckDBPyRelation], T], *, limit_seconds: float = LIMIT_SECONDS
) -> T:
    """Return what ``read`` makes of the result of a query. Raises as `query`."""
    import duckdb

    with connect(home) as connection, _interrupting(connection, limit_seconds):
        try:
            if len(connection.extract_statements(sql)) > 1:  # of several, DuckDB would show the last one's rows only
                raise InvalidInput("there is more than one statement", remedy="Ask one SELECT at a time.", field="sql")
            result = connection.sql(sql)
            answer = None if result is None else read(result)
        except duckdb.Error as error:
            raise_if_stop_requested()
            if _is_checksum_mismatch(error):
                raise _corrupt_file_error(home, error) from None
            if isinstance(error, duckdb.InterruptException):
                raise InvalidInput(
                    f"the query took more than {limit_seconds:g} seconds and was ended",
                    remedy="Ask for less: give every join its condition, or aggregate; a program of your own may take longer.",
                    field="sql",
                ) from None
            raise InvalidInput(_one_line(error), remedy=_remedy(error), field="sql") from None
    if answer is None:
        raise InvalidInput(
            "the statement has no result", remedy='Ask with SELECT, for example "SELECT * FROM verdicts".', field="sql"
        )
    return answer


@contextmanager
def _interrupting(connection: duckdb.DuckDBPyConnection, limit_seconds: float) -> Iterator[None]:
    """Interrupt what a connection does when it takes too long, or when somebody stops this process.

    Signals wait until DuckDB comes back to Python, which a long query does not do by itself. Where the machine gives no thread to watch
    with, the query goes on unwatched: it is answered all the same, and its limit is there for those that would never be.
    """
    ended = threading.Event()

    def watch() -> None:
        until = time.monotonic() + limit_seconds
        while not ended.wait(_POLL_SECONDS):
            if stop_requested() is not None or time.monotonic() > until:
                connection.interrupt()
                return

    thread = threading.Thread(target=watch, name="query-limit", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # "can't start new thread": too little memory for its stack, or too many threads at the moment
        is_watched = False
    else:
        is_watched = True
    try:
        yield
    finally:
        ended.set()
        if is_watched:
            thread.join()  # an interruption that came later would end the next query


def _spill_folder() -> Path:
    """Return a folder for queries larger than memory; DuckDB makes it when it needs it, and removes it."""
    return Path(tempfile.gettempdir()) / f"qhybrid-analyst-{os.getpid()}-{secrets.token_hex(4)}"


def _is_checksum_mismatch(error: duckdb.Error) -> bool:
    """Tell whether a block of the file does not match its checksum; DuckDB has no error class of its own for that."""
    return "Corrupt database file" in str(error)


def _corrupt_file_error(home: Home, error: duckdb.Error) -> CorruptFile:
    return CorruptFile(
        str(home.warehouse),
        f"the snapshot is damaged: {_one_line(error)}",
        remedy="Delete this file and publish again (the asset 'warehouse', or the job 'publish'); the data is in the lake.",
    )


def _one_line(error: duckdb.Error) -> str:
    """Return DuckDB's message without the excerpt of the query that follows an empty line."""
    return " ".join(str(error).split("\n\n")[0].split()).rstrip("!?.")


def _remedy(error: duckdb.Error) -> str:
    import duckdb

    if isinstance(error, duckdb.PermissionException) or re.search("read-only mode|been locked|base table", str(error)):
        return "The warehouse can only be read, and nothing but the warehouse; files and settings are out of reach."
    if isinstance(error, duckdb.CatalogException | duckdb.BinderException):
        return "`SHOW TABLES` and `DESCRIBE verdicts` list what there is; docs/data-dictionary.md explains it."
    return "Correct the SQL; docs/questions.md has worked examples."
