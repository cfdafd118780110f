"""``qhybrid backends``: what backends there are, and whether one is what its adapter was written for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qhybrid_pipelines.commands.common import AsJson, Home, echo, workspace_for
from qhybrid_pipelines.core.errors import InvalidInput, JobFailed

if TYPE_CHECKING:
    from qhybrid_pipelines.control.fleet.verification import Verification

app = typer.Typer(
    name="backends", help="Backends: compare one with what its adapter was written for.", no_args_is_help=True
)


@app.callback()
def group() -> None:
    """Keep `verify` a command of its own, although it is the only one."""


@app.command()
def verify(
    backend: Annotated[str, typer.Argument(metavar="BACKEND", help="Full name, for example ionq:simulator.")],
    max_usd: Annotated[
        float, typer.Option("--max-usd", min=0.0, help="Most that the one job may cost; 0 sends only what is free.")
    ] = 0.0,
    wait_seconds: Annotated[
        float, typer.Option("--wait-seconds", min=0.0, help="How long to wait for the job.")
    ] = 600.0,
    report: Annotated[Path | None, typer.Option("--report", help="Also write the report here, as Markdown.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Find out, with a key, whether a service is what its adapter was written for: free calls, then at most one small job.

    Names every fact that differs. No key, account or person is in the report. Exit code 3 when a fact differs.
    """
    from qhybrid_pipelines.control.fleet.verification import verify_backend
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_table

    workspace = workspace_for(home)
    found = verify_backend(workspace.control_plane, backend, max_usd=max_usd, wait_seconds=wait_seconds)
    rows = [
        {"fact": fact.name, "expected": fact.expected, "found": fact.found, "agrees": _word(fact.agrees)}
        for fact in found.facts
    ]
    summary = f"{len(found.facts)} facts checked, {len(found.differences)} differ from what the adapter was written for; {found.job}"
    if report is not None:
        _write(report, found, summary)
    if as_json:
        print_json({"backend": backend, "facts": rows, "differences": len(found.differences), "job": found.job})
    else:
        print_table(rows, styles={"agrees": {"differs": "bold red"}})
        echo(summary)
    raise typer.Exit(JobFailed.exit_code if found.differences else 0)


def _word(agrees: bool | None) -> str:  # noqa: FBT001 - one of a fact's three values
    return "not known" if agrees is None else "yes" if agrees else "differs"


def _write(report: Path, found: Verification, summary: str) -> None:
    """Write the report.

    Raises:
        InvalidInput: the file cannot be written.
    """
    lines = [f"# {found.backend}", "", summary, "", "| fact | expected | found | agrees |", "|---|---|---|---|"]
    for fact in found.facts:
        cells = (fact.name, fact.expected, fact.found, _word(fact.agrees))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    try:
        report.write_text("\n".join([*lines, ""]), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            f"the report cannot be written ({error})", remedy="Name a file in a folder of yours.", field="--report"
        ) from None
