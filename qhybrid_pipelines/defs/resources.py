"""The one resource: a home folder, opened as a workspace."""

from functools import cache
from pathlib import Path

import dagster as dg

from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home


class WorkspaceResource(dg.ConfigurableResource[None]):
    """Where all state lives. Opening is lazy: loading the code location touches no file."""

    home: str

    def open(self) -> Workspace:
        """Return the workspace, the same object for the same home within a process."""
        return _open(self.home)


@cache
def _open(home: str) -> Workspace:
    return Workspace(Home(Path(home)))
