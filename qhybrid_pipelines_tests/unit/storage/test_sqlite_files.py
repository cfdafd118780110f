"""Transactions are whole or absent, and a file has the tables of its newest version; the negative control leaves one open."""

import sqlite3

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.storage.sqlite_files import create_tables, storage_errors, transaction

FIRST = ("CREATE TABLE kept (word TEXT)",)
SECOND = ("ALTER TABLE kept ADD COLUMN length INTEGER", "UPDATE kept SET length = length(word)")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "words.db"


_connections = []


@pytest.fixture(autouse=True)
def _closed():
    """Python 3.13 warns of a connection that is left open, in whichever test happens to run when it is collected."""
    yield
    while _connections:
        _connections.pop().close()


def opened(path, **options):
    _connections.append(sqlite3.connect(path, isolation_level=None, timeout=0.1, **options))
    return _connections[-1]


def write(connection, word, ends_with=None, *, before=lambda: None):
    """Write a word in a transaction, which something may end."""
    with transaction(connection):
        connection.execute("INSERT INTO kept VALUES (?)", (word,))
        before()
        if ends_with is not None:
            raise ends_with


def words(path):
    return [row[0] for row in opened(path).execute("SELECT word FROM kept ORDER BY rowid")]


@pytest.mark.parametrize("ends", [KeyboardInterrupt, SystemExit, ValueError, GeneratorExit])
def test_whatever_ends_a_transaction_nothing_of_it_stays_and_others_can_write(path, ends):
    first, second = opened(path), opened(path)
    create_tables(first, path, "words", [FIRST])
    with pytest.raises(ends):
        write(first, "half", ends)
    write(second, "whole")
    assert words(path) == ["whole"]


def test_a_transaction_that_stays_open_blocks_others():
    """Negative control: without the rollback the second writer above would not get its turn."""
    first = opened("file:shared-words?mode=memory&cache=shared", uri=True)
    second = opened("file:shared-words?mode=memory&cache=shared", uri=True)
    first.execute("CREATE TABLE kept (word TEXT)")
    first.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"), transaction(second):
        pass


def test_the_error_that_ends_a_transaction_is_told_and_not_that_of_the_rollback(path):
    connection = opened(path)
    create_tables(connection, path, "words", [FIRST])
    with pytest.raises(ValueError, match="the reason"):
        write(connection, "lost", ValueError("the reason"), before=connection.close)
    assert words(path) == []


def test_tables_are_made_once_and_brought_to_the_newest_version(path):
    connection = opened(path)
    create_tables(connection, path, "words", [FIRST])
    connection.execute("INSERT INTO kept VALUES ('four')")
    for _ in range(2):
        create_tables(connection, path, "words", [FIRST, SECOND])
        assert connection.execute("SELECT word, length FROM kept").fetchall() == [("four", 4)]
    with pytest.raises(InvalidInput, match="the words were written by a newer release"):
        create_tables(connection, path, "words", [FIRST])


def test_a_version_that_cannot_be_made_changes_nothing(path):
    connection = opened(path)
    create_tables(connection, path, "words", [FIRST])
    with pytest.raises(sqlite3.OperationalError):
        create_tables(connection, path, "words", [FIRST, ("CREATE TABLE other (x)", "nonsense")])
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("kept",)]


def test_what_cannot_be_opened_is_said_with_a_remedy(tmp_path):
    with pytest.raises(InvalidInput, match="the words cannot be stored") as caught, storage_errors(tmp_path, "words"):
        opened(tmp_path).execute("SELECT 1 FROM kept")
    assert "Name a home" in caught.value.remedy
