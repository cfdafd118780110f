"""A person's approval of one payload, on one backend, at one price, until the deadline.

Pure: returns the moves, and the ledger writes them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from qhybrid_pipelines.control.jobs.deadlines import is_overdue
from qhybrid_pipelines.control.ledger.budget import round_stored_usd
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import EventData, JobRecord, Transition
from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.control.policy.deployment import ANONYMOUS
from qhybrid_pipelines.control.policy.rules import Decision
from qhybrid_pipelines.core.errors import Refused


def approve(job: JobRecord, *, by: str, now: datetime, present: datetime) -> Transition:
    """Return the move by which a person agrees to a job.

    Args:
        job: that waits.
        by: the person.
        now: what the move is dated.
        present: what the deadline is compared with, see `LedgerClock.present`.

    Raises:
        Refused: too late, or in prod by the one who asks.
    """
    if is_overdue(job.deadline_at, present):
        raise Refused(f"job {job.job_id} had to be approved by {job.deadline_at:%Y-%m-%d %H:%M:%S} UTC. Ask again.")
    if by == ANONYMOUS or not by.strip():
        raise Refused(f"job {job.job_id} needs the agreement of somebody with a name. Say it with --by NAME.")
    if job.environment == "prod" and by == job.principal:
        raise Refused(
            f"'{by}' asked for job {job.job_id}, and in prod somebody else has to agree. Have another person approve it."
        )
    return Transition.single(job, Event.APPROVE, now, approved_by=by, detail=_agreed_terms(job) | {"by": by})


def decline(job: JobRecord, *, by: str, reason: str, now: datetime) -> Transition:
    """Return the move by which a person says no."""
    return Transition.single(
        job, Event.REJECT, now, error=f"declined by {by}: {reason}", detail={"by": by, "reason": reason}
    )


def price_transition(
    job: JobRecord,
    decision: Decision,
    quote_usd: float,
    now: datetime,
    *,
    spending_limits: tuple[SpendingLimit, ...] = (),
) -> Transition | None:
    """Return what an approved job needs before it may be sent at today's price and by today's policy; None if nothing.

    A price above the one that was agreed to asks the person again; where the policy alone agreed and still does, the higher
    quote is reserved, if the budget holds it.
    """
    risen = round_stored_usd(quote_usd) > job.cost_quoted_usd
    by_person = job.approved_by is not None
    if not risen and (by_person or decision.verdict == "allow"):
        return None
    detail: dict[str, Any] = {
        "rule": decision.rule,
        "reason": f"the price rose from ${job.cost_quoted_usd:.2f} to ${quote_usd:.2f}" if risen else decision.reason,
    }
    steps = [EventData(event=Event.REQUEST_APPROVAL, at=now, detail=detail)]
    if decision.verdict == "allow" and not by_person:
        steps.append(EventData(event=Event.APPROVE, at=now, detail={"rule": decision.rule, "reason": decision.reason}))
    return Transition(
        job=job,
        steps=tuple(steps),
        observed_at=now,
        cost_quoted_usd=quote_usd if risen else None,
        spending_limits=spending_limits if risen else (),
    )


def _agreed_terms(job: JobRecord) -> dict[str, Any]:
    return {"payload_sha256": job.payload_sha256, "backend": job.backend, "cost_quoted_usd": job.cost_quoted_usd}
