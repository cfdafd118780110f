"""Runs whose process was killed: somebody has to say that they have ended.

Dagster watches the runs that its daemon launches, as long as it lives itself; killed together with its workers it gives
them up an hour later. A run that the command line executes has no launcher, and would seem to go on for ever. So every
run carries the name of the process that executes it, and the sensors wait for none whose process is gone.

A run that Dagster starts again takes over the tags of its parent, the name of the dead process among them. It means
nothing until the new process has written its own.
"""

import dagster as dg

from qhybrid_pipelines.core.processes import process_has_ended, process_name

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
    """Report every run as failed whose process is gone, and free its places in pools; return how many that were."""
    orphans = [
        run
        for run in instance.get_runs(dg.RunsFilter(statuses=NOT_ENDED))
        if process_has_ended(run.tags.get(PROCESS_TAG, "")) and not _is_inherited(instance, run)
    ]
    for run in orphans:
        instance.report_run_failed(
            run, "The process that executed this run is gone; the next run of this stage goes on."
        )
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return len(orphans)


def _is_inherited(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Tell whether the process that a run names is its parent's."""
    parent = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    return parent is not None and parent.tags.get(PROCESS_TAG) == run.tags.get(PROCESS_TAG)
