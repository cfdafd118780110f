"""The dispatcher against a real provider with a book of its own: faults, doubts, looks, results, cancellation."""

from __future__ import annotations

from datetime import timedelta

import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.jobs.job_ids import job_id_for, token_for
from qhybrid_pipelines.control.ledger.port import JobRecord, Outcome
from qhybrid_pipelines.core.errors import (
    Ambiguous,
    InvalidInput,
    JobFailed,
    ProviderError,
    Refused,
    Throttled,
    UnknownProviderStatus,
)
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.port import COUNTS_SCHEMA
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.dispatcher_calls import (
    NOW,
    dispatcher_for_vendor,
    event_names,
    submit,
)
from qhybrid_pipelines_tests.support.durable_vendor import BACKEND, DurableVendor, make_batch


class TestSubmit:
    def test_the_intent_is_in_the_ledger_before_the_provider_hears_of_it(self, dispatcher, ledger, vendor) -> None:
        seen: list[JobRecord] = []
        original = vendor.submit

        def spy(batch, token):
            seen.append(ledger.latest(batch.experiment, batch.backend, batch.payload_sha256))
            assert seen[0].token == token
            return original(batch, token)

        vendor.submit = spy
        job = submit(dispatcher, requested_at=NOW)
        assert seen[0].state is JobState.SUBMITTING
        assert job.state is JobState.SUBMITTED
        assert [line["token"] for line in vendor.book()] == [job.token]
        assert event_names(ledger, job) == ["JobPlanned", "JobApproved", "JobSubmitting", "JobSubmitted"]

    def test_the_record_says_what_was_asked_for(self, dispatcher) -> None:
        job, batch = submit(dispatcher, requested_at=NOW), make_batch()
        assert (job.experiment, job.backend, job.provider, job.tier) == (batch.experiment, BACKEND, "vendor", "batch")
        assert (job.circuits, job.shots, job.payload_sha256) == (4, 400, batch.payload_sha256)
        assert (job.cost_quoted_usd, job.price_source) == (0.0, "price list of 2026-01-01")
        assert job.requested_at == NOW

    def test_ids_and_tokens_follow_from_the_content_alone(self) -> None:
        batch = make_batch()
        assert job_id_for(batch) == job_id_for(make_batch())
        others = [make_batch(seed=2), make_batch(experiment="other-00000000"), make_batch(shots=101)]
        ids = {job_id_for(other) for other in [batch, *others]} | {job_id_for(batch, 2)}
        assert len(ids) == 5
        assert all(len(job_id) == 17 and job_id[0] == "j" for job_id in ids)
        terms = [
            {"job_id": job_id, "attempt": attempt, "tenant": tenant, "backend": backend}
            for job_id in ids
            for attempt in (1, 2)
            for tenant in ("", "one", "two")
            for backend in ("vendor:device", "vendor:other")
        ]
        assert len({token_for(**each) for each in terms}) == len(terms) == 60

    def test_what_was_submitted_is_never_submitted_again(self, dispatcher, vendor) -> None:
        first = submit(dispatcher)
        assert submit(dispatcher) == first
        dispatcher.collect(first.job_id, make_batch())
        assert submit(dispatcher).state is JobState.VERIFIED
        assert len(vendor.book()) == vendor.calls("submit") == 1

    def test_a_provider_that_rejects_ends_the_job_and_keeps_its_reason(self, dispatcher, ledger, vendor) -> None:
        vendor.plan_faults("rejected")
        job = submit(dispatcher)
        assert job.state is JobState.REJECTED
        assert "shots must be even" in job.error
        assert ledger.events(job.job_id)[-1].detail == {"phase": "submit", "class": "Rejected", "retryable": False}
        assert submit(dispatcher) == job
        assert vendor.calls("submit") == 1

    def test_a_job_without_a_result_runs_again_when_asked_as_a_new_job(self, dispatcher, vendor) -> None:
        vendor.plan_faults("rejected")
        first = submit(dispatcher)
        second = submit(dispatcher, repeat=True)
        assert (first.state, second.state) == (JobState.REJECTED, JobState.SUBMITTED)
        assert (first.run_number, second.run_number) == (1, 2)
        assert submit(dispatcher) == submit(dispatcher, repeat=True) == second
        assert len(vendor.book()) == 1

    def test_who_was_overtaken_by_a_later_repetition_leaves_it_alone(self, dispatcher, vendor, monkeypatch) -> None:
        vendor.plan_faults("rejected", "rejected", "ambiguous_before", "ambiguous_before")
        submit(dispatcher)
        hold = dispatcher._protocol.job_lock

        def overtaken(job_id):
            monkeypatch.undo()
            assert submit(dispatcher, repeat=True).state is JobState.REJECTED
            with pytest.raises(Ambiguous):
                submit(dispatcher, repeat=True)
            return hold(job_id)

        monkeypatch.setattr(dispatcher._protocol, "job_lock", overtaken)
        job = submit(dispatcher, repeat=True)
        assert (job.run_number, job.state) == (3, JobState.SUBMITTING)
        assert vendor.calls("submit") == 4

    def test_a_throttled_job_waits_with_its_token_and_is_sent_later(self, dispatcher, ledger, vendor) -> None:
        vendor.plan_faults("throttled")
        with pytest.raises(Throttled):
            submit(dispatcher)
        [waiting] = ledger.jobs()
        assert (waiting.state, waiting.outcome) == (JobState.APPROVED, Outcome.DEFERRED)
        assert "slow down" in ledger.events(waiting.job_id)[-1].detail["message"]
        job = submit(dispatcher)
        assert (job.state, job.token, job.attempt, job.error) == (JobState.SUBMITTED, waiting.token, 1, None)
        assert len(vendor.book()) == 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("facts", "words"),
        [({"max_qubits": 2}, "at most 2"), ({"price_usd": 1.5}, "Raise budget.usd to \\$1.50")],
    )
    def test_a_refused_batch_leaves_no_trace_anywhere(self, dispatcher, tmp_path, sleeps, facts, words) -> None:
        dispatcher, vendor = dispatcher_for_vendor(dispatcher, tmp_path, sleeps, **facts)
        with pytest.raises(Refused, match=words):
            submit(dispatcher)
        assert dispatcher.ledger.jobs() == []
        assert vendor.calls("submit") == 0

    def test_the_quote_is_reserved_and_then_settled(self, dispatcher, tmp_path, sleeps) -> None:
        dispatcher, _ = dispatcher_for_vendor(dispatcher, tmp_path, sleeps, price_usd=1.5)
        job = submit(dispatcher, budget_usd=2.0)
        assert dispatcher.ledger.account(job.experiment).reserved_usd == 1.5
        done = dispatcher.collect(job.job_id, make_batch()).job
        account = dispatcher.ledger.account(job.experiment)
        assert (account.reserved_usd, account.settled_usd) == (0.0, 1.5)
        assert (done.cost_quoted_usd, done.cost_usd, done.cost_settled_usd) == (1.5, 1.5, 1.5)

    def test_an_unknown_backend_or_provider_is_wrong_input(self, ledger, tmp_path, vendor) -> None:
        nowhere = Dispatcher(ledger, {"other": vendor}, RawStore(tmp_path / "raw"))
        with pytest.raises(InvalidInput, match=r"no provider 'vendor'.*a backend of other"):
            submit(nowhere)
        vendor.capabilities = lambda backend: DurableVendor.capabilities(vendor, "vendor:typo")
        with pytest.raises(InvalidInput, match=f"no backend '{BACKEND}'.*Choose one of {BACKEND}"):
            submit(Dispatcher(ledger, {"vendor": vendor}, RawStore(tmp_path / "raw")))
        assert ledger.jobs() == []


