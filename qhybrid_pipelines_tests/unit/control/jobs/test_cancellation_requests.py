"""Somebody wants a job back that is just being submitted, or of which nobody knows whether it was accepted.

The request is an event with who and when before anybody waits for a lock or a list. It is carried out once the job is known to
be with its provider, or not to be; nothing is sent a second time. Processes are killed; the judge is the provider's book.
"""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from qhybrid_pipelines.control.ledger.lifecycle import CANCEL_REQUEST_MAY_WAIT, Event
from qhybrid_pipelines.control.ledger.port import EventData, EventRecord, JobRecord, StaleJob, Transition
from qhybrid_pipelines.core.errors import Ambiguous, Rejected, Throttled
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.dispatcher_harness import SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch
from qhybrid_pipelines_tests.support.ledgers import open_test_ledger

KILLED, GONE_ON = -signal.SIGKILL, 0
VENDOR = {"dedupe": "tag_lookup", "price_usd": 1.0, "has_known_job": True}
#: Where the process dies that sends: before and after its provider has accepted the job.
SENDER_DIES = {"vendor.received": False, "vendor.accepted": True}
#: Where the process dies that carries the request of a person out.
REQUESTER_DIES = (None, "recover.before_look_up", "recover.looked_up", "submit.acknowledged", "cancel.before_call")
TICK_DIES = (
    None,
    "recover.looked_up",
    "cancel.unsent",
    "submit.acknowledged",
    "cancel.before_call",
    "cancel.answered",
)


def cut_off_while_sending(run_process, home: Path, place: str, settings: dict[str, Any]) -> DurableVendor:
    """A process dies within the call that submits a job; what was accepted runs, and would stop for whoever asks."""
    assert run_process("life", home, failpoint=place, **settings) == [KILLED]
    vendor = DurableVendor(home / "vendor")
    for line in vendor.book()[1:]:
        vendor.show(line["id"], JobState.RUNNING)
        (vendor.folder / f"{line['id']}.cancel").write_text("cancelled")
    assert job_and_events(home)[0].state is JobState.SUBMITTING
    return vendor


def job_and_events(home: Path) -> tuple[JobRecord, list[EventRecord]]:
    """The job, which is not the one that the provider's list has to show, and its events."""
    ledger = open_test_ledger(home)
    try:
        [job] = [job for job in ledger.jobs() if not job.experiment.startswith("known")]
        assert ledger.verify_chain().is_intact
        assert ledger.audit_rows() == []
        return job, ledger.events(job.job_id)
    finally:
        ledger.close()


def cancel_requests(events: list[EventRecord]) -> list[str]:
    return [str((event.detail or {}).get("by")) for event in events if event.event == "JobCancelIntended"]


@pytest.mark.parametrize("settings", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)], indirect=True)
@pytest.mark.parametrize("sender_dies", SENDER_DIES)
def test_killed_at_every_place_the_wish_is_carried_out_and_nothing_sent_again(
    run_process, tmp_path: Path, settings, sender_dies: str
) -> None:
    was_accepted = SENDER_DIES[sender_dies]
    deaths = [(place, None) for place in REQUESTER_DIES] + [
        ("recover.before_look_up", place) for place in TICK_DIES[1:]
    ]
    for number, (requester_dies, tick_dies) in enumerate(deaths):
        home = tmp_path / str(number)
        vendor = cut_off_while_sending(run_process, home, sender_dies, settings)
        asks = {"by": "ada", "failpoint": requester_dies or ""}
        assert run_process("want_back", home, **asks, **settings)[0] in (KILLED, GONE_ON)
        _, events = job_and_events(home)
        assert cancel_requests(events) == ["ada"], requester_dies
        if tick_dies is not None:
            assert run_process("tick", home, failpoint=tick_dies, **settings)[0] in (KILLED, GONE_ON)
        for _ in range(2):
            assert run_process("tick", home, **settings) == [0]
        job, events = job_and_events(home)
        assert job.state is JobState.CANCELLED, (requester_dies, tick_dies)
        assert (events[-1].detail or {})["by"] == "ada"
        assert cancel_requests(events) == ["ada"]
        assert (vendor.calls("submit"), len(vendor.book())) == (2, 1 + was_accepted), (requester_dies, tick_dies)
        assert vendor.calls("cancel") == was_accepted, (requester_dies, tick_dies)


@pytest.mark.parametrize("sender_dies", SENDER_DIES)
def test_the_experiments_next_run_carries_it_out_too(run_process, tmp_path: Path, settings, sender_dies: str) -> None:
    vendor = cut_off_while_sending(run_process, tmp_path, sender_dies, settings)
    asks_and_dies = {"by": "ada", "failpoint": "recover.before_look_up"}
    assert run_process("want_back", tmp_path, **asks_and_dies, **settings) == [KILLED]
    dies = {"how": "go on", "failpoint": "submit.cancelled_unsent"}
    assert run_process("take_back", tmp_path, **dies, **settings) == [GONE_ON if SENDER_DIES[sender_dies] else KILLED]
    for _ in range(2):
        assert run_process("take_back", tmp_path, how="go on", **settings) == [0]
    assert run_process("tick", tmp_path, **settings) == [0]
    job, _ = job_and_events(tmp_path)
    assert (job.state, vendor.calls("submit")) == (JobState.CANCELLED, 2)


