"""``qhybrid archive``: hide an experiment from the lists, without deleting anything."""

from __future__ import annotations

from typing import Annotated

import typer

from qhybrid_pipelines.commands.common import AsJson, ExperimentKey, Home, echo, existing_workspace, find_experiment
from qhybrid_pipelines.core.errors import Refused


def archive(
    key: ExperimentKey,
    home: Home = None,
    as_json: AsJson = False,
    undo: Annotated[bool, typer.Option("--undo", help="Show it in the lists again.")] = False,
) -> None:
    """Hide an experiment from the lists; its jobs, costs and results stay where they are.

    One with jobs that are not ended is refused: they may still cost something.
    """
    from qhybrid_pipelines.control.experiments.due_stages import waiting_jobs
    from qhybrid_pipelines.storage.label_store import LabelStore
    from qhybrid_pipelines.terminal import print_json

    workspace = existing_workspace(home)
    found = find_experiment(workspace, key)
    open_jobs = [] if undo else waiting_jobs(workspace.control_plane.ledger, {found})
    if open_jobs:
        raise Refused(
            f"{found} has {len(open_jobs)} jobs that are not ended, {open_jobs[0].job_id} among them: wait for them with "
            f"`qhybrid run {found} --wait`, or end them with `qhybrid cancel {found}`"
        )
    labels = LabelStore(workspace.home).change(found, archived=not undo)
    if as_json:
        print_json({"experiment": found, "archived": labels.archived})
    else:
        echo(f"{found} is {'in the lists again' if undo else 'archived; `qhybrid experiments --all` shows it'}.")
