"""``qhybrid run`` and ``demo``: experiments are registered and run to their verdicts, and the outcome is printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qhybrid_pipelines.commands.common import (
    AsJson,
    Home,
    echo,
    launcher_for,
    match_experiment,
    stop_message,
    with_price,
)
from qhybrid_pipelines.commands.run_outcome import print_outcome
from qhybrid_pipelines.core.errors import InvalidInput, JobFailed
from qhybrid_pipelines.core.system.stop_request import StopRequested, stop_requested

if TYPE_CHECKING:
    from qhybrid_pipelines.control.experiments.due_stages import Stage
    from qhybrid_pipelines.launch import Launcher
    from qhybrid_pipelines.steps.workspace import Workspace

Wait = Annotated[
    bool,
    typer.Option(
        "--wait/--no-wait", help="Wait for every verdict; otherwise return once the jobs are with their providers."
    ),
]


def run(
    specifications: Annotated[
        list[Path],
        typer.Argument(metavar="SPEC...", help="Specifications (YAML, JSON), problem files, or keys of experiments."),
    ],
    home: Home = None,
    as_json: AsJson = False,
    wait: Wait = False,
) -> None:
    """Register experiments and run them to their verdicts. What has run before does not run again."""
    launcher = launcher_for(home)
    refused: list[InvalidInput] = []
    keys: list[str] = []
    for path in specifications:
        try:
            keys += _register(launcher.workspace, path)
        except InvalidInput as error:
            refused.append(with_price(error, path, launcher.workspace))
    raise typer.Exit(_run(launcher, keys, as_json=as_json, refused=refused, wait=wait))


def demo(home: Home = None, as_json: AsJson = False) -> None:
    """Run every family once, one of them on five backends, an emulated cloud among them; train a circuit, sample a few.

    Ends with the verdicts, where the time went, what it cost, and what to open next.
    """
    from qhybrid_pipelines.demo import DEMO, emulated_cloud

    launcher = launcher_for(home)
    keys = [launcher.workspace.registration.register_text(text, file="demo", folder=Path()).key for text in DEMO]
    with emulated_cloud(launcher.workspace.home):
        code = _run(launcher, keys, as_json=as_json, refused=[], wait=True)
    if not as_json and stop_requested() is None:
        _print_times_and_costs(launcher.workspace)
        echo(_suggested_commands(launcher.workspace))
    raise typer.Exit(code)


def _register(workspace: Workspace, path: Path) -> list[str]:
    """Return the keys of a file's experiments; what is not a file may be the key of a registered one."""
    if (key := match_experiment(workspace, str(path))) is not None and not path.exists():
        return [key]
    return [registered.key for registered in workspace.registration.register_files(path)]


def _run(launcher: Launcher, keys: list[str], *, as_json: bool, refused: list[InvalidInput], wait: bool) -> int:
    from qhybrid_pipelines.control.experiments.due_stages import NEEDS_A_PERSON
    from qhybrid_pipelines.steps.learning.verdict_summary import learning_verdicts
    from qhybrid_pipelines.steps.on_demand.circuit_variables import stored_variables
    from qhybrid_pipelines.steps.on_demand.run_table import run_table, sum_charges
    from qhybrid_pipelines.steps.on_demand.summary import verdicts
    from qhybrid_pipelines.steps.operate.telemetry import send_spans_best_effort
    from qhybrid_pipelines.steps.sampling.verdict_summary import sampling_verdicts
    from qhybrid_pipelines.terminal import print_json, progress

    workspace = launcher.workspace
    problems: list[str] = []

    def on_problem(problem: str) -> None:
        problems.append(problem)
        if not as_json:
            echo(f"open jobs could not be polled: {problem}", err=True)

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
    learning_rows, sampling_rows = (
        of(ran, workspace.lake, workspace.specifications) for of in (learning_verdicts, sampling_verdicts)
    )
    charges = sum_charges(workspace.control_plane.ledger.jobs())
    lines = run_table(rows, workspace.specifications, charges) if rows else []
    charged: dict[str, float] = {}
    for (key, _), usd in charges.items():
        charged[key] = charged.get(key, 0.0) + usd
    print_outcome(
        rows,
        lines,
        learning_rows,
        sampling_rows,
        waiting,
        charged=charged,
        problems=problems,
        failures=failures,
        refused=refused,
        as_json=as_json,
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
    home, query = workspace.home.path, '"SELECT * FROM verdicts"'
    return f"""
What to open next:
  qhybrid sql {query} --home {home}
  qhybrid report latest --home {home}
  qhybrid jobs list --home {home}
  make ui            the same experiments as assets, with reduction steps, circuits and pictures
  {workspace.tracker.ui_command}
"""
