"""The places of `core.system.failpoints` on the way of one job: what is on record when a process ends there, and how the next one goes on.

Real kills at these places are in `test_job_dispatcher_crashes`; here the end is an exception, so that each place takes milliseconds.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from qhybrid_pipelines.core.errors import Throttled
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system import failpoints
from qhybrid_pipelines_tests.support.dispatcher_harness import SUBMIT_REQUEST, DispatcherHarness
from qhybrid_pipelines_tests.support.durable_vendor import make_batch
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger

S = JobState


class Killed(BaseException):
    """The process has ended here."""


@pytest.fixture
def harness(tmp_path: Path) -> DispatcherHarness:
    return DispatcherHarness(tmp_path, MemoryLedger())


def die_at(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(process_id: int, signal: int) -> None:
        raise Killed(process_id, signal)

    monkeypatch.setenv(failpoints.VARIABLE, place)
    monkeypatch.setattr(failpoints.os, "kill", kill)


def records(harness: DispatcherHarness) -> tuple[JobState | None, int, int]:
    """State of the job, jobs that the vendor has accepted, results on this disk."""
    state = next((job.state for job in harness.ledger.jobs()), None)
    stored = [path for path in (harness.path / "raw").rglob("*") if path.is_file()]
    return state, len(harness.one.book()), len(stored)


def live(harness: DispatcherHarness) -> JobState:
    """Submit and collect with new processes, as often as it takes."""
    for _ in range(3):
        job = harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
        [job] = harness.dispatcher().poll([job])
        if job.state in {S.COMPLETED, S.FETCHED, S.VERIFIED}:
            return harness.dispatcher().collect(job.job_id, make_batch()).job.state
        harness.sleep(600)
    return job.state


@pytest.mark.parametrize(
    ("place", "on_record"),
    {
        "submit.before_intent": (None, 0, 0),
        "submit.planned": (S.APPROVED, 0, 0),
        "submit.intended": (S.SUBMITTING, 0, 0),
        "submit.before_call": (S.SUBMITTING, 0, 0),
        "submit.accepted": (S.SUBMITTING, 1, 0),
        "submit.acknowledged": (S.SUBMITTED, 1, 0),
        "poll.seen": (S.SUBMITTED, 1, 0),
        "poll.recorded": (S.COMPLETED, 1, 0),
        "collect.before_fetch": (S.COMPLETED, 1, 0),
        "collect.fetched": (S.COMPLETED, 1, 0),
        "collect.stored": (S.COMPLETED, 1, 1),
        "collect.recorded": (S.FETCHED, 1, 1),
        "collect.decoded": (S.FETCHED, 1, 1),
        "collect.verified": (S.VERIFIED, 1, 1),
    }.items(),
)
def test_where_a_process_ends_is_on_record_and_the_next_one_pays_nothing_twice(
    harness: DispatcherHarness, monkeypatch: pytest.MonkeyPatch, place: str, on_record: tuple[JobState | None, int, int]
) -> None:
    die_at(place, monkeypatch)
    with pytest.raises(Killed):
        live(harness)
    assert records(harness) == on_record
    monkeypatch.delenv(failpoints.VARIABLE)
    assert live(harness) is S.VERIFIED
    assert records(harness) == (S.VERIFIED, 1, 1)


@pytest.mark.parametrize("place", ["recover.before_look_up", "recover.looked_up", "submit.doubted"])
def test_a_process_that_ends_while_an_answer_is_doubted_leaves_the_doubt_on_record(
    harness: DispatcherHarness, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A gateway answers 429 although the vendor has the job."""
    submit = harness.one.submit

    def throttled_after_acceptance(batch, token):
        submit(batch, token)
        raise Throttled("busy", retry_after_seconds=1)

    harness.one.submit = throttled_after_acceptance
    die_at(place, monkeypatch)
    with pytest.raises(Killed):
        harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    assert records(harness) == (S.SUBMITTING, 1, 0)
    harness.one.submit = submit
    monkeypatch.delenv(failpoints.VARIABLE)
    assert live(harness) is S.VERIFIED
    assert records(harness) == (S.VERIFIED, 1, 1)


@pytest.mark.parametrize(("place", "asked"), [("cancel.before_call", 0), ("cancel.answered", 1)])
def test_a_wish_to_cancel_is_on_record_before_the_vendor_hears_it(
    harness: DispatcherHarness, monkeypatch: pytest.MonkeyPatch, place: str, asked: int
) -> None:
    job = harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    calls, cancel = [], harness.one.cancel
    harness.one.cancel = lambda ref: (calls.append(ref), cancel(ref))[1]
    die_at(place, monkeypatch)
    with pytest.raises(Killed):
        harness.dispatcher().decisions.cancel(job.job_id)
    assert (str(harness.ledger.events(job.job_id)[-1].event), len(calls)) == ("JobCancelIntended", asked)
