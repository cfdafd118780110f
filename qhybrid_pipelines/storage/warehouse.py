"""Publishing: a new DuckDB file is built beside the old one and renamed over it.

Nobody waits for anybody. A reader keeps the snapshot it opened, because the old file lives on until the last reader
closes it; a new reader gets the new one; writers of the lake are not even asked. Measured, while a shared database
file (lock errors) and views over live Parquet (torn reads) both fail.

What is built is a copy of the last snapshot in which the rows of changed files and jobs are replaced, so that its cost
grows with what changed. A snapshot that is laid out otherwise, or whose bytes are not those that were published, is
built from nothing: damage is never copied on.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.system.files import make_folder, promote, scratch_folder, write_bytes
from qhybrid_pipelines.storage import ddl, schemas, sql_text, warehouse_tables, warehouse_views
from qhybrid_pipelines.storage.checksum import checksum
from qhybrid_pipelines.storage.decision_database import warehouse_rows
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.lake_files import inventory, list_files
from qhybrid_pipelines.storage.ledger_delta import LedgerCursor, LedgerDelta, LedgerRows
from qhybrid_pipelines.storage.removals import REMOVED_ARTEFACTS, RemovalStore
from qhybrid_pipelines.storage.schemas import Table
from qhybrid_pipelines.storage.service_decisions import SERVICE_DECISIONS
from qhybrid_pipelines.storage.shared_snapshot import put_snapshot
from qhybrid_pipelines.storage.snapshot_rows import (
    LakeChange,
    compare_files,
    fill_ledger,
    fill_tables,
    insert,
)
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines.storage.verdict_history import note_changes

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.layout import Home

#: Analysts' clients are older than ours: this form is read by DuckDB 1.2 and all later ones.
STORAGE_VERSION = "v1.2.0"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: What DuckDB may hold in memory while a snapshot is made; more threads would each hold parts of what is written.
MEMORY_LIMIT, MAX_THREADS = "300MB", 2

#: A file whose blocks are mostly free is built from nothing; below this size nobody minds.
MIN_COMPACTION_BYTES = 64 * 2**20


#: Rows of a small table that is written again with every snapshot, `warehouse_tables.FAMILIES` or `LABELS`.
SmallRows = Sequence[Mapping[str, Any]]
#: Returns what the ledger holds since a mark; everything, where the mark is None or not one of this ledger.
LedgerReader = Callable[[LedgerCursor | None], LedgerDelta]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReport:
    """What a publication came to.

    Attributes:
        tables: rows per table.
        files: files of the lake that were read.
        rebuild: built from nothing, not from the last snapshot.
        unreadable: what is wrong with files of the lake whose rows are missing, one sentence each.
    """

    path: Path
    tables: Mapping[str, int]
    rows: int
    bytes: int
    files: int
    rebuild: bool
    seconds: float
    unreadable: tuple[str, ...] = ()


def publish(
    home: Home,
    ledger: LedgerRows | LedgerReader,
    *,
    families: SmallRows = (),
    labels: SmallRows = (),
    rebuild: bool = False,
) -> PublishReport:
    """Build a snapshot of the whole lake and the ledger, and put it where analysts look for it.

    One publication at a time; a second one waits. A crash at any moment leaves the last snapshot in place; between the
    new checksum and the new snapshot it leaves one that does not match, and the next is built from nothing. What is
    published is what a snapshot built from nothing would hold.

    Args:
        home: where lake and warehouse are.
        ledger: all rows of the tables `schemas.LEDGER_TABLES` by table name, or what reads those that have changed.
        families: rows of `warehouse_tables.FAMILIES`.
        labels: rows of `warehouse_tables.LABELS`.
        rebuild: build it from nothing, whatever the last snapshot is.

    Raises:
        SchemaMismatch: ledger rows do not match their descriptions.
        ValueError: there is no ledger table of some name.
        CorruptFile: a file of the lake that has changed cannot be read; the last snapshot stays.
    """
    import duckdb

    started = time.perf_counter()
    read = ledger if callable(ledger) else lambda _: LedgerDelta(pages=[ledger])
    make_folder(home.locks)
    with FileLock(home.locks / "warehouse.lock"), scratch_folder(home.tmp) as folder:
        sources = _Sources(
            lake=Lake(home).held(), read=read, families=families, labels=labels, started_at=time.time_ns() // 1000
        )
        built = folder / home.warehouse.name
        filled = None
        if not rebuild and home.warehouse.is_file():
            shutil.copyfile(home.warehouse, built)
            if checksum(built) == _published_checksum(home):
                with suppress(duckdb.Error):  # one of an older release
                    filled = _update_copy(built, sources)
        if rebuild := filled is None:
            built.unlink(missing_ok=True)
            built.with_name(f"{built.name}.wal").unlink(missing_ok=True)
            filled = _build(built, sources)
        size = built.stat().st_size
        built.chmod(0o444)
        os.utime(built, ns=(sources.started_at * 1000, sources.started_at * 1000))
        # A log that somebody left who opened the last snapshot for writing does not belong to this one.
        home.warehouse.with_name(f"{home.warehouse.name}.wal").unlink(missing_ok=True)
        write_bytes(home.warehouse_checksum, checksum(built).encode(), tmp=home.tmp)
        put_snapshot(home, built)
        promote(built, home.warehouse)
    return PublishReport(
        path=home.warehouse,
        tables=filled.tables,
        rows=sum(filled.tables.values()),
        bytes=size,
        files=filled.files,
        rebuild=rebuild,
        seconds=time.perf_counter() - started,
        unreadable=filled.unreadable,
    )


def matches_published_checksum(home: Home) -> bool:
    """Tell whether the snapshot holds the bytes that were published; reads all of it.

    Raises:
        filelock.Timeout: one is being published at this moment.
        FileNotFoundError: there is no snapshot.
    """
    with FileLock(home.locks / "warehouse.lock", timeout=0):
        return checksum(home.warehouse) == _published_checksum(home)


def _published_checksum(home: Home) -> str | None:
    try:
        return home.warehouse_checksum.read_text(errors="replace")
    except FileNotFoundError:
        return None


def lake_has_changed(home: Home) -> bool:
    """Tell whether the lake differs from what the snapshot shows: new files, replaced ones, or some that are gone."""
    import duckdb

    with duckdb.connect(":memory:") as connection:
        try:
            connection.execute(f"ATTACH {sql_text.text(str(home.warehouse))} AS warehouse (READ_ONLY)")
            columns = ", ".join(column.name for column in warehouse_tables.LAKE_FILES.columns)
            query = f"SELECT {columns} FROM warehouse.{warehouse_tables.LAKE_FILES.name}"  # noqa: S608  names of ours
            recorded = connection.execute(query).fetchall()
        except duckdb.Error:  # there is none, or one of an older release
            return True
    # Compared here and not in SQL: to make an Arrow table of the files that are there, Arrow imports pandas.
    there = list_files(home)
    return any(changed is None for *_, changed in there) or set(there) != set(recorded)


@dataclass(frozen=True, slots=True)
class _FillCounts:
    tables: dict[str, int]
    files: int
    unreadable: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sources:
    """What a snapshot is made from, and when its making began, in microseconds since 1970."""

    lake: Lake
    read: LedgerReader
    families: SmallRows
    labels: SmallRows
    started_at: int


def _build(path: Path, sources: _Sources) -> _FillCounts:
    """Make a database file from nothing."""
    with _open_database(path) as connection:
        connection.begin()  # one flush to the disk at the end instead of one per statement
        connection.execute(";\n".join(_schema_statements()))
        change = compare_files(
            connection, inventory(sources.lake.home, sources.lake.version), recorded=warehouse_tables.LAKE_FILES.name
        )
        return _fill(connection, sources, change, sources.read(None))


def _update_copy(path: Path, sources: _Sources) -> _FillCounts | None:
    """Bring the copy of a snapshot up to date, or return None where that is of no use."""
    with _open_database(path) as connection:
        said = "layout_sha256, release, ledger_position, ledger_hash"
        *found, position, hash_ = connection.execute(f"SELECT {said} FROM snapshot").fetchall()[0]  # noqa: S608  our own names
        if found != [_schema_sha256(), version("qhybrid-pipelines")]:
            return None
        change = compare_files(
            connection, inventory(sources.lake.home, sources.lake.version), recorded=warehouse_tables.LAKE_FILES.name
        )
        if not change.is_regular:
            return None
        connection.begin()
        filled = _fill(connection, sources, change, sources.read(LedgerCursor(position=position, hash=hash_)))
        return None if _is_mostly_free(connection) else filled


def _open_database(path: Path) -> Any:
    """Open a database file that is being made, with bounds to what it holds in memory: the rest goes to files beside it."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "storage_compatibility_version": STORAGE_VERSION,
        "memory_limit": MEMORY_LIMIT,
        "threads": MAX_THREADS,
    }
    return duckdb.connect(path, config=config)


