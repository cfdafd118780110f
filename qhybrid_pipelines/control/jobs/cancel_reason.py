"""Why a job is being taken back: to cancel it, because it is late, or because its work goes elsewhere."""

from __future__ import annotations

from typing import Any

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger

_CANCEL_EVENTS = frozenset({EVENT_NAMES[Event.INTEND_CANCEL], EVENT_NAMES[Event.REQUEST_CANCEL]})


def get_cancel_reason(ledger: Ledger, job: JobRecord) -> tuple[Event, dict[str, Any]]:
    """Return what a cancellation by the provider means for a job (CANCEL, EXPIRE or REROUTE), and what is known about that."""
    for event in reversed(ledger.events(job.job_id)):
        if event.event in _CANCEL_EVENTS and event.detail and "purpose" in event.detail:
            detail = dict(event.detail)
            return Event(detail.pop("purpose")), detail
    return Event.CANCEL, {}
