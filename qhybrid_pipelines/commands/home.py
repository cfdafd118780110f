"""``qhybrid home``: which home this is, and what a person decides about a copy, a backup or a ledger that was put back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qhybrid_pipelines.commands.common import AsJson, Home, echo, existing_workspace, workspace_for
from qhybrid_pipelines.core.errors import JobFailed

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.port import HomeIdentity
    from qhybrid_pipelines.steps.workspace import Workspace

app = typer.Typer(name="home", help="Which home this is, and which of its copies may send jobs.", no_args_is_help=True)


@app.command("show")
def show_home(home: Home = None, as_json: AsJson = False) -> None:
    """Show the home's id and what has to be decided before anything is sent; exit code 3 if anything has."""
    from qhybrid_pipelines.control.home_identity import REMEDY
    from qhybrid_pipelines.storage.home_decisions import read_decisions
    from qhybrid_pipelines.terminal import print_json

    workspace = existing_workspace(home, reading=True)
    control_plane = workspace.control_plane
    identity, problems = control_plane.ledger.identity(), control_plane.guard.problems()
    decisions, written = read_decisions(workspace.home), control_plane.guard.format()
    if as_json:
        document = {"home_id": identity.home_id, "openings": identity.openings, "format": written, "problems": problems}
        print_json(document | {"decisions": [asdict(decision) for decision in decisions]})
    else:
        echo(f"home {identity.home_id}, format {written}, opened {identity.openings} times to send")
        for made in decisions:
            what = "goes on" if made.decision == "continue" else f"became {made.new_home_id}, a home of its own"
            echo(f"decided: {made.at}, by {made.by or 'somebody'}: home {made.home_id} {what}")
        for problem in problems:
            echo(f"to be decided: {problem}")
        if problems:
            echo(f"Nothing is sent until then; what was sent is collected. {REMEDY}.")
        elif newer := control_plane.guard.newer_release():
            echo(f"{newer[0].upper()}{newer[1:]}.")
    raise typer.Exit(JobFailed.exit_code if problems else 0)


@app.command("check")
def check_home(home: Home = None) -> None:
    """Ask every provider for jobs of this home that its ledger does not know; nothing is sent, and it costs nothing."""
    raise typer.Exit(_ask(existing_workspace(home)))


@app.command("continue")
def continue_home(home: Home = None) -> None:
    """Decide that this home keeps its id, and that no copy of it is used: it may send again."""
    control_plane = existing_workspace(home).control_plane
    _say(control_plane.guard.go_on(by=control_plane.deployment.principal), "goes on")


@app.command("separate")
def separate_home(
    home: Home = None,
    copy: Annotated[
        bool, typer.Option("--copy", help="I say that this is the copy, although nothing has run in it that shows it.")
    ] = False,
) -> None:
    """Decide that this home is a copy and becomes a home of its own, with a new id: it may send again."""
    control_plane = existing_workspace(home).control_plane
    identity = control_plane.guard.separate(by=control_plane.deployment.principal, is_copy=copy)
    _say(identity, "is a home of its own")


def _say(identity: HomeIdentity, what: str) -> None:
    echo(f"home {identity.home_id} {what}. Every token is looked up at its provider before anything is paid.")


def backup(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder for the backup.")], home: Home = None
) -> None:
    """Back up ledger, lake, results and notes as of one moment, while jobs run."""
    from qhybrid_pipelines.steps.on_demand.home_backups import back_up

    workspace = existing_workspace(home, reading=True)
    manifest = back_up(workspace.home, workspace.control_plane, folder)
    echo(
        f"{len(manifest.files)} files of home {manifest.home_id} as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC, "
        f"{manifest.head.position} events, in {folder}"
    )


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `qhybrid backup` made.")],
    home: Home = None,
) -> None:
    """Restore a backup into a new home, and ask its providers what was sent since; exit code 3 if a person has to decide."""
    from qhybrid_pipelines.steps.on_demand.home_backups import check_backup, put_back

    manifest = check_backup(folder)  # before the home's folders are made
    workspace = workspace_for(home)
    put_back(folder, manifest, workspace.home)
    echo(
        f"home {manifest.home_id} as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC: {len(manifest.files)} files, "
        f"{manifest.head.position} events"
    )
    raise typer.Exit(_ask(workspace))


def _ask(workspace: Workspace) -> int:
    """Ask the providers, say what came of it, and return the exit code."""
    from qhybrid_pipelines.control.home_identity import REMEDY
    from qhybrid_pipelines.steps.on_demand.home_backups import ask_providers

    control_plane = workspace.control_plane
    failed = ask_providers(workspace.home, control_plane)
    for backend, problem in failed.items():
        echo(f"could not be asked: {backend}: {problem}")
    if failed:
        echo(f"To ask again: qhybrid home check --home {workspace.home.path}")
    problems = control_plane.guard.problems()
    for problem in problems:
        echo(f"to be decided: {problem}")
    echo(f"Nothing is sent until then. {REMEDY}." if problems else "Nothing was sent that the ledger does not know.")
    return JobFailed.exit_code if problems else 0
