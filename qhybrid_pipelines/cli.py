"""The command line: ``qhybrid run``, ``demo``, ``schema``, ``experiments``, ``jobs``, ``estimate``, ``sql``, ``sync``, ``doctor``.

Exit code 0 done, 2 wrong input, 3 a job failed or timed out, 4 refused by policy or budget. Nothing heavy is imported
before a command needs it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qhybrid_pipelines.core.errors import InvalidInput, QHybridError
from qhybrid_pipelines.settings import Settings, usable_home

if TYPE_CHECKING:
    from qhybrid_pipelines.launch import Launcher
    from qhybrid_pipelines.steps.workspace import Workspace

app = typer.Typer(
    name="qhybrid",
    help="Hybrid quantum-classical experiments: from a problem file to a verdict.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
jobs_app = typer.Typer(help="Jobs in the ledger: list, show, cancel.", no_args_is_help=True)
app.add_typer(jobs_app, name="jobs")

Home = Annotated[
    str | None,
    typer.Option(
        "--home", metavar="DIR", help="Folder of all state; else QHYBRID_HOME, else ./data.", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def run(
    specifications: Annotated[
        list[Path], typer.Argument(metavar="SPEC...", help="Specifications (YAML, JSON), or problem files.")
    ],
    home: Home = None,
    as_json: AsJson = False,
    wait: Annotated[  # noqa: ARG001  jobs on this machine are done when they are acknowledged
        bool, typer.Option("--wait", help="Return only when every verdict stands; on this machine that is always so.")
    ] = False,
) -> None:
    """Take experiments in and run them to their verdicts. What ran before does not run again."""
    launcher = _launcher(home)
    refused: list[InvalidInput] = []
    keys: list[str] = []
    for path in specifications:
        try:
            keys.append(launcher.workspace.intake.accept_file(path).key)
        except InvalidInput as error:
            refused.append(error)
    code = _run(launcher, keys, as_json=as_json, refused=refused)
    raise typer.Exit(code)


@app.command()
def demo(home: Home = None, as_json: AsJson = False) -> None:
    """Run one experiment or more of every family, print one table, and say what to open next."""
    from qhybrid_pipelines.demo import DEMO

    launcher = _launcher(home)
    keys = [launcher.workspace.intake.accept_text(text, file="demo", folder=Path()).key for text in DEMO]
    code = _run(launcher, keys, as_json=as_json, refused=[])
    if not as_json:
        typer.echo(_what_next(launcher.workspace))
    raise typer.Exit(code)


@app.command()
def schema(as_json: AsJson = False) -> None:
    """Print a commented specification with every default, and its JSON Schema (with --json: the schema alone)."""
    from qhybrid_pipelines.core.commented import commented_default
    from qhybrid_pipelines.core.specification import ExperimentSpec
    from qhybrid_pipelines.terminal import print_json

    if not as_json:
        typer.echo(commented_default() + "\n# JSON Schema:")
    print_json(ExperimentSpec.model_json_schema())


@app.command()
def experiments(home: Home = None, as_json: AsJson = False) -> None:
    """List the registered experiments with their verdicts."""
    from qhybrid_pipelines.steps.summary import verdicts
    from qhybrid_pipelines.terminal import print_json, print_table

    workspace = _workspace(home)
    decided = {(row["experiment"], row["backend"]): row for row in verdicts(workspace, workspace.specifications)}
    rows = []
    for key in workspace.specifications:
        spec = workspace.specifications.load(key)
        for backend in spec.backends:
            row = decided.get((key, backend), {})
            rows.append(
                {
                    "experiment": key,
                    "backend": backend,
                    "family": spec.problem.family,
                    "round": spec.lineage.round,
                    "verdict": row.get("verdict", "not decided"),
                    "decision": row.get("decision"),
                }
            )
    print_json(rows) if as_json else print_table(rows)


@app.command()
def estimate(
    specification: Annotated[Path, typer.Argument(metavar="SPEC", help="A specification or a problem file.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say what an experiment would take and cost on each of its backends; nothing is submitted."""
    from qhybrid_pipelines.steps.estimates import estimates
    from qhybrid_pipelines.terminal import print_json, print_table

    workspace = _workspace(home)
    rows = estimates(workspace, specification)
    print_json(rows) if as_json else print_table(rows)


