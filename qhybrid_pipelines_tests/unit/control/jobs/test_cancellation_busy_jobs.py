"""Somebody has a word about a job at the very moment at which somebody else does something with it.

A sender holds the job's lock, another person approves it, its work is just leaving one backend for another. The word is in
the ledger with who and when, it is carried out once, and the judge is each provider's book.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from qhybrid_pipelines.control.jobs.write_ahead_submission import WriteAheadSubmission
from qhybrid_pipelines.control.ledger.databases.file_locks import LockBusy
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import JobRecord, StaleJob, Transition
from qhybrid_pipelines.core.errors import IllegalTransition
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines.core.system import failpoints
from qhybrid_pipelines_tests.support.dispatcher_harness import SUBMIT_REQUEST, DispatcherHarness
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch
from qhybrid_pipelines_tests.support.ledgers import DATABASE_VARIABLE, open_test_ledger
from qhybrid_pipelines_tests.unit.control.jobs.test_cancellation_requests import Killed, cancel_requests, while_it_lists

BATCH, ELSEWHERE = make_batch(), make_batch(backend="other:device")
ASK_FIRST = {"name": "ask", "then": "approve", "reason": "a person agrees first"}
FAILOVER = {"routing": {"failover": {"vendor:device": ["other:device"]}}}
TO_THIRD = {"routing": {"failover": {"vendor:device": ["third:device"]}}}


@pytest.fixture(params=["sqlite", "postgres"])
def harness(request: pytest.FixtureRequest, tmp_path, monkeypatch) -> Iterator[DispatcherHarness]:
    """Both ledgers: a file, and a real server."""
    if request.param == "postgres":
        monkeypatch.setenv(DATABASE_VARIABLE, request.getfixturevalue("postgres_home"))
    ledger = open_test_ledger(tmp_path)
    made = DispatcherHarness(tmp_path, ledger)
    made.one.dedupe = made.two.dedupe = "tag_lookup"
    yield made
    assert ledger.verify_chain().is_intact
    assert ledger.audit_rows() == []
    ledger.close()


def ask(harness: DispatcherHarness, job: JobRecord, purpose: str, *, by: str = "bo", waits: float = 0.0) -> JobRecord:
    """The command of a person."""
    decisions = harness.dispatcher(waits=waits).decisions
    if purpose == "cancel":
        return decisions.cancel(job.job_id, by=by)
    return decisions.reroute(job.job_id, ELSEWHERE, principal=by)


def send(harness: DispatcherHarness, **sections) -> JobRecord:
    return harness.dispatcher(**sections).submit(BATCH, SUBMIT_REQUEST)


def before_next(harness: DispatcherHarness, event: Event, happens: Callable[[], object]) -> None:
    """Let something happen once, right before the ledger writes the next step of a kind."""
    original = harness.ledger.advance

    def advance(transition: Transition) -> JobRecord:
        if any(step.event is event for step in transition.steps):
            harness.ledger.advance = original
            happens()
        return original(transition)

    harness.ledger.advance = advance


def books(harness: DispatcherHarness) -> tuple[int, int]:
    return len(harness.one.book()), len(harness.two.book())


def goes_on(harness: DispatcherHarness, **sections) -> JobRecord:
    """Ticks and runs after that; nothing more may come of them."""
    for _ in range(2):
        assert harness.dispatcher(**sections).poll_due().problems == ()
        job = send(harness, **sections)
    return job


def busy_job(harness: DispatcherHarness, purpose: str) -> JobRecord:
    """A job that a person wants back while its sender looks for its token, before anything is sent."""
    asked: list[JobRecord] = []

    def ask_in_vain() -> None:
        [job] = harness.ledger.jobs(states=[JobState.APPROVED])
        with pytest.raises(LockBusy, match="is in the ledger"):
            ask(harness, job, purpose)
        asked.append(job)

    while_it_lists(harness, ask_in_vain)
    send(harness)
    return harness.ledger.job(asked[0].job_id)


@pytest.mark.parametrize("purpose", ["cancel", "reroute"])
def test_a_wish_that_meets_a_sender_counts_before_anything_is_sent(harness, purpose: str) -> None:
    job = busy_job(harness, purpose)
    events = harness.ledger.events(job.job_id)
    [wish] = [event for event in events if event.event == "JobCancelIntended"]
    assert (wish.detail["by"], wish.detail["purpose"], wish.observed_at) == ("bo", purpose, harness.now)
    assert (job.state, events[-1].detail["by"]) == (
        JobState.CANCELLED if purpose == "cancel" else JobState.REROUTED,
        "bo",
    )
    last = goes_on(harness)
    assert books(harness) == ((0, 0) if purpose == "cancel" else (0, 1))
    assert last.principal == ("ada" if purpose == "cancel" else "bo"), "it is his work that goes on"
    assert [event.event for event in harness.ledger.events(job.job_id)].count("JobCancelIntended") == 1
    assert harness.ledger.job(job.job_id) == job, "carried out once"


def test_a_sender_that_knows_no_wishes_pays(harness, monkeypatch) -> None:
    """The negative control: the same moment."""
    monkeypatch.setattr(WriteAheadSubmission, "_end_if_unwanted", lambda self, job: None)
    assert busy_job(harness, "cancel").state is JobState.SUBMITTED
    assert books(harness) == (1, 0)


@pytest.mark.parametrize("purpose", ["cancel", "reroute"])
@pytest.mark.parametrize("way", ["tick", "run"])
def test_the_sender_dies_and_a_tick_or_the_next_run_carries_it_out(harness, purpose: str, way: str) -> None:
    def ask_and_die() -> None:
        [job] = harness.ledger.jobs(states=[JobState.APPROVED])
        with pytest.raises(LockBusy):
            ask(harness, job, purpose)
        raise Killed

    while_it_lists(harness, ask_and_die)
    with pytest.raises(Killed):
        send(harness)
    [job] = harness.ledger.jobs(states=[JobState.APPROVED])
    assert cancel_requests(harness.ledger.events(job.job_id)) == ["bo"]
    assert harness.dispatcher().poll_due().problems == () if way == "tick" else send(harness)
    assert harness.ledger.job(job.job_id).state is (JobState.CANCELLED if purpose == "cancel" else JobState.REROUTED)
    goes_on(harness)
    assert books(harness) == ((0, 0) if purpose == "cancel" else (0, 1))


def test_whoever_waits_for_the_sender_is_told_how_it_ended(harness) -> None:
    """The command waits for the lock; what it asked for is in the ledger meanwhile, and the sender ends the job."""
    told: list[JobRecord] = []
    waiting = threading.Thread(target=lambda: told.append(ask(harness, job_of(harness), "cancel", waits=120.0)))

    def ask_and_wait() -> None:
        waiting.start()
        while waiting.is_alive() and not cancel_requests(harness.ledger.events(job_of(harness).job_id)):
            waiting.join(0.01)

    while_it_lists(harness, ask_and_wait)
    assert send(harness).state is JobState.CANCELLED
    waiting.join()
    assert (told[0].state, books(harness)) == (JobState.CANCELLED, (0, 0))


def job_of(harness: DispatcherHarness) -> JobRecord:
    [job] = harness.ledger.jobs()
    return job


def test_a_job_that_is_put_first_while_it_is_sent_is_sent_once(harness) -> None:
    while_it_lists(harness, lambda: harness.dispatcher().decisions.reprioritise(job_of(harness).job_id, 7, by="bo"))
    job = send(harness)
    assert (job.state, job.priority) == (JobState.SUBMITTED, 7)
    assert (job.job_id, books(harness)) == (goes_on(harness).job_id, (1, 0))


def test_one_that_was_sent_meanwhile_is_not_put_first_and_says_so(harness) -> None:
    harness.two.dedupe = "none"
    waiting = harness.dispatcher(ASK_FIRST).submit(BATCH, SUBMIT_REQUEST)
    harness.dispatcher().decisions.approve(waiting.job_id, by="cy")
    before_next(harness, Event.REPRIORITISE, lambda: send(harness))
    with pytest.raises(IllegalTransition):
        harness.dispatcher().decisions.reprioritise(waiting.job_id, 7, by="bo")
    assert (job_of(harness).state, books(harness)) == (JobState.SUBMITTED, (1, 0))


@pytest.mark.parametrize("purpose", ["cancel", "reroute"])
def test_a_wish_and_an_approval_at_once(harness, purpose: str) -> None:
    """Both read the job as it waited; the approval is written first."""
    waiting = harness.dispatcher(ASK_FIRST).submit(BATCH, SUBMIT_REQUEST)
    end = Event.CANCEL if purpose == "cancel" else Event.REROUTE
    before_next(harness, end, lambda: harness.dispatcher().decisions.approve(waiting.job_id, by="cy"))
    ask(harness, waiting, purpose)
    goes_on(harness)
    assert harness.ledger.job(waiting.job_id).state is (
        JobState.CANCELLED if purpose == "cancel" else JobState.REROUTED
    )
    assert books(harness) == ((0, 0) if purpose == "cancel" else (0, 1))


def held_job(harness: DispatcherHarness, answer: str) -> JobRecord:
    """A job that its provider runs, and what it says to whoever wants it back."""
    job = send(harness)
    harness.one.show(job.provider_job_id, JobState.RUNNING)
    (harness.one.folder / f"{job.provider_job_id}.cancel").write_text(answer)
    harness.dispatcher().poll_due()
    return job


@pytest.mark.parametrize(("first", "second"), [("reroute", "cancel"), ("cancel", "reroute")])
def test_the_later_word_counts_while_the_provider_has_not_decided(harness, first: str, second: str) -> None:
    """The provider takes its time; what it then confirms means what was said last."""
    job = held_job(harness, "requested")
    assert ask(harness, job, first, by="ada").state is JobState.CANCELLING
    assert ask(harness, job, second, by="bo").state is JobState.CANCELLING
    harness.one.show(job.provider_job_id, JobState.CANCELLED)
    harness.dispatcher().poll_due()
    ended = harness.ledger.job(job.job_id)
    assert ended.state is (JobState.CANCELLED if second == "cancel" else JobState.REROUTED)
    assert harness.ledger.events(job.job_id)[-1].detail["by"] == "bo"
    goes_on(harness)
    assert books(harness) == ((1, 0) if second == "cancel" else (1, 1))


def rerouted_job(harness: DispatcherHarness) -> JobRecord:
    """Work that has left its backend, and that no other job has taken over, because its process died."""
    job = held_job(harness, "requested")
    ask(harness, job, "reroute", by="ada")
    harness.one.show(job.provider_job_id, JobState.CANCELLED)
    harness.dispatcher().poll_due()
    left = harness.ledger.job(job.job_id)
    assert left.state is JobState.REROUTED
    return left


@pytest.mark.parametrize("moment", ["before it is read", "before it is planned", "before it is sent"])
def test_work_that_has_left_its_backend_goes_nowhere_when_somebody_says_so(harness, moment: str) -> None:
    left, plan_all = rerouted_job(harness), harness.ledger.plan_all

    def with_a_word(plans):
        harness.ledger.plan_all = plan_all
        if moment == "before it is planned":
            ask(harness, left, "cancel")
        planned = plan_all(plans)
        if moment == "before it is sent":
            ask(harness, left, "cancel")
        return planned

    if moment == "before it is read":
        assert ask(harness, left, "cancel").state is JobState.CANCELLED
    else:
        harness.ledger.plan_all = with_a_word
    assert send(harness).state is JobState.CANCELLED
    last = goes_on(harness)
    assert (last.state, harness.ledger.events(last.job_id)[-1].detail["by"]) == (JobState.CANCELLED, "bo")
    assert books(harness) == (1, 0)


def test_whoever_takes_it_over_and_dies_leaves_no_job_that_is_sent(harness) -> None:
    """The cancellation was written before the job that would take the work over; nobody lives to end that one."""
    left, plan_all = rerouted_job(harness), harness.ledger.plan_all

    def with_a_word(plans):
        harness.ledger.plan_all = plan_all
        ask(harness, left, "cancel")
        with suppress(StaleJob):
            plan_all(plans)
        raise Killed

    harness.ledger.plan_all = with_a_word
    with pytest.raises(Killed):
        send(harness)
    assert (goes_on(harness).state, books(harness)) == (JobState.CANCELLED, (1, 0))


def test_a_job_that_cannot_take_over_any_more_keeps_no_other_from_being_sent(harness) -> None:
    """Two batches go on with one call, and one of them is cancelled in between."""
    left, plan_all = rerouted_job(harness), harness.ledger.plan_all

    def with_a_word(plans):
        harness.ledger.plan_all = plan_all
        ask(harness, left, "cancel")
        return plan_all(plans)

    harness.ledger.plan_all = with_a_word
    both = [SubBatch(batch=batch, first_point=0, first_repetition=0) for batch in (BATCH, make_batch(seed=90))]
    jobs = harness.dispatcher().submit_all(both, SUBMIT_REQUEST)
    assert [job.state for job in jobs] == [JobState.CANCELLED, JobState.SUBMITTED]
    assert books(harness) == (2, 0)


def test_without_that_word_it_goes_on_elsewhere(harness) -> None:
    """The negative control."""
    rerouted_job(harness)
    assert goes_on(harness).backend == "other:device"
    assert books(harness) == (1, 1)


@pytest.mark.parametrize("moment", ["noted before", "while it is taken elsewhere"])
def test_what_somebody_wants_back_is_not_taken_elsewhere_by_the_policy(harness, moment: str) -> None:
    """Its backend is away, and the policy names another one that takes its work."""
    waiting = harness.dispatcher(ASK_FIRST).submit(BATCH, SUBMIT_REQUEST)
    harness.ledger.advance(Transition.single(waiting, Event.APPROVE, harness.now))
    harness.one.show_status(online=False)
    if moment == "noted before":
        harness.dispatcher().decisions.intend_cancel([harness.ledger.job(waiting.job_id)], by="bo")
    else:
        before_next(harness, Event.REROUTE, lambda: ask(harness, waiting, "cancel"))
    assert send(harness, **FAILOVER).state is JobState.CANCELLED
    assert (goes_on(harness, **FAILOVER).state, books(harness)) == (JobState.CANCELLED, (0, 0))


def test_where_a_person_takes_it_counts_and_not_where_the_policy_would(harness, monkeypatch) -> None:
    """The person's command dies before the job elsewhere is written down; the policy had another backend in mind."""
    add_third_backend(harness)
    waiting = harness.dispatcher(ASK_FIRST).submit(BATCH, SUBMIT_REQUEST)
    harness.ledger.advance(Transition.single(waiting, Event.APPROVE, harness.now))
    harness.one.show_status(online=False)

    def ask_and_die() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(failpoints, "on_reached", die_when_left)
            with pytest.raises(Killed):
                ask(harness, waiting, "reroute")

    before_next(harness, Event.REROUTE, ask_and_die)
    send(harness, **TO_THIRD)
    last = goes_on(harness, **TO_THIRD)
    assert (last.backend, last.principal) == ("other:device", "bo")
    assert (books(harness), harness.three.book()) == ((0, 1), [])


