"""The command line: ``qhybrid run``, ``demo``, ``schema``, ``experiments``, ``estimate``, ``sync``, ``doctor``, ``metrics``.

``qhybrid answer`` and ``sql`` are `commands.results`, ``qhybrid report`` is `commands.report`,
``qhybrid jobs`` is `commands.jobs`, ``qhybrid home`` `commands.home`, ``qhybrid emulator`` is `emulator.command`. Exit code 0 done, 2 wrong input, 3 a job
failed or timed out, 4 refused by policy or budget, 130 and 143 stopped by Ctrl-C and SIGTERM. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qhybrid_pipelines.commands import (
    backends,
    costs,
    export,
    jobs,
    keys,
    labels,
    new,
    report,
    results,
    service,
    status,
    wait,
)
from qhybrid_pipelines.commands import home as home_commands
from qhybrid_pipelines.commands.bundle import bundle
from qhybrid_pipelines.commands.common import (
    AsJson,
    Home,
    echo,
    estimate_pages,
    existing_workspace,
    launcher_for,
    match_experiment,
    print_version,
    stop_message,
    with_price,
    workspace_for,
)
from qhybrid_pipelines.commands.exit_codes import run_to_end
from qhybrid_pipelines.commands.memory_limit import READING, check_address_space
from qhybrid_pipelines.commands.output_streams import prepare_streams
from qhybrid_pipelines.commands.run_outcome import print_outcome
from qhybrid_pipelines.core.errors import InvalidInput, JobFailed
from qhybrid_pipelines.core.stop_request import StopRequested, watch_stop_signals
from qhybrid_pipelines.emulator import command as emulator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qhybrid_pipelines.control.experiments.due_stages import Stage
    from qhybrid_pipelines.launch import Launcher
    from qhybrid_pipelines.steps.workspace import Workspace

#: Parts of the help.
EXPERIMENTS, RESULTS, OPERATIONS = "Experiments", "Results", "Operations"

app = typer.Typer(
    name="qhybrid",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(jobs.app, name="jobs", rich_help_panel=OPERATIONS)
app.add_typer(home_commands.app, name="home", rich_help_panel=OPERATIONS)
app.command(rich_help_panel=OPERATIONS)(home_commands.backup)
app.command(rich_help_panel=OPERATIONS)(home_commands.restore)
app.add_typer(backends.app, name="backends", rich_help_panel=OPERATIONS)
app.add_typer(export.app, name="export", rich_help_panel=RESULTS)
app.add_typer(emulator.app, name="emulator", rich_help_panel=OPERATIONS)

Wait = Annotated[
    bool,
    typer.Option(
        "--wait/--no-wait", help="Stay until every verdict stands; else leave once the jobs are with their providers."
    ),
]


@app.command(rich_help_panel=EXPERIMENTS)
def run(
    specifications: Annotated[
        list[Path],
        typer.Argument(metavar="SPEC...", help="Specifications (YAML, JSON), problem files, or keys of experiments."),
    ],
    home: Home = None,
    as_json: AsJson = False,
    wait: Wait = False,
) -> None:
    """Take experiments in and run them to their verdicts. What ran before does not run again."""
    launcher = launcher_for(home)
    refused: list[InvalidInput] = []
    keys: list[str] = []
    for path in specifications:
        try:
            keys += _register(launcher.workspace, path)
        except InvalidInput as error:
            refused.append(with_price(error, path, launcher.workspace))
    raise typer.Exit(_run(launcher, keys, as_json=as_json, refused=refused, wait=wait))


@app.command(rich_help_panel=EXPERIMENTS)
def demo(home: Home = None, as_json: AsJson = False) -> None:
    """Run every family once, one of them on five backends, an emulated cloud among them, started here; and train a circuit.

    Ends with the verdicts, where the time went, what it cost, and what to open next.
    """
    from qhybrid_pipelines.demo import DEMO, emulated_cloud

    launcher = launcher_for(home)
    keys = [launcher.workspace.registration.register_text(text, file="demo", folder=Path()).key for text in DEMO]
    with emulated_cloud(launcher.workspace.home):
        code = _run(launcher, keys, as_json=as_json, refused=[], wait=True)
    if not as_json:
        _print_times_and_costs(launcher.workspace)
        echo(_suggested_commands(launcher.workspace))
    raise typer.Exit(code)


@app.command(rich_help_panel=EXPERIMENTS)
def schema(
    as_json: AsJson = False,
    kind: Annotated[
        str, typer.Option("--kind", help="optimisation, or qml for learning experiments.")
    ] = "optimisation",
) -> None:
    """Print a commented specification with every default, and its JSON Schema (with --json: the schema alone)."""
    from qhybrid_pipelines.core.commented_defaults import commented_learning_default
    from qhybrid_pipelines.problems.experiment_page import commented_experiment, experiment_schema, learning_schema
    from qhybrid_pipelines.terminal import print_json

    if kind not in {"optimisation", "qml"}:
        raise InvalidInput(f"there is no kind {kind!r}", remedy="Choose optimisation or qml.", field="--kind")
    if not as_json:
        echo((commented_learning_default() if kind == "qml" else commented_experiment()) + "\n# JSON Schema:")
    print_json(learning_schema() if kind == "qml" else experiment_schema())


@app.command(rich_help_panel=EXPERIMENTS)
def experiments(
    home: Home = None,
    as_json: AsJson = False,
    tag: Annotated[str | None, typer.Option("--tag", metavar="TAG", help="Only those with this tag.")] = None,
    archived: Annotated[bool, typer.Option("--all", help="Those that were archived as well.")] = False,
) -> None:
    """List the registered experiments with their verdicts."""
    from qhybrid_pipelines.steps.on_demand.summary import registered
    from qhybrid_pipelines.storage.label_store import LabelStore
    from qhybrid_pipelines.terminal import VERDICT_STYLES, print_json
    from qhybrid_pipelines.terminal_tables import print_table

    workspace = workspace_for(home, reading=True)
    store = LabelStore(workspace.home)
    rows = registered(workspace.lake, workspace.specifications, store, tag=tag, archived=archived)
    print_json(rows) if as_json else print_table(rows, in_words=True, styles={"verdict": VERDICT_STYLES})


@app.command(rich_help_panel=EXPERIMENTS)
def cancel(key: Annotated[str, typer.Argument(metavar="KEY")], home: Home = None, as_json: AsJson = False) -> None:
    """End a whole experiment: cancel its jobs, and begin no further stage until it is run again.

    A provider may be too late to cancel; what it completes is paid, and its result is kept.
    """
    from qhybrid_pipelines.steps.on_demand.cancelled_experiments import cancel_experiment
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_table

    workspace = existing_workspace(home)
    rows = cancel_experiment(key, workspace.specifications, workspace.control_plane.dispatcher, workspace.home)
    if as_json:
        print_json({"experiment": key, "jobs": rows})
        return
    if rows:
        print_table(rows)
    echo(f"{key} is stopped. To go on: qhybrid run {key} --home {workspace.home.path}", err=True)


@app.command(rich_help_panel=EXPERIMENTS)
def estimate(
    specifications: Annotated[
        list[Path] | None, typer.Argument(metavar="SPEC...", help="Specifications, or problem files.")
    ] = None,
    due: Annotated[
        bool, typer.Option("--due", help="Instead: all registered experiments that are not decided on every backend.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say what experiments would cost, and what policy and budgets say to that. Nothing is registered or sent.

    Jobs that are in the ledger already cost nothing more. Exit code 4 when something would be refused.
    """
    from qhybrid_pipelines.steps.on_demand.estimates import estimate_due
    from qhybrid_pipelines.terminal import print_error, print_json
    from qhybrid_pipelines.terminal_tables import print_table

    if due == bool(specifications):
        raise InvalidInput("nothing to estimate", remedy="Name specifications, or give --due.", field="SPEC")
    workspace = workspace_for(home)
    if specifications:
        try:
            preview = estimate_pages(workspace, specifications)
        except InvalidInput as error:
            raise with_price(error, specifications[0], workspace) from None
    else:
        preview = estimate_due(workspace.specifications, workspace.control_plane.dispatcher, workspace.lake)
    if as_json:
        problems = [problem.details() for problem in preview.problems]
        epochs = {"epochs": preview.epochs} if preview.epochs else {}
        circuits = {"circuits": [asdict(circuit) for circuit in preview.circuits]} if preview.circuits else {}
        print_json({"rows": preview.rows, "total": preview.totals, "problems": problems, **epochs, **circuits})
    else:
        print_table(preview.rows, in_words=True)
        echo(
            "total: {jobs} jobs, {jobs_paid} of them there already; {shots:,} shots; "
            "${low_usd:,.2f} to ${high_usd:,.2f} still to be paid".format_map(preview.totals)
            + "".join(
                f"; {preview.totals[name]} {words}"
                for name, words in (("without_price", "without a price"), ("refused", "refused, and in no sum"))
                if preview.totals[name]
            )
        )
        for circuit in preview.circuits:
            echo(f"\n{circuit.experiment}: which variable each qubit of its circuit is")
            print_table(circuit.rows)
            for warning in circuit.warnings:
                echo(f"warning: {warning}", err=True)
        if preview.epochs:
            echo("\nOne epoch of training there, by parameter shift (training here costs nothing):")
            print_table(preview.epochs)
        for problem in preview.problems:
            print_error(problem, as_json=False)
    raise typer.Exit(preview.exit_code)


