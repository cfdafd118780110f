"""A person wants a job back of which nobody knows whether its provider has it; and two requests about two batches at once.

The request is in the ledger with who and when, it is carried out once, and the judge is each provider's book.
"""

from __future__ import annotations

import pytest

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import JobRecord, Transition
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines.core.system import failpoints
from qhybrid_pipelines_tests.support.dispatcher_harness import SUBMIT_REQUEST, DispatcherHarness
from qhybrid_pipelines_tests.support.durable_vendor import make_batch
from qhybrid_pipelines_tests.unit.control.jobs import (
    test_cancellation_busy_jobs,
    test_write_ahead_submission_look_before_sending,
)
from qhybrid_pipelines_tests.unit.control.jobs.test_cancellation_busy_jobs import (
    ASK_FIRST,
    BATCH,
    TO_THIRD,
    add_third_backend,
    ask,
    before_next,
    books,
    die_when_left,
    goes_on,
    rerouted_job,
    send,
)
from qhybrid_pipelines_tests.unit.control.jobs.test_cancellation_requests import Killed, cancel_requests

harness = test_cancellation_busy_jobs.harness
make_home = test_write_ahead_submission_look_before_sending.make_home
SECOND = make_batch(seed=90)


def unknown_job(harness: DispatcherHarness) -> JobRecord:
    """A job of which nobody can say whether its provider, which lists nothing, has it."""
    harness.one.dedupe, submit = "none", harness.one.submit

    def lost(*_) -> None:
        raise ConnectionError

    harness.one.submit = lost
    job = send(harness)
    harness.one.submit = submit
    assert job.state is JobState.SUBMIT_UNKNOWN
    return job


@pytest.mark.parametrize("many", [False, True])
def test_a_job_in_doubt_that_somebody_cancels_is_not_sent_when_it_turns_out_not_to_be_there(harness, many) -> None:
    job = unknown_job(harness)
    if many:
        harness.dispatcher().decisions.intend_cancel([job], by="bo")
    assert ask(harness, job, "cancel").state is JobState.SUBMIT_UNKNOWN
    assert cancel_requests(harness.ledger.events(job.job_id)) == ["bo"]
    assert goes_on(harness).state is JobState.SUBMIT_UNKNOWN, "a person has to find out first"
    assert harness.dispatcher().decisions.resolve(job.job_id, None).state is JobState.CANCELLED
    assert harness.ledger.events(job.job_id)[-1].detail["by"] == "bo"
    assert (goes_on(harness).state, books(harness)) == (JobState.CANCELLED, (0, 0))


def test_one_that_turns_out_to_be_there_is_cancelled_there_by_the_next_tick(harness) -> None:
    accepted, job = harness.one.submit(BATCH, "another"), unknown_job(harness)
    ask(harness, job, "cancel")
    (harness.one.folder / f"{accepted.provider_job_id}.cancel").write_text("cancelled")
    harness.one.show(accepted.provider_job_id, JobState.RUNNING)
    harness.dispatcher().decisions.resolve(job.job_id, accepted.provider_job_id)
    assert (goes_on(harness).state, books(harness)) == (JobState.CANCELLED, (1, 0))


def test_without_a_cancellation_a_job_in_doubt_is_sent_when_it_is_not_there(harness) -> None:
    """The negative control."""
    job = unknown_job(harness)
    assert harness.dispatcher().decisions.resolve(job.job_id, None).state is JobState.APPROVED
    goes_on(harness)
    assert books(harness) == (1, 0)


def test_two_words_about_two_batches_at_once_both_count(harness, monkeypatch) -> None:
    """One batch is taken elsewhere by a person whose command dies; the other one's job is cancelled while both are written down."""
    add_third_backend(harness)
    left = rerouted_job(harness)
    waiting = harness.dispatcher(ASK_FIRST).submit(SECOND, SUBMIT_REQUEST)
    harness.ledger.advance(Transition.single(waiting, Event.APPROVE, harness.now))
    harness.one.show_status(online=False)
    plan_all = harness.ledger.plan_all

    def reroute_and_die() -> None:
        elsewhere = make_batch(seed=90, backend="other:device")
        with monkeypatch.context() as patch:
            patch.setattr(failpoints, "on_reached", die_when_left)
            with pytest.raises(Killed):
                harness.dispatcher().decisions.reroute(waiting.job_id, elsewhere, principal="bo")

    def with_a_word(plans):
        harness.ledger.plan_all = plan_all
        ask(harness, left, "cancel")
        return plan_all(plans)

    harness.ledger.plan_all = with_a_word
    before_next(harness, Event.REROUTE, reroute_and_die)
    both = [SubBatch(batch=batch, first_point=0, first_repetition=0) for batch in (BATCH, SECOND)]
    ends = [job.state for job in harness.dispatcher(**TO_THIRD).submit_all(both, SUBMIT_REQUEST)]
    assert ends == [JobState.CANCELLED, JobState.REROUTED]
    first, second = harness.dispatcher(**TO_THIRD).submit_all(both, SUBMIT_REQUEST)
    assert (first.state, second.backend, second.principal) == (JobState.CANCELLED, "other:device", "bo")
    assert (books(harness), harness.three.book()) == ((1, 1), [])


def test_another_homes_job_is_not_ended_for_work_that_was_to_go_elsewhere(make_home) -> None:
    theirs, mine = make_home("theirs"), make_home("mine")
    paid, job = theirs.submit(), mine.submit()
    wanted = {"purpose": Event.REROUTE, "backend": "other:device", "by": "bo"}  # as it is noted while the job is sent
    mine.ledger.advance(Transition.single(job, Event.INTEND_CANCEL, mine.now, detail=wanted))
    for found in (paid.provider_job_id, None):
        with pytest.raises(InvalidInput, match=r"to go to other:device.*`--pay-own`.*`qhybrid jobs cancel"):
            mine.dispatcher.decisions.resolve(job.job_id, found)
    moved = mine.dispatcher.decisions.resolve(job.job_id, None, pay_own=True)
    mine.dispatcher.poll_due()
    assert (moved.state, mine.vendor.calls("cancel")) == (JobState.REROUTED, 0)
    assert theirs.dispatcher.collect(paid.job_id, make_batch()).job.state is JobState.VERIFIED
