"""Copies of a ledger, on both databases, and what careless people do with them: an older one put back, a home that works twice.

What was sent since a copy was made is known to the provider alone.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import NullPool, create_engine, make_url

from qhybrid_pipelines.control.home_identity import HomeGuard
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import postgres_databases


class LedgerPlace(Protocol):
    """Where a ledger lies; nobody has it open while it is copied."""

    ledger: SqlLedger

    def keep_copy(self) -> None:
        """Keep the ledger as it is, in place of the copy before."""

    def has_copy(self) -> bool:
        """Tell whether a copy was kept."""

    def put_back(self) -> None:
        """Put the copy in place of the ledger."""

    def twin(self, folder: Path) -> LedgerPlace:
        """Return a copy of the ledger that somebody else opens from now on."""


class SqlitePlace:
    """A file in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._copies = folder, folder / "copies"
        self.ledger = SqlLedger.open_sqlite(folder / "ledger.db")

    def keep_copy(self) -> None:
        self._copy(self._folder, self._copies)

    def has_copy(self) -> bool:
        return (self._copies / "ledger.db").exists()

    def put_back(self) -> None:
        self._copy(self._copies, self._folder)

    def twin(self, folder: Path) -> SqlitePlace:
        self.ledger.close()
        self._copy(self._folder, folder)
        return SqlitePlace(folder)

    def _copy(self, source: Path, target: Path) -> None:
        target.mkdir(exist_ok=True)
        for suffix in ("", "-wal", "-shm"):
            (target / f"ledger.db{suffix}").unlink(missing_ok=True)
            if (source / f"ledger.db{suffix}").exists():
                shutil.copy2(source / f"ledger.db{suffix}", target / f"ledger.db{suffix}")


