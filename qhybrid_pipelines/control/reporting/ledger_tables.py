"""What the ledger tells analysts: rows of the tables `jobs`, `job_events`, `latency`, `costs` and `canary_jobs`.

Pure but for reading the ledger. Everything comes from the events and their timestamps; nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.specifications.experiment_key import CANARY_EXPERIMENT
from qhybrid_pipelines.storage.ledger_delta import LedgerCursor, LedgerDelta

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.budget import Account
    from qhybrid_pipelines.control.ledger.port import EventRecord, JobRecord, Ledger

Row = dict[str, Any]

#: Steps whose time is part of a latency. EVENT_NAMES gives an adopted job the name of an acknowledged one.
_TIMED_EVENTS = (Event.SUBMIT, Event.ACKNOWLEDGE, Event.QUEUE, Event.START, Event.COMPLETE, Event.FETCH)
#: Jobs whose rows are in memory at a time; each has some ten events.
JOBS_PER_PAGE = 2000
EVENTS_PER_PAGE = 10_000
#: Providers state times in whole seconds.
_CLOCK_RESOLUTION = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Where the time of a job went, in seconds; None where nobody knows (yet).

    Attributes:
        network_seconds: request seen until the intent was written, without compilation.
        orchestration_seconds: intent written until handed to the provider, without compilation; the wait for a person's
            approval is in it.
        compile_seconds: compilation, before the intent or within the run, as the provider's adapter reports it.
        queue_seconds: provider's queue.
        execute_seconds: on the device or simulator.
        fetch_seconds: completion until the result was stored.
    """

    network_seconds: float | None = None
    orchestration_seconds: float | None = None
    compile_seconds: float | None = None
    queue_seconds: float | None = None
    execute_seconds: float | None = None
    fetch_seconds: float | None = None

    @property
    def application_seconds(self) -> float | None:
        """Our share: network, orchestration, compilation, fetch."""
        return _sum(self.network_seconds, self.orchestration_seconds, self.compile_seconds, self.fetch_seconds)

    @property
    def provider_seconds(self) -> float | None:
        """The provider's share: queue and execution."""
        return _sum(self.queue_seconds, self.execute_seconds)

    @property
    def total_seconds(self) -> float | None:
        """Both shares."""
        return _sum(self.application_seconds, self.provider_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionTimes:
    """What several jobs of one execution took together, in seconds; None where nobody knows (yet).

    Attributes:
        elapsed_seconds: first request until the last result was stored.
        queue_seconds: in the provider's queue, the longest; jobs wait side by side.
        execute_seconds: on devices or simulators, all together.
    """

    elapsed_seconds: float | None = None
    queue_seconds: float | None = None
    execute_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetails:
    """What is known about the making of a result: from the plan of its job, and from the result itself."""

    engine: str | None
    engine_version: str | None
    compile_seconds: float | None
    compiled_sha256: str | None
    compiled_depth: int | None
    compiled_two_qubit_gates: int | None
    calibration_id: str | None
    calibrated_at: datetime | None
    result_sha256: str | None


def job_details(ledger: Ledger, job_id: str) -> JobDetails:
    """Return what is known about the run of one job; what its result says counts more than what was planned."""
    events = ledger.events(job_id)
    # What the last submission and the result say is newer than the plan.
    known = (
        _event_detail(events, Event.PLAN)
        | _event_detail(events[::-1], Event.SUBMIT)
        | _event_detail(events, Event.VERIFY)
    )
    calibrated = known.get("calibration_measured_at")
    return JobDetails(
        engine=known.get("engine"),
        engine_version=known.get("engine_version"),
        compile_seconds=known.get("compile_seconds"),
        compiled_sha256=known.get("compiled_sha256"),
        compiled_depth=known.get("depth"),
        compiled_two_qubit_gates=known.get("two_qubit_gates"),
        calibration_id=known.get("calibration_id"),
        calibrated_at=datetime.fromisoformat(calibrated) if calibrated else None,
        result_sha256=ledger.job(job_id).result_sha256,
    )


def execution_times(ledger: Ledger, jobs: Sequence[JobRecord]) -> ExecutionTimes:
    """Return what the jobs of one execution took together."""
    histories = [(job, ledger.events(job.job_id)) for job in jobs]
    stored = [event.at for _, events in histories for event in events if event.event == EVENT_NAMES[Event.FETCH]]
    requested_at = [job.requested_at or job.created_at for job in jobs]
    parts = [latency(job, events) for job, events in histories]
    queued = [part.queue_seconds for part in parts if part.queue_seconds is not None]
    return ExecutionTimes(
        elapsed_seconds=_seconds_between(min(requested_at), max(stored)) if stored else None,
        queue_seconds=max(queued, default=None),
        execute_seconds=_sum(*(part.execute_seconds for part in parts)),
    )


def ledger_tables(ledger: Ledger) -> dict[str, list[Row]]:
    """Return the rows of every table that the ledger exports, by the table's name: all in memory, `ledger_delta` has pages."""
    tables: dict[str, list[Row]] = {}
    for page in _pages(ledger):
        for name, rows in page.items():
            tables.setdefault(name, []).extend(rows)
    return tables or _rows(ledger, [])


def ledger_delta(ledger: Ledger, seen: LedgerCursor | None) -> LedgerDelta:
    """Return what has changed in the ledger since a mark: all rows of every job with a later event, page by page.

    A job never changes without an event. Everything is returned where there is no mark, where the ledger has no such
    event, being another ledger or an older copy, or where more than half of the events are new.
    """
    # Read before the rows: what happens meanwhile is read once more the next time, never forgotten.
    head = ledger.head()
    mark = LedgerCursor(position=head.position, hash=head.hash)
    if seen is not None and seen.position > head.position / 2:
        changed: dict[str, None] = {}
        position, is_known = seen.position - 1, False
        while events := ledger.events(after=position, limit=EVENTS_PER_PAGE):
            is_known = is_known or (events[0].position, events[0].hash) == (seen.position, seen.hash)
            if not is_known:
                break
            changed |= dict.fromkeys(event.job_id for event in events if event.position > seen.position)
            position = events[-1].position
        if is_known:
            return LedgerDelta(pages=_pages_of(ledger, list(changed)), mark=mark, jobs=tuple(changed))
    return LedgerDelta(pages=_pages(ledger), mark=mark)


def _pages(ledger: Ledger) -> Iterator[dict[str, list[Row]]]:
    """Yield the rows of all jobs, some jobs at a time."""
    after = ""
    while jobs := ledger.page_of_jobs(after=after, limit=JOBS_PER_PAGE):
        yield _rows(ledger, jobs)
        after = jobs[-1].job_id


def _pages_of(ledger: Ledger, job_ids: Sequence[str]) -> Iterator[dict[str, list[Row]]]:
    """Yield the rows of some jobs, some at a time."""
    for start in range(0, len(job_ids), JOBS_PER_PAGE):
        yield _rows(ledger, ledger.jobs(ids=job_ids[start : start + JOBS_PER_PAGE]))


def _rows(ledger: Ledger, jobs: Sequence[JobRecord]) -> dict[str, list[Row]]:
    """Return the rows of some jobs."""
    from qhybrid_pipelines.storage import schemas

    histories = ledger.histories([job.job_id for job in jobs])
    accounts = ledger.accounts({job.experiment for job in jobs})
    canaries = [job for job in jobs if job.experiment == CANARY_EXPERIMENT]
    listed_jobs = [job for job in jobs if job.experiment != CANARY_EXPERIMENT]
    return {
        schemas.JOBS.name: [job_row(job) for job in listed_jobs],
        schemas.JOB_EVENTS.name: [event_row(event) for events in histories.values() for event in events],
        schemas.LATENCY.name: [latency_row(job, histories.get(job.job_id, ())) for job in listed_jobs],
        schemas.COSTS.name: [cost_row(job, accounts.get(job.experiment)) for job in listed_jobs],
        schemas.CANARY_JOBS.name: [canary_row(job, histories.get(job.job_id, ())) for job in canaries],
    }


def job_row(job: JobRecord) -> Row:
    """Return a row of `jobs`."""
    from qhybrid_pipelines.storage import schemas  # Arrow comes with it; the page of a job needs none

    return {column.name: getattr(job, column.name) for column in schemas.JOBS.columns} | {"state": str(job.state)}


def event_row(event: EventRecord) -> Row:
    """Return a row of `job_events`."""
    return {
        "job_id": event.job_id,
        "sequence": event.sequence,
        "event": event.event,
        "from_state": None if event.from_state is None else str(event.from_state),
        "to_state": str(event.to_state),
        "occurred_at": event.at,
        "observed_at": event.observed_at,
        "clock": event.clock,
        "raw_status": event.raw_status,
        "detail": None if event.detail is None else canonical_json(event.detail),
    }


def latency_row(job: JobRecord, events: Sequence[EventRecord]) -> Row:
    """Return a row of `latency`."""
    parts = latency(job, events)
    return {
        "job_id": job.job_id,
        **asdict(parts),
        "application_seconds": parts.application_seconds,
        "provider_seconds": parts.provider_seconds,
    }


def cost_row(job: JobRecord, account: Account | None) -> Row:
    """Return a row of `costs`; reconciled is what the budget was charged when the job ended."""
    return {
        "job_id": job.job_id,
        "experiment": job.experiment,
        "backend": job.backend,
        "quoted_usd": job.cost_quoted_usd,
        "reported_usd": job.cost_usd,
        "reconciled_usd": job.cost_settled_usd,
        "budget_usd": account.limit_usd if account else 0.0,
        "price_source": job.price_source,
    }


def canary_row(job: JobRecord, events: Sequence[EventRecord]) -> Row:
    """Return a row of `canary_jobs`: the job, what it cost and where its time went."""
    from qhybrid_pipelines.storage import schemas

    known = job_row(job) | cost_row(job, None) | latency_row(job, events)
    return {column.name: known[column.name] for column in schemas.CANARY_JOBS.columns}


def latency(job: JobRecord, events: Sequence[EventRecord]) -> Latency:
    """Return where the time of a job went, from its events.

    Where the provider's clock cannot agree with ours, because it says that the job was accepted before we sent it or after
    we were told so, its times are moved until acceptance and acknowledgement coincide. A difference that is negative
    all the same counts as 0; a time that was only inferred counts as unknown.
    """
    at = _event_times(events)
    # The provider's own time of acceptance is earlier, and so closer to the truth, than our receipt of its answer.
    accepted = at.get(Event.QUEUE, (None, "observed"))
    submitted_at = accepted[0] if accepted[1] == "vendor" else at.get(Event.ACKNOWLEDGE, (None, ""))[0]

    def when(event: Event) -> datetime | None:
        return at[event][0] if event in at else None

    planned, verified = _event_detail(events, Event.PLAN), _event_detail(events, Event.VERIFY)
    before, within = planned.get("compile_seconds"), verified.get("compile_seconds")
    execute = verified.get("execute_seconds")
    orchestration = _seconds_between(job.created_at, submitted_at)
    if execute is not None:  # what compiles within its run adds to what was compiled before the intent
        compiled = _sum(before, within)
    else:  # executed between the provider's timestamps, and compiled once: before the intent, or else after it
        execute = _seconds_between(when(Event.START), when(Event.COMPLETE))
        compiled = within if before is None else before
        orchestration = _subtract(orchestration, within) if before is None else orchestration
    return Latency(
        network_seconds=_subtract(_seconds_between(job.requested_at, job.created_at), before),
        orchestration_seconds=orchestration,
        compile_seconds=compiled,
        queue_seconds=_seconds_between(when(Event.QUEUE), when(Event.START)),
        execute_seconds=execute,
        fetch_seconds=_seconds_between(when(Event.COMPLETE), when(Event.FETCH)),
    )


def _event_times(events: Sequence[EventRecord]) -> dict[Event, tuple[datetime, str]]:
    """Return when the steps of a job happened on our clock, and who said so; the last one where a step was repeated."""
    names = {EVENT_NAMES[event]: event for event in _TIMED_EVENTS}
    seen = [e for e in events if e.event in names and not (e.detail or {}).get("inferred")]
    at: dict[Event, tuple[datetime, str]] = {names[e.event]: (e.at, e.clock) for e in seen}
    offset = _clock_offset(at)
    return {event: (moment - offset if clock == "vendor" else moment, clock) for event, (moment, clock) in at.items()}


def _clock_offset(at: Mapping[Event, tuple[datetime, str]]) -> timedelta:
    """Return by how much the provider's clock is ahead of ours, 0 while nothing contradicts that they agree."""
    if not {Event.SUBMIT, Event.ACKNOWLEDGE, Event.QUEUE} <= at.keys() or at[Event.QUEUE][1] != "vendor":
        return timedelta()
    sent, accepted, told = (at[event][0] for event in (Event.SUBMIT, Event.QUEUE, Event.ACKNOWLEDGE))
    return timedelta() if sent - _CLOCK_RESOLUTION <= accepted <= told + _CLOCK_RESOLUTION else accepted - told


def _event_detail(events: Sequence[EventRecord], event: Event) -> Row:
    """Return the facts that were written down with an event, empty where it has not happened."""
    return next((dict(e.detail or {}) for e in events if e.event == EVENT_NAMES[event]), {})


def _subtract(seconds: float | None, part: float | None) -> float | None:
    return None if seconds is None else max(0.0, seconds - (part or 0.0))


def _seconds_between(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else max(0.0, (end - begin).total_seconds())


def _sum(*parts: float | None) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None
