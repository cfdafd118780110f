"""What every ledger must do: in SQLite, on Postgres, and in memory."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import (
    Breaker,
    DuplicateJob,
    DuplicateProviderJob,
    EventData,
    Ledger,
    Outcome,
    StaleBreaker,
    StaleJob,
    StoredCalibration,
    StoredResult,
    Transition,
    correlation_id_for,
)
from qhybrid_pipelines.core.errors import IllegalTransition, InvalidInput, Refused
from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.ledger_plans import NOW, apply_events, plan


class TestJobs:
    def test_a_planned_job_reads_back_as_it_was_written(self, ledger: Ledger) -> None:
        job = ledger.plan(plan())
        assert ledger.job("j-a") == job == ledger.latest("maxcut-small-00000000", "v:d", "a")
        assert (job.state, job.version, job.attempt, job.token) == (JobState.SUBMITTING, 3, 1, "token-a")
        assert (job.created_at, job.updated_at, job.requested_at) == (NOW, NOW, NOW - timedelta(seconds=3))
        assert job.created_at.tzinfo is UTC

    def test_planning_twice_gives_the_first_job_and_reserves_once(self, ledger: Ledger) -> None:
        first = ledger.plan(plan(quote=1.0, budget=1.0))
        assert ledger.plan(plan(quote=1.0, budget=1.0, token="another")) == first
        assert ledger.account(first.experiment).reserved_usd == 1.0
        assert len(ledger.events()) == 3

    def test_a_time_of_another_zone_is_the_same_moment(self, ledger: Ledger) -> None:
        there = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
        assert ledger.plan(plan(planned_at=there)).created_at == NOW == ledger.job("j-a").created_at

    def test_facts_become_known_with_the_steps_and_stay(self, ledger: Ledger) -> None:
        job = apply_events(ledger, ledger.plan(plan()), Event.ACKNOWLEDGE, provider_job_id="p-1")
        assert job.ref.provider_job_id == "p-1"
        job = apply_events(ledger, job, Event.QUEUE, Event.START, Event.COMPLETE, cost_usd=0.25)
        stored = StoredResult(sha256="0" * 64, size_bytes=12, content_type="application/json")
        job = apply_events(ledger, job, Event.FETCH, result=stored)
        job = apply_events(ledger, job, Event.VERIFY, engine="e-1")
        assert ledger.job(job.job_id) == job
        assert (job.provider_job_id, job.cost_usd, job.engine, job.result_sha256) == ("p-1", 0.25, "e-1", "0" * 64)
        assert ledger.stored_result(job.job_id) == stored
        assert ledger.stored_result("j-b") is None

    def test_the_last_occurrence_of_a_payload_counts(self, ledger: Ledger) -> None:
        ledger.plan(plan())
        again = ledger.plan(plan(job_id="j-a2", token="token-a2", run_number=2))
        assert ledger.latest(again.experiment, again.backend, again.payload_sha256) == again

    def test_jobs_are_found_by_state_and_experiment(self, ledger: Ledger) -> None:
        first = apply_events(ledger, ledger.plan(plan("a")), Event.ACKNOWLEDGE, provider_job_id="p")
        second = ledger.plan(plan("b", experiment="other-00000000"))
        assert ledger.jobs() == [first, second]
        assert ledger.jobs(states={JobState.SUBMITTED}) == [first]
        assert ledger.jobs(states=set()) == []
        assert ledger.jobs(experiment="other-00000000") == [second]
        assert ledger.latest("nobody", "v:d", "a") is None
        assert ledger.account("nobody") is None

    def test_an_unknown_job_is_wrong_input(self, ledger: Ledger) -> None:
        with pytest.raises(InvalidInput, match="no job 'j-x'"):
            ledger.job("j-x")

    def test_a_job_without_an_acknowledgement_has_no_reference(self, ledger: Ledger) -> None:
        with pytest.raises(ValueError, match="not acknowledged"):
            _ = ledger.plan(plan()).ref


class TestChanges:
    def test_a_change_on_an_old_version_is_refused_and_writes_nothing(self, ledger: Ledger) -> None:
        job = ledger.plan(plan())
        apply_events(ledger, job, Event.ACKNOWLEDGE, provider_job_id="p-1")
        with pytest.raises(StaleJob):
            apply_events(ledger, job, Event.REJECT)
        assert ledger.job(job.job_id).state is JobState.SUBMITTED
        assert len(ledger.events()) == 4

    def test_a_step_that_the_life_does_not_know_writes_nothing(self, ledger: Ledger) -> None:
        job = ledger.plan(plan())
        with pytest.raises(IllegalTransition):
            apply_events(ledger, job, Event.ACKNOWLEDGE, Event.VERIFY)
        assert ledger.job(job.job_id) == job
        assert len(ledger.events()) == 3

    def test_many_moves_at_once_skip_what_somebody_else_has_changed(self, ledger: Ledger) -> None:
        jobs = [apply_events(ledger, ledger.plan(plan(n)), Event.ACKNOWLEDGE, provider_job_id=f"p-{n}") for n in "abc"]
        ahead = apply_events(ledger, jobs[1], Event.QUEUE, Event.START)
        transitions = [Transition.single(job, Event.QUEUE, NOW) for job in jobs]
        after = ledger.advance_all(transitions)
        assert [job.state for job in after] == [JobState.QUEUED, JobState.RUNNING, JobState.QUEUED]
        assert after[1] == ahead
        assert ledger.verify_chain().is_intact

    def test_an_id_that_belongs_to_another_job_is_refused(self, ledger: Ledger) -> None:
        apply_events(ledger, ledger.plan(plan("a")), Event.ACKNOWLEDGE, provider_job_id="p-1")
        other = ledger.plan(plan("b"))
        with pytest.raises(DuplicateProviderJob, match="p-1"):
            apply_events(ledger, other, Event.ACKNOWLEDGE, provider_job_id="p-1")
        assert ledger.job("j-b") == other
        assert ledger.verify_chain().is_intact

    def test_two_jobs_cannot_share_a_token(self, ledger: Ledger) -> None:
        ledger.plan(plan("a"))
        with pytest.raises(DuplicateJob):
            ledger.plan(plan("b", token="token-a"))
        assert len(ledger.jobs()) == 1

    def test_attempts_tell_what_became_of_each_token(self, ledger: Ledger) -> None:
        job = apply_events(ledger, ledger.plan(plan()), Event.MARK_UNKNOWN)
        assert ledger.attempts(job.job_id)[0].outcome is Outcome.UNKNOWN
        job = apply_events(ledger, job, Event.CONFIRM_ABSENT)
        job = apply_events(ledger, job, Event.SUBMIT, new_token="token-2")
        job = apply_events(ledger, job, Event.RETRY_LATER)
        job = apply_events(ledger, job, Event.SUBMIT)
        job = apply_events(ledger, job, Event.ACKNOWLEDGE, provider_job_id="p-1")
        assert (job.attempt, job.token, job.provider_job_id) == (2, "token-2", "p-1")
        assert [(a.number, a.token, a.outcome, a.provider_job_id) for a in ledger.attempts(job.job_id)] == [
            (1, "token-a", Outcome.NOT_ACCEPTED, None),
            (2, "token-2", Outcome.ACCEPTED, "p-1"),
        ]

    def test_a_further_attempt_that_is_adopted_at_once_keeps_the_providers_id(self, ledger: Ledger) -> None:
        """Found at the provider before anything was sent: one move opens the attempt and ends it."""
        job = apply_events(ledger, ledger.plan(plan()), Event.MARK_UNKNOWN)
        job = apply_events(ledger, job, Event.CONFIRM_ABSENT)
        steps = {"new_token": "token-2", "provider_job_id": "p-1"}
        adopted = apply_events(ledger, job, Event.SUBMIT, Event.ADOPT, **steps)
        assert ledger.job(job.job_id) == adopted
        assert (adopted.state, adopted.attempt, adopted.provider_job_id) == (JobState.SUBMITTED, 2, "p-1")
        assert [(a.number, a.provider_job_id) for a in ledger.attempts(job.job_id)] == [(1, None), (2, "p-1")]
        assert ledger.sent_tokens(["token-2"]) == {"token-2": "p-1"}
        assert ledger.audit_rows(job_id=job.job_id) == []
        other = apply_events(ledger, ledger.plan(plan("b")), Event.MARK_UNKNOWN)
        other = apply_events(ledger, other, Event.CONFIRM_ABSENT)
        with pytest.raises(DuplicateProviderJob, match="p-1"):
            apply_events(ledger, other, Event.SUBMIT, Event.ADOPT, new_token="token-b2", provider_job_id="p-1")
        assert ledger.job(other.job_id) == other


class TestBudget:
    def test_a_quote_above_the_budget_leaves_no_trace(self, ledger: Ledger) -> None:
        ledger.plan(plan("a", quote=0.6, budget=1.0))
        with pytest.raises(Refused, match=r"budget of \$1.00"):
            ledger.plan(plan("b", quote=0.6, budget=1.0))
        assert [job.job_id for job in ledger.jobs()] == ["j-a"]
        assert ledger.account("maxcut-small-00000000").reserved_usd == 0.6

    @pytest.mark.parametrize(
        ("events", "facts", "charged"),
        [
            ((Event.REJECT,), {}, 0.0),
            ((Event.ACKNOWLEDGE, Event.FAIL), {"provider_job_id": "p"}, 0.6),
            ((Event.ACKNOWLEDGE, Event.CANCEL), {"provider_job_id": "p", "cost_usd": 0.0}, 0.0),
            (
                (Event.ACKNOWLEDGE, Event.QUEUE, Event.START, Event.COMPLETE, Event.FETCH, Event.VERIFY),
                {"provider_job_id": "p", "cost_usd": 0.45},
                0.45,
            ),
        ],
    )
    def test_what_an_ended_job_did_not_use_may_be_spent_again(self, ledger, events, facts, charged) -> None:
        job = apply_events(ledger, ledger.plan(plan("a", quote=0.6, budget=1.0)), *events, **facts)
        account = ledger.account(job.experiment)
        assert (account.reserved_usd, account.settled_usd, job.cost_settled_usd) == (0.0, charged, charged)
        rest = round(1.0 - charged, 6)
        assert ledger.plan(plan("b", quote=rest, budget=1.0)).cost_quoted_usd == rest

    def test_an_open_job_keeps_its_reservation(self, ledger: Ledger) -> None:
        job = apply_events(ledger, ledger.plan(plan(quote=0.6, budget=1.0)), Event.ACKNOWLEDGE, provider_job_id="p")
        assert ledger.account(job.experiment).reserved_usd == 0.6
        assert job.cost_settled_usd is None

    def test_amounts_below_a_micro_dollar_are_kept_rounded_up_everywhere(self, ledger: Ledger) -> None:
        job = ledger.plan(plan("a", quote=0.0000011, budget=0.1234567))
        assert job.cost_quoted_usd == 0.000002
        job = apply_events(ledger, job, Event.ACKNOWLEDGE, provider_job_id="p", cost_usd=0.0000003)
        assert job.cost_usd == 0.000001
        assert ledger.job(job.job_id) == job
        assert ledger.plan(plan("b", budget=0.1234567)).state is JobState.SUBMITTING

    def test_a_budget_cannot_be_changed_by_whoever_asks_next(self, ledger: Ledger) -> None:
        ledger.plan(plan("a", budget=1.0))
        with pytest.raises(Refused, match="belongs to its experiment"):
            ledger.plan(plan("b", budget=1000.0))


class TestManyPlans:
    def test_all_are_written_or_none(self, ledger: Ledger) -> None:
        known = ledger.plan(plan("a", quote=0.25, budget=1.0))
        with pytest.raises(Refused):
            ledger.plan_all([plan(name, quote=0.5, budget=1.0) for name in "bcd"])
        with pytest.raises(DuplicateJob):
            ledger.plan_all([plan("b", quote=0.1, budget=1.0), plan("c", quote=0.1, budget=1.0, token="token-a")])
        assert ledger.jobs() == [known]
        assert ledger.account(known.experiment).reserved_usd == 0.25
        assert len(ledger.events()) == 3

    def test_jobs_that_are_there_are_returned_in_their_place(self, ledger: Ledger) -> None:
        known = ledger.plan(plan("b", quote=0.25, budget=1.0))
        jobs = ledger.plan_all([plan(name, quote=0.25, budget=1.0) for name in "abc"])
        assert [job.job_id for job in jobs] == ["j-a", "j-b", "j-c"]
        assert jobs[1] == known
        assert ledger.account(known.experiment).reserved_usd == 0.75
        assert ledger.jobs() == jobs
        assert ledger.verify_chain().is_intact

    def test_the_same_plan_twice_is_one_job(self, ledger: Ledger) -> None:
        first, second = ledger.plan_all([plan("a"), plan("a")])
        assert first == second
        assert ledger.plan_all([]) == []

    @pytest.mark.parametrize("word", [Event.CANCEL, Event.REROUTE])
    def test_work_that_has_left_its_backend_is_taken_over_or_a_word_about_it_is_written(self, ledger, word) -> None:
        planned = ledger.plan(plan(events=(Event.PLAN, Event.APPROVE)))
        left = apply_events(ledger, planned, Event.REROUTE, rerouted_to="j-c")
        worded = apply_events(ledger, left, word)
        with pytest.raises(StaleJob):
            ledger.plan_all([plan("b"), plan("c", takes_over=left)])
        assert [ledger.jobs(), ledger.head().position] == [[worded], 4], "all or none"
        if word is Event.REROUTE:
            taken = ledger.plan(plan("c", takes_over=worded))
            assert ledger.plan(plan("c", takes_over=left)) == taken, "it is there already"
            with pytest.raises(StaleJob):
                apply_events(ledger, worded, Event.CANCEL)
            assert ledger.jobs() == [worded, taken]
        assert ledger.audit_rows() == []

    def test_a_place_among_the_jobs_of_a_payload_is_given_once(self, ledger: Ledger) -> None:
        ledger.plan(plan("a"))
        with pytest.raises(DuplicateJob):
            ledger.plan(plan("b", payload_sha256="a"))
        assert [job.job_id for job in ledger.jobs()] == ["j-a"]


class TestWhoAsks:
    def test_what_is_known_at_the_plan_is_kept(self, ledger: Ledger) -> None:
        facts = {
            "requested_backend": "v:other",
            "principal": "ada",
            "environment": "test",
            "data_class": "secret",
            "priority": 7,
            "deadline_at": NOW + timedelta(hours=1),
            "policy_sha256": "f" * 64,
        }
        job = ledger.plan(plan(**facts))
        assert {name: getattr(job, name) for name in facts} == facts
        assert job.correlation_id == correlation_id_for(job.experiment, "v:other")
        assert ledger.job(job.job_id) == job

    def test_without_a_word_a_job_runs_where_it_was_asked_for(self, ledger: Ledger) -> None:
        job = ledger.plan(plan())
        assert (job.requested_backend, job.principal, job.environment, job.data_class, job.priority) == (
            "v:d",
            "unknown",
            "dev",
            "internal",
            0,
        )
        assert (job.deadline_at, job.policy_sha256, job.approved_by, job.rerouted_to) == (None, None, None, None)
        assert job.correlation_id == "c5b0970f1d00f6229"
        assert ledger.plan(plan("b", correlation_id="c-mine")).correlation_id == "c-mine"

    def test_moves_bring_approval_priority_deadline_and_the_next_job(self, ledger: Ledger) -> None:
        job = ledger.plan(plan(events=(Event.PLAN, Event.REQUEST_APPROVAL), priority=2))
        job = apply_events(
            ledger, job, Event.APPROVE, approved_by="grace", priority=5, deadline_at=NOW + timedelta(days=1)
        )
        assert (job.approved_by, job.priority, job.deadline_at) == ("grace", 5, NOW + timedelta(days=1))
        job = apply_events(ledger, job, Event.REROUTE, rerouted_to="j-b")
        assert (job.approved_by, job.priority, job.rerouted_to) == ("grace", 5, "j-b")
        assert ledger.job(job.job_id) == job

    def test_a_new_quote_is_reserved_in_the_place_of_the_old_one(self, ledger: Ledger) -> None:
        job = ledger.plan(plan(quote=0.5, budget=1.0, events=(Event.PLAN, Event.REQUEST_APPROVAL)))
        with pytest.raises(Refused):
            apply_events(ledger, job, Event.APPROVE, cost_quoted_usd=1.5)
        job = apply_events(ledger, job, Event.APPROVE, cost_quoted_usd=0.75)
        assert (job.cost_quoted_usd, ledger.account(job.experiment).reserved_usd) == (0.75, 0.75)
        job = apply_events(ledger, job, Event.CANCEL)
        assert ledger.account(job.experiment).reserved_usd == 0.0
        assert ledger.job(job.job_id) == job

    def test_a_vendors_words_are_kept_as_far_as_they_can_be_stored(self, ledger: Ledger) -> None:
        job = apply_events(ledger, ledger.plan(plan()), Event.ACKNOWLEDGE, provider_job_id="p")
        odd = "a\x00b \ud800 \U0001f600 'quoted' %s"
        step = EventData(event=Event.FAIL, at=NOW, raw_status=odd, detail={"said": odd})
        job = ledger.advance(Transition(job=job, steps=(step,), observed_at=NOW, error=odd))
        stored = "a\ufffdb \ufffd \U0001f600 'quoted' %s"
        assert job.error == stored
        assert ledger.job(job.job_id) == job
        last = ledger.events()[-1]
        assert (last.raw_status, last.detail) == (stored, {"said": stored.replace("\ufffdb", "\x00b")})
        assert ledger.verify_chain().is_intact


class TestBreakers:
    def test_a_breaker_reads_back_with_its_next_version(self, ledger: Ledger) -> None:
        assert ledger.breaker("v:d") is None
        new = Breaker(backend="v:d", state="open", failures=3, opened_at=NOW, retry_at=NOW, reason="three failures")
        saved = ledger.save_breaker(new)
        assert saved.version == 1
        assert ledger.breaker("v:d") == saved
        other = ledger.save_breaker(Breaker(backend="a:b"))
        assert ledger.breakers() == [other, saved]

    def test_who_read_an_older_one_is_refused(self, ledger: Ledger) -> None:
        first = ledger.save_breaker(Breaker(backend="v:d"))
        second = ledger.save_breaker(Breaker(backend="v:d", failures=1, version=first.version))
        for stale in (Breaker(backend="v:d"), first):
            with pytest.raises(StaleBreaker, match="v:d"):
                ledger.save_breaker(stale)
        with pytest.raises(StaleBreaker):
            ledger.save_breaker(Breaker(backend="x:y", version=1))
        assert ledger.breakers() == [second]


class TestCalibrations:
    def test_each_is_kept_once_and_the_newest_comes_last(self, ledger: Ledger) -> None:
        def calibration(name: str, days: int) -> Calibration:
            at = NOW + timedelta(days=days)
            return Calibration(
                calibration_id=name, measured_at=at, fetched_at=at, payload={"t1_us": [1.5, None], "n": 2}
            )

        old, new = calibration("z", 0), calibration("a", 1)
        assert ledger.add_calibration("v:d", new)
        assert ledger.add_calibration("v:d", old)
        assert ledger.add_calibration("v:e", new)
        assert not ledger.add_calibration("v:d", calibration("a", 5))
        assert ledger.calibrations("v:d") == [
            StoredCalibration(backend="v:d", calibration=old),
            StoredCalibration(backend="v:d", calibration=new),
        ]
        assert [stored.backend for stored in ledger.calibrations()] == ["v:d", "v:d", "v:e"]
        assert ledger.calibrations("nobody") == []
        assert ledger.calibrated_at() == {"v:d": new.measured_at, "v:e": new.measured_at}

    def test_those_without_a_date_are_in_the_order_in_which_they_were_seen(self, ledger: Ledger) -> None:
        seen = [
            Calibration(calibration_id=name, measured_at=at, fetched_at=NOW + timedelta(days=days), payload={})
            for name, at, days in (("b", None, 1), ("c", NOW + timedelta(days=2), 9), ("a", None, 3))
        ]
        for one in reversed(seen):
            assert ledger.add_calibration("v:d", one)
        assert [stored.calibration for stored in ledger.calibrations("v:d")] == seen
        assert ledger.add_calibration("v:e", seen[0])
        assert ledger.calibrated_at() == {"v:d": seen[1].measured_at}
