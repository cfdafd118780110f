"""Windows and periods of grace at the very moment in which they end, and what the ledger notes of each way a job is taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from qhybrid_pipelines.control.jobs.provider_job_search import Found, TokenSearch, other_home_problem, sent_before
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import Transition
from qhybrid_pipelines.core.errors import Ambiguous, InvalidInput, Refused, Rejected, Throttled, Unavailable
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.dispatcher_harness import NOON, SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import BACKEND, make_batch

S = JobState
MOMENT = timedelta(microseconds=1)


def queued(harness):
    """A dispatcher and a job that waits in its provider's queue."""
    dispatcher = harness.dispatcher()
    job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
    harness.one.show(job.provider_job_id, S.QUEUED)
    [job] = dispatcher.poll([job])
    assert job.state is S.QUEUED
    return dispatcher, job


def answer(harness, job, word: str) -> None:
    (harness.one.folder / f"{job.provider_job_id}.cancel").write_text(word)


def details(harness, job) -> list[tuple[str, object]]:
    return [(event.event, event.detail) for event in harness.ledger.events(job.job_id)]


def state(harness, job) -> JobState:
    return harness.ledger.job(job.job_id).state


def down(*_, **__):
    raise Unavailable("connection refused")


class TestTakingBack:
    @pytest.mark.parametrize(
        ("word", "last", "ends"),
        [
            ("cancelled", "JobCancelled", {"by": "ada", "reason": "why"}),
            ("requested", "JobCancelRequested", {"purpose": "cancel", "by": "ada", "reason": "why"}),
            ("too_late", "JobCancelTooLate", {"purpose": "cancel", "by": "ada", "reason": "why"}),
        ],
    )
    def test_who_wanted_it_stands_beside_what_the_provider_said(self, harness, word, last, ends) -> None:
        dispatcher, job = queued(harness)
        answer(harness, job, word)
        dispatcher._cancellation.cancel(job, Event.CANCEL, detail={"by": "ada", "reason": "why"})
        assert details(harness, job)[-2:] == [
            ("JobCancelIntended", {"purpose": "cancel", "by": "ada", "reason": "why"}),
            (last, ends),
        ]

    @pytest.mark.parametrize(
        ("word", "names"),
        [
            ("cancelled", ["JobCancelRequested", "JobRerouted"]),
            ("requested", ["JobCancelRequested"]),
            ("too_late", ["JobCancelTooLate"]),
        ],
    )
    def test_a_reroute_leads_over_a_request_and_says_where(self, harness, word, names) -> None:
        dispatcher, job = queued(harness)
        harness.one.show(job.provider_job_id, S.CANCELLED, cost_usd=0.25)
        answer(harness, job, word)
        moved = dispatcher._cancellation.cancel(job, Event.REROUTE, detail={"backend": "b"}, rerouted_to="j-next")
        intended, *rest = details(harness, job)[-1 - len(names) :]
        assert intended == ("JobCancelIntended", {"purpose": "reroute", "backend": "b"})
        assert [name for name, _ in rest] == names
        if word == "cancelled":
            assert [detail for _, detail in rest] == [{"purpose": "reroute"}, {"backend": "b"}]
            assert (moved.state, moved.rerouted_to, moved.cost_usd) == (S.REROUTED, "j-next", 0.25)
        else:
            assert rest[0][1] == {"purpose": "reroute", "backend": "b"}

    def test_asking_twice_for_the_same_writes_it_once_and_for_another_purpose_again(self, harness) -> None:
        dispatcher, job = queued(harness)
        answer(harness, job, "requested")
        cancel = dispatcher._cancellation.cancel
        first = cancel(job, Event.CANCEL, detail={"by": "ada"})
        assert (first.state, cancel(first, Event.CANCEL, detail={"by": "eve"})) == (S.CANCELLING, first)
        assert harness.one.calls("cancel") == 2
        other = cancel(first, Event.REROUTE, detail={"backend": "b"})
        assert other.version == first.version + 1
        assert details(harness, job)[-1] == ("JobCancelIntended", {"purpose": "reroute", "backend": "b"})

    def test_one_that_has_ended_stays_as_it_is(self, harness) -> None:
        dispatcher, job = queued(harness)
        harness.one.show(job.provider_job_id, S.COMPLETED)
        [done] = dispatcher.poll([job])
        for end in (Event.CANCEL, Event.EXPIRE, Event.REROUTE):
            assert dispatcher._cancellation.cancel(done, end) == done
            assert dispatcher._cancellation.cancel(job, end) == done, "also where it was read before"
        assert harness.one.calls("cancel") == 0

    def test_a_provider_that_says_no_cost_leaves_the_quote(self, harness) -> None:
        harness.one.price_usd = 1.5
        dispatcher, job = queued(harness)
        answer(harness, job, "cancelled")
        harness.one.poll = down
        ended = dispatcher._cancellation.cancel(job, Event.CANCEL)
        assert (ended.state, ended.cost_usd, ended.cost_settled_usd) == (S.CANCELLED, None, 1.5)

    def test_a_cost_of_another_state_is_not_that_of_the_cancelled_job(self, harness) -> None:
        harness.one.price_usd = 1.5
        dispatcher, job = queued(harness)
        answer(harness, job, "cancelled")
        harness.one.show(job.provider_job_id, S.RUNNING, cost_usd=0.5)
        assert dispatcher._cancellation.cancel(job, Event.CANCEL).cost_usd is None

    def test_whoever_died_before_asking_is_followed_by_the_next_round_and_a_failure_is_told(self, harness) -> None:
        dispatcher, job = queued(harness)
        wanted = {"purpose": "cancel", "by": "ada"}
        harness.ledger.advance(Transition.single(job, Event.INTEND_CANCEL, NOON, detail=wanted))
        harness.one.cancel = down
        told = dispatcher.poll_due()
        assert [str(problem) for problem in told.problems] == ["vendor: cancel failed: connection refused"]
        assert state(harness, job) is S.QUEUED
        del harness.one.cancel
        answer(harness, job, "requested")
        told = dispatcher.poll_due()
        assert (told.problems, [one.job_id for one in told.changed]) == ((), [job.job_id])
        assert state(harness, job) is S.CANCELLING
        assert details(harness, job)[-1] == ("JobCancelRequested", wanted)
        assert dispatcher.poll_due().changed == ()
        assert harness.one.calls("cancel") == 1

    def test_one_of_which_nobody_knows_is_looked_up_and_a_failure_is_told(self, harness) -> None:
        harness.one.dedupe = "tag_lookup"
        dispatcher = harness.dispatcher()
        dispatcher.submit(make_batch(seed=50), SUBMIT_REQUEST)  # that a list must show
        harness.one.plan_faults("ambiguous_before", "ambiguous_before")
        with pytest.raises(Ambiguous):
            dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        [job] = harness.ledger.jobs(states=[S.SUBMITTING])
        harness.ledger.advance(Transition.single(job, Event.INTEND_CANCEL, harness.now, detail={"purpose": "cancel"}))
        harness.one.list_tokens = down
        told = dispatcher.poll_due()
        assert "vendor: find failed: connection refused" in [str(problem) for problem in told.problems]
        assert state(harness, job) is S.SUBMITTING
        del harness.one.list_tokens
        assert job.job_id in {one.job_id for one in dispatcher.poll_due().changed}
        assert state(harness, job) is S.CANCELLED