@app.command(rich_help_panel=OPERATIONS)
def sync(home: Home = None, as_json: AsJson = False) -> None:
    """Hand the records that wait in the spool to MLflow, and spans of ended jobs to the collector if there is one."""
    from qhybrid_pipelines.steps.operate.telemetry import send_spans
    from qhybrid_pipelines.terminal import print_json

    workspace = workspace_for(home)
    done, sent = workspace.tracker.sync(), send_spans(workspace.control_plane.ledger, workspace.home)
    if as_json:
        spans = None if sent is None else {"jobs": sent.jobs, "spans": sent.spans, "complete": sent.complete}
        print_json({"recorded": done.recorded, "waiting": done.waiting, "spans": spans})
        return
    echo(f"{len(done.recorded)} records handed to MLflow, {done.waiting} still waiting")
    if sent is not None:
        failed = "the collector did not take the spans; they are sent the next time"
        echo(f"{sent.spans} spans of {sent.jobs} jobs sent" if sent.complete else failed)


@app.command(rich_help_panel=OPERATIONS)
def doctor(
    home: Home = None,
    as_json: AsJson = False,
    online: Annotated[bool, typer.Option("--online", help="Also take one look at every provider.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Compare all of the ledger, not only what changed.")] = False,
) -> None:
    """Look at this installation and its home folder; exit code 3 when something needs a person."""
    from qhybrid_pipelines.steps.on_demand.doctor import findings
    from qhybrid_pipelines.terminal import print_json
    from qhybrid_pipelines.terminal_tables import print_table

    workspace = workspace_for(home, reading=True)
    rows = findings(workspace.home, workspace.control_plane, workspace.specifications, online=online, full=full)
    print_json(rows) if as_json else print_table(_problems_first(rows), styles={"status": {"problem": "bold red"}})
    raise typer.Exit(0 if all(row["ok"] for row in rows) else JobFailed.exit_code)


