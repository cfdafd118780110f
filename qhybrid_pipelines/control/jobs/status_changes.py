"""What one look at a provider means for the life of a job: the steps it must have taken since.

Pure. A job that is looked at every few minutes, or that runs for milliseconds, is rarely seen in every state; the
states in between are filled in, with the provider's timestamp where it gives one. A step whose time nobody knows is
marked ``inferred``, so that no report takes our looking for its happening.
"""

from __future__ import annotations

from datetime import datetime

from qhybrid_pipelines.control.ledger.lifecycle import OPEN, Event
from qhybrid_pipelines.control.ledger.port import Step
from qhybrid_pipelines.core.errors import UnknownProviderStatus
from qhybrid_pipelines.core.jobs import JobState, Snapshot

#: The way of a job through a provider: each state, and the event that leads into it.
_WAY = (
    (JobState.SUBMITTED, Event.ACKNOWLEDGE),
    (JobState.QUEUED, Event.QUEUE),
    (JobState.RUNNING, Event.START),
    (JobState.COMPLETED, Event.COMPLETE),
)
_RANK = {state: rank for rank, (state, _) in enumerate(_WAY)}

#: What a provider may report beside the way, and the event that says so.
_ASIDE = {
    JobState.FAILED: Event.FAIL,
    JobState.CANCELLING: Event.ASK_CANCEL,
    JobState.CANCELLED: Event.CANCEL,
}


def steps_seen(state: JobState, snapshot: Snapshot, *, now: datetime) -> tuple[Step, ...]:
    """Return the steps from ``state`` to what the snapshot shows; none if it shows nothing new or something older.

    Raises:
        UnknownProviderStatus: the snapshot's state is none that a provider can report.
    """
    seen = snapshot.state
    if seen not in _RANK and seen not in _ASIDE:
        raise UnknownProviderStatus(
            f"status {snapshot.raw_status!r} of job {snapshot.ref.provider_job_id} was read as {seen}, which is no "
            "state of a job at a provider",
            provider=snapshot.ref.provider,
            phase="poll",
        )
    if state not in OPEN or seen == state:
        return ()
    if state is JobState.CANCELLING:
        # A provider that has not got round to it still reports QUEUED or RUNNING; only an end is news.
        ended = seen is JobState.COMPLETED or seen in (JobState.FAILED, JobState.CANCELLED)
        return (_end(snapshot, now),) if ended else ()
    if seen in _RANK:
        return _along_the_way(state, seen, snapshot, now)
    # How far it got before it failed or was cancelled is worth knowing, where the provider's timestamps tell.
    reached = JobState.SUBMITTED
    if snapshot.submitted_at is not None:
        reached = JobState.QUEUED
    if snapshot.started_at is not None:
        reached = JobState.RUNNING
    return (*_along_the_way(state, reached, snapshot, now), _end(snapshot, now))


def _along_the_way(state: JobState, seen: JobState, snapshot: Snapshot, now: datetime) -> tuple[Step, ...]:
    return tuple(
        _step(event, snapshot, now, is_seen=reached is seen)
        for reached, event in _WAY[_RANK[state] + 1 : _RANK[seen] + 1]
    )


def _end(snapshot: Snapshot, now: datetime) -> Step:
    """Return the step into the state that was seen."""
    event = _ASIDE.get(snapshot.state, Event.COMPLETE)
    step = _step(event, snapshot, now, is_seen=True)
    if event is not Event.FAIL:
        return step
    detail = {"phase": "execute", "message": snapshot.message}
    return Step(event=event, at=step.at, clock=step.clock, raw_status=step.raw_status, detail=detail)


def _step(event: Event, snapshot: Snapshot, now: datetime, *, is_seen: bool) -> Step:
    vendor = {
        Event.QUEUE: snapshot.submitted_at,
        Event.START: snapshot.started_at,
        Event.ASK_CANCEL: None,
    }.get(event, snapshot.completed_at)
    if vendor is not None:
        return Step(event=event, at=vendor, clock="vendor", raw_status=snapshot.raw_status)
    detail = None if is_seen else {"inferred": True}
    return Step(event=event, at=now, raw_status=snapshot.raw_status, detail=detail)
