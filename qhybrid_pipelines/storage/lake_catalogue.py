"""Which object is which partition of the lake: tables in the ledger's Postgres, or SQLite in the home.

A row is the commit. It says from which version of the lake to which one an object was a partition; rows of the past stay until
they are collected, so that whoever holds a version reads that one. Writers take the one row of ``lake_head`` in turn, for the
length of a transaction that touches objects only while a collection runs, so that versions follow each other as they become visible.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    delete,
    event,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError

from qhybrid_pipelines.core.errors import EnvironmentFailure
from qhybrid_pipelines.core.system.files import make_with_usual_permissions
from qhybrid_pipelines.storage.lake_store import LEDGER_VARIABLE
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.postgres import postgres_url

BUSY_TIMEOUT_SECONDS = 30
#: After so long a server ends a transaction in which nothing is asked: more than its holder may take to delete objects in it, the last
#: request to the store included (`lake_objects.DELETING_SECONDS`, `objects.RETRY_TIMEOUT` and one answer that does not come).
IDLE_TIMEOUT_SECONDS = 120
#: Places that are asked about in one statement.
CHUNK = 500
#: Held while the tables are made, which two first users must not do at once.
_SCHEMA_LOCK = 0x71_68_6C_61_6B_65

_metadata = MetaData()
_HEAD = Table(
    "lake_head",
    _metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("lake_id", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    #: Odd while objects are being collected; see `Catalogue.commit`.
    Column("collection", BigInteger, nullable=False),
)
_PARTITION = Table(
    "lake_partition",
    _metadata,
    Column("place", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("asset", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("written_ns", BigInteger, nullable=False),
    Column("until_version", BigInteger),
    Column("replaced_ns", BigInteger),
)
_IS_CURRENT = _PARTITION.c.until_version.is_(None)
Index("lake_partition_current", _PARTITION.c.place, unique=True, sqlite_where=_IS_CURRENT, postgresql_where=_IS_CURRENT)
Index("lake_partition_of_asset", _PARTITION.c.asset, sqlite_where=_IS_CURRENT, postgresql_where=_IS_CURRENT)
Index("lake_partition_object", _PARTITION.c.sha256)
Index("lake_partition_replaced", _PARTITION.c.replaced_ns)

_READS = "reads_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A partition as the catalogue has it: the object of that hash, since a version."""

    place: str
    version: int
    asset: str
    sha256: str
    bytes: int
    written_ns: int


