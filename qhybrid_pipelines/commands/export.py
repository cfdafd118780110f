"""``qhybrid export``: the warehouse as plain files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qhybrid_pipelines.commands.common import AsJson, Home, echo, workspace_for

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.warehouse_exports import Form

app = typer.Typer(no_args_is_help=True, help="Write the warehouse into files, for programs that do not open DuckDB.")
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")]


@app.command()
def parquet(folder: Folder, home: Home = None, as_json: AsJson = False) -> None:
    """Write every table and view of the last publication as Parquet, with a manifest of rows and checksums."""
    _export(folder, home, "parquet", as_json=as_json)


@app.command()
def csv(folder: Folder, home: Home = None, as_json: AsJson = False) -> None:
    """Write every table and view of the last publication as CSV; lists are JSON, bytes hexadecimal digits."""
    _export(folder, home, "csv", as_json=as_json)


def _export(folder: Path, home: str | None, form: Form, *, as_json: bool) -> None:
    from qhybrid_pipelines.storage.warehouse_exports import export_warehouse
    from qhybrid_pipelines.terminal import print_json

    exported = export_warehouse(workspace_for(home, reading=True).home, folder, form)
    if as_json:
        print_json([asdict(table) for table in exported])
        return
    rows, size = sum(table.rows for table in exported), sum(table.bytes for table in exported)
    echo(f"{len(exported)} files with {rows:,} rows and {size / 1e6:,.1f} MB in {folder}; manifest.json lists them.")
