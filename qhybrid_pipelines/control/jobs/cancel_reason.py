"""Why a job is being taken back: to cancel it, because it is late, or because its work goes elsewhere."""

from __future__ import annotations

from typing import Any

from qhybrid_pipelines.control.ledger.lifecycle import PUBLIC_NAMES, Event
from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger

_TOLD = frozenset({PUBLIC_NAMES[Event.INTEND_CANCEL], PUBLIC_NAMES[Event.ASK_CANCEL]})


def purpose_of(ledger: Ledger, job: JobRecord) -> tuple[Event, dict[str, Any]]:
    """Return what a cancellation by the provider means for a job (CANCEL, EXPIRE or REROUTE), and what is known about that."""
    for event in reversed(ledger.events(job.job_id)):
        if event.event in _TOLD and event.detail and "purpose" in event.detail:
            detail = dict(event.detail)
            return Event(detail.pop("purpose")), detail
    return Event.CANCEL, {}