class Catalogue:
    """The catalogue of one lake.

    Args:
        engine: on its database.
        lake_id: names the lake, so that two never share a place.
    """

    def __init__(self, engine: Engine, lake_id: str) -> None:
        self._engine, self.lake_id = engine, lake_id

    @classmethod
    def open(cls, home: Home, ledger_url: str) -> Catalogue:
        """Return the catalogue of a home, whose tables are made first; beside the ledger's where that is on a server.

        Raises:
            InvalidInput: the address is not one of Postgres.
            EnvironmentFailure: the database cannot be used.
        """
        engine = _postgres(ledger_url) if ledger_url else _sqlite(home)
        with _errors(), engine.begin() as connection:
            if ledger_url:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})
            _metadata.create_all(connection)
            lake_id = connection.scalar(select(_HEAD.c.lake_id))
            if lake_id is None:
                lake_id = uuid.uuid4().hex
                connection.execute(insert(_HEAD).values(number=1, lake_id=lake_id, version=0, collection=0))
        return cls(engine, lake_id)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def version(self) -> int:
        """Return the number of the newest version; 0 before anything was written."""
        with self._reading() as connection:
            return int(connection.scalar(select(_HEAD.c.version)) or 0)

    def collection(self) -> int:
        """Return how far collections have got; whoever puts an object asks before."""
        with self._reading() as connection:
            return int(connection.scalar(select(_HEAD.c.collection)) or 0)

    def find(self, place: str, version: int | None = None) -> Entry | None:
        """Return what a partition is now, or was at a version."""
        with self._reading() as connection:
            row = connection.execute(_entries(version).where(_PARTITION.c.place == place)).mappings().first()
        return None if row is None else Entry(**row)

    def find_all(self, places: Sequence[str], version: int | None = None) -> dict[str, Entry]:
        """Return what some partitions are now, or were at a version; those that are not there are left out."""
        found: dict[str, Entry] = {}
        with self._reading() as connection:
            for start in range(0, len(places), CHUNK):
                query = _entries(version).where(_PARTITION.c.place.in_(places[start : start + CHUNK]))
                found |= {row["place"]: Entry(**row) for row in connection.execute(query).mappings()}
        return found

    def entries(self, asset: str | None = None, version: int | None = None) -> list[Entry]:
        """Return all partitions, or those of one asset, as they are now or were at a version; by place."""
        query = _entries(version).order_by(_PARTITION.c.place)
        if asset is not None:
            query = query.where(_PARTITION.c.asset == asset)
        with self._reading() as connection:
            return [Entry(**row) for row in connection.execute(query).mappings()]

    def versions(self, places: Sequence[str]) -> dict[str, int]:
        """Return since which version each of some partitions is as it is; those that are not there are left out."""
        found: dict[str, int] = {}
        with self._reading() as connection:
            for start in range(0, len(places), CHUNK):
                known = select(_PARTITION.c.place, _PARTITION.c.version).where(
                    _IS_CURRENT, _PARTITION.c.place.in_(places[start : start + CHUNK])
                )
                found |= {row.place: row.version for row in connection.execute(known)}
        return found

    def commit(
        self,
        written: Mapping[str, tuple[str, int]],
        removed: Iterable[str] = (),
        *,
        seen: int | None = None,
        confirm: Callable[[], None] | None = None,
    ) -> int:
        """Make partitions something else in one transaction, and return the version from which on they are.

        Objects that were put are safe from a collection that runs meanwhile: where one has begun since ``seen``, it is checked
        once more that they are there, in a transaction in which nothing is deleted.

        Args:
            written: hash and size of each partition's object, by place.
            removed: places of partitions that are taken away.
            seen: what `collection` said before the objects were put.
            confirm: puts objects again that are gone.
        """
        with _errors(), self._engine.begin() as connection:
            head = connection.execute(select(_HEAD).with_for_update()).one()
            if confirm is not None and (head.collection != seen or head.collection % 2):
                confirm()
            version, now = head.version + 1, _now_ns(connection)
            for place in (*written, *removed):
                connection.execute(
                    update(_PARTITION)
                    .where(_PARTITION.c.place == place, _IS_CURRENT)
                    .values(until_version=version, replaced_ns=now)
                )
            for place, (sha256, size) in written.items():
                connection.execute(
                    insert(_PARTITION).values(
                        place=place,
                        version=version,
                        asset=place.split("/")[1],
                        sha256=sha256,
                        bytes=size,
                        written_ns=now,
                    )
                )
            connection.execute(update(_HEAD).values(version=version))
        return int(version)

    def begin_collection(self) -> int:
        """Say that objects will be deleted from now on; return the number of this collection."""
        with _errors(), self._engine.begin() as connection:
            number = connection.scalar(select(_HEAD.c.collection).with_for_update()) or 0
            number += 1 if number % 2 == 0 else 2
            connection.execute(update(_HEAD).values(collection=number))
        return int(number)

    def end_collection(self, number: int) -> None:
        """Say that nothing is deleted any more; another collection that has begun meanwhile goes on."""
        with _errors(), self._engine.begin() as connection:
            connection.execute(update(_HEAD).where(_HEAD.c.collection == number).values(collection=number + 1))

    def now_ns(self) -> int:
        """Return the time of the database's clock, in nanoseconds since 1970."""
        with self._reading() as connection:
            return _now_ns(connection)

    def forget_replaced(self, before_ns: int) -> int:
        """Forget partitions that were replaced or removed before a time; return how many. Their objects become free."""
        with _errors(), self._engine.begin() as connection:
            return connection.execute(delete(_PARTITION).where(_PARTITION.c.replaced_ns < before_ns)).rowcount

    def named_objects(self, before_ns: int) -> set[str]:
        """Return the hashes of objects that partitions name, without those that were replaced before a time."""
        named = select(_PARTITION.c.sha256).where(or_(_IS_CURRENT, _PARTITION.c.replaced_ns >= before_ns)).distinct()
        with self._reading() as connection:
            return set(connection.scalars(named))

    @contextmanager
    def free_objects(self, number: int, hashes: Sequence[str]) -> Iterator[list[str]]:
        """Give those of some objects that no partition names, in a transaction in which none begins to.

        Gives an empty list where another collection has begun.
        """
        with _errors(), self._engine.begin() as connection:
            if connection.scalar(select(_HEAD.c.collection).with_for_update()) != number:
                yield []
                return
            named = set(connection.scalars(select(_PARTITION.c.sha256).where(_PARTITION.c.sha256.in_(hashes))))
            yield [one for one in hashes if one not in named]

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        # On a server a transaction around one statement would be two more ways there and back.
        options = {_READS: True} if self._engine.dialect.name == "sqlite" else {"isolation_level": "AUTOCOMMIT"}
        with _errors(), self._engine.connect() as connection:
            yield connection.execution_options(**options)


def _entries(version: int | None) -> Any:
    columns = _PARTITION.c
    query = select(columns.place, columns.version, columns.asset, columns.sha256, columns.bytes, columns.written_ns)
    if version is None:
        return query.where(_IS_CURRENT)
    return query.where(columns.version <= version, or_(_IS_CURRENT, columns.until_version > version))


def _now_ns(connection: Connection) -> int:
    if connection.dialect.name == "sqlite":
        return time.time_ns()
    # By the server's clock: those of the machines need not agree.
    return int(connection.scalar(text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")) or 0) * 1000


def _postgres(address: str) -> Engine:
    engine = create_engine(
        postgres_url(address, variable=LEDGER_VARIABLE),
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=1,
        max_overflow=4,
        connect_args={"connect_timeout": 10, "application_name": "qhybrid lake"},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SET synchronous_commit = on; SET idle_in_transaction_session_timeout = '{IDLE_TIMEOUT_SECONDS}s'"
            )
        connection.commit()

    return engine


def _sqlite(home: Home) -> Engine:
    path = home.lake_catalogue
    make_with_usual_permissions(path)
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # no hidden BEGIN by the driver
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get(_READS, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        cause = (str(error.orig).strip().splitlines() or ["no reason given"])[0]
        raise EnvironmentFailure(
            f"the catalogue of the lake cannot be used: {cause}",
            remedy="Nothing was written; try again when its database answers.",
        ) from None