@app.command(rich_help_panel=OPERATIONS)
def metrics(home: Home = None, as_json: AsJson = False) -> None:
    """Print figures of the ledger in Prometheus' text format (with --json: as a list)."""
    from qhybrid_pipelines.steps.operate.telemetry import prometheus_text
    from qhybrid_pipelines.terminal import print_json

    workspace = existing_workspace(home, reading=True)
    text = prometheus_text(workspace.control_plane.ledger, workspace.home)
    if not as_json:
        echo(text, nl=False)
        return
    from prometheus_client.parser import text_string_to_metric_families

    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    print_json([{"name": sample.name, "labels": sample.labels, "value": sample.value} for sample in samples])


app.command(rich_help_panel=EXPERIMENTS)(new.new)
app.command(rich_help_panel=EXPERIMENTS)(labels.archive)
app.command(rich_help_panel=OPERATIONS)(costs.costs)
app.command(rich_help_panel=RESULTS)(results.answer)
app.command(rich_help_panel=RESULTS)(results.compare)
app.command(rich_help_panel=RESULTS)(report.report)
app.command(rich_help_panel=RESULTS)(bundle)
app.command(rich_help_panel=RESULTS)(results.sql)
app.command(rich_help_panel=OPERATIONS)(status.status)
app.command(rich_help_panel=OPERATIONS)(service.serve)
app.command(rich_help_panel=EXPERIMENTS)(wait.wait)
app.add_typer(keys.app, name="keys", rich_help_panel=OPERATIONS)


