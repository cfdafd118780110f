"""What became of the runs of a stage so far, and whether it may be requested now.

A stage that failed because a provider could not be reached, or asked to come back later, goes on by itself, for as long as
the outage lasts, at intervals that double. So does one that succeeded and is due again, because its provider took
nothing yet. A run whose worker was killed is replaced by Dagster, and what becomes of the new one is what counts. Every
other failure would repeat itself: the sensor leaves it alone, and the reconcile schedule tries it again a few times. A
run that a person ended (in the UI, by the API, by Ctrl-C) is not asked for again until a person does.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.control.experiments.resting import ControlPlaneView, find_resting
from qhybrid_pipelines.control.ledger.port import LedgerUnreachable
from qhybrid_pipelines.core.errors import ProviderError, Rejected, UnknownProviderStatus
from qhybrid_pipelines.defs.jobs import STAGES
from qhybrid_pipelines.defs.orphans import NOT_ENDED
from qhybrid_pipelines.defs.run_tags import (
    BATCH_OF_TAG,
    BATCH_TAG,
    JOB_SET_TAG,
    OUTAGE_TAG,
    PARTITION_TAG,
    STATE_TAG,
    STOPPED_AT_TAG,
    STOPPED_BY_TAG,
    add_tags,
    outage_tags,
    partition_text,
    read_tag,
    resting_tags,
)

FAILED_STATUSES = frozenset({dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED})
#: Runs in vain of one stage, outages not counted, after which it is left to a person.
MAX_ATTEMPTS = 3
FIRST_BACKOFF, LONGEST_BACKOFF = timedelta(seconds=15), timedelta(minutes=30)
#: More runs of one stage than anybody needs to look at.
MAX_RUNS_READ = 100
#: Partitions whose runs are looked up by one statement, and batches of one stage that are looked at.
PARTITIONS_TOGETHER, MAX_BATCHES_READ = 200, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHistory:
    """The runs of a stage.

    Attributes:
        running: one has not ended.
        ended: how many have ended, on whatever occasion; makes the next request a new one.
        unfinished: how many could not end it on this occasion, by an outage or because its provider took nothing yet.
        failed_attempts: how many failed on this occasion for a reason that would repeat itself.
        failed_batches: how many failed that did stages of other experiments too, any of which may be the reason.
        backs_off_until: not before; None if it may run at once.
        stopped_by_a_person: the last run that ended was ended by a person.
    """

    running: bool
    ended: int
    unfinished: int
    failed_attempts: int
    failed_batches: int
    backs_off_until: datetime | None
    stopped_by_a_person: bool

    def is_backing_off(self, now: datetime) -> bool:
        """Tell whether it ran lately and could do nothing."""
        return self.backs_off_until is not None and now < self.backs_off_until


def read_run_history(instance: dg.DagsterInstance, stage: Stage) -> RunHistory:
    """Look the runs of a stage up."""
    return read_run_histories(instance, [stage])[stage]


def read_run_histories(instance: dg.DagsterInstance, stages: Iterable[Stage]) -> dict[Stage, RunHistory]:
    """Look the runs of stages up, many at a time."""
    stages = list(stages)
    records: dict[tuple[str, str], list[dg.RunRecord]] = defaultdict(list)
    for job in sorted({stage.job for stage in stages}):
        for record in _batches(instance, job):
            for partition in record.dagster_run.tags.get(BATCH_OF_TAG, "").splitlines():
                records[job, partition].append(record)
    partitions = sorted({partition_text(stage) for stage in stages})
    for start in range(0, len(partitions), PARTITIONS_TOGETHER):
        some = partitions[start : start + PARTITIONS_TOGETHER]
        limit = MAX_RUNS_READ if len(some) == 1 else None
        for record in instance.get_run_records(dg.RunsFilter(tags={PARTITION_TAG: some}), limit=limit):
            run = record.dagster_run
            records[STAGES.get(run.job_name, run.job_name), run.tags[PARTITION_TAG]].append(record)
    return {
        stage: _history(
            instance,
            stage,
            sorted(records[stage.job, partition_text(stage)], key=lambda record: record.storage_id, reverse=True),
        )
        for stage in stages
    }


def _batches(instance: dg.DagsterInstance, job: str) -> Iterable[dg.RunRecord]:
    """Return the newest batches of a stage, and all that were ended: what a person has stopped is not forgotten."""
    newest = instance.get_run_records(dg.RunsFilter(tags={BATCH_TAG: job}), limit=MAX_BATCHES_READ)
    ended = instance.get_run_records(dg.RunsFilter(tags={BATCH_TAG: job}, statuses=[dg.DagsterRunStatus.CANCELED]))
    return {record.storage_id: record for record in (*newest, *ended)}.values()


def _history(instance: dg.DagsterInstance, stage: Stage, records: Sequence[dg.RunRecord]) -> RunHistory:
    """Return what became of a stage's runs, newest first."""
    ended = [record for record in records if record.dagster_run.status not in NOT_ENDED]
    same_job_set = [
        record
        for record in ended
        if read_tag(record.dagster_run.tags, JOB_SET_TAG) == stage.job_set_hash
        and AUTO_RETRY_RUN_ID_TAG not in record.dagster_run.tags
    ]
    unfinished = [record for record in same_job_set if not is_permanent_failure(record.dagster_run)]
    failed_batches = sum(
        is_permanent_failure(record.dagster_run) and BATCH_TAG in record.dagster_run.tags for record in same_job_set
    )
    return RunHistory(
        running=len(ended) < len(records),
        ended=len(ended),
        unfinished=len(unfinished),
        failed_attempts=len(same_job_set) - len(unfinished) - failed_batches,
        failed_batches=failed_batches,
        backs_off_until=max(map(_ended_at, unfinished)) + backoff_after(len(unfinished)) if unfinished else None,
        stopped_by_a_person=bool(ended) and was_stopped_by_a_person(instance, ended[0].dagster_run),
    )