class TestDeadlines:
    def overdue(self, harness):
        dispatcher, job = queued(harness)
        grace = timedelta(seconds=dispatcher.policy.tiers.of("batch").cancel_grace_seconds)
        return dispatcher, job, grace

    def test_what_its_provider_never_confirms_ends_when_its_grace_is_over(self, harness) -> None:
        dispatcher, job, grace = self.overdue(harness)
        answer(harness, job, "requested")
        harness.now = job.deadline_at - MOMENT
        assert dispatcher.expire_due() == []
        harness.now = job.deadline_at
        [asked] = dispatcher.expire_due()
        assert asked.state is S.CANCELLING
        assert details(harness, job)[-1] == ("JobCancelRequested", {"purpose": "expire"})
        harness.now = asked.updated_at + grace - MOMENT
        assert dispatcher.expire_due() == []
        harness.now = asked.updated_at + grace
        [ended] = dispatcher.expire_due()
        assert ended.state is S.EXPIRED
        assert details(harness, job)[-1] == ("JobExpired", {"confirmed": False})

    def test_a_provider_that_does_not_answer_has_the_same_grace(self, harness) -> None:
        dispatcher, job, grace = self.overdue(harness)
        harness.one.cancel = down
        harness.now = job.deadline_at + grace - MOMENT
        assert dispatcher.expire_due() in ([], [harness.ledger.job(job.job_id)])
        assert state(harness, job) is S.QUEUED
        harness.now = job.deadline_at + grace
        [asked] = dispatcher.expire_due()
        assert asked.state is S.CANCELLING
        assert details(harness, job)[-1] == ("JobCancelRequested", {"purpose": "expire", "answered": False})

    def test_a_late_result_is_looked_for_as_long_again_as_a_job_had(self, harness) -> None:
        dispatcher, job = queued(harness)
        answer(harness, job, "cancelled")
        ended = dispatcher._cancellation.cancel(job, Event.CANCEL)
        grace = timedelta(seconds=dispatcher.policy.tiers.of("batch").deadline_seconds)
        harness.now = ended.updated_at + grace + MOMENT
        assert dispatcher.poll_due().polled_jobs == 0
        harness.now = ended.updated_at + grace
        harness.one.show(job.provider_job_id, S.COMPLETED)
        told = dispatcher.poll_due()
        assert (told.polled_jobs, [one.job_id for one in told.changed]) == (1, [job.job_id])
        assert details(harness, job)[-1][0] == "JobResultArrivedLate"
        assert dispatcher.poll_due().polled_jobs == 0, "it is kept, and nobody asks again"

    def test_a_failure_is_believed_two_seconds_later(self, harness) -> None:
        dispatcher, job = queued(harness)
        harness.one.show(job.provider_job_id, S.FAILED, message="too hot")
        [reported] = dispatcher.poll([job])
        assert (reported.state, details(harness, job)[-1]) == (
            S.QUEUED,
            ("JobFailureReported", {"phase": "execute", "message": "too hot"}),
        )
        harness.now = reported.updated_at + timedelta(seconds=2) - MOMENT
        assert dispatcher.poll([reported]) == [reported]
        harness.now = reported.updated_at + timedelta(seconds=2)
        [failed] = dispatcher.poll([reported])
        assert (failed.state, failed.error) == (S.FAILED, "too hot")

    def test_a_failure_without_words_has_the_status_for_them(self, harness) -> None:
        harness.one.immediate = True
        dispatcher, job = queued(harness)
        harness.one.show(job.provider_job_id, S.FAILED, raw="ABORTED")
        [failed] = dispatcher.poll([job])
        assert (failed.state, failed.error) == (S.FAILED, "the provider reports ABORTED")


