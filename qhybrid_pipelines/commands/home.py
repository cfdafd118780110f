"""``qhybrid home``: which home this is, and what a person decides about a copy, a backup or a ledger that was put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from qhybrid_pipelines.commands.common import AsJson, Home, echo, workspace_for
from qhybrid_pipelines.core.errors import JobFailed

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.port import HomeIdentity

app = typer.Typer(help="Which home this is, and which of its copies may send jobs.", no_args_is_help=True)


@app.command("show")
def show_home(home: Home = None, as_json: AsJson = False) -> None:
    """Show the home's id and what has to be decided before anything is sent; exit code 3 if anything has."""
    from qhybrid_pipelines.control.home_identity import REMEDY
    from qhybrid_pipelines.storage.home_note import FORMAT
    from qhybrid_pipelines.terminal import print_json

    control_plane = workspace_for(home).control_plane
    identity, problems = control_plane.ledger.identity(), control_plane.guard.problems()
    if as_json:
        shown = {"home_id": identity.home_id, "openings": identity.openings, "format": FORMAT, "problems": problems}
        print_json(shown)
    else:
        echo(f"home {identity.home_id}, format {FORMAT}, opened {identity.openings} times to send")
        for problem in problems:
            echo(f"to be decided: {problem}")
        if problems:
            echo(f"Nothing is sent until then; what was sent is collected. {REMEDY}.")
    raise typer.Exit(JobFailed.exit_code if problems else 0)


@app.command("continue")
def continue_home(home: Home = None) -> None:
    """Decide that this home goes on under its id, and that no copy of it does: it may send again."""
    _say(workspace_for(home).control_plane.guard.go_on(), "goes on")


@app.command("separate")
def separate_home(home: Home = None) -> None:
    """Decide that this home is a copy and becomes a home of its own, with a new id: it may send again."""
    _say(workspace_for(home).control_plane.guard.separate(), "is a home of its own")


def _say(identity: HomeIdentity, what: str) -> None:
    echo(f"home {identity.home_id} {what}. Every token is looked up at its provider before anything is paid.")
