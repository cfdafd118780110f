"""The warehouse as plain files, for programs that do not open DuckDB: Parquet, or CSV with lists as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.system.files import promote, scratch_folder
from qhybrid_pipelines.storage import sql_text, warehouse_tables, warehouse_views
from qhybrid_pipelines.storage.analyst import connect
from qhybrid_pipelines.storage.layout import Home

if TYPE_CHECKING:
    import duckdb

Form = Literal["parquet", "csv"]
MANIFEST = "manifest.json"
#: Rows that are in memory together.
BATCH_ROWS = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedTable:
    """One file of an export.

    Attributes:
        name: of the table or view.
        file: its name in the folder.
        rows: how many.
        bytes: its size.
        sha256: of its content.
    """

    name: str
    file: str
    rows: int
    bytes: int
    sha256: str


def export_warehouse(home: Home, folder: Path, form: Form) -> list[ExportedTable]:
    """Write every table and view of the newest snapshot into a folder, with a manifest; all of one moment.

    Rows are in the order of their keys, so that the same snapshot gives the same files but for what was measured.

    Args:
        home: whose warehouse.
        folder: new or empty; it appears whole or not at all.
        form: ``parquet``, or ``csv``, in which lists are JSON and bytes are hexadecimal digits.

    Raises:
        InvalidInput: nothing was published yet, another release has published it, or the folder holds something.
        CorruptFile: the snapshot cannot be read.
    """
    import duckdb

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(
            f"{folder} is not an empty folder",
            remedy="Name a new one: an export never mixes with older files.",
            field="DIR",
        )
    orders = {table.name: table.order for table in warehouse_tables.TABLES}
    names = [*orders, *(view.name for view in warehouse_views.VIEWS)]
    target = folder.absolute()
    with connect(home) as connection, scratch_folder(target.parent) as scratch:
        built = scratch / "export"
        built.mkdir()
        [(published,)] = connection.execute("SELECT published_at::VARCHAR FROM snapshot").fetchall()
        try:
            exported = [_export_one(connection, name, orders.get(name, ()), built, form) for name in names]
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            problem = " ".join(str(error).split("\n")[0].split()).rstrip("!")
            raise InvalidInput(
                f"the warehouse was published by another release ({problem})",
                remedy="Publish it again with this one: run an experiment, or materialise the asset 'warehouse'.",
                file=str(home.warehouse),
            ) from None
        manifest = {
            "published_at": published,
            "form": form,
            "tables": [
                {"name": one.name, "file": one.file, "rows": one.rows, "bytes": one.bytes, "sha256": one.sha256}
                for one in exported
            ],
        }
        (built / MANIFEST).write_text(canonical_json(manifest) + "\n", encoding="utf-8")
        if target.exists():
            target.rmdir()
        promote(built, target)
    return exported


def _export_one(
    connection: duckdb.DuckDBPyConnection, name: str, order: tuple[str, ...], folder: Path, form: Form
) -> ExportedTable:
    columns = connection.execute(f"DESCRIBE {sql_text.name(name)}").fetchall()
    chosen = [_as_text(column, kind) if form == "csv" else sql_text.name(column) for column, kind, *_ in columns]
    keys = ", ".join(map(sql_text.name, order)) or "ALL"
    sql = f"SELECT {', '.join(chosen)} FROM {sql_text.name(name)} ORDER BY {keys}"  # noqa: S608  our own names
    reader = connection.sql(sql).to_arrow_reader(BATCH_ROWS)
    path = folder / f"{name}.{form}"
    rows = _write_parquet(reader, path) if form == "parquet" else _write_csv(reader, path)
    content = path.read_bytes()
    return ExportedTable(name=name, file=path.name, rows=rows, bytes=len(content), sha256=sha256_hex(content))


def _as_text(column: str, kind: str) -> str:
    """Return the SQL of a column for CSV, which has neither lists nor bytes."""
    quoted = sql_text.name(column)
    if kind.endswith("[]") or kind.startswith(("STRUCT", "MAP")):
        return f"to_json({quoted})::VARCHAR AS {quoted}"
    return f"hex({quoted}) AS {quoted}" if kind == "BLOB" else quoted


def _write_parquet(reader: pa.RecordBatchReader, path: Path) -> int:
    rows = 0
    with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _write_csv(reader: pa.RecordBatchReader, path: Path) -> int:
    rows = 0
    with pacsv.CSVWriter(path, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows
