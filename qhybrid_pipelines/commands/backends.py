"""``qhybrid backends``: what backends there are, which can take an experiment, and whether one is what its adapter was written for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qhybrid_pipelines.commands.common import AsJson, Home, echo, named_workspace, with_price
from qhybrid_pipelines.core.errors import InvalidInput, JobFailed, Refused

if TYPE_CHECKING:
    from qhybrid_pipelines.control.backend_monitoring.verification import Verification
    from qhybrid_pipelines.steps.workspace import Workspace

app = typer.Typer(name="backends", invoke_without_command=True)


ForSpecification = Annotated[
    Path | None,
    typer.Option("--for", metavar="SPEC", help="A specification or a problem file: which backends take it."),
]


@app.callback()
def backends(
    context: typer.Context,
    specification: ForSpecification = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Compare backends; with --for, say which can take an experiment, at what price, and why not the others.

    Nothing is registered or sent. Exit code 4 when no backend takes the experiment. A narrow window leaves columns out, see
    docs/backends.md; --json has all of them.
    """
    if context.invoked_subcommand is None:
        list_backends(specification, home, as_json)
    elif specification is not None or home is not None or as_json:
        raise InvalidInput(
            f"options stand before `{context.invoked_subcommand}`, which would not see them",
            remedy=f"Write them behind it: `qhybrid backends {context.invoked_subcommand} ...`.",
        )


@app.command("list")
def list_backends(specification: ForSpecification = None, home: Home = None, as_json: AsJson = False) -> None:
    """The same as `qhybrid backends` without a command."""
    from qhybrid_pipelines.commands.backend_columns import CHOICE_GIVEN_UP, GIVEN_UP, fold_unreachable, matrix_cells
    from qhybrid_pipelines.control.backend_monitoring.backend_matrix import backend_matrix
    from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_table

    workspace = named_workspace(home)
    rows = backend_matrix(workspace.control_plane)
    if specification is not None:
        rows = _choose(workspace, specification, rows)
    if as_json:
        print_json({"backends": rows})
    else:
        print_table(
            [matrix_cells(row, SYSTEM_CLOCK.now()) for row in fold_unreachable(rows)],
            in_words=True,
            given_up=CHOICE_GIVEN_UP if specification else GIVEN_UP,
            styles={"takes": {"yes": "green", "no": "red"}},
            hint="a wider window shows more, --json all",
        )
    if specification is not None and all(row["takes"] == "no" for row in rows):
        raise typer.Exit(Refused.exit_code)


def _choose(workspace: Workspace, specification: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with what each backend says to a specification."""
    from qhybrid_pipelines.steps.on_demand.backend_choice import choose_backends

    try:
        return choose_backends(
            specification,
            rows,
            workspace.control_plane.dispatcher,
            workspace.lake,
            tmp=workspace.home.tmp,
            key_of=workspace.key_of,
        )
    except InvalidInput as error:
        raise with_price(error, specification, workspace) from None


@app.command()
def show(
    backend: Annotated[str, typer.Argument(metavar="BACKEND", help="Full name, for example ionq:simulator.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of one backend, one line per fact: what it takes, bills and reports, and what its adapter was run against."""
    from qhybrid_pipelines.control.backend_monitoring.backend_matrix import backend_row
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_lines

    row = backend_row(named_workspace(home).control_plane, backend)
    if as_json:
        print_json(row)
        return
    told = {"backend": backend} | {name: value for name, value in row.items() if value not in (None, "", [])}
    print_lines([{name: ", ".join(value) if isinstance(value, list) else value for name, value in told.items()}])


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
    from qhybrid_pipelines.control.backend_monitoring.verification import verify_backend
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_table

    workspace = named_workspace(home, make=True)
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
