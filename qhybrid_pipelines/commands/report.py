"""``qhybrid report``: one page about experiments, to read, print and send to a colleague."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qhybrid_pipelines.commands.common import Home, echo, existing_workspace, find_experiment
from qhybrid_pipelines.core.errors import InvalidInput

if TYPE_CHECKING:
    from qhybrid_pipelines.steps.workspace import Workspace

_ENDINGS = (".html", ".htm")
#: That of the links in Dagster's UI, `defs.metadata_report`.
PORT = 8801


def report(
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY",
            help="Keys of experiments, beginnings of them, or `latest`; of several, a comparison comes first.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The page; an older one of this name is replaced.")
    ] = Path("report.html"),
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures", metavar="DIR", help="Also write every figure there, as SVG and as PNG.", show_default=False
        ),
    ] = None,
    mlflow: Annotated[
        bool, typer.Option("--mlflow", help="Also put every figure beside the experiment's records in MLflow.")
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve every page on this machine, for the links in Dagster's UI.")
    ] = False,
    port: Annotated[int, typer.Option(help="Of --serve; 0 takes any free one.", min=0, max=65535)] = PORT,
    home: Home = None,
) -> None:
    """Write one self-contained HTML page: question, verdict, figures, cost, provenance, answer, how to reproduce."""
    if serve:
        if keys:
            raise InvalidInput(
                "--serve has a page for every experiment, so no key is named with it",
                remedy=f"Leave out {keys[0]!r}, and open its page by the link in Dagster's UI; without --serve its page is written.",
                field="KEY",
            )
        _serve(home, port)
        return
    if not keys:
        raise InvalidInput(
            "no experiment is named",
            remedy="Name a key, its beginning or `latest`; `qhybrid experiments` lists them.",
            field="KEY",
        )
    from qhybrid_pipelines.reports.page import chapters, figure_files, render_page
    from qhybrid_pipelines.steps.on_demand.report import report_content

    if output.suffix.lower() not in _ENDINGS:
        raise InvalidInput(
            f"'{output}' is not the name of a page",
            remedy="Give a name that ends with .html; nothing else is ever replaced.",
            field="--output",
        )
    if figures is not None and figures.exists() and not figures.is_dir():
        raise InvalidInput(f"'{figures}' is not a folder", remedy="Name a folder, or a new one.", field="--figures")
    workspace = existing_workspace(home, reading=not mlflow)
    # Asked for twice, or by two beginnings of one key, an experiment is shown once.
    wanted = list(dict.fromkeys(find_experiment(workspace, key) for key in keys))
    found = chapters(
        [
            report_content(key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home)
            for key in wanted
        ]
    )
    _write(output, render_page(found).encode(), field="--output")
    echo(
        f"{output}: {len(wanted)} experiment{'s' if len(wanted) > 1 else ''}; open it in a browser, or print it from there"
    )
    if figures is not None:
        written = 0
        for name, content in figure_files(found):
            _write(figures / name, content, field="--figures")
            written += 1
        echo(f"{figures}: {written} files, each figure as SVG and as PNG")
    if mlflow:
        add_to_mlflow(workspace, wanted)


def add_to_mlflow(workspace: Workspace, keys: list[str]) -> None:
    """Put the figures of each experiment beside its records in MLflow, in the folder ``report``.

    Raises:
        InvalidInput: an experiment has no record there yet.
    """
    from qhybrid_pipelines.reports.page import chapters, figure_files
    from qhybrid_pipelines.steps.on_demand.report import report_content
    from qhybrid_pipelines.steps.on_demand.report_records import mlflow_runs

    for key in keys:
        runs = mlflow_runs(key, workspace.specifications, workspace.lake)
        if not runs:
            raise InvalidInput(
                f"{key} has no record in MLflow",
                remedy="Run it to its verdict first; records that wait are sent by `qhybrid sync`, and known after the next run.",
                field="--mlflow",
            )
        content = report_content(key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home)
        pictures = dict(figure_files(chapters([content]), kinds=("svg",)))
        for run_id in runs:
            workspace.tracker.add_files(run_id, "report", pictures)
        echo(f"MLflow: {len(pictures)} figures beside {len(runs)} record{'' if len(runs) == 1 else 's'} of {key}")


def _serve(home: str | None, port: int) -> None:
    from qhybrid_pipelines.commands.report_server import HOST, ReportServer

    workspace = existing_workspace(home, reading=True)
    try:
        server = ReportServer(workspace, port)
    except OSError as error:
        raise InvalidInput(
            f"nothing can listen on {HOST}:{port}: {error.strerror or error}",
            remedy="Name another port with --port, and its address in QHYBRID_REPORTS_URL for Dagster.",
            field="--port",
        ) from None
    with server:
        echo(f"ready {server.address}: one page per experiment; Ctrl-C ends it")
        server.serve_forever()


def _write(path: Path, content: bytes, *, field: str) -> None:
    """Write a file whole.

    Raises:
        InvalidInput: it cannot be written there.
    """
    from qhybrid_pipelines.core.system.files import write_bytes

    try:
        if path.is_dir():
            raise IsADirectoryError(None, "Is a directory")
        write_bytes(path, content)
    except OSError as error:
        above_is_a_file = isinstance(error, FileExistsError | NotADirectoryError)
        reason = "a part of the path is a file" if above_is_a_file else error.strerror or str(error)
        raise InvalidInput(
            f"'{path}' cannot be written: {reason}",
            remedy="Name another place, or make room and permission there.",
            field=field,
        ) from None
