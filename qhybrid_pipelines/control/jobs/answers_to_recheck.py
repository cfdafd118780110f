"""Answers that are not believed yet: since when a provider's word about a job is doubted, and for how long it is asked again.

One incomplete, early or contradicting answer is "not yet". A result that is refused is fetched again, and a failure is
believed when a second poll says the same. Both are functions of the job's events, so a restart forgets nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.control.ledger.port import EventRecord, JobRecord, Ledger
from qhybrid_pipelines.control.policy.tiers import Tier

#: In the detail of a reported failure: when it was really seen, where the ledger has a later time for it.
SEEN_AT = "seen_at"
_DOUBTED, _FAILURE = EVENT_NAMES[Event.DOUBT_RESULT], EVENT_NAMES[Event.REPORT_FAILURE]
_BEGINS_ANEW = frozenset({EVENT_NAMES[Event.COMPLETE], EVENT_NAMES[Event.RECOVER], EVENT_NAMES[Event.VERIFY]})


def doubted_since(events: Sequence[EventRecord]) -> datetime | None:
    """Return when the result of a job was refused for the first time; None where it never was, or was verified since."""
    since = None
    for event in events:
        if event.event in _BEGINS_ANEW:
            since = None
        elif event.event == _DOUBTED and since is None:
            since = event.observed_at
    return since


def failure_reported_at(events: Sequence[EventRecord]) -> datetime | None:
    """Return when the provider reported the failure that is not believed yet; None where it did not."""
    report = next((event for event in reversed(events) if event.event == _FAILURE), None)
    if report is None:
        return None
    noted = (report.detail or {}).get(SEEN_AT)
    return datetime.fromisoformat(noted) if noted else report.observed_at


def needs_a_person(job: JobRecord, ledger: Ledger, tier: Tier, now: datetime) -> bool:
    """Tell whether the result of a job has been refused for so long that fetching it again by itself is given up."""
    if not job.has_doubted_result:
        return False
    since = doubted_since(ledger.events(job.job_id))
    return since is not None and now - since >= timedelta(seconds=tier.result_grace_seconds)
