"""Runs of the command line whose process was killed: nobody else would ever say that they have ended.

Dagster watches the runs that its daemon launches. A run that the command line executes has no launcher; killed, it
would seem to go on for ever, and the sensors would wait for it.
"""

import dagster as dg

from qhybrid_pipelines.storage.atomic import is_gone, process_name

PROCESS_TAG = "qhybrid/process"

NOT_ENDED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def process_tags() -> dict[str, str]:
    """Return the tags of a run that this process executes itself."""
    return {PROCESS_TAG: process_name()}


def end_orphans(instance: dg.DagsterInstance) -> int:
    """Report every run as failed whose process is gone; return how many that were."""
    orphans = [
        run for run in instance.get_runs(dg.RunsFilter(statuses=NOT_ENDED)) if is_gone(run.tags.get(PROCESS_TAG, ""))
    ]
    for run in orphans:
        instance.report_run_failed(run, "The process that executed this run is gone; the same command goes on.")
    return len(orphans)
