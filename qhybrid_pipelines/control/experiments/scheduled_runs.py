"""Running pages on a schedule: what is due is registered under its date, and from there on it is an experiment like any other.

A time is due once it has passed, if the page has said the same since before. However many were missed meanwhile, the last of them
is run, once. Who asks again finds the same key, so that asking twice runs nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.experiments.schedule_limits import scheduled_limits
from qhybrid_pipelines.control.jobs.spending import spending
from qhybrid_pipelines.control.ledger.port import Ledger
from qhybrid_pipelines.core.errors import InvalidInput, QHybridError
from qhybrid_pipelines.core.specifications.experiment_key import experiment_key
from qhybrid_pipelines.core.specifications.schedules import FIELD, Schedule, dated_slug
from qhybrid_pipelines.storage.schedule_store import ScheduleStore

if TYPE_CHECKING:  # `qhybrid status` asks what comes next, mostly of a home without such pages
    from qhybrid_pipelines.control.experiments.registration import Registration
    from qhybrid_pipelines.core.specifications.specification_text import WrittenExperiment


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledRun:
    """What became of the time of a page that was due, or of a page that is wrong.

    Attributes:
        page: name of its file.
        due: the time, UTC; None where the page cannot be read.
        registered: keys of the experiments that are new.
        problem: why nothing was registered, None where something was.
    """

    page: str
    due: datetime | None
    registered: tuple[str, ...] = ()
    problem: str | None = None


def register_due_runs(
    store: ScheduleStore, registration: Registration, ledger: Ledger, *, now: datetime
) -> list[ScheduledRun]:
    """Register what is due under its date, and say what came of it; one wrong page keeps no other from running.

    Args:
        store: the pages.
        registration: the door.
        ledger: asked where a schedule has a limit.
        now: the present.
    """
    outcomes = []
    for page in store.pages():
        due = None
        try:
            written = _scheduled(page)
            due = _due(store, page, written[0].schedule, now)
            if due is None:
                continue
            runs = _dated(written, due)
            problem = _used_up(store, runs, ledger, now)
            registered = (
                []
                if problem
                else registration.register_written([one for one, _ in runs], file=page.name, folder=page.parent)
            )
            store.note_handled(page, due)
            new = tuple(one.key for one in registered if one.new)
            outcomes.append(ScheduledRun(page=page.name, due=due, registered=new, problem=problem))
        except QHybridError as error:
            outcomes.append(ScheduledRun(page=page.name, due=due, problem=str(error)))
    return outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class ComingRun:
    """When a page runs next, UTC, or why it cannot be read."""

    page: str
    at: datetime | None = None
    problem: str | None = None


def coming_runs(store: ScheduleStore, *, now: datetime) -> list[ComingRun]:
    """Return each page with the time for which it runs next."""
    found: list[ComingRun] = []
    for page in store.pages():
        try:
            schedule = _scheduled(page)[0].schedule
            found.append(ComingRun(page=page.name, at=schedule.next(now) if schedule else None))
        except QHybridError as error:
            found.append(ComingRun(page=page.name, problem=str(error)))
    return found


def _scheduled(page: Path) -> list[WrittenExperiment]:
    """Return the experiments of a page, each with its schedule."""
    from qhybrid_pipelines.control.experiments.registration import read_text
    from qhybrid_pipelines.core.specifications.specification_text import read_experiments

    written = read_experiments(read_text(page), file=page.name)
    if written[0].schedule is None:
        raise InvalidInput(
            "this page does not say when it is to be run again",
            remedy=f'Write {FIELD}: {{cron: "0 2 * * *", timezone: Europe/Vienna}}, or put the page elsewhere.',
            file=page.name,
            field=FIELD,
        )
    return written


def _due(store: ScheduleStore, page: Path, schedule: Schedule | None, now: datetime) -> datetime | None:
    due = None if schedule is None else schedule.latest(now)
    # What was due before the page said what it says now was due by another page, or by none.
    said_since = datetime.fromtimestamp(page.stat().st_mtime, tz=UTC)
    if due is None or due <= said_since:
        return None
    handled = store.handled(page)
    return None if handled is not None and due <= handled else due


def _dated(written: list[WrittenExperiment], due: datetime) -> list[tuple[WrittenExperiment, Schedule]]:
    """Return the experiments of a page under the date of a time, each with its schedule."""
    return [
        (
            one._replace(
                specification=one.specification.model_copy(
                    update={"name": one.schedule.dated_name(one.specification.name, due)}
                ),
                schedule=None,
            ),
            one.schedule,
        )
        for one in written
        if one.schedule is not None
    ]


def _used_up(
    store: ScheduleStore,
    runs: Iterable[tuple[WrittenExperiment, Schedule]],
    ledger: Ledger,
    now: datetime,
) -> str | None:
    """Note the limits of some runs, before anything of them can be sent; return which of them is used up already."""
    for one, schedule in runs:
        key = experiment_key(one.specification)
        store.note_limit(dated_slug(key) or "", schedule.max_usd_per_month)
        limits = scheduled_limits(store, key)
        for used in spending(limits, ledger, now):
            if used.limit.limit_usd and used.committed_usd >= used.limit.limit_usd:
                return f"passed over, {used}"
    return None