class TestSending:
    @pytest.mark.parametrize("seconds", [30.0, 30.000001])
    def test_what_was_decided_half_a_minute_ago_is_still_sent(self, harness, seconds) -> None:
        dispatcher, job = queued(harness)
        since = harness.now - timedelta(seconds=seconds)
        if seconds == 30.0:
            dispatcher._context.check_prompt(job, since)
            return
        with pytest.raises(Refused) as refusal:
            dispatcher._context.check_prompt(job, since)
        assert str(refusal.value) == (
            f"job {job.job_id} is not sent: this machine stood still for 30 s after it had written down that it would send "
            "it, and another one may have done so meanwhile. Run the same command again: it looks first"
        )

    def in_doubt(self, harness, *faults, **vendor):
        for name, value in ({"dedupe": "tag_lookup"} | vendor).items():
            setattr(harness.one, name, value)
        dispatcher = harness.dispatcher()
        harness.one.plan_faults(*faults)
        with pytest.raises(Ambiguous) as doubt:
            dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        [job] = harness.ledger.jobs()
        return dispatcher, job, str(doubt.value)

    def test_it_may_be_accepted_until_its_window_is_over_and_must_be_listed_after_the_lag(self, harness) -> None:
        dispatcher, job, told = self.in_doubt(harness, "ambiguous_before", acceptance_seconds=100.0, lag=10.0)
        until = (NOON + timedelta(seconds=100)).strftime("%Y-%m-%d %H:%M:%S")
        assert told == (
            f"vendor: submit failed: the answer to job {job.job_id} was lost, and its provider does not list it yet but may still accept it until "
            f"{until} UTC. It is looked up again, and nothing is sent again before that"
        )
        assert harness.sleeps == [15.0], "half as long again as the lag"
        protocol, sent = dispatcher._protocol, NOON
        harness.now = sent + timedelta(seconds=100) - MOMENT
        with pytest.raises(Ambiguous, match="may still accept it"):
            protocol._check_acceptance_over(job)
        harness.now = sent + timedelta(seconds=100)
        assert protocol._check_acceptance_over(job) == job
        for passed, listed in ((115.0 - 1e-6, False), (115.0, True)):
            harness.now = sent + timedelta(seconds=passed)
            assert protocol._must_be_listed(job) is listed

    def test_a_refusal_that_may_come_from_something_in_front_is_told_with_its_words(self, harness) -> None:
        _, job, told = self.in_doubt(harness, "rejected", acceptance_seconds=100.0)
        assert (
            f"the answer to job {job.job_id} was a refusal (shots must be even), and its provider does not list it"
            in told
        )
        noted = {"phase": "submit", "class": "Rejected", "retryable": False, "message": "shots must be even"}
        assert details(harness, job)[-1] == ("JobAnswerDoubted", noted)

    @pytest.mark.parametrize("sent", [True, False])
    @pytest.mark.parametrize("error", [Rejected, Throttled])
    def test_refusals_are_noted_with_what_they_said(self, harness, error, sent) -> None:
        def refuse(batch, token):
            raise error("come back. later.", request_sent=sent)

        harness.one.submit = refuse
        dispatcher = harness.dispatcher()
        if error is Throttled:
            with pytest.raises(Throttled, match="come back"):
                dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        else:
            assert dispatcher.submit(make_batch(), SUBMIT_REQUEST).error == "vendor: submit failed: come back. later."
        [job] = harness.ledger.jobs()
        assert job.state is (S.REJECTED if error is Rejected else S.APPROVED)
        noted = {"phase": "submit", "class": error.__name__, "retryable": error is Throttled}
        after = {"retry_after_seconds": None} if error is Throttled else {}
        doubted = [("JobAnswerDoubted", noted | after | {"message": "come back. later."})] if sent else []
        words = "come back. later." if sent else "vendor: submit failed: come back. later."
        ends = ("JobDeferred", noted | after | {"message": words}) if after else ("JobRejected", noted)
        assert details(harness, job)[2:] == [("JobSubmitting", None), *doubted, ends]

    def test_an_adopted_job_is_noted_as_one(self, harness) -> None:
        harness.one.dedupe = "tag_lookup"
        harness.one.plan_faults("ambiguous_after")
        job = harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
        assert details(harness, job)[2:] == [("JobSubmitting", None), ("JobSubmitted", {"adopted": True})]

    def test_a_list_that_shows_nothing_of_ours_proves_nothing(self, harness) -> None:
        harness.one.dedupe = "tag_lookup"
        harness.one.plan_faults("ambiguous_before")
        job = harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
        assert (job.state, details(harness, job)[-1]) == (
            S.SUBMIT_UNKNOWN,
            ("JobSubmissionUnknown", {"no_known_job": True}),
        )
        assert job.error == (
            f"its provider lists no job with token {job.token}, and none of those either that it has accepted before on "
            f"'{BACKEND}', so the list proves nothing. Look at the provider's own page"
        )

    def test_one_listing_answers_for_half_a_minute(self, harness) -> None:
        harness.one.dedupe = "tag_lookup"
        search = TokenSearch(harness.dispatcher()._context)
        search.expect(BACKEND, ["b", "a"])
        for seconds, token, listings in ((0, "a", 1), (30, "b", 1), (30, "c", 2), (60, "c", 2), (60.5, "c", 3)):
            harness.now = NOON + timedelta(seconds=seconds)
            assert search.before_first_submission(BACKEND, token) == Found()
            assert harness.one.calls("find") == listings, (seconds, token)
        search.expect(BACKEND, ["c"])
        search.before_first_submission(BACKEND, "c")
        assert harness.one.calls("find") == 4

    @pytest.mark.parametrize("home", ["feed", ""])
    def test_what_another_home_has_sent_waits_for_a_person_who_is_told_both_ways(self, harness, home) -> None:
        _, job = queued(harness)
        found = Found(other=JobRef(provider="vendor", backend=BACKEND, provider_job_id="v-9"), other_home_id=home)
        by = "home feed" if home else "a home that its label does not name"
        problem = (
            f"the provider has this work already, as v-9, sent by {by}, and nothing is sent before you choose: "
            f"`qhybrid jobs resolve {job.job_id} --provider-job-id v-9` adopts it and pays nothing more, "
            f"`qhybrid jobs resolve {job.job_id} --pay-own` sends and pays another one"
        )
        assert other_home_problem(job, found) == problem
        move = sent_before(job, found, NOON, new_token="t")
        assert [(step.event, step.at, step.detail) for step in move.steps] == [
            (Event.SUBMIT, NOON, {"sent": False}),
            (Event.MARK_UNKNOWN, NOON, {"provider_job_id": "v-9", "home_id": home or None}),
        ]
        assert (move.error, move.provider_job_id, move.new_token, move.observed_at) == (problem, None, "t", NOON)
        own = sent_before(job, replace(found, own=found.other, other=None), NOON, new_token=None)
        assert [(step.event, step.detail) for step in own.steps][1] == (Event.ADOPT, {"adopted": True})
        assert (own.error, own.provider_job_id, own.new_token) == (None, "v-9", None)


