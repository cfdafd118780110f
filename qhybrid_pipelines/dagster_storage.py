"""Dagster's SQLite stores with one engine for a file instead of one for a look-up.

Dagster 1.13 makes an SQLAlchemy engine for every connection, of which a small experiment has some 1,400, and with each engine
every statement is compiled again: about a third of what six small experiments cost. The engines of the files that were used
last are kept here, and one open connection of each: a file whose last connection closes is tidied by SQLite every time. A forked
child leaves them alone and opens its own. What is stored is the same, and Dagster's own classes read it.

A power failure may take the last events with it, never the rest (`synchronous=NORMAL` in WAL mode; a killed process loses nothing).
What is done stands in the lake and the ledger, which wait for the disk; Dagster only shows it.

Two processes that open a new home at the same moment both make its tables: with Dagster's classes one of them fails, or both leave a
database with two versions, which nothing opens again. Here one waits for the other.

Where a run writes many partitions, Dagster has one event for each of them, and may store those of a table together. It does where its
environment variable asks for that, and its class for SQLite then stores them one by one all the same; here they are one transaction for each file.

What is also remembered is which tables and partitions exist. Neither goes away while a process runs: nothing of ours deletes a
partition, and tables are made once.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, cast

from dagster._core.events import ASSET_CHECK_EVENTS, BATCH_WRITABLE_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqlEventLogStorageTable, SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from filelock import FileLock
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, func, select

from qhybrid_pipelines.core.system import files

#: Every run has a file of its own; those of the last few are enough.
MAX_ENGINES = 8
#: The write-ahead log of a file is written back when it has so many pages.
MAX_LOG_PAGES = 100
_INDEX = "index"
#: How many events Dagster stores together; 0, its default, is one by one.
BATCH_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
_EVENTS_TOGETHER = 500
Store = TypeVar("Store")


class Engines:
    """The engines of the files that were used last."""

    def __init__(self) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        _all_engines.add(self)
        # Whoever ends without closing leaves no log beside a file: its last connection writes it back as it closes.
        weakref.finalize(self, _dispose, self._engines, os.getpid())

    def __len__(self) -> int:
        return len(self._engines)

    def get(self, address: str) -> Engine:
        """Return the engine of a file."""
        engine = self._engines.pop(address, None)
        if engine is None:
            engine = _make_engine(address)
        self._engines[address] = engine
        if len(self._engines) > MAX_ENGINES:
            self._engines.popitem(last=False)[1].dispose()
        return engine

    def close(self) -> None:
        """Close the connections that are open; whoever asks for an engine again gets a new one."""
        while self._engines:
            self._engines.popitem()[1].dispose()

    def forget_connections(self) -> None:
        """Leave what a parent process opened to it: no handle of SQLite may cross a fork."""
        for engine in self._engines.values():
            engine.dispose(close=False)


def _dispose(engines: OrderedDict[str, Engine], process: int) -> None:
    if os.getpid() == process:
        while engines:
            engines.popitem()[1].dispose()


_all_engines: weakref.WeakSet[Engines] = weakref.WeakSet()


def _forget_in_child() -> None:
    for engines in _all_engines:
        engines.forget_connections()


os.register_at_fork(after_in_child=_forget_in_child)


def _make_engine(address: str) -> Engine:
    """Return an engine that keeps one connection open, and opens more for threads that come at the same time."""
    settings = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False}
    engine = create_engine(address, poolclass=QueuePool, pool_size=1, max_overflow=-1, connect_args=settings)

    @event.listens_for(engine, "connect")
    def wait_for_no_disk(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = NORMAL")
        # The log of an open file is written back when it has so many pages, no longer when it closes: it stays small.
        connection.execute(f"PRAGMA wal_autocheckpoint = {MAX_LOG_PAGES}")

    return engine


def open_alone(base_dir: str, open_store: Callable[[], Store]) -> Store:
    """Open a store while nobody else opens one in the same folder."""
    folder = Path(base_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".opening.lock", mode=0o666):
        return open_store()


def store_events_together() -> None:
    """Let Dagster store the events of many partitions together, in this process and those that it starts."""
    os.environ.setdefault(BATCH_VARIABLE, str(_EVENTS_TOGETHER))


class EventLogStorage(SqliteEventLogStorage):
    """Dagster's event log; see the module."""

    #: A file with its tables and nothing in them, once this process has made one.
    _empty: ClassVar[bytes | None] = None

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines = Engines()
        self._tables: set[str] = set()
        self._partitions: set[tuple[str, str]] = set()
        self._asset_columns: set[str] = set()
        store_events_together()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Return the storage that the instance's settings describe."""
        return open_alone(config_value["base_dir"], lambda: cls(inst_data=inst_data, **config_value))

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:  # noqa: FBT001, FBT002  Dagster's signature
        """Make the tables of a file. Every run has one, and each time Dagster reads ninety revisions: the next is a copy of the first."""
        path = Path(str(engine.url.database))
        is_new = not path.exists()
        if is_new and self._empty is not None and files.write_once(path, self._empty) == self._empty:
            return
        files.make_with_usual_permissions(path)
        super()._initdb(engine, for_index_shard)
        if is_new and self._empty is None:
            with engine.connect() as connection:
                made = cast("sqlite3.Connection", connection.connection.dbapi_connection).serialize()
                # Whoever made the file at the same moment may have gone on already.
                if not connection.execute(select(func.count()).select_from(SqlEventLogStorageTable)).scalar():
                    EventLogStorage._empty = made

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engines.get(self.conn_string_for_shard(shard))
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events about assets of one run: as `store_event` one after the other, in one transaction for each file."""
        if any(event.get_dagster_event().event_type not in BATCH_WRITABLE_EVENTS for event in events):
            super().store_event_batch(events)
            return
        rows = [self._event_to_row(event) for event in events]
        insert = SqlEventLogStorageTable.insert()
        numbered = insert.returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)
        with self.run_connection(events[0].run_id) as run:
            run.execute(insert, rows)
        with self.index_transaction() as index:
            stored = list(zip(events, index.execute(numbered, rows).scalars(), strict=True))
            about_assets = [one for one in stored if one[0].dagster_event_type not in ASSET_CHECK_EVENTS]
            if about_assets:
                self._store_asset_event_tags(index, *zip(*about_assets, strict=True))
            # What is remembered of an asset is the last of its events of each kind.
            latest = {(event.dagster_event_type, event.get_dagster_event().asset_key): at for event, at in about_assets}
            for event, at in about_assets:
                if latest[event.dagster_event_type, event.get_dagster_event().asset_key] == at:
                    self._store_asset_event(index, event, at)
        for event, at in stored:
            if event.dagster_event_type in ASSET_CHECK_EVENTS:
                self.store_asset_check_event(event, at)

    def dispose(self) -> None:
        """Close its files."""
        super().dispose()
        self._engines.close()

    def wipe(self) -> None:
        """Remove all files; what is open of them would go on to be written to unseen."""
        self._engines.close()
        super().wipe()

    def has_table(self, table_name: str) -> bool:
        """Tell whether the index has a table."""
        if table_name not in self._tables:
            engine = self._engines.get(self.conn_string_for_shard(_INDEX))
            with engine.connect() as connection:
                if not engine.dialect.has_table(connection, table_name):
                    return False
            self._tables.add(table_name)
        return True

    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        if column_name not in self._asset_columns and super()._has_asset_key_col_on_connection(conn, column_name):
            self._asset_columns.add(column_name)
        return column_name in self._asset_columns

    def has_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> bool:
        """Tell whether a partition was added."""
        partition = (partitions_def_name, partition_key)
        if partition not in self._partitions and super().has_dynamic_partition(*partition):
            self._partitions.add(partition)
        return partition in self._partitions

    def delete_dynamic_partition(self, partitions_def_name: str, partition_key: str) -> None:
        """Remove a partition; a person may, in the UI."""
        super().delete_dynamic_partition(partitions_def_name, partition_key)
        self._partitions.discard((partitions_def_name, partition_key))


class RunStorage(SqliteRunStorage):
    """Dagster's store of runs; see the module."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines = Engines()
        super().__init__(conn_string, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Return the storage that the instance's settings describe."""
        return open_alone(config_value["base_dir"], lambda: cls.from_local(inst_data=inst_data, **config_value))

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Open a connection in a transaction."""
        with self._engines.get(self._conn_string).connect() as connection, connection.begin():
            yield connection

    def dispose(self) -> None:
        """Close its file."""
        super().dispose()
        self._engines.close()


class ScheduleStorage(SqliteScheduleStorage):
    """Dagster's store of schedules and sensors; see the module."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Return the storage that the instance's settings describe."""
        return open_alone(
            config_value["base_dir"], lambda: cast("Self", cls.from_local(inst_data=inst_data, **config_value))
        )


def sqlite_settings(folder: Path) -> dict[str, Any]:
    """Return the settings of an instance that keeps its state in SQLite files below a folder, where Dagster would."""
    history = folder / "history"
    return {
        "run_storage": {"module": __name__, "class": "RunStorage", "config": {"base_dir": f"{history}/"}},
        "event_log_storage": {
            "module": __name__,
            "class": "EventLogStorage",
            "config": {"base_dir": f"{history / 'runs'}/"},
        },
        "schedule_storage": {
            "module": __name__,
            "class": "ScheduleStorage",
            "config": {"base_dir": str(folder / "schedules")},
        },
    }
