"""Filling the tables of a snapshot: all of them from nothing, or those rows whose files and jobs have changed.

Both ways go through the same statements: what changed is removed by partition and by job, and what is there now is
read and appended. From nothing, everything has changed. So the content is the same either way; only the order in which
rows lie differs, which no query may rely on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.core.errors import CorruptFile, MissingUpstream
from qhybrid_pipelines.storage import schemas, sql_text, warehouse_tables
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.ledger_delta import LedgerRows
from qhybrid_pipelines.storage.schemas import LAKE_TABLES, LEDGER_TABLES, Table
from qhybrid_pipelines.storage.tables import from_rows

#: Why a file cannot be read, by asset and partition.
Unreadable = dict[tuple[str, PartitionKey], str]

_COLUMNS = ("experiment", "backend")

_SAME_PARTITION = (
    "a.asset = b.asset AND a.experiment IS NOT DISTINCT FROM b.experiment AND a.backend IS NOT DISTINCT FROM b.backend"
)
_SAME_FILE = f"{_SAME_PARTITION} AND a.bytes = b.bytes AND a.inode = b.inode AND a.changed_ns = b.changed_ns"


@dataclass(frozen=True, slots=True)
class LakeChange:
    """What has changed of the lake: files to be read, and files that are gone; each as rows of `LAKE_FILES`."""

    written: pa.Table
    removed: pa.Table

    def __bool__(self) -> bool:
        return bool(self.written.num_rows or self.removed.num_rows)

    @property
    def is_regular(self) -> bool:
        """Every file is in the folder of its table's partitions; the rows of a stray one cannot be told from others."""
        return all(
            tuple(name for name in _COLUMNS if getattr(key, name) is not None) == table.partition_columns
            for table in LAKE_TABLES
            for keys in self.of(table)
            for key in keys
        )

    def of(self, table: Table) -> tuple[list[PartitionKey], list[PartitionKey]]:
        """Return the partitions of one table that were written, in the lake's order, and those that are gone."""
        return _partition_keys(self.written, table.name), _partition_keys(self.removed, table.name)


def compare_files(connection: Any, files: pa.Table, *, recorded: str) -> LakeChange:
    """Compare the files of the lake with the list of a snapshot, the relation named ``recorded``."""
    connection.register("found", files)
    try:
        written = f"SELECT * FROM found a WHERE NOT EXISTS (FROM {recorded} b WHERE {_SAME_FILE})"  # noqa: S608  our own names
        removed = f"SELECT * FROM {recorded} a WHERE NOT EXISTS (FROM found b WHERE {_SAME_PARTITION})"  # noqa: S608
        return LakeChange(*(connection.sql(sql).to_arrow_table() for sql in (written, removed)))
    finally:
        connection.unregister("found")


def fill_tables(connection: Any, lake: Lake, change: LakeChange) -> None:
    """Take what has changed of the lake over into the tables; a file that cannot be read is listed, and has no rows."""
    unreadable: Unreadable = {}
    for table in LAKE_TABLES:
        if table is not schemas.QPU_RESULT_SETS:
            written, removed = change.of(table)
            _remove_partitions(connection, table, [*written, *removed])
            if written:
                insert(connection, table, _batches(lake, table, written, unreadable))
    _fill_counts(connection, lake, change, unreadable)
    for name in {asset for asset, _ in unreadable}:
        # What was read of such a file before the damage is not shown either: half an experiment is none.
        partitions = [key for asset, key in unreadable if asset == name]
        _remove_partitions(connection, schemas.BY_NAME[name], partitions)
    _fill_derived(connection, change)
    _list_unreadable(connection, change, unreadable)
    _remove(
        connection,
        warehouse_tables.LAKE_FILES.name,
        pa.concat_tables([change.written, change.removed]),
        _SAME_PARTITION,
    )
    if change.written.num_rows:
        insert(connection, warehouse_tables.LAKE_FILES, change.written.to_batches())


def _list_unreadable(connection: Any, change: LakeChange, unreadable: Unreadable) -> None:
    """Bring the list of files that cannot be read up to date; those that did not change stay in it."""
    table = warehouse_tables.UNREADABLE_FILES
    changed_rows = pa.concat_tables([change.written, change.removed])
    _remove(connection, table.name, changed_rows, _SAME_PARTITION)
    rows = [
        {"asset": name, "experiment": key.experiment, "backend": key.backend, "problem": problem}
        for (name, key), problem in unreadable.items()
    ]
    # Counts are read again where only their batch has changed, and are then in the list already.
    found = pa.Table.from_pylist(rows, schema=table.schema)
    _remove(connection, table.name, found, _SAME_PARTITION)
    if rows:
        insert(connection, table, found.to_batches())


def fill_ledger(connection: Any, pages: Iterable[LedgerRows], jobs: Sequence[str] | None) -> None:
    """Take rows of the ledger over: all there is (``jobs`` is None), or all of some jobs.

    Raises:
        ValueError: there is no ledger table of some name.
    """
    for table in LEDGER_TABLES:
        if jobs is None:
            connection.execute(f"DELETE FROM {sql_text.name(table.name)}")  # noqa: S608  quoted name
        else:
            _remove(connection, table.name, pa.table({"job_id": pa.array(jobs, pa.string())}), "a.job_id = b.job_id")
    tables = {table.name: table for table in LEDGER_TABLES}
    for page in pages:
        if unknown := sorted(set(page) - set(tables)):
            raise ValueError(f"there are no ledger tables {unknown}")
        for name, rows in page.items():
            if rows:
                insert(connection, tables[name], from_rows(tables[name], rows).to_batches())


