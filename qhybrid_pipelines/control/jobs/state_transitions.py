"""What one poll means for the life of a job: the steps it must have taken since the last one.

Pure. A job that is polled every few minutes, or that runs for milliseconds, is rarely seen in every state; the
states in between are filled in, with the provider's timestamp where it gives one. A step whose time nobody knows is
marked ``inferred``, so that no report takes the time of our poll for the time of the event.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, OPEN, Event
from qhybrid_pipelines.control.ledger.port import EventData, EventRecord
from qhybrid_pipelines.core.errors import UnknownProviderStatus
from qhybrid_pipelines.core.jobs.circuit_jobs import Snapshot
from qhybrid_pipelines.core.jobs.job_states import JobState

#: The way of a job through a provider: each state, and the event that leads into it.
_PROGRESS = (
    (JobState.SUBMITTED, Event.ACKNOWLEDGE),
    (JobState.QUEUED, Event.QUEUE),
    (JobState.RUNNING, Event.START),
    (JobState.COMPLETED, Event.COMPLETE),
)
_PROGRESS_RANK = {state: rank for rank, (state, _) in enumerate(_PROGRESS)}

#: What a provider may report out of the usual order, and the event that says so.
_OTHER_EVENTS = {
    JobState.FAILED: Event.FAIL,
    JobState.CANCELLING: Event.REQUEST_CANCEL,
    JobState.CANCELLED: Event.CANCEL,
}


#: The events that say why a job is being taken back.
_CANCEL_EVENTS = frozenset({EVENT_NAMES[Event.INTEND_CANCEL], EVENT_NAMES[Event.REQUEST_CANCEL]})


def cancel_reason(events: Sequence[EventRecord]) -> tuple[Event, dict[str, Any]]:
    """Return what a cancellation by the provider means for a job with these events, and what is known about that.

    CANCEL where somebody asked for it, EXPIRE where its deadline came, REROUTE where its work goes elsewhere.
    """
    return last_cancel_request(events) or (Event.CANCEL, {})


def last_cancel_request(events: Sequence[EventRecord]) -> tuple[Event, dict[str, Any]] | None:
    """Return for which purpose a job was last asked back, and by whom and why; None where nobody here has asked."""
    for event in reversed(events):
        if event.event in _CANCEL_EVENTS and event.detail and "purpose" in event.detail:
            detail = dict(event.detail)
            return Event(detail.pop("purpose")), detail
    return None


def open_cancel_request(events: Sequence[EventRecord]) -> tuple[Event, dict[str, Any]] | None:
    """Return `last_cancel_request` as long as no answer of the provider to it is known; None where there is nothing to ask for."""
    told = [event.event for event in events if event.event in _CANCEL_EVENTS | {EVENT_NAMES[Event.CANCEL_TOO_LATE]}]
    return last_cancel_request(events) if told and told[-1] == EVENT_NAMES[Event.INTEND_CANCEL] else None


def reroute_detail(events: Sequence[EventRecord]) -> dict[str, Any]:
    """Return where the work of a job was taken, why, and by whom if by a person; empty where it was not."""
    moves = [event for event in events if event.event == EVENT_NAMES[Event.REROUTE]]
    return dict(moves[-1].detail or {}) if moves else {}


def events_from_snapshot(state: JobState, snapshot: Snapshot, *, now: datetime) -> tuple[EventData, ...]:
    """Return the steps from ``state`` to what the snapshot shows; none if it shows nothing new or something older.

    Raises:
        UnknownProviderStatus: the snapshot's state is not one that a provider can report.
    """
    seen = snapshot.state
    if seen not in _PROGRESS_RANK and seen not in _OTHER_EVENTS:
        raise UnknownProviderStatus(
            f"status {snapshot.raw_status!r} of job {snapshot.ref.provider_job_id} was read as {seen}, which is no "
            "state of a job at a provider",
        )
    if state not in OPEN or seen == state:
        return ()
    if state is JobState.CANCELLING:
        # A provider that has not got round to it still reports QUEUED or RUNNING; only an end is news.
        ended = seen is JobState.COMPLETED or seen in (JobState.FAILED, JobState.CANCELLED)
        return (_final_event(snapshot, now),) if ended else ()
    if seen in _PROGRESS_RANK:
        return _events_up_to(state, seen, snapshot, now)
    # How far it got before it failed or was cancelled is worth knowing, where the provider's timestamps tell.
    reached = JobState.SUBMITTED
    if snapshot.submitted_at is not None:
        reached = JobState.QUEUED
    if snapshot.started_at is not None:
        reached = JobState.RUNNING
    return (*_events_up_to(state, reached, snapshot, now), _final_event(snapshot, now))


def _events_up_to(state: JobState, seen: JobState, snapshot: Snapshot, now: datetime) -> tuple[EventData, ...]:
    return tuple(
        _make_event(event, snapshot, now, is_seen=reached is seen)
        for reached, event in _PROGRESS[_PROGRESS_RANK[state] + 1 : _PROGRESS_RANK[seen] + 1]
    )


def _final_event(snapshot: Snapshot, now: datetime) -> EventData:
    """Return the step into the state that was seen."""
    event = _OTHER_EVENTS.get(snapshot.state, Event.COMPLETE)
    step = _make_event(event, snapshot, now, is_seen=True)
    if event is not Event.FAIL:
        return step
    detail = {"phase": "execute", "message": snapshot.message}
    return EventData(event=event, at=step.at, clock=step.clock, raw_status=step.raw_status, detail=detail)


def _make_event(event: Event, snapshot: Snapshot, now: datetime, *, is_seen: bool) -> EventData:
    vendor_time = {
        Event.QUEUE: snapshot.submitted_at,
        Event.START: snapshot.started_at,
        Event.REQUEST_CANCEL: None,
    }.get(event, snapshot.completed_at)
    if vendor_time is not None:
        return EventData(event=event, at=vendor_time, clock="vendor", raw_status=snapshot.raw_status)
    detail = None if is_seen else {"inferred": True}
    return EventData(event=event, at=now, raw_status=snapshot.raw_status, detail=detail)
