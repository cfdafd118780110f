"""Publishing: a new DuckDB file is built beside the old one and renamed over it.

Nobody waits for anybody. A reader keeps the snapshot it opened, because the old file lives on until the last reader
closes it; a new reader gets the new one; writers of the lake are not even asked. Measured, while a shared database
file (lock errors) and views over live Parquet (torn reads) both fail.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import FileLock

from qhybrid_pipelines.core.errors import MissingUpstream
from qhybrid_pipelines.storage import ddl, published, schemas
from qhybrid_pipelines.storage.atomic import make_folder, promote, scratch
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.schemas import LAKE_TABLES, LEDGER_TABLES, Table
from qhybrid_pipelines.storage.tables import from_rows

LedgerRows = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a publication came to.

    Attributes:
        tables: rows per table.
    """

    path: Path
    tables: Mapping[str, int]
    rows: int
    bytes: int
    seconds: float


def publish(home: Home, ledger_rows: LedgerRows, *, ledger_position: int = 0) -> Published:
    """Build a snapshot of the whole lake and the given ledger rows, and put it where analysts look for it.

    One publication at a time; a second one waits. A crash at any moment leaves the last snapshot in place.

    Args:
        home: where lake and warehouse are.
        ledger_rows: rows of the tables `schemas.LEDGER_TABLES` by table name; a missing name is an empty table.
        ledger_position: events of the ledger that the rows show at least.

    Raises:
        SchemaMismatch: ledger rows do not match their descriptions.
        ValueError: there is no ledger table of some name.
        Damaged: a file of the lake cannot be read; the last snapshot stays.
    """
    unknown = sorted(set(ledger_rows) - {table.name for table in LEDGER_TABLES})
    if unknown:
        raise ValueError(f"there are no ledger tables {unknown}")
    started = time.perf_counter()
    make_folder(home.locks)
    with FileLock(home.locks / "warehouse.lock"), scratch(home.tmp) as folder:
        begun = time.time()
        built = folder / home.warehouse.name
        rows = _build(built, Lake(home), ledger_rows, ledger_position)
        size = built.stat().st_size
        built.chmod(0o444)
        # A file that another process wrote while this snapshot was built is newer than the snapshot says it is.
        os.utime(built, (begun, begun))
        # A log that somebody left who opened the last snapshot for writing does not belong to this one.
        home.warehouse.with_name(f"{home.warehouse.name}.wal").unlink(missing_ok=True)
        promote(built, home.warehouse)
    return Published(
        path=home.warehouse,
        tables=rows,
        rows=sum(rows.values()),
        bytes=size,
        seconds=time.perf_counter() - started,
    )


def _build(path: Path, lake: Lake, ledger_rows: LedgerRows, ledger_position: int) -> dict[str, int]:
    """Make a database file and return the rows of every table."""
    import duckdb

    partitions = _partitions(lake)
    with duckdb.connect(path) as connection:
        connection.begin()  # one flush to the disk at the end instead of one per statement
        for table in published.TABLES:
            connection.execute(ddl.create_table(table, published.GENERATED.get(table.name, {})))
        for table in LEDGER_TABLES:
            _insert(connection, table, from_rows(table, ledger_rows.get(table.name, ())).to_batches())
        for table in LAKE_TABLES:
            if table is not schemas.COUNTS:
                _insert(connection, table, _batches(lake, table, partitions[table.name]))
        _insert(connection, published.COUNTS, _counts(lake, partitions[schemas.COUNTS.name], _widths(connection)))
        connection.execute(published.FILL_REDUCTION_STEPS)
        _insert(connection, published.SNAPSHOT, _snapshot(ledger_position).to_batches())
        for view in published.VIEWS:
            connection.execute(f"CREATE VIEW {ddl.name(view.name)} AS {view.sql}")
        for statement in _comments():
            connection.execute(statement)
        rows = {table.name: _count(connection, table) for table in published.TABLES}
        connection.commit()
        connection.execute("CHECKPOINT")
    return rows


def _partitions(lake: Lake) -> dict[str, tuple[PartitionKey, ...]]:
    """List what there is, the ends of the pipeline first.

    While others write, every row listed then has its upstream rows listed too: a verdict is never without its
    experiment.
    """
    return {table.name: lake.keys(table) for table in reversed(LAKE_TABLES)}


def _batches(lake: Lake, table: Table, keys: Iterable[PartitionKey]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of many partitions, one file after the other."""
    for key in keys:
        try:
            yield from lake.batches(table, key)
        except MissingUpstream:
            continue  # somebody removed this partition after it was listed


def _widths(connection: Any) -> dict[PartitionKey, int]:
    """Return the width of every execution's circuit, in qubits."""
    rows = connection.execute("SELECT experiment, backend, n_qubits FROM circuit_batches").fetchall()
    return {PartitionKey(experiment=experiment, backend=backend): width for experiment, backend, width in rows}


def _counts(lake: Lake, keys: Iterable[PartitionKey], widths: Mapping[PartitionKey, int]) -> Iterator[pa.RecordBatch]:
    """Yield counts by backend, experiment and point, each batch with the width of its circuit."""
    for key in keys:
        width = pa.scalar(widths.get(key), pa.int32())
        for batch in _batches(lake, schemas.COUNTS, (key,)):
            yield batch.append_column("n_qubits", pa.repeat(width, batch.num_rows))


def _insert(connection: Any, table: Table, batches: Iterable[pa.RecordBatch]) -> None:
    """Append record batches as they come; memory holds one at a time."""
    import duckdb

    stored = [c for c in table.columns if c.name not in published.GENERATED.get(table.name, {})]
    names = ", ".join(ddl.name(c.name) for c in stored)
    schema = pa.schema([pa.field(c.name, c.type) for c in stored])
    failures: list[Exception] = []

    def incoming() -> Iterator[pa.RecordBatch]:
        try:
            for batch in batches:
                yield batch.cast(schema)
        except Exception as error:
            failures.append(error)
            raise

    connection.register("incoming", pa.RecordBatchReader.from_batches(schema, incoming()))
    try:
        connection.execute(f"INSERT INTO {ddl.name(table.name)} ({names}) SELECT {names} FROM incoming")  # noqa: S608  quoted names
    except duckdb.Error:
        if failures:  # DuckDB hides our own error in the text of its own
            raise failures[0] from None
        raise
    connection.unregister("incoming")


def _snapshot(ledger_position: int) -> pa.Table:
    row = {
        "published_at": datetime.now(UTC),
        "schema_version": schemas.SCHEMA_VERSION,
        "release": version("qhybrid-pipelines"),
        "ledger_position": ledger_position,
    }
    return from_rows(published.SNAPSHOT, [row])


def _comments() -> Iterator[str]:
    for table in published.TABLES:
        yield from ddl.comments("TABLE", table.name, table.meaning, ddl.column_comments(table))
    for view in published.VIEWS:
        yield from ddl.comments("VIEW", view.name, view.meaning, view.columns)


def _count(connection: Any, table: Table) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {ddl.name(table.name)}").fetchone()[0])  # noqa: S608  quoted name