def test_a_program_that_knows_no_wishes_sends_it_again(run_process, tmp_path: Path, settings) -> None:
    """The negative control: the same kills, and the work that somebody wanted back is paid."""
    vendor = cut_off_while_sending(run_process, tmp_path, "vendor.received", settings)
    asks_and_dies = {"by": "ada", "failpoint": "recover.before_look_up"}
    assert run_process("want_back", tmp_path, **asks_and_dies, **settings) == [KILLED]
    assert run_process("life", tmp_path, knows_no_wishes=True, **settings) == [0]
    assert (vendor.calls("submit"), len(vendor.book())) == (3, 2)


def submitting_job(harness, fault: str = "ambiguous_before") -> JobRecord:
    """A job whose answer was lost twice, so that nobody knows whether its provider has it."""
    harness.one.dedupe, harness.one.acceptance_seconds, harness.one.lag = "tag_lookup", 600.0, 0.0
    harness.one.plan_faults(fault)
    with pytest.raises(Ambiguous):
        harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    [job] = harness.ledger.jobs(states=[JobState.SUBMITTING])
    return job


def test_as_long_as_it_may_be_accepted_the_wish_waits_and_moves_no_window(harness) -> None:
    known = harness.dispatcher().submit(make_batch(experiment="known-00000000", seed=99), SUBMIT_REQUEST)
    harness.one.accept_earlier(86_400.0)
    assert known.state is JobState.SUBMITTED
    job = submitting_job(harness)
    sent = harness.ledger.job(job.job_id).updated_at
    for minutes in (2, 4, 6):
        harness.now = sent + timedelta(minutes=minutes)
        with pytest.raises(Ambiguous):
            harness.dispatcher().decisions.cancel(job.job_id, by=f"person {minutes}")
    harness.now = sent + timedelta(seconds=599)
    assert harness.dispatcher().poll_due().problems == ()
    assert harness.ledger.job(job.job_id).state is JobState.SUBMITTING
    harness.now = sent + timedelta(seconds=601)
    harness.dispatcher().poll_due()
    assert harness.ledger.job(job.job_id).state is JobState.CANCELLED
    assert cancel_requests(harness.ledger.events(job.job_id)) == ["person 2", "person 4", "person 6"]
    assert harness.one.calls("submit") == 2, "the known one and this one"


@pytest.mark.parametrize("answer", ["accepted", Rejected("no"), Throttled("later"), Ambiguous("reset")])
def test_a_wish_during_the_call_does_not_lose_its_answer(harness, answer: Any) -> None:
    """Another process notes it while the provider is being asked; what the provider says is written all the same."""
    original = harness.one.submit

    def submit(batch, token):
        [job] = harness.ledger.jobs(states=[JobState.SUBMITTING])
        harness.dispatcher().decisions.intend_cancel([job], by="ada")
        if isinstance(answer, Exception):
            raise answer
        return original(batch, token)

    harness.one.submit = submit
    with suppress(Throttled, Ambiguous):
        harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    harness.one.submit = original
    [job] = harness.ledger.jobs()
    assert cancel_requests(harness.ledger.events(job.job_id)) == ["ada"]
    if answer == "accepted":
        assert job.state is JobState.SUBMITTED
        harness.one.show(job.provider_job_id, JobState.RUNNING)
        (harness.one.folder / f"{job.provider_job_id}.cancel").write_text("cancelled")
    harness.dispatcher().poll_due()
    job = harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    assert job.state in (JobState.CANCELLED, JobState.REJECTED)
    assert harness.one.calls("submit") == (answer == "accepted"), "never a second time"


def test_whoever_waits_for_the_sender_in_vain_has_noted_the_wish(harness) -> None:
    """The sender hangs within the call; the person's command gives up, and the request is there."""
    original, may_answer, was_asked = harness.one.submit, threading.Event(), threading.Event()

    def submit(batch, token):
        was_asked.set()
        assert may_answer.wait(60.0)
        return original(batch, token)

    harness.one.submit = submit
    sender = threading.Thread(target=lambda: harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST))
    sender.start()
    try:
        assert was_asked.wait(60.0)
        [job] = harness.ledger.jobs(states=[JobState.SUBMITTING])
        harness.dispatcher().decisions.intend_cancel([job], by="ada")
        assert harness.dispatcher().poll_due().problems == (), "the sender's lock is left to it"
        assert harness.ledger.job(job.job_id).state is JobState.SUBMITTING
    finally:
        may_answer.set()
        sender.join()
    job = harness.ledger.job(job.job_id)
    assert (job.state, cancel_requests(harness.ledger.events(job.job_id))) == (JobState.SUBMITTED, ["ada"])
    assert [found.job_id for found in harness.ledger.jobs(states=CANCEL_REQUEST_MAY_WAIT, cancel_intended=True)] == [
        job.job_id
    ]


