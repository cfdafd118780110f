"""What the schedule that made an experiment lets its runs of a month spend."""

from __future__ import annotations

from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.core.specifications.schedules import dated_slug
from qhybrid_pipelines.storage.schedule_store import ScheduleStore


def scheduled_limits(store: ScheduleStore, experiment: str) -> tuple[SpendingLimit, ...]:
    """Return what the schedule of an experiment lets its runs of a month spend; none for one that no schedule has made.

    Raises:
        CorruptFile: the notes about schedules cannot be read.
    """
    slug = dated_slug(experiment)
    limit_usd = None if slug is None else store.limit_usd(slug)
    return () if limit_usd is None else (SpendingLimit(limit_usd=limit_usd, schedule=slug),)
