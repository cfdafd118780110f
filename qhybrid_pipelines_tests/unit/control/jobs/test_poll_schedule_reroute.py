"""Work that is to go to another backend: when it moves, and when it stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from qhybrid_pipelines.core.errors import (
    IllegalTransition,
    InvalidInput,
    Refused,
    Throttled,
)
from qhybrid_pipelines_tests.support.dispatcher_harness import (
    SUBMIT_REQUEST,
    sub_batches,
)
from qhybrid_pipelines_tests.support.durable_vendor import BACKEND, make_batch
from qhybrid_pipelines_tests.unit.control.jobs.test_poll_schedule import S, set_answer, submit_and_queue


class TestReroute:
    def other_backend(self) -> dict:
        return {"batch": make_batch(seed=10, backend="other:device")}

    def test_what_nobody_holds_moves_at_once(self, harness) -> None:
        harness.one.plan_faults("throttled")
        dispatcher = harness.dispatcher()
        with pytest.raises(Throttled):
            dispatcher.submit_all(sub_batches(1), SUBMIT_REQUEST)
        [job] = harness.ledger.jobs()
        moved = dispatcher.decisions.reroute(job.job_id, **self.other_backend(), reason="maintenance")
        assert (moved.backend, moved.requested_backend, moved.state) == ("other:device", BACKEND, S.SUBMITTED)
        assert dispatcher.submit_all(sub_batches(1), SUBMIT_REQUEST) == [moved]
        assert (len(harness.one.book()), len(harness.two.book())) == (0, 1)

    def test_what_a_provider_holds_moves_when_it_is_cancelled_there(self, harness) -> None:
        dispatcher = harness.dispatcher()
        [job] = submit_and_queue(harness, dispatcher, 1)
        set_answer(harness, job, "requested")
        assert dispatcher.decisions.reroute(job.job_id, **self.other_backend()).state is S.CANCELLING
        assert dispatcher.submit_all(sub_batches(1), SUBMIT_REQUEST)[0].state is S.CANCELLING
        assert harness.two.book() == []
        harness.one.show(job.provider_job_id, S.CANCELLED)
        [left] = dispatcher.poll_due().changed
        assert left.state is S.REROUTED
        assert dispatcher.current_job(job.job_id) == left
        assert dispatcher.jobs_to_resubmit() == [left]
        [moved] = dispatcher.submit_all(sub_batches(1), SUBMIT_REQUEST)
        assert (moved.job_id, moved.backend) == (left.rerouted_to, "other:device")
        assert dispatcher.jobs_to_resubmit() == []
        assert dispatcher.collect(job.job_id, sub_batches(1)[0].batch).job.backend == "other:device"

    def test_what_comes_too_late_stays_and_counts(self, harness) -> None:
        dispatcher = harness.dispatcher()
        [job] = submit_and_queue(harness, dispatcher, 1)
        stays = dispatcher.decisions.reroute(job.job_id, **self.other_backend())
        assert (stays.job_id, stays.state, stays.provider_job_id) == (job.job_id, job.state, job.provider_job_id)
        assert harness.two.book() == []

    def test_what_the_budget_does_not_hold_there_stays_where_it_is(self, harness) -> None:
        harness.one.price_usd, harness.two.price_usd = 1.0, 1.5
        dispatcher = harness.dispatcher()
        job = dispatcher.submit_all(sub_batches(1), replace(SUBMIT_REQUEST, budget_usd=1.4))[0]
        set_answer(harness, job, "cancelled")
        with pytest.raises(Refused, match="budget of"):
            dispatcher.decisions.reroute(job.job_id, **self.other_backend())
        assert harness.ledger.job(job.job_id) == job
        assert harness.one.calls("cancel") == 0
        harness.two.price_usd = 1.4
        harness.one.show(job.provider_job_id, S.CANCELLED, cost_usd=0.0)
        assert dispatcher.decisions.reroute(job.job_id, **self.other_backend()).backend == "other:device"

    def test_what_the_budget_does_not_hold_after_all_may_go_to_a_third_place_or_back(self, harness) -> None:
        """The provider charges for what it cancelled, although the budget had counted on having that back."""
        harness.one.price_usd = harness.two.price_usd = 1.0
        request = replace(SUBMIT_REQUEST, budget_usd=1.4)
        dispatcher = harness.dispatcher()
        job = dispatcher.submit_all(sub_batches(1), request)[0]
        set_answer(harness, job, "cancelled")
        harness.one.show(job.provider_job_id, S.CANCELLED, cost_usd=1.0)
        with pytest.raises(Refused, match="budget"):
            dispatcher.decisions.reroute(job.job_id, **self.other_backend())
        for _ in range(2):
            with pytest.raises(Refused, match="budget"):
                dispatcher.submit_all(sub_batches(1), request)
        [left] = dispatcher.jobs_to_resubmit()
        assert (left.job_id, left.state) == (job.job_id, S.REROUTED)
        with pytest.raises(Refused, match="budget"):
            dispatcher.decisions.reroute(job.job_id, make_batch(seed=10, backend=BACKEND))
        harness.one.price_usd = 0.4
        moved = dispatcher.decisions.reroute(
            job.job_id, make_batch(seed=10, backend=BACKEND), reason="it became cheaper"
        )
        assert (moved.backend, moved.run_number, moved.state) == (BACKEND, 2, S.SUBMITTED)
        assert dispatcher.submit_all(sub_batches(1), request) == [moved]
        assert (len(harness.one.book()), len(harness.two.book())) == (2, 0)

    @pytest.mark.parametrize("purpose", ["reroute", "expire", "cancel"])
    def test_whoever_sees_the_answer_knows_what_was_asked_for(self, harness, purpose) -> None:
        """The process that asked died before it wrote the answer down."""
        dispatcher = harness.dispatcher()
        [job] = submit_and_queue(harness, dispatcher, 1)

        def die(ref):
            harness.one.show(ref.provider_job_id, S.CANCELLED)
            raise SystemExit

        ask = {
            "reroute": lambda: dispatcher.decisions.reroute(job.job_id, **self.other_backend()),
            "expire": dispatcher.expire_due,
            "cancel": lambda: dispatcher.decisions.cancel(job.job_id),
        }
        if purpose == "expire":
            harness.now = job.deadline_at + timedelta(seconds=1)
        harness.one.cancel = die
        with pytest.raises(SystemExit):
            ask[purpose]()
        [ended] = harness.dispatcher().poll_due().changed
        assert ended.state is {"reroute": S.REROUTED, "expire": S.EXPIRED, "cancel": S.CANCELLED}[purpose]
        assert (ended.rerouted_to is not None) == (purpose == "reroute")

    def test_a_later_wish_counts(self, harness) -> None:
        dispatcher = harness.dispatcher()
        [job] = submit_and_queue(harness, dispatcher, 1)
        set_answer(harness, job, "too_late")
        dispatcher.decisions.reroute(job.job_id, **self.other_backend())
        dispatcher.decisions.cancel(job.job_id)
        harness.one.show(job.provider_job_id, S.CANCELLED)
        [ended] = dispatcher.poll_due().changed
        assert ended.state is S.CANCELLED

    def test_only_the_same_work_moves_and_not_to_where_it_is(self, harness) -> None:
        dispatcher = harness.dispatcher()
        [job] = submit_and_queue(harness, dispatcher, 1)
        with pytest.raises(InvalidInput, match="another batch"):
            dispatcher.decisions.reroute(job.job_id, make_batch(seed=3, backend="other:device"))
        with pytest.raises(InvalidInput, match="already"):
            dispatcher.decisions.reroute(job.job_id, make_batch(seed=10))

    def test_what_has_ended_does_not_move(self, harness) -> None:
        dispatcher = harness.dispatcher()
        [job] = submit_and_queue(harness, dispatcher, 1)
        harness.one.show(job.provider_job_id, S.FAILED)
        [job] = dispatcher.poll([job])
        harness.now += timedelta(seconds=30)
        dispatcher.poll([job])
        for where in (self.other_backend()["batch"], make_batch(seed=10)):  # nor to where it was
            with pytest.raises(IllegalTransition):
                dispatcher.decisions.reroute(job.job_id, where)
