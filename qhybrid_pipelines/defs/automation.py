"""What runs by itself: the inbox, the way from a new experiment to its verdict, polls of open jobs, reconciliation.

All of them ask `control.experiments.due_stages` what is due, and request the same jobs that the command line runs. The lake and the
ledger decide what is done; Dagster only schedules and shows. When a stage that failed is requested again is
`defs.run_history`; it keeps nothing else waiting.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from qhybrid_pipelines.control.experiments.damaged_files import Damage, load_readable
from qhybrid_pipelines.control.experiments.due_stages import STAGE_ASSETS, Stage, waiting_jobs
from qhybrid_pipelines.control.experiments.resting import Rest, find_resting
from qhybrid_pipelines.control.inbox.reader import InboxLimits, read_inbox
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.system import files
from qhybrid_pipelines.core.system.paced_question import PacedQuestion
from qhybrid_pipelines.core.text.printable import printable
from qhybrid_pipelines.defs import checks, metadata
from qhybrid_pipelines.defs.environment_numbers import read_whole_number
from qhybrid_pipelines.defs.jobs import JOB_NAMES, STAGES
from qhybrid_pipelines.defs.orphans import NOT_ENDED, end_orphans
from qhybrid_pipelines.defs.owners import OWNERS
from qhybrid_pipelines.defs.partitions import add_partitions, execution_key, partition_requests
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.defs.run_history import (
    MAX_ATTEMPTS,
    RunHistory,
    is_permanent_failure,
    read_run_histories,
)
from qhybrid_pipelines.defs.run_requests import make_run_request, make_run_requests
from qhybrid_pipelines.defs.run_tags import PUBLISH_TAGS
from qhybrid_pipelines.defs.scheduled import scheduled_experiments
from qhybrid_pipelines.steps.execute.qpu_completions import (
    CompletedExecution,
    find_completed_executions,
    poll_open_jobs,
)
from qhybrid_pipelines.steps.operate import audits
from qhybrid_pipelines.steps.operate import nightly_benchmark as nightly
from qhybrid_pipelines.steps.operate.due_work import find_due_work, open_experiments
from qhybrid_pipelines.steps.operate.telemetry import send_spans_best_effort
from qhybrid_pipelines.steps.operate.warehouse import is_overdue, is_stale
from qhybrid_pipelines.steps.workspace import Workspace

PAUSE_AFTER_FAILURE = timedelta(minutes=30)
#: Jobs change all the time; analysts see that this much later at most.
LEDGER_PUBLISH_INTERVAL = timedelta(minutes=5)
#: How long what is in the lake, and not yet in the snapshot, waits at most for a moment in which no stage runs.
PUBLISH_VARIABLE = "QHYBRID_PUBLISH_MINUTES"
DEFAULT_PUBLISH_MINUTES = 3
#: A tick of a sensor is ended by Dagster after 60 s.
POLL_LIMIT_SECONDS = 30.0
#: What is not read by then goes on outside of the tick.
INBOX_WAIT_SECONDS = 20.0
#: Whether the snapshot is stale is found by a look at every file of the lake.
_STALE = PacedQuestion()
COMPLETIONS = "qpu_completions"
#: The cursor of the inbox where no file was refused; an empty one would leave the cursor as it was.
NOTHING_REFUSED = "nothing"
#: Name of the sensor that asks for what is due.
DUE_STAGES = "due_stages"
INTERVAL_VARIABLE = "QHYBRID_SENSOR_SECONDS"
DEFAULT_INTERVAL_SECONDS = 10


def interval_seconds() -> int:
    """Return the least time between two ticks of a sensor; Dagster itself checks every 5 s whether one is due.

    Raises:
        InvalidInput: the environment says something that is not a time.
    """
    return read_whole_number(
        INTERVAL_VARIABLE, DEFAULT_INTERVAL_SECONDS, meaning="a time between two ticks", unit="whole seconds"
    )


def publish_interval() -> timedelta:
    """Return how old a snapshot grows before it is replaced while stages run.

    Raises:
        InvalidInput: the environment says something that is not a time.
    """
    minutes = read_whole_number(
        PUBLISH_VARIABLE, DEFAULT_PUBLISH_MINUTES, meaning="a time between two snapshots", unit="whole minutes"
    )
    return timedelta(minutes=minutes)


def build(jobs: dict[str, Any]) -> tuple[list[dg.SensorDefinition], list[dg.ScheduleDefinition]]:
    """Return the sensors and schedules over the jobs, by name."""
    return [inbox, scheduled_experiments, qpu_poll, _advance_experiments(list(jobs.values()))], [
        *(_reconcile(jobs[name]) for name in STAGE_ASSETS),
        dg.ScheduleDefinition(
            name="calibration_snapshots",
            cron_schedule="0 * * * *",
            job=jobs["calibrate"],
            description="Every hour: reads the calibration of every device, so that its drift is seen.",
            owners=OWNERS,
        ),
        _nightly_benchmark(jobs["prepare"]),
    ]


@dg.sensor(
    minimum_interval_seconds=interval_seconds(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers what was dropped into the inbox folder; wrong files go to quarantine with the reason beside them.",
    owners=OWNERS,
)
def inbox(context: dg.SensorEvaluationContext, workspace: WorkspaceResource) -> dg.SensorResult | dg.SkipReason:
    """Register what was dropped into the inbox folder; wrong files go to quarantine with the reason beside them."""
    open_workspace = workspace.open()
    found = read_inbox(
        open_workspace.home,
        open_workspace.control_plane.backends,
        InboxLimits.from_environment(),
        wait_seconds=INBOX_WAIT_SECONDS,
    )
    for refused in found.quarantined:
        context.log.warning("quarantined %s: %s", printable(refused.name), printable(refused.reason))
    if found.problem:
        context.log.warning(found.problem)
    summary = f"{len(found.registered)} files registered, {len(found.quarantined)} quarantined, {found.waiting} still being written"
    if found.reading:
        summary += f"; {', '.join(map(printable, found.reading))} is being read"
    damage = Damage()
    readable = load_readable(open_workspace.specifications, found.registered, damage)
    new = [Stage(experiment=key, backend=backend) for key, spec in readable for backend in spec.backends or (None,)]
    # The check is told at once what was refused; a snapshot, which has it looked at again, may be long in coming.
    now_refused = audits.inbox_refusals(open_workspace.home)
    told = sha256_hex("\n".join(now_refused)) if now_refused else NOTHING_REFUSED
    news = [checks.evaluate_inbox(now_refused)] if told != (context.cursor or NOTHING_REFUSED) else []
    if not new and not news:
        return dg.SkipReason(summary)
    return dg.SensorResult(
        skip_reason=summary,
        dynamic_partitions_requests=partition_requests(new),
        asset_events=news,
        cursor=told,
    )


@dg.sensor(
    minimum_interval_seconds=interval_seconds(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks at the open jobs of all providers in bulk, ends those that are late, and reports complete executions.",
    owners=OWNERS,
)
def qpu_poll(context: dg.SensorEvaluationContext, workspace: WorkspaceResource) -> dg.SensorResult:
    """Poll the open jobs in bulk, end those that are late, and report the executions that are complete.

    The cursor says when jobs were polled last, from which follows which polls are due, and what was reported already.
    Losing it costs one poll and repeats reports, no more.
    """
    open_workspace, before = workspace.open(), json.loads(context.cursor or "{}")
    report = poll_open_jobs(
        open_workspace.control_plane.dispatcher, limit_seconds=POLL_LIMIT_SECONDS, cursor=before.get("looks", {})
    )
    for problem in report.problems:
        context.log.warning(printable(problem))
    for job in report.polled.to_notify:
        context.log.info("job %s of %s on %s is %s", job.job_id, job.experiment, job.backend, job.state)
    damage = Damage()
    complete = find_completed_executions(
        open_workspace.specifications,
        open_workspace.lake,
        open_workspace.control_plane,
        damage,
        experiments=open_experiments(
            open_workspace.specifications, open_workspace.control_plane.ledger, open_workspace.settled.keys()
        ),
    )
    _log_damage(context, damage)
    new = [completion for completion in complete if completion.name not in before.get("reported", ())]
    return dg.SensorResult(
        skip_reason=f"{report.summary}; {len(new)} executions newly complete",
        asset_events=[make_materialization(completion) for completion in new],
        cursor=json.dumps(
            {"looks": dict(report.polled.cursor), "reported": [completion.name for completion in complete]}
        ),
    )


def make_materialization(completion: CompletedExecution) -> dg.AssetMaterialization:
    """Return the event that tells Dagster that all jobs of an execution are settled."""
    stage = completion.stage
    return dg.AssetMaterialization(
        asset_key=COMPLETIONS,
        partition=execution_key(stage.backend or "", stage.experiment),
        metadata=metadata.completion(completion),
    )


def _advance_experiments(jobs: list[Any]) -> dg.SensorDefinition:
    @dg.sensor(
        name=DUE_STAGES,
        minimum_interval_seconds=interval_seconds(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        jobs=jobs,
        description="Asks for the next stage of every experiment, until its verdict is in the warehouse.",
        owners=OWNERS,
    )
    def request_due_stages(
        context: dg.SensorEvaluationContext, workspace: WorkspaceResource
    ) -> dg.SensorResult | dg.SkipReason:
        """Move every registered experiment one stage further, until its verdict is in the warehouse."""
        open_workspace, now = workspace.open(), datetime.now(UTC)
        end_orphans(context.instance, open_workspace.home.locks)
        damage = Damage()
        histories = read_run_histories(context.instance, _due_stages(open_workspace, damage))
        reported = json.loads(context.cursor or "{}")
        observations = _observe_damage(context, damage, reported)
        running = sum(history.running for history in histories.values())
        failed = sum(not history.running and history.failed_attempts > 0 for history in histories.values())
        may_begin = {
            stage: history
            for stage, history in histories.items()
            if not history.running
            and not history.failed_attempts
            and not history.is_backing_off(now)
            and not history.stopped_by_a_person
        }
        resting = find_resting(list(may_begin), open_workspace.control_plane, now)
        new = {stage: history for stage, history in may_begin.items() if stage not in resting}
        # The inbox tells Dagster of what it registered when it is through with all of it: what is not known has no neighbours.
        add_partitions(context.instance, list(new))
        requests = make_run_requests(new, open_workspace, context.instance, lambda history: str(history.ended or ""))
        is_quiet = not running and not new
        if (
            (is_quiet or is_overdue(open_workspace.home, publish_interval()))
            and _STALE.ask(
                str(open_workspace.home.path),
                lambda: is_stale(open_workspace.home, open_workspace.control_plane.ledger, LEDGER_PUBLISH_INTERVAL),
            )
            and not _is_publishing(context.instance)
        ):
            requests.append(_publish_request(with_backends=is_quiet))
        if not requests:
            states = f"{running} stages are running, {failed} failed{_explain_rests(histories, resting, now)}"
            reason = states if histories else _explain_idle(open_workspace)
            if open_workspace.settled.left:
                reason += f"; {len(open_workspace.settled.left)} experiments are looked at in the next tick"
            if damage.problems:
                reason += f"; {len(damage.problems)} experiments cannot be read, `qhybrid doctor` names them"
            if not damage.problems and not reported:
                return dg.SkipReason(reason)
            return dg.SensorResult(skip_reason=reason, asset_events=observations, cursor=json.dumps(damage.problems))
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=partition_requests(new),
            asset_events=observations,
            cursor=json.dumps(damage.problems),
        )

    return request_due_stages


def _explain_rests(histories: Mapping[Stage, RunHistory], resting: Mapping[Stage, Rest], now: datetime) -> str:
    """Return how many stages an outage made rest, and until when the first of them does; nothing where none rests."""
    backing_off = [
        (history.backs_off_until, stage.backend or stage.experiment)
        for stage, history in histories.items()
        if history.is_backing_off(now) and not history.running and not history.failed_attempts
    ]
    every = [*backing_off, *((rest.until, rest.breaker) for rest in resting.values())]
    known = [(until, what) for until, what in every if until is not None]
    if not known:
        return ""
    until, what = min(known)
    return f", {len(every)} are resting, the first ({what}) until {until:%H:%M:%S} UTC"


def _reconcile(job: Any) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"reconcile_{STAGES[job.name]}",
        cron_schedule="*/30 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        job=job,
        description=f"Every half hour: asks again for {STAGES[job.name]} runs that a lost event or a failure left undone.",
        owners=OWNERS,
    )
    def reconcile(
        context: dg.ScheduleEvaluationContext, workspace: WorkspaceResource
    ) -> Sequence[dg.RunRequest] | dg.SkipReason:
        """Request again what a lost event or a failed run left undone; hand spooled records over, sweep what the dead left."""
        open_workspace = workspace.open()
        open_workspace.tracker.sync()
        send_spans_best_effort(open_workspace.control_plane.ledger, open_workspace.home)
        for folder in open_workspace.home.unfinished:
            files.remove_leftovers(folder)
        damage = Damage()
        mine = read_run_histories(
            context.instance, [s for s in _due_stages(open_workspace, damage) if JOB_NAMES[s.job] == job.name]
        )
        _log_damage(context, damage)
        due = [
            stage
            for stage, history in mine.items()
            if not history.running and history.failed_attempts < MAX_ATTEMPTS and not history.stopped_by_a_person
        ]
        resting = find_resting(due, open_workspace.control_plane, datetime.now(UTC))
        due = [stage for stage in due if stage not in resting]
        # An experiment may have been registered by a process that died before it told Dagster.
        add_partitions(context.instance, due)
        moment = context.scheduled_execution_time.isoformat()
        requests = make_run_requests(
            {stage: mine[stage] for stage in due}, open_workspace, context.instance, lambda _: moment
        )
        return requests or dg.SkipReason("nothing was left undone")

    return reconcile


def _nightly_benchmark(job: Any) -> dg.ScheduleDefinition:
    @dg.schedule(
        cron_schedule="0 2 * * *",
        job=job,
        description="Every night: the same small questions, so that a change of code, packages or machine is seen.",
        owners=OWNERS,
    )
    def nightly_benchmark(
        context: dg.ScheduleEvaluationContext, workspace: WorkspaceResource
    ) -> Sequence[dg.RunRequest]:
        """Ask the same small questions every night, so that a change of code, packages or machine is seen."""
        open_workspace = workspace.open()
        keys = nightly.register(open_workspace.registration, context.scheduled_execution_time.date())
        stages = [Stage(experiment=key) for key in keys]
        add_partitions(context.instance, stages)
        return [make_run_request(stage, open_workspace) for stage in stages]

    return nightly_benchmark


def _due_stages(open_workspace: Workspace, damage: Damage) -> list[Stage]:
    return find_due_work(
        open_workspace.specifications,
        open_workspace.lake,
        open_workspace.control_plane,
        open_workspace.registration,
        damage,
        marks=open_workspace.settled,
    )


def _log_damage(context: dg.SensorEvaluationContext | dg.ScheduleEvaluationContext, damage: Damage) -> None:
    for key, problem in damage.problems.items():
        context.log.warning("%s cannot go on: %s", printable(key), problem)


def _observe_damage(
    context: dg.SensorEvaluationContext, damage: Damage, reported: dict[str, str]
) -> list[dg.AssetObservation]:
    """Say on its asset why an experiment cannot go on, once for each reason."""
    _log_damage(context, damage)
    return [
        dg.AssetObservation(
            asset_key="experiments",
            partition=key,
            description=problem,
            metadata={
                "problem": problem,
                "what_to_do": "The message says how; `qhybrid doctor` tells whether it helped.",
            },
        )
        for key, problem in damage.problems.items()
        if reported.get(key) != problem
    ]


def _explain_idle(open_workspace: Workspace) -> str:
    """Say why nothing is due."""
    jobs = waiting_jobs(open_workspace.control_plane.ledger)
    return f"{len(jobs)} jobs are with their providers or wait for a person" if jobs else "everything is decided"


def _publish_request(*, with_backends: bool) -> dg.RunRequest:
    """Return the run that makes a snapshot; asking the backends what they are takes seconds, which waits for a quiet moment."""
    selected = None if with_backends else [dg.AssetKey("warehouse")]
    return dg.RunRequest(job_name=JOB_NAMES["publish"], asset_selection=selected, tags=PUBLISH_TAGS)


def _is_publishing(instance: dg.DagsterInstance) -> bool:
    """Tell whether a snapshot is on its way, or failed so recently that trying again would only fill the history."""
    recently = datetime.now(UTC) - PAUSE_AFTER_FAILURE
    last = instance.get_run_records(dg.RunsFilter(job_name=JOB_NAMES["publish"], created_after=recently), limit=1)
    return any(record.dagster_run.status in NOT_ENDED or is_permanent_failure(record.dagster_run) for record in last)