@app.command()
def sql(
    query: Annotated[
        str, typer.Argument(help="One SELECT over the warehouse; docs/data-dictionary.md lists the tables.")
    ],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Ask the warehouse."""
    from qhybrid_pipelines.storage.analyst import query as ask
    from qhybrid_pipelines.terminal import print_json, print_table

    table = ask(_workspace(home).home, query)
    rows = table.to_pylist()
    print_json(rows) if as_json else print_table(rows, table.column_names)


@app.command()
def sync(home: Home = None, as_json: AsJson = False) -> None:
    """Hand the records that wait in the spool to MLflow."""
    from qhybrid_pipelines.terminal import print_json

    done = _workspace(home).tracker.sync()
    if as_json:
        print_json({"recorded": done.recorded, "waiting": done.waiting})
    else:
        typer.echo(f"{len(done.recorded)} records handed to MLflow, {done.waiting} still waiting")


@app.command()
def doctor(home: Home = None, as_json: AsJson = False) -> None:
    """Look at this installation and its home folder; exit code 3 when something needs a person."""
    from qhybrid_pipelines.steps.health import findings
    from qhybrid_pipelines.terminal import print_json, print_table

    rows = findings(_workspace(home))
    print_json(rows) if as_json else print_table(rows)
    raise typer.Exit(0 if all(row["ok"] for row in rows) else 3)


@jobs_app.command("list")
def jobs_list(
    home: Home = None,
    as_json: AsJson = False,
    experiment: Annotated[str | None, typer.Option(help="Only jobs of this experiment.")] = None,
    canaries: Annotated[bool, typer.Option("--canaries", help="Also those that prove the bit order.")] = False,
) -> None:
    """List the jobs of the ledger."""
    from qhybrid_pipelines.control.canaries import CANARY_EXPERIMENT
    from qhybrid_pipelines.control.reports import job_row
    from qhybrid_pipelines.terminal import print_json, print_table

    jobs = _existing(home).gateway.ledger.jobs(experiment=experiment)
    rows = [job_row(job) for job in jobs if canaries or experiment or job.experiment != CANARY_EXPERIMENT]
    columns = ["job_id", "experiment", "backend", "state", "engine", "circuits", "shots", "cost_quoted_usd", "error"]
    print_json(rows) if as_json else print_table(rows, columns)


@jobs_app.command("show")
def jobs_show(job_id: str, home: Home = None, as_json: AsJson = False) -> None:
    """Show the life of one job: what it is, what happened when, where the time went."""
    from qhybrid_pipelines.control.reports import event_row, job_row, latency_row
    from qhybrid_pipelines.terminal import print_json, print_table, shown

    ledger = _existing(home).gateway.ledger
    job = ledger.job(job_id)
    if job is None:
        raise InvalidInput(
            f"there is no job {job_id!r} in the ledger", remedy="`qhybrid jobs list` shows the jobs that exist."
        )
    events = ledger.events(job_id)
    facts, life, times = job_row(job), [event_row(event) for event in events], latency_row(job, events)
    if as_json:
        print_json({"job": facts, "events": life, "latency": times})
        return
    print_table([{"field": name, "value": shown(value)} for name, value in facts.items() if value is not None])
    typer.echo()
    print_table(life, ["sequence", "event", "from_state", "to_state", "at", "clock", "raw_status"])
    typer.echo()
    print_table([{"component": name, "seconds": value} for name, value in times.items() if name != "job_id"])


@jobs_app.command("cancel")
def jobs_cancel(job_id: str, home: Home = None, as_json: AsJson = False) -> None:
    """Ask for a job to be cancelled."""
    from qhybrid_pipelines.control.reports import job_row
    from qhybrid_pipelines.terminal import print_json

    workspace = _existing(home)
    if workspace.gateway.ledger.job(job_id) is None:
        raise InvalidInput(
            f"there is no job {job_id!r} in the ledger", remedy="`qhybrid jobs list` shows the jobs that exist."
        )
    job = workspace.gateway.dispatcher.cancel(job_id)
    print_json(job_row(job)) if as_json else typer.echo(f"{job.job_id} is {job.state.value}")


def main() -> None:
    """Run the command line; errors of this package become one sentence and an exit code, never a traceback."""
    try:
        app()
    except QHybridError as error:
        from qhybrid_pipelines.terminal import print_error

        print_error(error, as_json="--json" in sys.argv)
        raise SystemExit(error.exit_code) from None


def _run(launcher: Launcher, keys: list[str], *, as_json: bool, refused: list[InvalidInput]) -> int:
    from qhybrid_pipelines.steps.summary import verdicts
    from qhybrid_pipelines.terminal import print_error, print_json, print_verdicts, progress

    with progress(quiet=as_json) as observe:
        ran, failures = launcher.run(keys, observe) if keys else ([], [])
    rows = verdicts(launcher.workspace, ran)
    if as_json:
        print_json(
            {
                "verdicts": rows,
                "failures": [{"what": failure.what, "message": failure.message} for failure in failures],
                "refused": [error.details() for error in refused],
            }
        )
    else:
        if rows:
            print_verdicts(rows)
        for failure in failures:
            typer.echo(f"failed: {failure.what}: {failure.message}", err=True)
        for error in refused:
            print_error(error, as_json=False)
    codes = [InvalidInput.exit_code for _ in refused] + [failure.exit_code for failure in failures]
    return max(codes, default=0) if not refused else InvalidInput.exit_code


def _what_next(workspace: Workspace) -> str:
    home = workspace.home.path
    return f"""
What to open next:
  qhybrid sql "SELECT * FROM verdicts" --home {home}
  qhybrid jobs list --home {home}
  make ui            the same experiments as assets, with ladders, circuits and pictures
  {workspace.tracker.ui_command}
"""


def _workspace(home: str | None) -> Workspace:
    from qhybrid_pipelines.steps.workspace import Workspace
    from qhybrid_pipelines.storage.layout import Home as HomeFolder

    return Workspace(HomeFolder(usable_home(home)))


def _existing(home: str | None) -> Workspace:
    """Return the workspace of a home that has a ledger: an empty list must not stand for a mistyped folder."""
    workspace = _workspace(home)
    if not workspace.home.ledger.is_file():
        raise InvalidInput(
            f"there is no ledger in {workspace.home.path}",
            remedy="Check --home; the ledger is made by the first `qhybrid run`.",
            field="--home",
        )
    return workspace


def _launcher(home: str | None) -> Launcher:
    folder = usable_home(home)
    from qhybrid_pipelines.launch import Launcher

    return Launcher(Settings(home=folder))
