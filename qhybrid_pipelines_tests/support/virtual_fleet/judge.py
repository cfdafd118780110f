"""The verdict on a fleet: the vendors' books against the ledger, and what happened against what persons said and true time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import inf

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.control.ledger.port import EventRecord, JobRecord
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.virtual_fleet.fleet import POLICY, Fleet
from qhybrid_pipelines_tests.support.virtual_fleet.vendor import VendorJob

#: How far clocks that agree may be apart, twice: one of them has dated the plan, the other one measures the end.
CLOCKS_AGREE_SECONDS = 120.0
EVENTS_PER_PAGE = 10_000
_PERSONS_ENDS = {EVENT_NAMES[Event.CANCEL]: "cancel", EVENT_NAMES[Event.REROUTE]: "reroute"}


def judge(fleet: Fleet) -> list[str]:
    """Return everything that is not as it must be, in words; nothing where all is well."""
    return [
        *_paid_twice(fleet),
        *_lost_or_guessed(fleet),
        *_ended_by_nobody(fleet),
        *_unfinished(fleet),
        *_broken_records(fleet),
    ]


def paid_twice(fleet: Fleet) -> list[str]:
    """Return the works that were accepted although another job of them was there and could still be paid."""
    return [finding.split()[1] for finding in _paid_twice(fleet)]


def _paid_twice(fleet: Fleet) -> Iterator[str]:
    accepted: dict[str, list[VendorJob]] = {}
    for vendor in fleet.vendors.values():
        for work, jobs in vendor.book.by_work.items():
            accepted.setdefault(work, []).extend(jobs)
    for work, jobs in accepted.items():
        jobs.sort(key=lambda job: job.accepted_at)
        for earlier, later in pairwise(jobs):
            unpaid_at = min([earlier.cancelled_at or inf, *([earlier.ends_at] if earlier.fails else [])])
            if unpaid_at > later.accepted_at:
                yield f"work {work} is paid twice: {earlier.provider_job_id}, {later.provider_job_id}"


def _lost_or_guessed(fleet: Fleet) -> Iterator[str]:
    jobs = fleet.ledger.jobs()
    noted = {
        (attempt.provider, attempt.provider_job_id)
        for job in jobs
        for attempt in (fleet.ledger.attempts(job.job_id) if job.attempt > 1 else [job])
        if attempt.provider_job_id is not None
    }
    booked = {(vendor.name, name) for vendor in fleet.vendors.values() for name in vendor.book.jobs}
    for name in sorted(booked - noted):
        yield f"{name} was accepted, and the ledger does not know it"
    for name in sorted(noted - booked):
        yield f"{name} is in the ledger, and no vendor has accepted it"
    for vendor in fleet.vendors.values():
        for work in vendor.book.guessed:
            yield f"work {work} was sent again to {vendor.name}, which can tell nothing, without a person"


def _ended_by_nobody(fleet: Fleet) -> Iterator[str]:
    """Look for jobs that ended although no person wanted that, and before their time."""
    jobs = {job.job_id: job for job in fleet.ledger.jobs()}
    planned = {}
    for event in _all_events(fleet):
        job, true_seconds = jobs[event.job_id], fleet.written_at[event.position]
        planned.setdefault(event.job_id, true_seconds)
        if event.event in _PERSONS_ENDS and (str(job.shots), _PERSONS_ENDS[event.event]) not in fleet.words:
            yield f"{event.job_id} ended by {event.event}, and no person said so"
        if event.event == EVENT_NAMES[Event.EXPIRE] and job.provider_job_id is not None:
            had = true_seconds - planned[event.job_id]
            if had < POLICY.tiers.of(job.tier).deadline_seconds - CLOCKS_AGREE_SECONDS:
                yield f"{event.job_id} ({job.tier}) ended after {had:.0f} s because of its deadline"


def _all_events(fleet: Fleet) -> Iterator[EventRecord]:
    position = 0
    while page := fleet.ledger.events(after=position, limit=EVENTS_PER_PAGE):
        yield from page
        position = page[-1].position


def _unfinished(fleet: Fleet) -> Iterator[str]:
    for number in fleet.unsettled():
        dispatcher = fleet.make_dispatcher(0)
        for sub_batch in fleet.works[number].sub_batches:
            job = dispatcher.latest_job(sub_batch.batch)
            yield f"work {number} has not come to an end: {job and (job.job_id, str(job.state), job.error)}"


def _broken_records(fleet: Fleet) -> Iterator[str]:
    if not fleet.ledger.verify_chain().is_intact:
        yield "the chain of events is broken"
    yield from fleet.ledger.audit_rows()
    reserved: dict[str, float] = {}
    for job in fleet.ledger.jobs():
        open_usd = job.cost_quoted_usd if job.cost_settled_usd is None else 0.0
        reserved[job.experiment] = reserved.get(job.experiment, 0.0) + open_usd
        yield from _wrong_result(fleet, job)
    for experiment, usd in reserved.items():
        account = fleet.ledger.account(experiment)
        if account is None or abs(account.reserved_usd - usd) > 1e-9:
            yield f"reserved for {experiment} are {account and account.reserved_usd} dollars, and its jobs hold {usd}"


def _wrong_result(fleet: Fleet, job: JobRecord) -> Iterator[str]:
    if job.state is not JobState.VERIFIED:
        return
    line = fleet.vendors[job.provider].book.jobs.get(job.provider_job_id or "")
    content = fleet.store.get(job.result_sha256 or "")
    if line is None or line.work != str(job.shots) or line.provider_job_id.encode() not in content:
        yield f"{job.job_id} is verified with a result that is not its own"
