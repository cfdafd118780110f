"""Where a job's time went, as stretches between the ledger's timestamps: the bars of a waterfall, and its spans.

The seconds are those of `control.reporting.ledger_tables.latency`, so that page, table and trace say the same; this adds when each
stretch began. Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.control.reporting.ledger_tables import latency

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.port import EventRecord, JobRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeInterval:
    """One stretch of a job's life.

    Attributes:
        name: orchestrate, compile, queue, execute, fetch or interpret.
        by_provider: the provider's share; otherwise ours.
    """

    name: str
    begin: datetime
    end: datetime
    by_provider: bool = False

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.end - self.begin).total_seconds()


def time_intervals(job: JobRecord, events: Sequence[EventRecord]) -> list[TimeInterval]:
    """Return the stretches of a job that are known, in the order of the work.

    Two clocks may disagree: a stretch begins where a timestamp says, or where the one before it ended.
    ``interpret`` is decoding and checking, from the stored result to the verified one.
    """
    parts = latency(job, events)
    known = {event.event: event.at for event in events if not (event.detail or {}).get("inferred")}
    queued, started, completed, fetched, verified = (
        known.get(EVENT_NAMES[event]) for event in (Event.QUEUE, Event.START, Event.COMPLETE, Event.FETCH, Event.VERIFY)
    )
    found: list[TimeInterval] = []

    def add(name: str, begin: datetime | None, seconds: float | None, *, by_provider: bool = False) -> None:
        begin = begin or (found[-1].end if found else job.requested_at or job.created_at)
        if seconds is not None:
            found.append(
                TimeInterval(name=name, begin=begin, end=begin + timedelta(seconds=seconds), by_provider=by_provider)
            )

    ours = [part for part in (parts.network_seconds, parts.orchestration_seconds) if part is not None]
    add("orchestrate", job.requested_at or job.created_at, sum(ours) if ours else None)
    add("compile", None, parts.compile_seconds)
    add("queue", queued, parts.queue_seconds, by_provider=True)
    within = completed and parts.execute_seconds and completed - timedelta(seconds=parts.execute_seconds)
    add("execute", within or started, parts.execute_seconds, by_provider=True)
    add("fetch", completed, parts.fetch_seconds)
    if fetched is not None and verified is not None:
        add("interpret", fetched, max(0.0, (verified - fetched).total_seconds()))
    return found