class TestPolling:
    def test_nothing_to_ask_asks_nobody(self, harness) -> None:
        result = harness.dispatcher()._poller.poll_provider([])
        assert (result.jobs, result.snapshots, result.requests, result.problems) == ({}, {}, 0, [])

    def test_a_provider_that_is_not_configured_is_a_problem_of_its_jobs(self, harness) -> None:
        dispatcher, job = queued(harness)
        result = dispatcher._poller.poll_provider([replace(job, backend="gone:device", provider="gone")])
        [problem] = result.problems
        assert isinstance(problem, InvalidInput)
        assert (result.requests, result.snapshots) == (0, {})

    @pytest.mark.parametrize("jobs", [1, 2, 4, 40])
    def test_the_odd_job_is_searched_by_halves_and_not_for_ever(self, harness, jobs) -> None:
        """Where all are odd, every half is asked for; from the 24th request on no half is divided any more."""
        dispatcher, job = queued(harness)
        asked = []

        def refuse(refs):
            asked.append(len(refs))
            raise Rejected("404 no such job")

        harness.one.poll = refuse
        many = [replace(job, job_id=f"j-{at}", provider_job_id=f"v-{at}") for at in range(jobs)]
        result = dispatcher._poller.poll_provider(many)
        waiting, expected = [jobs], []
        while waiting:  # what a list of halves, the first one first, comes to
            expected.append(waiting.pop())
            if expected[-1] > 1 and len(expected) < 24:
                waiting += [expected[-1] // 2, expected[-1] - expected[-1] // 2]
        assert asked == expected
        assert (result.requests, sum(isinstance(one, Rejected) for one in result.problems)) == (
            len(expected),
            len(result.problems),
        )
