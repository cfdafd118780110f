"""Rounds of looks, deadlines, rerouting and late results, against vendors that answer late, oddly or not at all."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import JobRecord, Transition
from qhybrid_pipelines.core.errors import (
    JobFailed,
    Rejected,
    Throttled,
    Unavailable,
    UnknownProviderStatus,
)
from qhybrid_pipelines.core.jobs.circuit_jobs import Snapshot
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.dispatcher_harness import (
    NOON,
    SUBMIT_REQUEST,
    DispatcherHarness,
    plans,
    sub_batches,
)
from qhybrid_pipelines_tests.support.durable_vendor import BACKEND, make_batch

S = JobState


def submit_and_queue(harness: DispatcherHarness, dispatcher: Dispatcher, *seeds: int) -> list[JobRecord]:
    jobs = dispatcher.submit_all(sub_batches(*seeds), SUBMIT_REQUEST)
    for job in jobs:
        harness.one.show(job.provider_job_id, S.QUEUED)
    return dispatcher.poll(jobs)


def set_answer(harness: DispatcherHarness, job: JobRecord, answer: str) -> None:
    """What the vendor answers to a request to cancel."""
    (harness.one.folder / f"{job.provider_job_id}.cancel").write_text(answer)


class TestRounds:
    def test_every_open_job_in_one_request_and_rarer_as_time_goes_by(self, harness) -> None:
        dispatcher = harness.dispatcher()
        submit_and_queue(harness, dispatcher, 1, 2, 3)
        first = dispatcher.poll_due()
        assert (first.polled_jobs, first.requests, first.changed, first.waiting) == (3, 1, (), 0)
        again = dispatcher.poll_due(cursor=first.cursor)
        assert (again.polled_jobs, again.requests, again.waiting) == (0, 0, 3)
        cursor, poll_counts = first.cursor, []
        for _ in range(360):
            harness.now += timedelta(seconds=10)
            polled = dispatcher.poll_due(cursor=cursor)
            cursor = polled.cursor
            poll_counts.append(polled.polled_jobs)
        assert sum(poll_counts[:60]) > sum(poll_counts[-60:]) >= 3
        assert 30 <= sum(poll_counts) <= 60  # each about once a minute, at the beginning more often

    def test_what_changed_is_told_and_who_has_to_hear_of_it(self, harness) -> None:
        dispatcher = harness.dispatcher()
        one, two, _ = submit_and_queue(harness, dispatcher, 1, 2, 3)
        harness.one.show(one.provider_job_id, S.COMPLETED)
        harness.one.show(two.provider_job_id, S.FAILED, message="too hot")
        dispatcher.poll([two])  # a failure is believed when it is reported a second time
        harness.now += timedelta(seconds=30)
        polled = dispatcher.poll_due()
        assert {job.job_id: job.state for job in polled.changed} == {one.job_id: S.COMPLETED, two.job_id: S.FAILED}
        assert [job.job_id for job in polled.to_notify] == [two.job_id]

    def test_an_outage_hides_no_other_provider_and_is_left_alone_after_a_while(self, harness) -> None:
        dispatcher = harness.dispatcher(routing={"breaker": {"failures": 2, "open_seconds": 100.0}})
        submit_and_queue(harness, dispatcher, 1)
        other = dispatcher.submit(make_batch(backend="other:device"), SUBMIT_REQUEST)
        poll_counts = []

        def down(refs):
            poll_counts.append(len(refs))
            raise Unavailable("connection refused")

        harness.one.poll = down
        polled = dispatcher.poll_due()
        assert [str(problem) for problem in polled.problems] == ["vendor: poll failed: connection refused"]
        assert [job.job_id for job in polled.changed] == [other.job_id]
        for _ in range(3):
            dispatcher.poll_due()
        assert poll_counts == [1, 1]
        assert harness.ledger.breaker("vendor:*").state == "open"
        assert harness.ledger.breaker(BACKEND) is None
        queued = dispatcher.submit(make_batch(seed=99, backend="other:device"), SUBMIT_REQUEST)
        harness.two.show(queued.provider_job_id, S.QUEUED)
        resting = dispatcher.poll_due()
        assert (resting.polled_jobs, resting.waiting) == (1, 1), "who rests keeps nobody behind it from being polled"
        marks = {"vendor": polled.cursor["vendor"], "gone": polled.cursor["vendor"]}
        assert dispatcher.poll_due(cursor=marks).cursor["vendor"] == polled.cursor["vendor"]
        assert "gone" not in dispatcher.poll_due(cursor=marks).cursor
        del harness.one.poll
        harness.now += timedelta(seconds=101)
        assert dispatcher.poll_due().problems == ()
        assert harness.ledger.breaker("vendor:*").state == "closed"

    def test_a_provider_that_says_when_to_look_again_is_left_alone_till_then(self, harness) -> None:
        dispatcher = harness.dispatcher()
        submit_and_queue(harness, dispatcher, 1)
        original, asked = harness.one.poll, []

        def busy(refs):
            asked.append(refs)
            raise Throttled("429", retry_after_seconds=40.0)

        harness.one.poll = busy
        for _ in range(3):
            dispatcher.poll_due()
        assert len(asked) == 1
        harness.one.poll, harness.now = original, harness.now + timedelta(seconds=41)
        assert dispatcher.poll_due().polled_jobs == 1

    @pytest.mark.parametrize("keeps_what_it_saw", [False, True])
    def test_one_odd_job_is_loud_and_hides_no_other(self, harness, keeps_what_it_saw) -> None:
        dispatcher = harness.dispatcher()
        jobs = submit_and_queue(harness, dispatcher, *range(1, 21))
        odd, original = jobs[13], harness.one.poll
        for job in jobs:
            harness.one.show(job.provider_job_id, S.RUNNING)

        def poll(refs):
            seen: list[Snapshot] = original([ref for ref in refs if ref != odd.ref])
            if odd.ref in refs:
                known = tuple(seen) if keeps_what_it_saw else ()
                raise UnknownProviderStatus("status 'paused'", seen=known)
            return seen

        harness.one.poll = poll
        polled = dispatcher.poll_due()
        assert [str(problem) for problem in polled.problems] == ["vendor: poll failed: status 'paused'"]
        assert {job.state for job in polled.changed} == {S.RUNNING}
        assert len(polled.changed) == 19
        assert polled.requests <= (2 if keeps_what_it_saw else 11)
        assert harness.ledger.job(odd.job_id).state is S.QUEUED

    @pytest.mark.parametrize(("immediate", "state"), [(True, S.FAILED), (False, S.QUEUED)])
    def test_a_job_that_vanished_here_has_failed_one_at_a_vendor_may_be_another_account(
        self, harness, immediate, state
    ) -> None:
        dispatcher = harness.dispatcher()
        jobs, original = submit_and_queue(harness, dispatcher, 1, 2, 3), harness.one.poll
        gone, harness.one.immediate = jobs[1], immediate

        def poll(refs):
            if gone.ref in refs:
                raise Rejected("no such job")
            return original(refs)

        harness.one.poll = poll
        polled = dispatcher.poll_due()
        assert "no such job" in str(polled.problems[0])
        assert [harness.ledger.job(job.job_id).state for job in jobs] == [S.QUEUED, state, S.QUEUED]

    def test_a_round_without_time_goes_on_where_it_stopped(self, harness, monkeypatch) -> None:
        monkeypatch.setattr("qhybrid_pipelines.control.jobs.poll_schedule.PAGE", 2)
        dispatcher = harness.dispatcher()
        submit_and_queue(harness, dispatcher, 1, 2, 3, 4, 5)
        original, seen = harness.one.poll, []

        def slow(refs):
            seen.append([ref.provider_job_id for ref in refs])
            harness.now += timedelta(seconds=0.06)
            return original(refs)

        harness.one.poll, cursor, waiting = slow, {}, []
        for _ in range(3):
            polled = dispatcher.poll_due(limit_seconds=0.05, cursor=cursor)
            cursor = polled.cursor
            waiting.append(polled.waiting)
        assert sorted(seen[0] + seen[1] + seen[2][:1]) == [f"v-{n}" for n in range(1, 6)]
        assert [len(page) for page in seen] == [2, 2, 2]  # one page a round, and behind the last job it begins again
        assert waiting == [3, 3, 3]

    @pytest.mark.parametrize("open_jobs", [500, pytest.param(2000, marks=pytest.mark.long)])
    def test_thousands_of_open_jobs_are_one_short_round(self, harness, open_jobs: int) -> None:
        dispatcher = harness.dispatcher()
        planned = harness.ledger.plan_all(plans(open_jobs))
        harness.ledger.advance_all(
            [Transition.single(job, Event.ACKNOWLEDGE, NOON, provider_job_id=f"v-{n}") for n, job in enumerate(planned)]
        )
        harness.one.poll = lambda refs: [Snapshot(ref=ref, state=S.QUEUED, raw_status="queued") for ref in refs]
        begin = time.perf_counter()
        polled = dispatcher.poll_due(limit_seconds=50.0)
        assert (polled.polled_jobs, polled.requests, len(polled.changed), polled.problems) == (
            open_jobs,
            open_jobs // 250,
            open_jobs,
            (),
        )
        assert time.perf_counter() - begin < 50


class TestDeadline:
    def overdue(self, harness, answer: str | None) -> tuple[Dispatcher, JobRecord]:
        dispatcher = harness.dispatcher()
        [job] = submit_and_queue(harness, dispatcher, 1)
        if answer:
            set_answer(harness, job, answer)
        harness.now += timedelta(days=1, seconds=1)
        return dispatcher, job

    def test_nothing_ends_before_its_deadline(self, harness) -> None:
        dispatcher = harness.dispatcher()
        submit_and_queue(harness, dispatcher, 1)
        harness.now += timedelta(hours=23)
        assert dispatcher.expire_due() == []

    def test_it_is_cancelled_at_the_provider_and_ends_expired(self, harness) -> None:
        dispatcher, job = self.overdue(harness, "cancelled")
        [expired] = dispatcher.expire_due()
        assert expired.state is S.EXPIRED
        *_, requested, ended = harness.ledger.events(job.job_id)
        assert [requested.event, ended.event] == ["JobCancelRequested", "JobExpired"]
        assert requested.detail == {"purpose": "expire"}
        assert dispatcher.expire_due() == []
        with pytest.raises(JobFailed, match="is EXPIRED"):
            dispatcher.collect(job.job_id, sub_batches(1)[0].batch)

    @pytest.mark.parametrize(("seen", "state"), [(S.CANCELLED, S.EXPIRED), (S.COMPLETED, S.COMPLETED)])
    def test_what_the_provider_decides_later_counts(self, harness, seen, state) -> None:
        dispatcher, job = self.overdue(harness, "requested")
        [asked] = dispatcher.expire_due()
        assert asked.state is S.CANCELLING
        harness.one.show(job.provider_job_id, seen)
        dispatcher.poll_due()
        assert harness.ledger.job(job.job_id).state is state
        if state is S.COMPLETED:
            assert dispatcher.collect(job.job_id, sub_batches(1)[0].batch).job.state is S.VERIFIED

    def test_a_result_that_came_meanwhile_is_no_expiry(self, harness) -> None:
        dispatcher, job = self.overdue(harness, None)
        harness.one.show(job.provider_job_id, S.COMPLETED)
        [done] = dispatcher.expire_due()
        assert done.state is S.COMPLETED
        assert harness.one.calls("cancel") == 0

    @pytest.mark.parametrize("answer", ["requested", "too_late", None])
    def test_a_job_that_is_stuck_ends_all_the_same_and_its_late_result_is_kept(self, harness, answer) -> None:
        dispatcher, job = self.overdue(harness, answer)
        if answer is None:

            def dead(ref):
                raise Unavailable("timeout")

            harness.one.cancel = dead
        for _ in range(4):
            dispatcher.expire_due()
            harness.now += timedelta(minutes=16)
        ended = harness.ledger.job(job.job_id)
        assert (ended.state, ended.result_sha256) == (S.EXPIRED, None)
        assert harness.ledger.events(job.job_id)[-1].detail == {"confirmed": False}
        account = harness.ledger.account(job.experiment)
        harness.one.show(job.provider_job_id, S.COMPLETED)
        [late] = dispatcher.poll_due().changed
        assert late.state is S.EXPIRED
        assert harness.ledger.stored_result(job.job_id).sha256 == late.result_sha256
        assert harness.ledger.events(job.job_id)[-1].event == "JobResultArrivedLate"
        assert harness.ledger.account(job.experiment) == account
        assert dispatcher.poll_due().polled_jobs == 0
        assert harness.ledger.verify_chain().is_intact

    def test_a_late_result_is_not_waited_for_for_ever(self, harness) -> None:
        dispatcher, _ = self.overdue(harness, "cancelled")
        dispatcher.expire_due()
        assert dispatcher.poll_due().polled_jobs == 1
        harness.now += timedelta(days=1, seconds=1)
        assert dispatcher.poll_due().polled_jobs == 0

    def test_what_was_never_sent_just_ends(self, harness) -> None:
        harness.one.plan_faults("throttled")
        dispatcher = harness.dispatcher()
        with pytest.raises(Throttled):
            dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        harness.now += timedelta(days=2)
        assert dispatcher.submit(make_batch(), SUBMIT_REQUEST).state is S.EXPIRED
        assert harness.one.book() == []

    def test_an_expired_job_runs_again_when_asked(self, harness) -> None:
        dispatcher, job = self.overdue(harness, "cancelled")
        dispatcher.expire_due()
        again = dispatcher.submit_all(sub_batches(1), replace(SUBMIT_REQUEST, repeat=True))[0]
        assert (again.state, again.run_number) == (S.SUBMITTED, 2)
        assert again.deadline_at > job.deadline_at
