"""Pages that run on a schedule: one sensor asks which are due, whatever their cron lines and time zones are."""

from datetime import UTC, datetime

import dagster as dg

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.control.experiments.scheduled_runs import register_due_runs
from qhybrid_pipelines.core.text.printable import printable
from qhybrid_pipelines.defs.owners import OWNERS
from qhybrid_pipelines.defs.partitions import partition_requests
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.storage.schedule_store import ScheduleStore

INTERVAL_SECONDS = 30


@dg.sensor(
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers under its date what pages with a `schedule` say is due; missed times run once.",
    owners=OWNERS,
)
def scheduled_experiments(
    context: dg.SensorEvaluationContext, workspace: WorkspaceResource
) -> dg.SensorResult | dg.SkipReason:
    """Register under its date what pages with a `schedule` say is due; times that were missed run once, not each of them."""
    open_workspace = workspace.open()
    outcomes = register_due_runs(
        ScheduleStore(open_workspace.home),
        open_workspace.registration,
        open_workspace.control_plane.ledger,
        now=datetime.now(UTC),
    )
    for outcome in outcomes:
        if outcome.problem:
            context.log.warning("%s: %s", printable(outcome.page), outcome.problem)
    new = [key for outcome in outcomes for key in outcome.registered]
    reason = f"{len(new)} experiments registered, {sum(bool(o.problem) for o in outcomes)} pages passed over or wrong"
    readable = load_readable(open_workspace.specifications, new, Damage())
    stages = [Stage(experiment=key, backend=backend) for key, spec in readable for backend in spec.backends or (None,)]
    if not stages:
        return dg.SkipReason(reason if outcomes else "nothing is due")
    return dg.SensorResult(skip_reason=reason, dynamic_partitions_requests=partition_requests(stages))
