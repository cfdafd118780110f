"""The last step: a new snapshot for analysts, when there is anything new to see."""

from __future__ import annotations

from qhybrid_pipelines.control.reports import ledger_tables
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage import warehouse
from qhybrid_pipelines.storage.warehouse import Published


def publish(workspace: Workspace) -> Published:
    """Build a snapshot from the lake and the ledger and put it in the place of the last one."""
    return warehouse.publish(workspace.home, ledger_tables(workspace.gateway.ledger))


def is_stale(workspace: Workspace) -> bool:
    """Tell whether the lake holds a file that is newer than the snapshot (or of the same instant)."""
    snapshot = workspace.home.warehouse
    if not snapshot.is_file():
        return True
    published = snapshot.stat().st_mtime_ns
    return any(file.stat().st_mtime_ns >= published for file in workspace.home.lake.rglob("*.parquet"))