class TestPoll:
    def test_one_request_for_all_jobs_and_answers_in_the_order_asked(self, dispatcher, vendor) -> None:
        jobs = [dispatcher.submit(make_batch(seed=s), SubmitRequest(tier="batch", budget_usd=0.0)) for s in (1, 2, 3)]
        vendor.show(jobs[0].provider_job_id, JobState.QUEUED)
        vendor.show(jobs[1].provider_job_id, JobState.RUNNING)
        after = dispatcher.poll([jobs[2], jobs[0], jobs[1]])
        assert [job.state for job in after] == [JobState.COMPLETED, JobState.QUEUED, JobState.RUNNING]
        assert [job.job_id for job in after] == [jobs[2].job_id, jobs[0].job_id, jobs[1].job_id]
        assert vendor.calls("poll") == 1

    def test_the_vendors_times_words_and_price_are_kept(self, dispatcher, ledger, vendor) -> None:
        job = submit(dispatcher)
        at = [NOW + timedelta(seconds=s) for s in (1, 5, 9)]
        vendor.show(
            job.provider_job_id,
            JobState.COMPLETED,
            raw="Succeeded",
            submitted_at=at[0],
            started_at=at[1],
            completed_at=at[2],
            cost_usd=0.125,
        )
        [job] = dispatcher.poll([job])
        events = ledger.events(job.job_id)[4:]
        assert [(e.event, e.at, e.clock, e.raw_status) for e in events] == [
            ("JobQueued", at[0], "vendor", "Succeeded"),
            ("JobStarted", at[1], "vendor", "Succeeded"),
            ("JobCompleted", at[2], "vendor", "Succeeded"),
        ]
        assert job.cost_usd == 0.125

    def test_a_job_never_goes_back_and_nothing_new_writes_nothing(self, dispatcher, ledger, vendor) -> None:
        job = submit(dispatcher)
        vendor.show(job.provider_job_id, JobState.RUNNING)
        [job] = dispatcher.poll([job])
        before = ledger.head()
        vendor.show(job.provider_job_id, JobState.QUEUED)
        assert dispatcher.poll([job]) == [job]
        vendor.show(job.provider_job_id, JobState.RUNNING)
        assert dispatcher.poll([job]) == [job]
        assert ledger.head() == before

    def test_a_look_with_an_old_record_does_no_harm(self, dispatcher, ledger) -> None:
        old = submit(dispatcher)
        collected = dispatcher.collect(old.job_id, make_batch()).job
        assert dispatcher.poll([old]) == [collected]
        assert dispatcher.poll([]) == []

    def test_an_outage_of_one_provider_does_not_hide_another(self, ledger, tmp_path, vendor) -> None:
        other = DurableVendor(tmp_path / "other", name="other")
        both = Dispatcher(ledger, {"vendor": vendor, "other": other}, RawStore(tmp_path / "raw"))
        jobs = [
            submit(both),
            both.submit(make_batch(backend="other:device"), SubmitRequest(tier="batch", budget_usd=0.0)),
        ]

        def down(refs):
            raise ProviderError("connection refused")

        vendor.poll = down
        with pytest.raises(ProviderError, match="refused"):
            both.poll(jobs)
        assert [ledger.job(job.job_id).state for job in jobs] == [JobState.SUBMITTED, JobState.COMPLETED]

    def test_a_provider_that_is_not_configured_any_more_does_not_hide_another(self, ledger, tmp_path, vendor) -> None:
        other = DurableVendor(tmp_path / "other", name="other")
        both = Dispatcher(ledger, {"vendor": vendor, "other": other}, RawStore(tmp_path / "raw"))
        jobs = [
            submit(both),
            both.submit(make_batch(backend="other:device"), SubmitRequest(tier="batch", budget_usd=0.0)),
        ]
        with pytest.raises(InvalidInput, match="no provider 'vendor'"):
            Dispatcher(ledger, {"other": other}, RawStore(tmp_path / "raw")).poll(jobs)
        assert [ledger.job(job.job_id).state for job in jobs] == [JobState.SUBMITTED, JobState.COMPLETED]

    def test_an_unknown_state_is_loud_and_changes_nothing(self, dispatcher, ledger, vendor) -> None:
        job = submit(dispatcher)
        vendor.show(job.provider_job_id, JobState.VERIFIED, raw="paused for lunch")
        with pytest.raises(UnknownProviderStatus, match="paused for lunch"):
            dispatcher.poll([job])
        assert ledger.job(job.job_id) == job