class Killed(BaseException):
    """Stands for the end of a process within a call."""


def killed_after(harness, *, accepted: bool) -> JobRecord:
    """A job whose sender has died within the call, before or after it was accepted."""
    original = harness.one.submit

    def submit(batch, token):
        if accepted:
            original(batch, token)
        raise Killed

    harness.one.submit = submit
    with pytest.raises(Killed):
        harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    harness.one.submit = original
    [job] = harness.ledger.jobs(states=[JobState.SUBMITTING])
    return job


def test_a_list_that_is_read_too_early_leaves_nothing_to_a_person(harness) -> None:
    """It shows neither the job nor another one of ours, and it need not yet: the next round may find it."""
    harness.one.dedupe, harness.one.lag = "tag_lookup", 60.0
    job = killed_after(harness, accepted=True)
    harness.dispatcher().decisions.intend_cancel([job], by="ada")
    assert harness.dispatcher().poll_due().problems == ()
    assert harness.ledger.job(job.job_id).state is JobState.SUBMITTING
    harness.now += timedelta(seconds=100)
    harness.one.accept_earlier(100.0)
    [line] = harness.one.book()
    harness.one.show(line["id"], JobState.RUNNING)
    (harness.one.folder / f"{line['id']}.cancel").write_text("cancelled")
    for _ in range(2):
        harness.dispatcher().poll_due()
    assert harness.ledger.job(job.job_id).state is JobState.CANCELLED
    assert harness.one.calls("submit") == 1


def while_it_lists(harness, happens) -> None:
    """Let something happen once, while the provider looks for a token."""
    pending = [happens]

    def with_interruption(original):
        def call(*args, **options):
            found = original(*args, **options)
            if pending:
                pending.pop()()
            return found

        return call

    harness.one.find, harness.one.list_tokens = map(with_interruption, (harness.one.find, harness.one.list_tokens))


@pytest.mark.parametrize("dedupe", ["token", "tag_lookup"])
def test_a_wish_while_the_token_is_looked_up_keeps_it_from_being_sent_again(harness, dedupe: str) -> None:
    if dedupe == "tag_lookup":
        harness.dispatcher().submit(make_batch(experiment="known-00000000", seed=99), SUBMIT_REQUEST)
    harness.one.dedupe = dedupe
    job, before = killed_after(harness, accepted=False), harness.one.calls("submit")
    while_it_lists(harness, lambda: harness.dispatcher().decisions.intend_cancel([job], by="ada"))
    assert harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST).state is JobState.CANCELLED
    assert cancel_requests(harness.ledger.events(job.job_id)) == ["ada"]
    assert harness.one.calls("submit") == before


def test_what_another_process_has_sent_meanwhile_does_not_count_as_absent(harness) -> None:
    """The lock was lost with its connection: whoever took it over sends the token again, and this list is older than that."""
    harness.one.dedupe = "tag_lookup"
    harness.dispatcher().submit(make_batch(experiment="known-00000000", seed=99), SUBMIT_REQUEST)
    job = killed_after(harness, accepted=False)

    def send_again() -> None:
        now, current = harness.now, harness.ledger.job(job.job_id)
        steps = tuple(EventData(event=event, at=now) for event in (Event.CONFIRM_ABSENT, Event.SUBMIT))
        harness.ledger.advance(Transition(job=current, steps=steps, observed_at=now))

    while_it_lists(harness, send_again)
    with pytest.raises(StaleJob):
        harness.dispatcher().decisions.cancel(job.job_id, by="ada")
    assert harness.ledger.job(job.job_id).state is JobState.SUBMITTING


def test_a_wish_that_waited_for_a_sender_that_died_is_noted_all_the_same(harness) -> None:
    """The job was not sent when it was read; it may be with its provider once its lock is free."""
    harness.one.dedupe = "token"
    harness.one.plan_faults("throttled")
    with pytest.raises(Throttled):
        harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
    [job] = harness.ledger.jobs(states=[JobState.APPROVED])
    harness.now += timedelta(hours=1)
    harness.one.dedupe, harness.one.acceptance_seconds = "tag_lookup", 600.0
    original = harness.ledger.job_lock

    def job_lock(*args, **options):
        harness.ledger.job_lock = original
        killed_after(harness, accepted=False)
        return original(*args, **options)

    harness.ledger.job_lock = job_lock
    with pytest.raises(Ambiguous):
        harness.dispatcher().decisions.cancel(job.job_id, by="ada")
    assert cancel_requests(harness.ledger.events(job.job_id)) == ["ada"]