def _fill(connection: Any, sources: _Sources, change: LakeChange, ledger: LedgerDelta) -> _FillCounts:
    """Take over what the tables do not show yet, count, and end the transaction."""
    fill_ledger(connection, ledger.pages, ledger.jobs)
    fill_tables(connection, sources.lake, change)
    small = {warehouse_tables.FAMILIES: sources.families, warehouse_tables.LABELS: sources.labels}
    small[REMOVED_ARTEFACTS] = [asdict(one) for one in RemovalStore(sources.lake.home).all()]
    for table, rows in {**small, SERVICE_DECISIONS: warehouse_rows(sources.lake.home.service_decisions)}.items():
        _replace_rows(connection, table, rows)
    published_at = datetime.now(UTC)
    history_bytes = note_changes(connection, sources.lake.home, published_at)
    _replace_rows(
        connection, warehouse_tables.SNAPSHOT, [_snapshot(ledger.mark, sources.started_at, published_at, history_bytes)]
    )
    tables = {table.name: _count(connection, table) for table in warehouse_tables.TABLES}
    connection.commit()
    connection.execute("CHECKPOINT")
    listed = f"SELECT problem FROM {warehouse_tables.UNREADABLE_FILES.name} ORDER BY ALL"  # noqa: S608  our own name
    problems = connection.execute(listed).fetchall()
    return _FillCounts(tables=tables, files=change.written.num_rows, unreadable=tuple(one for (one,) in problems))


