"""A submission whose answer was lost: asked again, looked up, left to a person, and never sent while it may still be accepted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.ledger.port import Outcome
from qhybrid_pipelines.core.errors import (
    Ambiguous,
    IllegalTransition,
)
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.dispatcher_calls import (
    NOW,
    dispatcher_for_vendor,
    event_names,
    submit,
    submit_another,
)
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch


class TestDoubt:
    """The answer to a submission is lost; the three kinds of providers differ in what may be done."""

    @pytest.mark.parametrize("fault", ["ambiguous_before", "ambiguous_after"])
    def test_a_provider_that_merges_tokens_is_asked_again(self, dispatcher, ledger, vendor, sleeps, fault) -> None:
        vendor.plan_faults(fault)
        job = submit(dispatcher)
        assert job.state is JobState.SUBMITTED
        assert len(vendor.book()) == 1
        assert vendor.calls("submit") == (2 if fault == "ambiguous_before" else 1)
        assert sleeps == []
        assert ledger.events(job.job_id)[-1].detail == ({"adopted": True} if fault == "ambiguous_after" else None)

    @pytest.mark.parametrize("fault", ["ambiguous_before", "ambiguous_after"])
    def test_a_provider_with_a_list_is_looked_at_after_its_lag(self, dispatcher, tmp_path, fault) -> None:
        vendor = DurableVendor(tmp_path / "lister", dedupe="tag_lookup", listing_lag_seconds=0.05)
        dispatcher = Dispatcher(dispatcher.ledger, {"vendor": vendor}, RawStore(tmp_path / "raw"))
        submit_another(dispatcher)
        vendor.plan_faults(fault)
        assert submit(dispatcher).state is JobState.SUBMITTED
        assert len(vendor.book()) == 2

    def test_the_quarantine_is_longer_than_the_lag(self, dispatcher, tmp_path, sleeps) -> None:
        dispatcher, vendor = dispatcher_for_vendor(
            dispatcher, tmp_path, sleeps, dedupe="tag_lookup", listing_lag_seconds=20.0
        )
        vendor.plan_faults("ambiguous_before")
        submit(dispatcher)
        assert sleeps == [30.0]

    def test_without_the_quarantine_the_same_provider_is_paid_twice(self, dispatcher, tmp_path, sleeps) -> None:
        """The negative control: here nobody waits, although an hour has to pass until a job is listed."""
        dispatcher, vendor = dispatcher_for_vendor(
            dispatcher, tmp_path, sleeps, dedupe="tag_lookup", listing_lag_seconds=3600.0
        )
        submit_another(dispatcher)
        vendor.accept_earlier(2 * 3600.0)  # this one has to be in every list
        later = Clock(now=lambda: datetime.now(UTC) + timedelta(hours=2), sleep=sleeps.append)
        dispatcher = Dispatcher(dispatcher.ledger, {"vendor": vendor}, RawStore(tmp_path / "raw"), clock=later)
        vendor.plan_faults("ambiguous_after")
        submit(dispatcher)
        assert len(vendor.book()) == 3

    @pytest.mark.parametrize("fault", ["ambiguous_before", "ambiguous_after"])
    def test_a_provider_that_can_do_neither_leaves_it_to_a_person(self, dispatcher, tmp_path, sleeps, fault) -> None:
        dispatcher, vendor = dispatcher_for_vendor(dispatcher, tmp_path, sleeps, dedupe="none", price_usd=1.0)
        vendor.plan_faults(fault)
        job = submit(dispatcher, budget_usd=1.0)
        assert job.state is JobState.SUBMIT_UNKNOWN
        assert submit(dispatcher, budget_usd=1.0) == job
        noted = dispatcher.decisions.cancel(job.job_id)
        assert replace(noted, version=job.version, updated_at=job.updated_at) == job, "a note, and nothing else"
        assert submit(dispatcher, budget_usd=1.0) == noted == dispatcher.decisions.cancel(job.job_id)
        assert vendor.calls("submit") == 1
        assert vendor.calls("cancel") == 0
        assert dispatcher.ledger.account(job.experiment).reserved_usd == 1.0

    def test_a_person_who_found_the_job_has_it_adopted(self, dispatcher, tmp_path, sleeps) -> None:
        dispatcher, vendor = dispatcher_for_vendor(dispatcher, tmp_path, sleeps, dedupe="none")
        vendor.plan_faults("ambiguous_after")
        job = dispatcher.decisions.resolve(submit(dispatcher).job_id, vendor.book()[0]["id"])
        assert job.state is JobState.SUBMITTED
        assert dispatcher.collect(job.job_id, make_batch()).counts.num_rows == 4
        with pytest.raises(IllegalTransition):
            dispatcher.decisions.resolve(job.job_id, None)

    def test_a_person_who_found_none_allows_a_further_attempt(self, dispatcher, tmp_path, sleeps) -> None:
        dispatcher, vendor = dispatcher_for_vendor(dispatcher, tmp_path, sleeps, dedupe="none")
        vendor.plan_faults("ambiguous_before")
        first = submit(dispatcher)
        assert dispatcher.decisions.resolve(first.job_id, None).state is JobState.APPROVED
        job = submit(dispatcher)
        assert (job.state, job.attempt) == (JobState.SUBMITTED, 2)
        assert job.token != first.token
        assert [a.outcome for a in dispatcher.ledger.attempts(job.job_id)] == [Outcome.NOT_ACCEPTED, Outcome.ACCEPTED]
        assert len(vendor.book()) == 1

    def test_in_doubt_twice_the_next_call_continues(self, dispatcher, ledger, vendor) -> None:
        vendor.plan_faults("ambiguous_before", "ambiguous_after")
        with pytest.raises(Ambiguous):
            submit(dispatcher)
        assert ledger.jobs()[0].state is JobState.SUBMITTING
        assert submit(dispatcher).state is JobState.SUBMITTED
        assert len(vendor.book()) == 1

    def test_an_error_that_no_adapter_foresaw_is_treated_like_a_crash(self, dispatcher, ledger, vendor) -> None:
        original, vendor.submit = vendor.submit, lambda *_: (_ for _ in ()).throw(ConnectionError("raw socket error"))
        with pytest.raises(Ambiguous, match="ConnectionError: raw socket error"):
            submit(dispatcher)
        assert ledger.jobs()[0].state is JobState.SUBMITTING
        vendor.submit = original
        assert submit(dispatcher).state is JobState.SUBMITTED


class TestLateAcceptance:
    """A request outlives its sender in the provider's queue of requests: not listed yet, and accepted all the same."""

    ACCEPTANCE_SECONDS = 600.0

    def late(self, dispatcher, tmp_path, *, hours=lambda: 0.0, **facts) -> tuple[Dispatcher, DurableVendor]:
        """A dispatcher whose clock goes as ``hours`` says, and a provider that takes its second request late."""
        vendor = DurableVendor(tmp_path / "late", dedupe="tag_lookup", **facts)
        store = RawStore(tmp_path / "raw")
        clock = Clock(now=lambda: NOW + timedelta(hours=hours()), sleep=lambda _: None)
        late = Dispatcher(dispatcher.ledger, {"vendor": vendor}, store, clock=clock)
        submit_another(late)
        vendor.plan_faults("late")
        return late, vendor

    def test_it_is_not_sent_again_while_it_may_come(self, dispatcher, ledger, tmp_path) -> None:
        dispatcher, vendor = self.late(dispatcher, tmp_path, acceptance_seconds=self.ACCEPTANCE_SECONDS)
        for _ in range(3):
            with pytest.raises(Ambiguous, match=r"may still accept it until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"):
                submit(dispatcher)
        vendor.accept_late(make_batch())
        assert submit(dispatcher).state is JobState.SUBMITTED
        assert len(vendor.book()) == vendor.calls("submit") == 2

    def test_without_the_horizon_it_is_paid_twice(self, dispatcher, tmp_path) -> None:
        """The negative control: what is not listed is sent again at once."""
        dispatcher, vendor = self.late(dispatcher, tmp_path, acceptance_seconds=0.0)
        assert submit(dispatcher).state is JobState.SUBMITTED
        vendor.accept_late(make_batch())
        assert len(vendor.book()) == 3

    def test_when_it_cannot_come_any_more_it_is_sent_again_and_may_come_late_again(self, dispatcher, tmp_path) -> None:
        times = [0.0]
        dispatcher, vendor = self.late(
            dispatcher, tmp_path, acceptance_seconds=self.ACCEPTANCE_SECONDS, hours=lambda: times[-1]
        )
        vendor.plan_faults("ambiguous_before", "late")
        with pytest.raises(Ambiguous):
            submit(dispatcher)
        times.append(1.0)
        with pytest.raises(Ambiguous):  # sent, and lost again
            submit(dispatcher)
        with pytest.raises(Ambiguous, match="may still accept it"):
            submit(dispatcher)
        assert vendor.calls("submit") == 3
        vendor.accept_late(make_batch())
        job = submit(dispatcher)
        assert (job.state, job.attempt) == (JobState.SUBMITTED, 1)
        assert len(vendor.book()) == 2
        names = event_names(dispatcher.ledger, job)
        assert names[2:] == ["JobSubmitting", "JobConfirmedAbsent", "JobSubmitting", "JobSubmitted"]

    @pytest.mark.parametrize("way", ["cancel", "reroute", "expire"])
    def test_it_is_not_taken_back_while_it_may_come(self, dispatcher, ledger, tmp_path, way) -> None:
        times = [0.0]
        dispatcher, vendor = self.late(
            dispatcher, tmp_path, acceptance_seconds=self.ACCEPTANCE_SECONDS * 1e4, hours=lambda: times[-1]
        )
        with pytest.raises(Ambiguous):
            submit(dispatcher)
        [job] = ledger.jobs(states=[JobState.SUBMITTING])
        if way == "expire":
            times.append(24.0 * 30)
            assert job.job_id not in {ended.job_id for ended in dispatcher.expire_due()}
        elif way == "cancel":
            with pytest.raises(Ambiguous):
                dispatcher.decisions.cancel(job.job_id)
        else:
            other = DurableVendor(tmp_path / "second", name="second")
            both = {"vendor": vendor, "second": other}
            clock = Clock(now=lambda: NOW, sleep=lambda _: None)
            elsewhere = Dispatcher(ledger, both, RawStore(tmp_path / "raw"), clock=clock)
            with pytest.raises(Ambiguous):
                elsewhere.decisions.reroute(job.job_id, make_batch(backend="second:device"))
            assert other.book() == []
        assert ledger.job(job.job_id).state is JobState.SUBMITTING
        vendor.accept_late(make_batch())
        assert submit(dispatcher).provider_job_id == "v-2"
        assert len(vendor.book()) == 2