class TestCollect:
    def test_a_result_is_fetched_once_kept_as_received_and_verified(self, dispatcher, ledger, vendor, tmp_path) -> None:
        job = submit(dispatcher)
        first = dispatcher.collect(job.job_id, make_batch())
        again = dispatcher.collect(job.job_id, make_batch())
        assert first.job == again.job
        assert first.counts.equals(again.counts)
        assert first.counts.schema == COUNTS_SCHEMA
        assert first.details == again.details == vendor.details(None)
        assert vendor.calls("fetch") == vendor.calls("poll") == 1
        assert (first.job.state, first.job.engine) == (JobState.VERIFIED, "vendor-one")
        kept = RawStore(tmp_path / "raw").get(first.job.result_sha256)
        assert kept == (vendor.folder / f"{job.provider_job_id}.result").read_bytes()
        assert ledger.stored_result(job.job_id).size_bytes == len(kept)

    def test_a_job_that_runs_has_no_result_yet(self, dispatcher, vendor) -> None:
        job = submit(dispatcher)
        vendor.show(job.provider_job_id, JobState.RUNNING)
        with pytest.raises(JobFailed, match="is RUNNING and has no result"):
            dispatcher.collect(job.job_id, make_batch())
        assert vendor.calls("fetch") == 0

    def test_a_fetch_that_fails_for_now_is_tried_again_later(self, dispatcher, ledger, vendor) -> None:
        def slow(ref):
            raise Throttled("come back")

        job, original, vendor.fetch = submit(dispatcher), vendor.fetch, slow
        with pytest.raises(Throttled):
            dispatcher.collect(job.job_id, make_batch())
        assert ledger.job(job.job_id).state is JobState.COMPLETED
        vendor.fetch = original
        assert dispatcher.collect(job.job_id, make_batch()).job.state is JobState.VERIFIED

    def test_a_job_is_collected_with_its_own_batch_only(self, dispatcher) -> None:
        job = submit(dispatcher)
        with pytest.raises(InvalidInput, match="another batch"):
            dispatcher.collect(job.job_id, make_batch(seed=2))

    def test_a_collector_that_was_overtaken_takes_the_others_result(self, dispatcher, ledger, vendor) -> None:
        job, original = submit(dispatcher), vendor.fetch

        def overtaken(ref):
            vendor.fetch = original
            dispatcher.collect(job.job_id, make_batch())
            return original(ref)

        vendor.fetch = overtaken
        assert dispatcher.collect(job.job_id, make_batch()).job.state is JobState.VERIFIED
        assert event_names(ledger, job).count("JobFetched") == event_names(ledger, job).count("JobVerified") == 1


