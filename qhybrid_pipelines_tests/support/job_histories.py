"""Lives of jobs, written into a ledger step by step at given seconds after noon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import EventData, JobRecord, Ledger, Plan, Transition

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
EXPERIMENT = "karate-0a1b2c3d"

E = Event
#: A job of a cloud: planned at noon, queued for five minutes, run for ten seconds.
COMPLETE = (
    (E.PLAN, 0, "observed"),
    (E.APPROVE, 0, "observed"),
    (E.SUBMIT, 0, "observed"),
    (E.ACKNOWLEDGE, 0.4, "observed"),
    (E.QUEUE, 0.3, "vendor"),
    (E.START, 300.3, "vendor"),
    (E.COMPLETE, 310.3, "vendor"),
    (E.FETCH, 320, "observed"),
    (E.VERIFY, 320.1, "observed"),
)
WAITS_FOR_APPROVAL = ((E.PLAN, 0, "observed"), (E.REQUEST_APPROVAL, 0, "observed"))
UNKNOWN = (*COMPLETE[:3], (E.MARK_UNKNOWN, 2, "observed"))
FAILED = (*COMPLETE[:6], (E.FAIL, 301, "vendor"))


def noon_plus(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def write_job_history(
    ledger: Ledger, job_id: str, steps=COMPLETE, *, fields: dict[str, Any] | None = None, **plan: Any
) -> JobRecord:
    """Let a job take its steps and return it; ``fields`` come with the last one."""
    written = [EventData(event=event, at=noon_plus(at), clock=clock) for event, at, clock in steps]
    backend = plan.setdefault("backend", "ionq:simulator")
    first = min(3, len(written))
    job = ledger.plan(
        Plan(
            **{
                "job_id": job_id,
                "experiment": EXPERIMENT,
                "provider": backend.partition(":")[0],
                "payload_sha256": job_id.ljust(64, "0"),
                "run_number": 1,
                "tier": "batch",
                "circuits": 80,
                "shots": 81_920,
                "token": job_id.rjust(32, "0"),
                "cost_quoted_usd": 0.5,
                "price_source": "the list of May",
                "budget_usd": 2.0,
                "requested_at": noon_plus(-1),
                "planned_at": NOON,
                "steps": tuple(written[:first]),
                "principal": "ada",
                **plan,
            }
        )
    )
    rest = written[first:]
    for number, step in enumerate(rest, start=1):
        more = dict(fields or {}) if number == len(rest) else {}
        if step.event is E.ACKNOWLEDGE:
            more |= {"provider_job_id": f"vendor-{job_id}"}
        job = ledger.advance(Transition(job=job, steps=(step,), observed_at=step.at, **more))
    return job
