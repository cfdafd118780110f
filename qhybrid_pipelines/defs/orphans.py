"""Runs whose process was killed: somebody has to say that they have ended.

Dagster watches the runs that its daemon launches, as long as it lives itself. A run that the command line executes has no
launcher, and would seem to go on for ever. So every run carries the name of the process that executes it, and the sensors
wait for none whose process is gone. A process on another machine cannot be asked; it shows a sign of life
(`defs.heartbeats`). No run is ended because it takes long.

A run that Dagster starts again takes over the tags of its parent, the name of the dead process among them. It means
nothing until the new process has written its own.

A run that waits in the queue of a cluster has no process yet, for as long as the queue is; whether it waits there still is asked of the
launcher, where that can say.
"""

import time
from pathlib import Path

import dagster as dg
from dagster._core.launcher import WorkerStatus

from qhybrid_pipelines.core.errors import EnvironmentFailure
from qhybrid_pipelines.core.system.processes import is_on_this_machine, process_has_ended, process_name
from qhybrid_pipelines.defs.heartbeats import SILENCE_SECONDS, Listener, beat_file
from qhybrid_pipelines.defs.run_tags import PROCESS_TAG, read_tag

NOT_ENDED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
BEGUN = (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)

#: A launcher may need that long until the cluster knows a run.
LAUNCH_SECONDS = 300.0

_LISTENER = Listener()


def process_tags() -> dict[str, str]:
    """Return the tags of a run that this process executes itself."""
    return {PROCESS_TAG: process_name()}


def end_orphans(instance: dg.DagsterInstance, locks: Path | None = None, listener: Listener | None = None) -> int:
    """Report every run as failed whose process is gone, and free its places in pools; return how many that were.

    Args:
        instance: Dagster's record.
        locks: folder of the home below which runs show signs of life; without it only processes of this machine are asked.
        listener: what has heard from them so far; the default is this process's own.
    """
    orphans = [
        run
        for run in instance.get_runs(dg.RunsFilter(statuses=NOT_ENDED))
        if (process_has_ended(read_tag(run.tags, PROCESS_TAG)) and not _is_inherited(instance, run))
        or (locks is not None and _has_vanished(run, locks, listener or _LISTENER))
        or _never_began(instance, run)
    ]
    for run in orphans:
        instance.report_run_failed(
            run, "The process that executed this run is gone; the next run of this stage goes on."
        )
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return len(orphans)


def _has_vanished(run: dg.DagsterRun, locks: Path, listener: Listener) -> bool:
    """Tell whether nothing was heard for long from a run that had begun elsewhere; one that waits for its turn has no process."""
    if run.status not in BEGUN or is_on_this_machine(read_tag(run.tags, PROCESS_TAG)):
        return False
    return listener.silence_seconds(beat_file(locks, run.run_id)) > SILENCE_SECONDS


def _never_began(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Tell whether a run was handed to a cluster that has no worker for it, or none any more."""
    launcher = instance.run_launcher
    if run.status is not dg.DagsterRunStatus.STARTING or not launcher.supports_check_run_worker_health:
        return False
    try:
        status = launcher.check_run_worker_health(run).status
    except EnvironmentFailure:  # the cluster does not answer, and nobody knows
        return False
    if status is WorkerStatus.NOT_FOUND:
        launched = instance.get_run_stats(run.run_id).launch_time
        lost = launched is not None and time.time() - launched > LAUNCH_SECONDS
    else:
        lost = status is WorkerStatus.FAILED
    now = instance.get_run_by_id(run.run_id)  # its worker may have begun, and ended, since the list was read
    return lost and now is not None and now.status is dg.DagsterRunStatus.STARTING


def _is_inherited(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Tell whether the process that a run names is its parent's."""
    parent = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    return parent is not None and read_tag(parent.tags, PROCESS_TAG) == read_tag(run.tags, PROCESS_TAG)
