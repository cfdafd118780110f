"""The one resource: a home folder, opened as a workspace."""

from functools import cache
from pathlib import Path

import dagster as dg

from qhybrid_pipelines.defs.heartbeats import Heartbeat, beat_file
from qhybrid_pipelines.defs.orphans import process_tags
from qhybrid_pipelines.defs.run_tags import PROCESS_TAG
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home

_HEARTBEATS: dict[str, Heartbeat] = {}


class WorkspaceResource(dg.ConfigurableResource[None]):
    """Where all state lives. Opening is lazy: loading the code location touches no file."""

    home: str

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Write on the run which process executes it, so that everybody sees when that process is gone."""
        if context.run is None or context.instance is None:
            return
        own = process_tags()
        if context.run.tags.get(PROCESS_TAG) != own[PROCESS_TAG]:  # absent, or that of the run which this one replaces
            context.instance.add_run_tags(context.run.run_id, own)
        heartbeat = Heartbeat(beat_file(Home(Path(self.home)).locks, context.run.run_id))
        heartbeat.start()
        _HEARTBEATS[context.run.run_id] = heartbeat

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """End the run's sign of life."""
        if context.run is not None and (heartbeat := _HEARTBEATS.pop(context.run.run_id, None)) is not None:
            heartbeat.stop()

    def open(self) -> Workspace:
        """Return the workspace, the same object for the same home within a process."""
        return _open(self.home)


@cache
def _open(home: str) -> Workspace:
    return Workspace(Home(Path(home)))