@app.callback()
def common_options(
    version: Annotated[  # noqa: ARG001  its callback ends the command
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    """Hybrid quantum-classical experiments: from a problem file to a verdict."""
    check_address_space(READING)


def main() -> None:
    """Run the command line; errors of this package become one sentence and an exit code, never a traceback."""
    prepare_streams()
    # Servers have a signal handling of their own.
    if sys.argv[1:2] not in (["emulator"], ["serve"]):
        watch_stop_signals()
    run_to_end(app)


def _problems_first(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what was looked at for people: what needs one stands on top."""
    return [
        {"check": row["check"], "status": "ok" if row["ok"] else "problem", "detail": row["finding"]}
        for row in sorted(rows, key=lambda row: bool(row["ok"]))
    ]


def _register(workspace: Workspace, path: Path) -> list[str]:
    """Return the keys of a file's experiments; what is not a file may be the key of a registered one."""
    if (key := match_experiment(workspace, str(path))) is not None and not path.exists():
        return [key]
    return [registered.key for registered in workspace.registration.register_files(path)]


def _run(launcher: Launcher, keys: list[str], *, as_json: bool, refused: list[InvalidInput], wait: bool) -> int:
    from qhybrid_pipelines.control.experiments.due_stages import NEEDS_A_PERSON
    from qhybrid_pipelines.steps.learning.verdict_summary import learning_verdicts
    from qhybrid_pipelines.steps.on_demand.circuit_variables import stored_variables
    from qhybrid_pipelines.steps.on_demand.run_table import run_table
    from qhybrid_pipelines.steps.on_demand.summary import verdicts
    from qhybrid_pipelines.steps.operate.telemetry import send_spans_best_effort
    from qhybrid_pipelines.terminal import print_json, progress

    workspace = launcher.workspace
    problems: list[str] = []

    def on_problem(problem: str) -> None:
        problems.append(problem)
        if not as_json:
            echo(f"open jobs could not be looked at: {problem}", err=True)

    try:
        with progress(quiet=as_json) as display:

            def on_progress(stage: Stage, asset: str | None) -> None:
                display.on_progress(stage, asset)
                # What follows from here on may be sent: whoever wrote a circuit can still see that it is misread.
                if asset == "parameter_sweeps":
                    found = stored_variables(stage.experiment, workspace.lake, workspace.specifications)
                    display.tell(found.lines() if found else [])

            ran, failures = (
                launcher.run(keys, on_progress, wait=wait, on_problem=on_problem, on_message=display.on_message)
                if keys
                else ([], [])
            )
    except StopRequested as request:
        message = stop_message(launcher.workspace, request, keys, launcher.waiting(keys))
        print_json({"stopped": request.reason, "message": message}) if as_json else echo(message, err=True)
        return request.exit_code
    send_spans_best_effort(workspace.control_plane.ledger, workspace.home)
    rows, waiting = verdicts(ran, workspace.lake, workspace.specifications), launcher.waiting(ran)
    learning_rows = learning_verdicts(ran, workspace.lake, workspace.specifications)
    lines = run_table(rows, workspace.specifications, workspace.control_plane.ledger.jobs()) if rows else []
    print_outcome(
        rows, lines, learning_rows, waiting, problems=problems, failures=failures, refused=refused, as_json=as_json
    )
    if refused:
        return InvalidInput.exit_code
    for_a_person = [JobFailed.exit_code for job in waiting if job.state in NEEDS_A_PERSON]
    return max([*for_a_person, *(failure.exit_code for failure in failures)], default=0)


def _print_times_and_costs(workspace: Workspace) -> None:
    """Print, per backend, where the time of a median job went and what its jobs cost."""
    from qhybrid_pipelines.steps.on_demand.fleet_summary import costs_by_backend, times_by_backend
    from qhybrid_pipelines.terminal import print_waterfall
    from qhybrid_pipelines.terminal_tables import print_table

    echo("\nWhere the time of a job goes (medians; the emulated cloud runs on virtual time)")
    print_waterfall(times_by_backend(workspace.home))
    echo("\nWhat the jobs cost (money of the emulated cloud is not real)")
    print_table(costs_by_backend(workspace.home), in_words=True)


def _suggested_commands(workspace: Workspace) -> str:
    home = workspace.home.path
    return f"""
What to open next:
  qhybrid sql "SELECT * FROM verdicts" --home {home}
  qhybrid report latest --home {home}
  qhybrid jobs list --home {home}
  make ui            the same experiments as assets, with ladders, circuits and pictures
  {workspace.tracker.ui_command}
"""