class TestCancel:
    @pytest.mark.parametrize(
        ("answer", "state"),
        [("cancelled", JobState.CANCELLED), ("requested", JobState.CANCELLING), ("too_late", JobState.SUBMITTED)],
    )
    def test_the_providers_answer_decides(self, dispatcher, vendor, answer, state) -> None:
        job = submit(dispatcher)
        (vendor.folder / f"{job.provider_job_id}.cancel").write_text(answer)
        assert dispatcher.decisions.cancel(job.job_id).state is state

    @pytest.mark.parametrize(
        ("seen", "state"),
        [
            (JobState.RUNNING, JobState.CANCELLING),
            (JobState.CANCELLED, JobState.CANCELLED),
            (JobState.COMPLETED, JobState.COMPLETED),
        ],
    )
    def test_a_request_may_lose_the_race_and_then_the_result_counts(self, dispatcher, vendor, seen, state) -> None:
        job = submit(dispatcher)
        (vendor.folder / f"{job.provider_job_id}.cancel").write_text("requested")
        job = dispatcher.decisions.cancel(job.job_id)
        assert dispatcher.decisions.cancel(job.job_id) == job
        vendor.show(job.provider_job_id, seen)
        [job] = dispatcher.poll([job])
        assert job.state is state
        if state is JobState.COMPLETED:
            assert dispatcher.collect(job.job_id, make_batch()).job.state is JobState.VERIFIED

    def test_the_events_say_who_asked(self, dispatcher, ledger, vendor) -> None:
        job = submit(dispatcher)
        (vendor.folder / f"{job.provider_job_id}.cancel").write_text("requested")
        held = dispatcher.decisions.cancel(job.job_id, by="ada")
        vendor.show(job.provider_job_id, JobState.CANCELLED)
        dispatcher.poll([held])
        ends = ledger.events(job.job_id)[-2:]  # asked for, and done
        assert [(event.detail or {}).get("by") for event in ends] == ["ada"] * 2
        assert ends[-1].event == "JobCancelled"

    def test_a_finished_job_stays_as_it_is(self, dispatcher, vendor) -> None:
        done = dispatcher.collect(submit(dispatcher).job_id, make_batch()).job
        assert dispatcher.decisions.cancel(done.job_id) == done
        assert vendor.calls("cancel") == 0

    @pytest.mark.parametrize(("reported", "charged"), [(0.0, 0.0), (0.4, 0.4), (None, 1.5)])
    def test_a_cancelled_job_costs_what_its_provider_says_and_else_its_quote(
        self, dispatcher, vendor, ledger, reported, charged
    ) -> None:
        vendor.price_usd = 1.5
        job = submit(dispatcher, budget_usd=2.0)
        (vendor.folder / f"{job.provider_job_id}.cancel").write_text("cancelled")
        vendor.show(job.provider_job_id, JobState.CANCELLED, cost_usd=reported)
        cancelled = dispatcher.decisions.cancel(job.job_id)
        assert (cancelled.state, cancelled.cost_usd) == (JobState.CANCELLED, reported)
        assert cancelled.cost_settled_usd == charged
        account = ledger.account(job.experiment)
        assert (account.reserved_usd, account.settled_usd) == (0.0, charged)

    def test_a_job_that_waits_to_be_sent_is_cancelled_here(self, dispatcher, vendor) -> None:
        vendor.plan_faults("throttled")
        with pytest.raises(Throttled):
            submit(dispatcher)
        [job] = dispatcher.ledger.jobs()
        assert dispatcher.decisions.cancel(job.job_id).state is JobState.CANCELLED
        assert submit(dispatcher).state is JobState.CANCELLED
        assert vendor.book() == []

    @pytest.mark.parametrize(("accepted", "state"), [(True, JobState.SUBMITTED), (False, JobState.CANCELLED)])
    def test_a_job_in_doubt_is_looked_up_before_it_is_cancelled(
        self, dispatcher, ledger, vendor, accepted, state
    ) -> None:
        vendor.plan_faults("ambiguous_before", "ambiguous_after" if accepted else "ambiguous_before")
        with pytest.raises(Ambiguous):
            submit(dispatcher)
        [job] = ledger.jobs()
        assert dispatcher.decisions.cancel(job.job_id).state is state
        assert vendor.calls("cancel") == len(vendor.book()) == int(accepted)
        assert vendor.calls("submit") == 2

    def test_a_doubt_that_nobody_can_clear_up_is_not_cancelled_but_kept_for_a_person(
        self, dispatcher, ledger, tmp_path, sleeps
    ) -> None:
        dispatcher, vendor = dispatcher_for_vendor(dispatcher, tmp_path, sleeps, dedupe="none")
        vendor.submit = lambda *_: (_ for _ in ()).throw(ConnectionError("raw socket error"))
        assert submit(dispatcher).state is JobState.SUBMIT_UNKNOWN
        [job] = ledger.jobs()
        assert dispatcher.decisions.cancel(job.job_id).state is JobState.SUBMIT_UNKNOWN
        assert vendor.calls("cancel") == 0