def _fill_counts(connection: Any, lake: Lake, change: LakeChange, unreadable: Unreadable) -> None:
    """Take counts over, each with the width of its circuit; that of a changed batch changes its counts."""
    written, removed = change.of(schemas.QPU_RESULT_SETS)
    of_batches = {key for keys in change.of(schemas.CIRCUIT_BATCHES) for key in keys}
    again = (key for key in of_batches - {*written, *removed} if lake.exists(schemas.QPU_RESULT_SETS, key))
    written = sorted([*written, *again], key=_order)
    _remove_partitions(connection, schemas.QPU_RESULT_SETS, [*written, *removed])
    if written:
        insert(connection, warehouse_tables.QPU_RESULT_SETS, _counts(lake, written, _widths(connection), unreadable))


def _fill_derived(connection: Any, change: LakeChange) -> None:
    """Make what is derived from other tables again, for the partitions of theirs that have changed."""
    for source, derived, sql in warehouse_tables.DERIVED:
        written, removed = change.of(source)
        if keys := [*written, *removed]:
            _remove_partitions(connection, derived, keys)
            connection.register("renewed", _rows(derived, keys))
            connection.execute(sql)
            connection.unregister("renewed")


def _partition_keys(files: pa.Table, asset: str) -> list[PartitionKey]:
    rows = files.filter(pc.equal(files.column("asset"), asset)).select(["experiment", "backend"]).to_pylist()
    return sorted((PartitionKey(**row) for row in rows), key=_order)


def _order(key: PartitionKey) -> tuple[str, str]:
    return key.backend or "", key.experiment or ""


def _remove_partitions(connection: Any, table: Table, keys: Sequence[PartitionKey]) -> None:
    """Remove the rows of some partitions; those of a table without partitions are one."""
    columns = table.partition_columns
    if keys and not columns:
        connection.execute(f"DELETE FROM {sql_text.name(table.name)}")  # noqa: S608  quoted name
    elif keys:
        _remove(connection, table.name, _rows(table, keys), " AND ".join(f"a.{name} = b.{name}" for name in columns))


def _rows(table: Table, keys: Sequence[PartitionKey]) -> pa.Table:
    """Return partitions as rows of the columns that tell them apart."""
    return pa.table({n: pa.array([getattr(key, n) for key in keys], pa.string()) for n in table.partition_columns})


def _remove(connection: Any, table: str, rows: pa.Table, condition: str) -> None:
    """Remove the rows of a table (``a``) that match one of some rows (``b``)."""
    if not rows.num_rows:
        return
    connection.register("leaving", rows)
    connection.execute(f"DELETE FROM {sql_text.name(table)} AS a USING leaving AS b WHERE {condition}")  # noqa: S608  our own names
    connection.unregister("leaving")


def _batches(
    lake: Lake, table: Table, keys: Iterable[PartitionKey], unreadable: Unreadable
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of many partitions, one file after the other; why some cannot be read goes to ``unreadable``."""
    for key in keys:
        try:
            yield from lake.batches(table, key)
        except MissingUpstream:
            continue  # somebody removed this partition after it was listed; the next comparison says so
        except CorruptFile as error:
            # Relative to the home, which may be moved.
            unreadable[table.name, key] = str(error).replace(f"{lake.home.path}/", "")


#: Widths of an execution's circuits, in qubits, by the number of their first points.
_Widths = dict[int, int]


def _widths(connection: Any) -> dict[PartitionKey, _Widths]:
    """Return the widths of every execution's circuits: of a series one for each."""
    found: dict[PartitionKey, _Widths] = {}
    for experiment, backend, first, width in connection.execute(
        "SELECT experiment, backend, coalesce(first_point, 0), n_qubits FROM circuit_batches"
    ).fetchall():
        found.setdefault(PartitionKey(experiment=experiment, backend=backend), {})[first] = width
    return found


def _width_column(widths: _Widths, batch: pa.RecordBatch) -> pa.Array:
    """Return the width of each row's circuit; null where its batch is not in the lake."""
    if len(widths) < 2:
        return pa.repeat(pa.scalar(next(iter(widths.values()), None), pa.int32()), batch.num_rows)
    firsts = sorted(widths)
    place = np.searchsorted(firsts, batch.column("point").to_numpy(zero_copy_only=False), side="right") - 1
    return pa.array(np.array([widths[first] for first in firsts], dtype=np.int32)[place])


def _counts(
    lake: Lake, keys: Iterable[PartitionKey], widths: Mapping[PartitionKey, _Widths], unreadable: Unreadable
) -> Iterator[pa.RecordBatch]:
    """Yield counts by backend, experiment and point, each batch with the width of its circuit."""
    for key in keys:
        for batch in _batches(lake, schemas.QPU_RESULT_SETS, (key,), unreadable):
            yield batch.append_column("n_qubits", _width_column(widths.get(key, {}), batch))


def insert(connection: Any, table: Table, batches: Iterable[pa.RecordBatch]) -> None:
    """Append record batches as they come; memory holds one at a time."""
    import duckdb

    stored = [c for c in table.columns if c.name not in warehouse_tables.GENERATED.get(table.name, {})]
    names = ", ".join(sql_text.name(c.name) for c in stored)
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
        connection.execute(f"INSERT INTO {sql_text.name(table.name)} ({names}) SELECT {names} FROM incoming")  # noqa: S608  quoted names
    except duckdb.Error:
        if failures:  # DuckDB hides our own error in the text of its own
            raise failures[0] from None
        raise
    connection.unregister("incoming")
