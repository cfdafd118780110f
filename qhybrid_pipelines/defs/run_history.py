"""What became of the runs of a stage so far, and whether it may be requested now.

A stage that failed because a provider could not be reached, or asked to come back later, goes on by itself, for as long as
the outage lasts, at intervals that double. So does one that succeeded and is due again, because its provider took
nothing yet. A run whose worker was killed is replaced by Dagster, and what becomes of the new one is what counts. Every
other failure would repeat itself: the sensor leaves it alone, and the reconcile schedule tries it again a few times. A
run that a person ended (in the UI, by the API, by Ctrl-C) is not asked for again until a person does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.control.ledger.port import LedgerUnreachable
from qhybrid_pipelines.core.errors import ProviderError, Rejected, UnknownProviderStatus
from qhybrid_pipelines.core.labels import Labels
from qhybrid_pipelines.defs.orphans import NOT_ENDED

EXPERIMENT_TAG = "qhybrid/experiment"
BACKEND_TAG = "qhybrid/backend"
JOB_SET_TAG = "qhybrid/jobs"
OUTAGE_TAG = "qhybrid/outage"
OWNER_TAG, LABELS_TAG = "qhybrid/owner", "qhybrid/tags"
STOPPED_BY_TAG, STOPPED_AT_TAG = "qhybrid/stopped_by", "qhybrid/stopped_at"

FAILED_STATUSES = frozenset({dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED})
#: Runs in vain of one stage, outages not counted, after which it is left to a person.
MAX_ATTEMPTS = 3
FIRST_BACKOFF, LONGEST_BACKOFF = timedelta(seconds=15), timedelta(minutes=30)
#: More runs of one stage than anybody needs to look at.
MAX_RUNS_READ = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHistory:
    """The runs of a stage.

    Attributes:
        running: one has not ended.
        ended: how many have ended, on whatever occasion; makes the next request a new one.
        failed_attempts: how many failed on this occasion for a reason that would repeat itself.
        backs_off_until: not before; None if it may run at once.
        stopped_by_a_person: the last run that ended was ended by a person.
    """

    running: bool
    ended: int
    failed_attempts: int
    backs_off_until: datetime | None
    stopped_by_a_person: bool

    def is_backing_off(self, now: datetime) -> bool:
        """Tell whether it ran lately and could do nothing."""
        return self.backs_off_until is not None and now < self.backs_off_until


def read_run_history(instance: dg.DagsterInstance, stage: Stage) -> RunHistory:
    """Look the runs of a stage up."""
    experiment_tags = stage_tags(stage)
    experiment_tags.pop(JOB_SET_TAG, None)
    records = instance.get_run_records(dg.RunsFilter(job_name=stage.job, tags=experiment_tags), limit=MAX_RUNS_READ)
    ended = [record for record in records if record.dagster_run.status not in NOT_ENDED]
    same_job_set = [
        record
        for record in ended
        if record.dagster_run.tags.get(JOB_SET_TAG, "") == stage.job_set_hash
        and AUTO_RETRY_RUN_ID_TAG not in record.dagster_run.tags
    ]
    unfinished = [record for record in same_job_set if not is_permanent_failure(record.dagster_run)]
    return RunHistory(
        running=len(ended) < len(records),
        ended=len(ended),
        failed_attempts=len(same_job_set) - len(unfinished),
        backs_off_until=max(map(_ended_at, unfinished)) + backoff_after(len(unfinished)) if unfinished else None,
        stopped_by_a_person=bool(ended) and was_stopped_by_a_person(instance, ended[0].dagster_run),
    )


def was_stopped_by_a_person(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Tell whether a person ended a run.

    A termination asked for in the UI or by the API passes CANCELING; a worker that its node or its scheduler ended does
    not, and a run that exceeded its time is marked as failed.
    """
    if STOPPED_BY_TAG in run.tags:
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
    instance.add_run_tags(run_id, {STOPPED_BY_TAG: principal, STOPPED_AT_TAG: datetime.now(UTC).isoformat()})
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


def stage_tags(stage: Stage) -> dict[str, str]:
    """Return the tags that tie a run to its experiment, backend and jobs."""
    tags = {EXPERIMENT_TAG: stage.experiment, BACKEND_TAG: stage.backend or "", JOB_SET_TAG: stage.job_set_hash}
    return {name: value for name, value in tags.items() if value}


def label_tags(labels: Labels) -> dict[str, str]:
    """Return the tags that tell a run's owner and the experiment's own tags, which never find a run again."""
    tags = {OWNER_TAG: labels.owner or "", LABELS_TAG: ", ".join(labels.tags)}
    return {name: value for name, value in tags.items() if value}


def is_outage(error: BaseException) -> bool:
    """Tell whether an error will pass by itself: a provider or a database that could not be reached, or is busy."""
    if isinstance(error, Rejected | UnknownProviderStatus):
        return False
    return isinstance(error, ProviderError | LedgerUnreachable)


@contextmanager
def tag_outages(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Mark the run when an outage ends it, so that it is tried again until the outage is over."""
    try:
        yield
    except Exception as error:
        if is_outage(error):
            context.instance.add_run_tags(context.run.run_id, {OUTAGE_TAG: type(error).__name__})
        raise


def is_permanent_failure(run: dg.DagsterRun) -> bool:
    """Tell whether a run failed, and would again; one that Dagster means to replace has only lost its worker."""
    will_pass = OUTAGE_TAG in run.tags or run.tags.get(WILL_RETRY_TAG) == "true"
    return run.status in FAILED_STATUSES and not will_pass


def _ended_at(record: dg.RunRecord) -> datetime:
    if record.end_time is not None:
        return datetime.fromtimestamp(record.end_time, UTC)
    return record.update_timestamp.replace(tzinfo=UTC)
