"""A request to cancel outlives the process that had it: the next round of polls asks the provider, once, and a result counts.

Processes are killed by SIGKILL; the judge is the provider's own book, and how often it was asked to cancel.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from qhybrid_pipelines.control.ledger.lifecycle import UNCANCELLED, Event
from qhybrid_pipelines.control.ledger.port import EventRecord, JobRecord
from qhybrid_pipelines.core.errors import Unavailable
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.dispatcher_harness import SUBMIT_REQUEST, DispatcherHarness
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch
from qhybrid_pipelines_tests.support.ledgers import open_test_ledger
from qhybrid_pipelines_tests.support.matrices import covered

KILLED = -signal.SIGKILL
VENDOR = {"dedupe": "token", "price_usd": 1.0}
#: The places that a daemon's round passes while it carries a request out.
IN_A_TICK = ("poll.seen", "poll.recorded", "cancel.before_call", "cancel.answered")


@contextmanager
def opened(home: Path) -> Iterator[Any]:
    ledger = open_test_ledger(home)
    yield ledger
    assert ledger.verify_chain().is_intact
    ledger.close()


def state_of(home: Path) -> tuple[JobRecord, list[JobRecord], list[EventRecord]]:
    """The job, those that took its work over, and its events."""
    with opened(home) as ledger:
        first, *others = ledger.jobs()
        return first, others, ledger.events(first.job_id)


def request_and_die(run_process, home: Path, how: str, settings: dict[str, Any]) -> DurableVendor:
    """Ada wants a running job back, and her process dies before the provider is asked."""
    assert run_process("take_back", home, **settings) == [0]
    assert run_process("take_back", home, how=how, by="ada", failpoint="cancel.before_call", **settings) == [KILLED]
    vendor = DurableVendor(home / "vendor")
    assert vendor.calls("cancel") == 0
    with opened(home) as ledger:
        assert len(ledger.jobs(states=UNCANCELLED, cancel_intended=True)) == 1
    return vendor


@pytest.mark.parametrize(
    ("how", "settings"), covered(["cancel", "reroute"], ["sqlite", "postgres"]), indirect=["settings"]
)
def test_killed_at_every_place_of_a_tick_the_next_one_goes_on(run_process, tmp_path: Path, settings, how: str) -> None:
    for number, place in enumerate((None, *IN_A_TICK)):
        home = tmp_path / str(number)
        vendor = request_and_die(run_process, home, how, settings)
        if place is not None:
            assert run_process("tick", home, failpoint=place, **settings) == [KILLED], place
        for _ in range(3):
            assert run_process("tick", home, **settings) == [0]
        first, others, events = state_of(home)
        assert first.state is (JobState.CANCELLED if how == "cancel" else JobState.REROUTED), place
        assert (events[-1].detail or {})["by"] == "ada", place
        assert (vendor.calls("cancel"), len(vendor.book()), others) == (1, 1, []), place
        assert len({event.event for event in events}) == len(events), "nothing is written twice"
        with opened(home) as ledger:
            assert ledger.account(first.experiment).reserved_usd == 0.0
            assert ledger.jobs(states=UNCANCELLED, cancel_intended=True) == []


def test_the_work_that_was_to_go_elsewhere_goes_there_once(run_process, tmp_path: Path, settings) -> None:
    vendor = request_and_die(run_process, tmp_path, "reroute", settings)
    assert run_process("tick", tmp_path, **settings) == [0]
    for _ in range(2):
        assert run_process("take_back", tmp_path, how="go on", **settings) == [0]
    first, others, _ = state_of(tmp_path)
    assert first.state is JobState.REROUTED
    assert [(job.backend, job.principal) for job in others] == [("other:device", "ada")]
    assert len(vendor.book()) == len(DurableVendor(tmp_path / "other").book()) == 1


def test_a_result_that_came_meanwhile_is_collected(run_process, tmp_path: Path, settings) -> None:
    """Its vendor would still say "cancelled" to whoever asks; so nobody asks."""
    vendor = request_and_die(run_process, tmp_path, "cancel", settings)
    assert run_process("tick", tmp_path, meanwhile="COMPLETED", **settings) == [0]
    first, _, _ = state_of(tmp_path)
    assert first.state is JobState.VERIFIED
    assert (vendor.calls("cancel"), vendor.calls("fetch"), len(vendor.book())) == (0, 1, 1)


def test_ticks_of_two_daemons_ask_once(run_process, tmp_path: Path, settings) -> None:
    vendor = request_and_die(run_process, tmp_path, "cancel", settings)
    assert run_process("tick", tmp_path, copies=4, **settings) == [0] * 4
    first, _, _ = state_of(tmp_path)
    assert (first.state, vendor.calls("cancel")) == (JobState.CANCELLED, 1)


def test_a_daemon_that_knows_no_wishes_lets_the_paid_work_run(run_process, tmp_path: Path, settings) -> None:
    """The negative control: the same kill, and nobody ever asks."""
    vendor = request_and_die(run_process, tmp_path, "cancel", settings)
    for _ in range(3):
        assert run_process("tick", tmp_path, knows_no_wishes=True, **settings) == [0]
    first, _, _ = state_of(tmp_path)
    assert (first.state, vendor.calls("cancel")) == (JobState.RUNNING, 0)


def wanted_job(harness: DispatcherHarness, answer: str) -> JobRecord:
    """A running job that ada wants back, before its vendor, which would answer ``answer``, was asked."""
    dispatcher = harness.dispatcher()
    job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
    harness.one.show(job.provider_job_id, JobState.RUNNING)
    (harness.one.folder / f"{job.provider_job_id}.cancel").write_text(answer)
    [job] = dispatcher.poll([job])
    dispatcher.decisions.intend_cancel([job], by="ada")
    return harness.ledger.job(job.job_id)


@pytest.mark.parametrize(("answer", "end"), [("too_late", JobState.RUNNING), ("requested", JobState.CANCELLING)])
def test_a_vendor_that_does_not_let_go_at_once_is_not_asked_again(harness, answer: str, end: JobState) -> None:
    job = wanted_job(harness, answer)
    for _ in range(3):
        harness.dispatcher().poll_due()
    assert harness.ledger.job(job.job_id).state is end
    assert harness.one.calls("cancel") == 1
    harness.dispatcher().decisions.cancel(job.job_id, by="bob")
    assert harness.one.calls("cancel") == 2, "a person may ask again"


def test_a_wish_is_recorded_once_and_for_all_jobs_before_the_first_provider_is_asked(harness) -> None:
    job = wanted_job(harness, "cancelled")
    harness.dispatcher().decisions.intend_cancel([job], by="ada")
    names = [event.event for event in harness.ledger.events(job.job_id)]
    assert names.count("JobCancelIntended") == 1
    assert harness.one.calls("cancel") == 0


def test_a_job_in_the_hands_of_a_living_process_is_left_to_it(harness) -> None:
    job = wanted_job(harness, "cancelled")
    with harness.ledger.job_lock(job.job_id, timeout_seconds=0.0):
        harness.dispatcher().poll_due()
        assert harness.one.calls("cancel") == 0
    harness.dispatcher().poll_due()
    assert harness.ledger.job(job.job_id).state is JobState.CANCELLED


def test_a_vendor_that_is_away_is_asked_when_it_is_back(harness, monkeypatch: pytest.MonkeyPatch) -> None:
    job, dispatcher = wanted_job(harness, "cancelled"), harness.dispatcher()
    with monkeypatch.context() as patch:
        patch.setattr(harness.one, "cancel", lambda ref: (_ for _ in ()).throw(Unavailable("503")))
        assert [str(problem) for problem in dispatcher.poll_due().problems if "503" in str(problem)]
    assert harness.ledger.job(job.job_id).state is JobState.RUNNING
    assert [changed.state for changed in dispatcher.poll_due().changed] == [JobState.CANCELLED]


def test_a_deadline_is_left_to_those_who_look_at_the_clocks(harness) -> None:
    """A process died when it was to end an overdue job; a clock that was wrong then may have been set since."""
    job = wanted_job(harness, "cancelled")
    cancellation = harness.dispatcher()._cancellation
    cancellation._record_intent(job, Event.EXPIRE, None)
    harness.dispatcher().poll_due()
    assert harness.one.calls("cancel") == 0