class PostgresPlace:
    """A database of its own on a server.

    Args:
        server: its address.
        name: of the database.
        admin_database: that copies are made from; another one than the ledger's.
    """

    def __init__(self, server: str, name: str, *, admin_database: str | None = None) -> None:
        self._server, self._name = server, name
        if admin_database is not None:
            self._server = make_url(server).set(database=admin_database).render_as_string(hide_password=False)
        address = make_url(server).set(database=name)
        self.ledger = SqlLedger.open_postgres(address.render_as_string(hide_password=False))

    def keep_copy(self) -> None:
        self._make(f"{self._name}_copy", self._name)

    def has_copy(self) -> bool:
        return self._exists(f"{self._name}_copy")

    def put_back(self) -> None:
        self._make(self._name, f"{self._name}_copy")

    def twin(self, folder: Path) -> PostgresPlace:
        name = f"{self._name}_{folder.name}"
        self.ledger.close()
        self._make(name, self._name)
        return PostgresPlace(self._server, name)

    def remove(self) -> None:
        """Drop the database and its copies."""
        self.ledger.close()
        names = self._run(f"SELECT datname FROM pg_database WHERE datname LIKE '{self._name}%%'")
        self._run(*(f"DROP DATABASE {name} WITH (FORCE)" for name in names))

    def _make(self, name: str, template: str) -> None:
        self.ledger.close()
        self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name} TEMPLATE {template}")

    def _exists(self, name: str) -> bool:
        return bool(self._run(f"SELECT datname FROM pg_database WHERE datname = '{name}'"))

    def _run(self, *statements: str) -> list[str]:
        found: list[str] = []
        admin = create_engine(self._server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            for statement in statements:
                done = connection.exec_driver_sql(statement)
                found += [row[0] for row in done] if done.returns_rows else []
        return found


@contextmanager
def open_place(folder: Path, server: str | None, *, is_copied: bool) -> Iterator[LedgerPlace]:
    """Open a new ledger; on Postgres one that is copied has a database of its own, and another one a schema."""
    folder.mkdir(exist_ok=True)
    if server is None:
        file = SqlitePlace(folder)
        yield file
        file.ledger.close()
    elif is_copied:
        with postgres_databases.database(server) as made:
            place = PostgresPlace(server, str(make_url(made).database))
            yield place
            place.remove()
            postgres_databases.create(server, str(make_url(made).database))  # whoever made it drops it
    else:
        with postgres_databases.schema(server) as address:
            opened = PostgresPlace.__new__(PostgresPlace)
            opened.ledger = SqlLedger.open_postgres(address)
            yield opened
            opened.ledger.close()


class LedgerBackups:
    """An older ledger is put back now and then, as a careless administrator would.

    Args:
        place: where the ledger lies.
        lag_seconds: the longest that the provider's list may lag; nobody restores a backup within that of the last job.

    Attributes:
        restored: how often it was done.
        undone: events that the ledgers had, and the older ones in their places had not.
    """

    def __init__(self, place: LedgerPlace, lag_seconds: float) -> None:
        self._place, self._lag_seconds, self.restored, self.undone = place, lag_seconds, 0, 0

    def next_round(self, chance: random.Random) -> None:
        """Make a copy, or put the last one back, or neither."""
        drawn = chance.random()
        if drawn < 0.15 or not self._place.has_copy():
            self._place.keep_copy()
        elif drawn < 0.30:
            time.sleep(2 * self._lag_seconds)
            before = self._count_events()
            self._place.put_back()
            self.undone += before - self._count_events()
            self.restored += 1

    def _count_events(self) -> int:
        count = len(self._place.ledger.events())
        self._place.ledger.close()
        return count


class HomeCopies:
    """Now and then a home is copied whole, and both work on, one after the other, until one of them asks a person.

    The person says that the first home goes on, and that the copy does not.

    Args:
        home: the first.
        place: where its ledger lies.
        is_shared: the ledger is on a server.
        lag_seconds: the longest that the provider's list may lag; the homes take turns no quicker.
    """

    def __init__(self, home: Home, place: LedgerPlace, *, is_shared: bool, lag_seconds: float) -> None:
        self._home, self._place, self._is_shared, self._lag_seconds = home, place, is_shared, lag_seconds
        self._copy: tuple[Home, LedgerPlace] | None = None
        self._is_copys_turn, self._made = False, 0
        self.copied = self.asked = 0

    def guard(self, home: Home, ledger: SqlLedger) -> HomeGuard:
        """Return what tells whether a home is the one that it says it is."""
        return HomeGuard(home, ledger, is_shared=self._is_shared)

    def next_round(self, chance: random.Random) -> tuple[Home, SqlLedger]:
        """Return the home that works next."""
        self._decide()
        if self._copy is None and chance.random() < 0.2:
            self._made += 1
            folder = self._home.path / f"copy{self._made}"
            folder.mkdir()
            self._copy = Home(folder), self._place.twin(folder)
            for note in self._home.path.glob("*.json"):
                shutil.copy2(note, folder / note.name)
            self.copied += 1
        is_copys_turn = self._copy is not None and chance.random() < 0.5
        if is_copys_turn != self._is_copys_turn:
            time.sleep(2 * self._lag_seconds)
        self._is_copys_turn = is_copys_turn
        if self._copy is None or not is_copys_turn:
            return self._home, self._place.ledger
        home, place = self._copy
        place.ledger.close()
        return home, place.ledger

    def _decide(self) -> None:
        """Do what a person does who is asked: the first home goes on, and its copy is thrown away."""
        asked = bool(self.guard(self._home, self._place.ledger).problems())
        if self._copy is not None:
            home, place = self._copy
            asked = asked or bool(self.guard(home, place.ledger).problems())
            place.ledger.close()
        if not asked:
            return
        self.asked += 1
        if self._is_copys_turn or self._copy is not None:
            time.sleep(2 * self._lag_seconds)
        self._copy, self._is_copys_turn = None, False
        self.guard(self._home, self._place.ledger).go_on()
        self._place.ledger.close()
