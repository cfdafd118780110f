"""``qhybrid status``: the state of a home, on one screen."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from qhybrid_pipelines.commands.common import AsJson, Home, existing_workspace

if TYPE_CHECKING:
    from qhybrid_pipelines.steps.on_demand.status import Status
    from qhybrid_pipelines.steps.workspace import Workspace

WATCH_SECONDS = 5.0


def status(
    home: Home = None,
    as_json: AsJson = False,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every five seconds, until Ctrl-C.")] = False,
) -> None:
    """Show on one screen what is with providers, what waits, what it costs, and what happens next."""
    from qhybrid_pipelines.terminal import clear_screen, print_json, print_status

    workspace = existing_workspace(home, reading=True)
    while True:
        found = _read(workspace)
        if as_json:
            print_json(asdict(found))
        else:
            if watch:
                clear_screen()
            print_status(found)
        if not watch:
            return
        time.sleep(WATCH_SECONDS)


def _read(workspace: Workspace) -> Status:
    from qhybrid_pipelines.steps.on_demand.status import read_status

    return read_status(
        workspace.home, workspace.control_plane, workspace.specifications, workspace.lake, now=datetime.now(UTC)
    )
