"""What the events of a job say about its submission, and what they note of a refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.control.ledger.port import EventRecord, JobRecord
from qhybrid_pipelines.core.errors import ProviderError

#: In the detail of an intent, and of a doubted answer: when it was really written, where the ledger has a later time for it.
SENT_AT = "sent_at"


def error_detail(error: ProviderError) -> dict[str, Any]:
    """Return what the ledger notes about a provider's refusal or failure."""
    return {"phase": error.phase, "class": type(error).__name__, "retryable": error.retryable}


def doubted_refusal(events: Sequence[EventRecord]) -> Mapping[str, Any] | None:
    """Return what the ledger notes about a refusal of the last submission that is doubted; None where there is none."""
    for event in reversed(events):
        detail = event.detail or {}
        if event.event == EVENT_NAMES[Event.DOUBT_ANSWER] and "class" in detail:
            return {name: value for name, value in detail.items() if name != SENT_AT}
        if event.event == EVENT_NAMES[Event.SUBMIT]:
            return None
    return None


def sent_at(job: JobRecord, events: Sequence[EventRecord]) -> datetime:
    """Return when a job was last sent, by the clock that a window is measured with; a request to cancel it changes nothing."""
    steps = [event for event in events if event.event != EVENT_NAMES[Event.INTEND_CANCEL]]
    last = steps[-1].observed_at if len(steps) < len(events) else job.updated_at
    for event in reversed(steps):
        if noted := (event.detail or {}).get(SENT_AT):
            return min(datetime.fromisoformat(noted), last)
        if event.event == EVENT_NAMES[Event.SUBMIT]:
            break
    return last