def add_third_backend(harness: DispatcherHarness) -> None:
    harness.three = DurableVendor(harness.path / "three", name="third", mode="hardware")
    make_dispatcher = harness.dispatcher

    def dispatcher(*rules, **sections):
        made = make_dispatcher(*rules, **sections)
        made._context.providers["third"] = harness.three
        return made

    harness.dispatcher = dispatcher


def die_when_left(place: str) -> None:
    if place == "cancel.left":
        raise Killed


def test_without_a_word_the_policy_takes_it_elsewhere(harness) -> None:
    """The negative control."""
    waiting = harness.dispatcher(ASK_FIRST).submit(BATCH, SUBMIT_REQUEST)
    harness.ledger.advance(Transition.single(waiting, Event.APPROVE, harness.now))
    harness.one.show_status(online=False)
    assert send(harness, **FAILOVER).backend == "other:device"
    assert books(harness) == (0, 1)


def test_whoever_ends_what_has_left_its_backend_at_the_same_moment_is_believed(harness) -> None:
    waiting = harness.dispatcher(ASK_FIRST).submit(BATCH, SUBMIT_REQUEST)
    left = harness.ledger.advance(
        Transition.single(waiting, Event.REROUTE, harness.now, detail={"backend": "b"}, rerouted_to="j-next")
    )
    cancelled = Transition.single(left, Event.CANCEL, harness.now, detail={"by": "bo"})
    before_next(harness, Event.REROUTE, lambda: harness.ledger.advance(cancelled))
    ended = harness.dispatcher()._cancellation.cancel(left, Event.REROUTE, detail={"backend": "c"}, rerouted_to="j-c")
    assert ended == harness.ledger.job(waiting.job_id)
    assert (ended.state, ended.version) == (JobState.CANCELLED, left.version + 1)
