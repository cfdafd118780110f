"""The last step: a new snapshot for analysts, when there is anything new to see."""

from __future__ import annotations

import time
from datetime import timedelta

from qhybrid_pipelines.control.reports import ledger_tables
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage import warehouse
from qhybrid_pipelines.storage.analyst import query
from qhybrid_pipelines.storage.warehouse import Published


def publish(workspace: Workspace) -> Published:
    """Build a snapshot from the lake and the ledger and put it in the place of the last one."""
    ledger = workspace.gateway.ledger
    # Read before the rows: what happens meanwhile makes the snapshot stale, never seemingly new.
    position = ledger.head().position
    return warehouse.publish(workspace.home, ledger_tables(ledger), ledger_position=position)


def is_stale(workspace: Workspace, patience: timedelta = timedelta()) -> bool:
    """Tell whether the lake or the ledger holds something that the snapshot does not show.

    Args:
        workspace: the home.
        patience: how old a snapshot may grow while only jobs have changed; a new file in the lake always counts.
    """
    snapshot = workspace.home.warehouse
    if not snapshot.is_file():
        return True
    published = snapshot.stat().st_mtime_ns
    # A file of the same instant counts as newer.
    if any(file.stat().st_mtime_ns >= published for file in workspace.home.lake.rglob("*.parquet")):
        return True
    if time.time_ns() < published + patience.total_seconds() * 1e9:
        return False
    try:
        seen: int = query(workspace.home, "SELECT ledger_position FROM snapshot").column(0)[0].as_py()
    except InvalidInput:  # an older release's snapshot does not say
        return True
    return seen != workspace.gateway.ledger.head().position
