"""``qhybrid export``: the warehouse as plain files, and experiments as submissions to a library of benchmarks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qhybrid_pipelines.commands.common import AsJson, Home, echo, existing_workspace, find_experiment, workspace_for

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.warehouse_exports import Form

app = typer.Typer(
    name="export",
    no_args_is_help=True,
    help="Write results into files, for programs that do not open DuckDB, and for QOBLIB.",
)
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")]


@app.command()
def parquet(folder: Folder, home: Home = None, as_json: AsJson = False) -> None:
    """Write every table and view of the last publication as Parquet, with a manifest of rows and checksums."""
    _export(folder, home, "parquet", as_json=as_json)


@app.command()
def csv(folder: Folder, home: Home = None, as_json: AsJson = False) -> None:
    """Write every table and view of the last publication as CSV; lists are JSON, bytes hexadecimal digits."""
    _export(folder, home, "csv", as_json=as_json)


@app.command()
def qoblib(
    keys: Annotated[list[str], typer.Argument(metavar="KEY...", help="Keys of experiments, or beginnings of them.")],
    submitter: Annotated[
        str, typer.Option("--submitter", metavar="NAME", help="Name and affiliation, for the library; needed.")
    ] = "",
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="A new or empty folder.")] = Path(
        "submission"
    ),
    reference: Annotated[
        str | None,
        typer.Option("--reference", metavar="TEXT", help="A paper or repository; by default this program and the key."),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write experiments on instances of QOBLIB as a submission: a summary and the solutions of each instance."""
    from qhybrid_pipelines.steps.on_demand.qoblib_export import export_qoblib
    from qhybrid_pipelines.terminal import print_json

    workspace = existing_workspace(home, reading=True)
    chosen = [find_experiment(workspace, key) for key in keys]
    found = export_qoblib(
        chosen, output, workspace.specifications, workspace.lake, submitter=submitter, reference=reference
    )
    if as_json:
        print_json([one.row for one in found])
        return
    instances = sorted({one.name for one in found})
    echo(
        f"{output}: {len(found)} {'row' if len(found) == 1 else 'rows'} about {', '.join(instances)}. Read the summaries before you send them: the library asks for "
        "your hardware in full."
    )


def _export(folder: Path, home: str | None, form: Form, *, as_json: bool) -> None:
    from qhybrid_pipelines.storage.warehouse_exports import export_warehouse
    from qhybrid_pipelines.terminal import print_json

    exported = export_warehouse(workspace_for(home, reading=True, make=False).home, folder, form)
    if as_json:
        print_json([asdict(table) for table in exported])
        return
    rows, size = sum(table.rows for table in exported), sum(table.bytes for table in exported)
    echo(f"{len(exported)} files with {rows:,} rows and {size / 1e6:,.1f} MB in {folder}; manifest.json lists them.")