def _replace_rows(connection: Any, table: Table, rows: SmallRows) -> None:
    connection.execute(f"DELETE FROM {table.name}")  # noqa: S608  our own name
    insert(connection, table, from_rows(table, rows).to_batches())


def _is_mostly_free(connection: Any) -> bool:
    """Tell whether most of a large file are blocks that nothing uses."""
    said = "SELECT block_size, used_blocks, free_blocks FROM pragma_database_size()"
    ((block_bytes, used, free),) = connection.execute(said).fetchall()
    return bool(free > used and free * block_bytes > MIN_COMPACTION_BYTES)


def _snapshot(mark: LedgerCursor, started_at: int, published_at: datetime, history_bytes: int) -> Mapping[str, Any]:
    return {
        "published_at": published_at,
        "schema_version": schemas.SCHEMA_VERSION,
        "release": version("qhybrid-pipelines"),
        "ledger_position": mark.position,
        "ledger_hash": mark.hash,
        "read_at": _EPOCH + timedelta(microseconds=started_at),
        "history_bytes": history_bytes,
        "layout_sha256": _schema_sha256(),
    }


def _schema_statements() -> Iterator[str]:
    """Yield the statements that make the tables and views, and say what they mean."""
    for table in warehouse_tables.TABLES:
        yield ddl.create_table(table, warehouse_tables.GENERATED.get(table.name, {}))
    for view in warehouse_views.VIEWS:
        yield f"CREATE VIEW {sql_text.name(view.name)} AS {view.sql}"
    for table in warehouse_tables.TABLES:
        yield from ddl.comments("TABLE", table.name, table.meaning, ddl.column_comments(table))
    for view in warehouse_views.VIEWS:
        yield from ddl.comments("VIEW", view.name, view.meaning, view.columns)


@cache
def _schema_sha256() -> str:
    fills = (sql for _, _, sql in warehouse_tables.DERIVED)
    return sha256_hex("\n".join((str(schemas.SCHEMA_VERSION), STORAGE_VERSION, *fills, *_schema_statements())))


def _count(connection: Any, table: Table) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {sql_text.name(table.name)}").fetchall()[0][0])  # noqa: S608  quoted name
