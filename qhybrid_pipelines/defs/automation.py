"""What runs by itself: the inbox, the way from a new experiment to its verdict, the nightly benchmark, reconciliation.

All of them ask `control.progress` what is due, and request the same jobs that the command line runs. The lake decides
what is done; Dagster only schedules and shows. A leg that failed is not requested again by the sensor; the reconcile
schedule tries again, up to `MAX_ATTEMPTS` runs, and then leaves it to a person. It keeps nothing else waiting.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from qhybrid_pipelines.control.inbox import scan
from qhybrid_pipelines.control.progress import Leg, due_legs
from qhybrid_pipelines.defs.orphans import NOT_ENDED, end_orphans
from qhybrid_pipelines.defs.partitions import EXPERIMENTS, PARTITIONS_NAME, execution_key
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.steps import nightly
from qhybrid_pipelines.steps.rounds import register_next_rounds
from qhybrid_pipelines.steps.warehouse import is_stale
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage import atomic

MAX_ATTEMPTS = 3
PAUSE_AFTER_FAILURE = timedelta(minutes=30)
EXPERIMENT_TAG = "qhybrid/experiment"
BACKEND_TAG = "qhybrid/backend"

IN_VAIN = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def build(jobs: dict[str, Any]) -> tuple[list[dg.SensorDefinition], list[dg.ScheduleDefinition]]:
    """Return the sensors and schedules over the jobs, by name."""
    return [inbox, _onward(list(jobs.values()))], [
        _reconcile(jobs["prepare"]),
        _reconcile(jobs["execute"]),
        _nightly_benchmark(jobs["prepare"]),
    ]


@dg.sensor(minimum_interval_seconds=10, default_status=dg.DefaultSensorStatus.RUNNING)
def inbox(context: dg.SensorEvaluationContext, workspace: WorkspaceResource) -> dg.SensorResult | dg.SkipReason:
    """Take in what was dropped into the inbox folder; wrong files go to quarantine with the reason beside them."""
    house = workspace.open()
    found = scan(house.home.inbox, house.home.quarantine, house.intake)
    for refused in found.quarantined:
        context.log.warning("quarantined %s: %s", refused.name, refused.reason)
    summary = f"{len(found.accepted)} files taken in, {len(found.quarantined)} quarantined, {found.waiting} still being written"
    if not found.accepted:
        return dg.SkipReason(summary)
    new = EXPERIMENTS.build_add_request([accepted.key for accepted in found.accepted])
    return dg.SensorResult(skip_reason=summary, dynamic_partitions_requests=[new])


def _onward(jobs: list[Any]) -> dg.SensorDefinition:
    @dg.sensor(minimum_interval_seconds=10, default_status=dg.DefaultSensorStatus.RUNNING, jobs=jobs)
    def onward(context: dg.SensorEvaluationContext, workspace: WorkspaceResource) -> dg.SensorResult | dg.SkipReason:
        """Move every registered experiment one leg further, until its verdict stands in the warehouse."""
        house = workspace.open()
        end_orphans(context.instance)
        legs = _due(house)
        running = [leg for leg in legs if _runs(context.instance, leg, NOT_ENDED)]
        new = [leg for leg in legs if leg not in running and not _runs(context.instance, leg, IN_VAIN)]
        requests = [request_of(leg) for leg in new]
        if not running and not new and is_stale(house) and not _publishing(context.instance):
            requests.append(dg.RunRequest(job_name="publish"))
        if not requests:
            waiting = f"{len(running)} legs are running, {len(legs) - len(running)} failed"
            return dg.SkipReason(waiting if legs else "everything is decided")
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=[EXPERIMENTS.build_add_request(sorted({leg.experiment for leg in new}))],
        )

    return onward


def _reconcile(job: Any) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"reconcile_{job.name}",
        cron_schedule="*/30 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        job=job,
    )
    def reconcile(
        context: dg.ScheduleEvaluationContext, workspace: WorkspaceResource
    ) -> Sequence[dg.RunRequest] | dg.SkipReason:
        """Request again what a lost event or a failed run left undone; hand spooled records over, sweep what the dead left."""
        house = workspace.open()
        house.tracker.sync()
        atomic.sweep(house.home)
        due = [
            leg
            for leg in _due(house)
            if leg.job == job.name
            and not _runs(context.instance, leg, NOT_ENDED)
            and _runs(context.instance, leg, IN_VAIN) < MAX_ATTEMPTS
        ]
        # An experiment may have been registered by a process that died before it told Dagster.
        context.instance.add_dynamic_partitions(PARTITIONS_NAME, sorted({leg.experiment for leg in due}))
        moment = context.scheduled_execution_time.isoformat()
        return [request_of(leg, retry=moment) for leg in due] or dg.SkipReason("nothing was left undone")

    return reconcile


def _nightly_benchmark(job: Any) -> dg.ScheduleDefinition:
    @dg.schedule(cron_schedule="0 2 * * *", job=job)
    def nightly_benchmark(
        context: dg.ScheduleEvaluationContext, workspace: WorkspaceResource
    ) -> Sequence[dg.RunRequest]:
        """Ask the same small questions every night, so that a change of code, packages or machine is seen."""
        keys = nightly.register(workspace.open(), context.scheduled_execution_time.date())
        context.instance.add_dynamic_partitions(PARTITIONS_NAME, keys)
        return [request_of(Leg(experiment=key)) for key in keys]

    return nightly_benchmark


def request_of(leg: Leg, *, retry: str = "") -> dg.RunRequest:
    """Return the run that does a leg; asked for twice under one ``retry``, it runs once."""
    if leg.backend is None:
        partition: str = leg.experiment
    else:
        partition = execution_key(leg.backend, leg.experiment)
    return dg.RunRequest(
        run_key=f"{leg.job}|{leg.backend or ''}|{leg.experiment}|{retry}",
        job_name=leg.job,
        partition_key=partition,
        tags=tags_of(leg),
    )


def tags_of(leg: Leg) -> dict[str, str]:
    """Return the tags that tie a run to its experiment and backend."""
    return {EXPERIMENT_TAG: leg.experiment} | ({BACKEND_TAG: leg.backend} if leg.backend else {})


def _due(house: Workspace) -> list[Leg]:
    """Return what is due, next rounds included."""
    known = [(key, house.specifications.load(key)) for key in house.specifications]
    new = register_next_rounds(house, known)
    return due_legs([*known, *((key, house.specifications.load(key)) for key in new)], house.lake)


def _runs(instance: dg.DagsterInstance, leg: Leg, statuses: Iterable[dg.DagsterRunStatus]) -> int:
    return instance.get_runs_count(dg.RunsFilter(job_name=leg.job, tags=tags_of(leg), statuses=list(statuses)))


def _publishing(instance: dg.DagsterInstance) -> bool:
    """Tell whether a snapshot is on its way, or failed so recently that trying again would only fill the history."""
    recently = datetime.now(UTC) - PAUSE_AFTER_FAILURE
    failed = dg.RunsFilter(job_name="publish", statuses=IN_VAIN, created_after=recently)
    return instance.get_runs_count(dg.RunsFilter(job_name="publish", statuses=NOT_ENDED)) > 0 or (
        instance.get_runs_count(failed) > 0
    )
