"""What became of the runs of a leg so far, and whether it may be requested now.

A leg that failed because a provider could not be reached, or asked to come back later, goes on by itself, for as long as
the outage lasts, at intervals that double. So does one that succeeded and is due again, because its provider took
nothing yet. A run whose worker was killed is replaced by Dagster, and what becomes of the new one is what counts. Every
other failure would repeat itself: the sensor leaves it alone, and the reconcile schedule tries it again a few times.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

from qhybrid_pipelines.control.experiments.due_stages import Leg
from qhybrid_pipelines.control.ledger.port import LedgerUnreachable
from qhybrid_pipelines.core.errors import ProviderError, Rejected, UnknownProviderStatus
from qhybrid_pipelines.defs.orphans import NOT_ENDED

EXPERIMENT_TAG = "qhybrid/experiment"
BACKEND_TAG = "qhybrid/backend"
OCCASION_TAG = "qhybrid/jobs"
OUTAGE_TAG = "qhybrid/outage"

IN_VAIN = frozenset({dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED})
#: Runs in vain of one leg, outages not counted, after which it is left to a person.
MAX_ATTEMPTS = 3
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=15), timedelta(minutes=30)
#: More runs of one leg than anybody needs to look at.
MOST_RUNS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The runs of a leg.

    Attributes:
        running: one has not ended.
        ended: how many have ended, on whatever occasion; makes the next request a new one.
        in_vain: how many failed on this occasion for a reason that would repeat itself.
        pauses_until: not before; None if it may run at once.
    """

    running: bool
    ended: int
    in_vain: int
    pauses_until: datetime | None

    def is_resting(self, now: datetime) -> bool:
        """Tell whether it ran lately and could do nothing."""
        return self.pauses_until is not None and now < self.pauses_until


def history_of(instance: dg.DagsterInstance, leg: Leg) -> History:
    """Look the runs of a leg up."""
    everywhere = tags_of(leg)
    everywhere.pop(OCCASION_TAG, None)
    records = instance.get_run_records(dg.RunsFilter(job_name=leg.job, tags=everywhere), limit=MOST_RUNS)
    ended = [record for record in records if record.dagster_run.status not in NOT_ENDED]
    mine = [
        record
        for record in ended
        if record.dagster_run.tags.get(OCCASION_TAG, "") == leg.occasion
        and AUTO_RETRY_RUN_ID_TAG not in record.dagster_run.tags
    ]
    to_continue = [record for record in mine if not is_in_vain(record.dagster_run)]
    return History(
        running=len(ended) < len(records),
        ended=len(ended),
        in_vain=len(mine) - len(to_continue),
        pauses_until=max(map(_ended_at, to_continue)) + pause_after(len(to_continue)) if to_continue else None,
    )


def pause_after(runs: int) -> timedelta:
    """Return how long a leg rests after so many runs (from 1) that could not end it."""
    doubled: int = 2 ** min(runs - 1, 20)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


def tags_of(leg: Leg) -> dict[str, str]:
    """Return the tags that tie a run to its experiment, backend and jobs."""
    tags = {EXPERIMENT_TAG: leg.experiment, BACKEND_TAG: leg.backend or "", OCCASION_TAG: leg.occasion}
    return {name: value for name, value in tags.items() if value}


def is_outage(error: BaseException) -> bool:
    """Tell whether an error will pass by itself: a provider or a database that could not be reached, or is busy."""
    if isinstance(error, Rejected | UnknownProviderStatus):
        return False
    return isinstance(error, ProviderError | LedgerUnreachable)


@contextmanager
def outages_noted(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Mark the run when an outage ends it, so that it is tried again until the outage is over."""
    try:
        yield
    except Exception as error:
        if is_outage(error):
            context.instance.add_run_tags(context.run.run_id, {OUTAGE_TAG: type(error).__name__})
        raise


def is_in_vain(run: dg.DagsterRun) -> bool:
    """Tell whether a run failed, and would again; one that Dagster means to replace has only lost its worker."""
    will_pass = OUTAGE_TAG in run.tags or run.tags.get(WILL_RETRY_TAG) == "true"
    return run.status in IN_VAIN and not will_pass


def _ended_at(record: dg.RunRecord) -> datetime:
    if record.end_time is not None:
        return datetime.fromtimestamp(record.end_time, UTC)
    return record.update_timestamp.replace(tzinfo=UTC)
