"""A few columns of many partitions in one query, without Arrow: what lists show of every experiment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from qhybrid_pipelines.storage import sql_text
from qhybrid_pipelines.storage.lake import VERSION_FIELD, Lake, PartitionKey
from qhybrid_pipelines.storage.lake_store import is_on_objects
from qhybrid_pipelines.storage.layout import SCHEMA_VERSION

#: In a path, DuckDB takes these for a pattern.
_PATTERN = frozenset("*?[")

Rows = list[dict[str, Any]]


def read_columns(
    lake: Lake,
    asset: str,
    columns: Sequence[str],
    partitions: Iterable[PartitionKey],
    *,
    nullable: Collection[str] = (),
) -> dict[PartitionKey, Rows] | None:
    """Return columns of the partitions that were written, each with its rows in their order.

    Args:
        lake: has them.
        asset: name of the table.
        columns: of that table.
        partitions: of the experiments that are asked about; those that were not written are left out.
        nullable: columns in which null is a value, or stands for a release that did not write them.

    Returns:
        None where they cannot be read together: they are objects, a file is damaged, replaced just now, of another release or
        partition, or a value of another column is null. Then `Lake.read` of each of them says what is wrong.
    """
    if is_on_objects():
        return None
    paths = {str(lake.path(asset, key)): key for key in partitions if lake.exists(asset, key)}
    found: dict[PartitionKey, Rows] = {key: [] for key in paths.values()}
    if not paths:
        return found
    has_backend = next(iter(found)).backend is not None
    names = ["filename", "experiment", *(["backend"] if has_backend else []), *columns]
    read = _read(tuple(paths), names, nullable)
    for values in read or ():
        row = dict(zip(names, values, strict=True))
        key = paths[row.pop("filename")]
        # A null is perhaps of an older release, which did not write the column.
        if any(value is None and name not in nullable for name, value in row.items()) or key != PartitionKey(
            experiment=row.pop("experiment"), backend=row.pop("backend", None)
        ):
            return None
        found[key].append(row)
    return None if read is None else found


def _read(paths: Sequence[str], names: Sequence[str], nullable: Collection[str]) -> list[tuple[Any, ...]] | None:
    """Return columns of some files, each file's rows in their order; None where DuckDB cannot, or a file is of a newer release."""
    if not all(path.isprintable() for path in paths) or any(_PATTERN & set(path) for path in paths):
        return None
    import duckdb

    files = f"[{', '.join(map(sql_text.text, paths))}]"
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"}) as connection:
        try:
            newest = connection.execute(
                f"SELECT max(decode(value)::INTEGER) FROM parquet_kv_metadata({files}) WHERE decode(key) = ?",  # noqa: S608
                [VERSION_FIELD.decode()],
            ).fetchone()
            try:
                rows = connection.execute(_query(files, names)).fetchall()
            except duckdb.BinderException:  # perhaps none of the files has a column of this release
                found = connection.execute(f"SELECT DISTINCT name FROM parquet_schema({files})").fetchall()  # noqa: S608
                missing = set(nullable) - {name for (name,) in found}
                rows = connection.execute(_query(files, names, missing)).fetchall()
        except duckdb.Error:
            return None
    return rows if newest is not None and (newest[0] or 0) <= SCHEMA_VERSION else None


def _query(files: str, names: Sequence[str], missing: Collection[str] = ()) -> str:
    """Return the query for columns of files, null for those that no file has."""
    columns = [f"NULL AS {sql_text.name(name)}" if name in missing else sql_text.name(name) for name in names]
    return (
        f"SELECT {', '.join(columns)} "  # noqa: S608  names and paths are quoted
        f"FROM read_parquet({files}, union_by_name = true, filename = true, file_row_number = true, hive_partitioning = false) "
        "ORDER BY filename, file_row_number"
    )
