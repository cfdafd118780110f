"""What the service's SQLite files have in common: how they are opened, and transactions that are whole or absent.

A connection has ``isolation_level=None``, so that the driver begins no transaction by itself, and a transaction that writes begins
IMMEDIATE: a deferred one that reads before it writes may find that it cannot write after all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from qhybrid_pipelines.core.errors import InvalidInput


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all of what is inside, or nothing, whatever ends it: an error, or an interrupt of its thread."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        with suppress(sqlite3.Error):  # the error that ended it says more than one of the rollback
            if connection.in_transaction:  # it was not committed, and would block every other writer if it stayed open
                connection.execute("ROLLBACK")


@contextmanager
def closed_unless_ready(connection: sqlite3.Connection) -> Iterator[None]:
    """Close a connection that cannot be made ready; it would stay open until somebody collects garbage."""
    with ExitStack() as opening:
        opening.callback(connection.close)
        yield
        opening.pop_all()


@contextmanager
def storage_errors(path: Path, what: str) -> Iterator[None]:
    """Turn errors of the database, or of its file, into ones that say what to do.

    Args:
        path: the file.
        what: its rows are, in the plural.

    Raises:
        InvalidInput: the file cannot be opened or written to.
    """
    try:
        yield
    except (OSError, sqlite3.DatabaseError) as error:
        raise InvalidInput(
            f"the {what} cannot be stored: {error}",
            remedy="Name a home on a local disk that you may write to.",
            file=str(path),
        ) from error


def create_tables(connection: sqlite3.Connection, path: Path, what: str, versions: Sequence[Sequence[str]]) -> None:
    """Bring a file to the newest version of its tables, in one transaction.

    Args:
        connection: to the file.
        path: the file.
        what: its rows are, in the plural.
        versions: for each version, from 1, the statements that lead there from the one before.

    Raises:
        InvalidInput: a newer release has written it.
    """
    with transaction(connection):
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > len(versions):
            raise InvalidInput(
                f"the {what} were written by a newer release (version {found} of their tables)",
                remedy="Install that release, or a newer one.",
                file=str(path),
            )
        if found < len(versions):
            for statement in (statement for statements in versions[found:] for statement in statements):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={len(versions)}")