def was_stopped_by_a_person(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Tell whether a person ended a run.

    A termination asked for in the UI or by the API passes CANCELING; a worker that its node or its scheduler ended does
    not, and a run that exceeded its time is marked as failed.
    """
    if read_tag(run.tags, STOPPED_BY_TAG):
        return True
    if run.status is not dg.DagsterRunStatus.CANCELED:
        return False
    cancellations = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.RUN_CANCELING, limit=1)
    return bool(cancellations.records)


def record_stop(instance: dg.DagsterInstance, run_id: str, *, principal: str, reason: str) -> None:
    """Record that a person stopped a run of this process: who and when; end it where Dagster did not."""
    run = instance.get_run_by_id(run_id)
    if run is None:  # it had not begun
        return
    instance.add_run_tags(
        run_id,
        {
            STATE_TAG: f"stopped by {principal}",
            STOPPED_BY_TAG: principal,
            STOPPED_AT_TAG: datetime.now(UTC).isoformat(),
        },
    )
    if not run.is_finished:
        instance.report_run_canceling(run, message=f"{principal} stopped this run by {reason}.")
        instance.report_run_canceled(run)
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)


def requested_at(context: dg.AssetExecutionContext) -> datetime | None:
    """Return when this run was asked for, which is before it waited in Dagster's queue."""
    record = context.instance.get_run_record_by_id(context.run.run_id)
    return record.create_timestamp if record else None


def backoff_after(runs: int) -> timedelta:
    """Return how long a stage rests after so many runs (from 1) that could not end it."""
    doubled: int = 2 ** min(runs - 1, 20)
    return min(FIRST_BACKOFF * doubled, LONGEST_BACKOFF)


def is_outage(error: BaseException) -> bool:
    """Tell whether an error will pass by itself: a provider or a database that could not be reached, or is busy."""
    if isinstance(error, Rejected | UnknownProviderStatus):
        return False
    return isinstance(error, ProviderError | LedgerUnreachable)


def note_outage(context: dg.AssetExecutionContext, error: BaseException, control_plane: ControlPlaneView) -> None:
    """Note on the run that an outage ended it and until when its stage rests; it is tried again until the outage is over."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    known = find_stage(context.run)
    earlier = read_run_history(context.instance, known).unfinished if known is not None else 0
    until = datetime.now(UTC) + backoff_after(earlier + 1)
    if known is not None and (rest := _rest(known, control_plane)) is not None:
        until = max(until, rest)
    context.log.warning("an outage; this stage rests until it is over: %s", error)
    add_tags(context, outage_tags(cause) | resting_tags(until))


def _rest(stage: Stage, control_plane: ControlPlaneView) -> datetime | None:
    """Return until when a stage's provider is left alone, as far as the ledger can be asked."""
    try:
        rest = find_resting([stage], control_plane, datetime.now(UTC)).get(stage)
    except LedgerUnreachable:
        return None
    return rest.until if rest is not None else None


def find_stage(run: dg.DagsterRun) -> Stage | None:
    """Return the stage that a run does; None for one of several partitions, or of none."""
    partition, job = run.tags.get(PARTITION_TAG, ""), STAGES.get(run.job_name)
    if not partition or job is None:
        return None
    backend, _, experiment = partition.rpartition("|")
    return Stage(experiment=experiment, backend=backend or None, job=job, job_set_hash=read_tag(run.tags, JOB_SET_TAG))


def is_permanent_failure(run: dg.DagsterRun) -> bool:
    """Tell whether a run failed, and would again; one that Dagster means to replace has only lost its worker."""
    will_pass = bool(read_tag(run.tags, OUTAGE_TAG)) or run.tags.get(WILL_RETRY_TAG) == "true"
    return run.status in FAILED_STATUSES and not will_pass


def _ended_at(record: dg.RunRecord) -> datetime:
    if record.end_time is not None:
        return datetime.fromtimestamp(record.end_time, UTC)
    return record.update_timestamp.replace(tzinfo=UTC)
