"""Policy, approval, routing and patience in front of real providers with books of their own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.core.errors import IllegalTransition, Refused, Throttled
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.dispatcher_harness import ALLOW, NOON, SUBMIT_REQUEST, sub_batches
from qhybrid_pipelines_tests.support.durable_vendor import BACKEND, make_batch

ASK = {"name": "paid", "above_cost_usd": 0.0, "then": "approve", "reason": "shots cost money"}


FAILOVER = {"routing": {"failover": {BACKEND: ["other:device"]}}}


class TestPolicy:
    def test_no_rule_no_job(self, harness) -> None:
        with pytest.raises(Refused, match="no rule of the policy allows it"):
            harness.dispatcher(ALLOW | {"principal": "bob"}).submit(make_batch(), SUBMIT_REQUEST)
        assert (harness.ledger.jobs(), harness.one.calls("submit")) == ([], 0)

    def test_a_denial_names_who_what_and_why(self, harness) -> None:
        deny = {"name": "secret", "data_class": "confidential", "then": "deny", "reason": "it stays here"}
        with pytest.raises(
            Refused,
            match=r"'ada' run 400 shots with confidential data for \$0.00 on 'vendor:device'.*'secret': it stays",
        ):
            harness.dispatcher(deny, ALLOW).submit(make_batch(), replace(SUBMIT_REQUEST, data_class="confidential"))

    @pytest.mark.parametrize(
        ("region", "rule", "words"),
        [
            ("us-east", {"outside_region": ["eu-*"]}, "region us-east"),
            (None, {"outside_region": ["eu-*"]}, "region not known"),
            ("us-east", {"region": ["us-*"]}, "region us-east"),
        ],
    )
    def test_a_region_that_is_not_allowed_is_refused_before_anything_is_sent(
        self, harness, region, rule, words
    ) -> None:
        harness.one.region = region
        deny = {"name": "stays", "then": "deny", "reason": "jobs stay in the union", **rule}
        with pytest.raises(Refused, match=f"{words}.*rule 'stays': jobs stay in the union"):
            harness.dispatcher(deny, ALLOW).submit(make_batch(), SUBMIT_REQUEST)
        assert (harness.ledger.jobs(), harness.one.calls("submit"), harness.one.book()) == ([], 0, [])

    @pytest.mark.parametrize("rule", [{"outside_region": ["eu-*"]}, {"region": ["us-*"]}])
    def test_a_region_that_is_allowed_is_used(self, harness, rule) -> None:
        harness.one.region = "eu-de"
        deny = {"name": "stays", "then": "deny", "reason": "jobs stay in the union", **rule}
        harness.dispatcher(deny, ALLOW).submit(make_batch(), SUBMIT_REQUEST)
        assert len(harness.one.book()) == 1

    def test_work_does_not_fail_over_into_another_region(self, harness) -> None:
        harness.one.region, harness.two.region = "eu-de", "us-east"
        harness.one.show_status(online=False)
        deny = {"name": "stays", "then": "deny", "reason": "jobs stay in the union", "outside_region": "eu-*"}
        with pytest.raises(Throttled, match="'vendor:device' is offline; the job is kept"):
            harness.dispatcher(deny, ALLOW, **FAILOVER).submit(make_batch(), SUBMIT_REQUEST)
        [job] = harness.ledger.jobs()
        assert (job.backend, job.state, harness.two.book()) == (BACKEND, JobState.APPROVED, [])

    def test_shots_and_cost_count_over_all_parts_together(self, harness) -> None:
        harness.one.price_usd = 1.0
        dispatcher = harness.dispatcher(ALLOW | {"max_shots": 800, "max_cost_usd": 2.0})
        with pytest.raises(Refused):
            dispatcher.submit_all(sub_batches(1, 2, 3), SUBMIT_REQUEST)
        assert len(dispatcher.submit_all(sub_batches(1, 2), SUBMIT_REQUEST)) == 2

    def test_the_record_says_who_asked_and_by_which_policy(self, harness) -> None:
        dispatcher = harness.dispatcher(environment="test")
        job = dispatcher.submit(make_batch(), replace(SUBMIT_REQUEST, data_class="public", priority=3))
        assert (job.principal, job.environment, job.data_class, job.priority) == ("ada", "test", "public", 3)
        assert (job.policy_sha256, job.requested_backend) == (dispatcher.policy.sha256, BACKEND)
        assert job.deadline_at == NOON + timedelta(days=1)
        assert harness.ledger.events(job.job_id)[1].detail == {"rule": "all", "reason": "trust"}

    def test_an_anonymous_launch_is_told_apart(self, harness) -> None:
        dispatcher = harness.dispatcher({"name": "named", "principal": "a*", "then": "allow", "reason": "a name"})
        with pytest.raises(Refused, match="'ui-anonymous'"):
            dispatcher.submit(make_batch(), replace(SUBMIT_REQUEST, principal="ui-anonymous"))

    def test_prod_uses_no_provider_that_may_be_paid_twice(self, harness) -> None:
        harness.one.dedupe = "none"
        with pytest.raises(Refused, match="may be paid twice"):
            harness.dispatcher(environment="prod").submit(make_batch(), SUBMIT_REQUEST)

    def test_what_was_compiled_stands_in_the_plan(self, harness) -> None:
        harness.one.calibrate("c1", NOON)
        job = harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
        detail = harness.ledger.events(job.job_id)[0].detail
        assert (detail["depth"], detail["two_qubit_gates"], detail["compile_seconds"]) == (7, 3, 0.25)
        assert (detail["calibration_id"], detail["calibration_measured_at"]) == ("c1", NOON.isoformat())
        assert [kept.calibration.calibration_id for kept in harness.ledger.calibrations(BACKEND)] == ["c1"]

    def test_all_parts_are_planned_or_none(self, harness) -> None:
        harness.one.price_usd = 1.0
        with pytest.raises(Refused, match=r"Raise budget\.usd"):
            harness.dispatcher().submit_all(sub_batches(1, 2, 3), SubmitRequest(tier="batch", budget_usd=2.5))
        assert (harness.ledger.jobs(), harness.one.book()) == ([], [])

    def test_the_same_parts_again_cost_nothing(self, harness) -> None:
        dispatcher = harness.dispatcher()
        first = dispatcher.submit_all(sub_batches(1, 2, 3), SUBMIT_REQUEST)
        assert dispatcher.submit_all(sub_batches(3, 1, 2), SUBMIT_REQUEST) == [first[2], first[0], first[1]]
        assert harness.one.calls("submit") == 3


class TestApproval:
    @pytest.fixture(autouse=True)
    def priced(self, harness) -> None:
        harness.one.price_usd = 2.0

    def test_nothing_is_sent_before_somebody_agrees_and_then_once(self, harness) -> None:
        dispatcher = harness.dispatcher(ASK, ALLOW)
        job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        assert job.state is JobState.AWAITING_APPROVAL
        assert dispatcher.submit(make_batch(), SUBMIT_REQUEST) == job
        assert harness.ledger.account(job.experiment).reserved_usd == 2.0
        agreed = dispatcher.decisions.approve(job.job_id, by="bob")
        assert (agreed.state, agreed.approved_by) == (JobState.APPROVED, "bob")
        assert harness.ledger.events(job.job_id)[-1].detail == {
            "payload_sha256": job.payload_sha256,
            "backend": BACKEND,
            "cost_quoted_usd": 2.0,
            "by": "bob",
        }
        assert harness.one.book() == []
        assert dispatcher.submit(make_batch(), SUBMIT_REQUEST).state is JobState.SUBMITTED
        assert len(harness.one.book()) == 1
        with pytest.raises(IllegalTransition):
            dispatcher.decisions.approve(job.job_id, by="bob")

    def test_a_declined_job_frees_its_money(self, harness) -> None:
        dispatcher = harness.dispatcher(ASK, ALLOW)
        job = dispatcher.decisions.decline(
            dispatcher.submit(make_batch(), SUBMIT_REQUEST).job_id, by="bob", reason="too dear"
        )
        assert (job.state, job.error) == (JobState.REJECTED, "declined by bob: too dear")
        assert harness.ledger.account(job.experiment).reserved_usd == 0.0

    @pytest.mark.parametrize(("environment", "refused"), [("dev", False), ("test", False), ("prod", True)])
    def test_in_prod_nobody_agrees_with_themselves(self, harness, environment, refused) -> None:
        dispatcher = harness.dispatcher(ASK, ALLOW, environment=environment)
        job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        if refused:
            with pytest.raises(Refused, match="somebody else has to agree"):
                dispatcher.decisions.approve(job.job_id, by="ada")
            assert harness.ledger.job(job.job_id) == job
        assert dispatcher.decisions.approve(job.job_id, by="bob" if refused else "ada").state is JobState.APPROVED

    def test_nobody_without_a_name_agrees(self, harness) -> None:
        dispatcher = harness.dispatcher(ASK, ALLOW)
        job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        with pytest.raises(Refused, match="with a name"):
            dispatcher.decisions.approve(job.job_id, by="ui-anonymous")

    def test_agreement_comes_too_late_after_the_deadline(self, harness) -> None:
        dispatcher = harness.dispatcher(ASK, ALLOW)
        job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        harness.now += timedelta(days=2)
        with pytest.raises(Refused, match="had to be approved by 2026-05-02"):
            dispatcher.decisions.approve(job.job_id, by="bob")
        [expired] = dispatcher.expire_due()
        assert (expired.state, expired.cost_settled_usd) == (JobState.EXPIRED, 0.0)
        assert harness.one.book() == []

    def test_a_risen_price_asks_again_instead_of_paying(self, harness) -> None:
        dispatcher = harness.dispatcher(ASK, ALLOW)
        job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        dispatcher.decisions.approve(job.job_id, by="bob")
        harness.one.price_usd = 3.0
        again = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        assert (again.state, again.cost_quoted_usd) == (JobState.AWAITING_APPROVAL, 3.0)
        assert harness.ledger.account(job.experiment).reserved_usd == 3.0
        assert "rose from $2.00 to $3.00" in harness.ledger.events(job.job_id)[-1].detail["reason"]
        assert harness.one.book() == []
        dispatcher.decisions.approve(job.job_id, by="bob")
        assert dispatcher.submit(make_batch(), SUBMIT_REQUEST).state is JobState.SUBMITTED

    def test_a_fallen_price_asks_nobody(self, harness) -> None:
        dispatcher = harness.dispatcher(ASK, ALLOW)
        dispatcher.decisions.approve(dispatcher.submit(make_batch(), SUBMIT_REQUEST).job_id, by="bob")
        harness.one.price_usd = 1.0
        assert dispatcher.submit(make_batch(), SUBMIT_REQUEST).state is JobState.SUBMITTED

    def test_a_risen_price_that_the_policy_allows_has_to_fit_the_budget(self, harness) -> None:
        dispatcher = harness.dispatcher()
        harness.one.plan_faults("throttled")
        with pytest.raises(Throttled):
            dispatcher.submit(make_batch(), SubmitRequest(tier="batch", budget_usd=3.0))
        harness.one.price_usd = 4.0
        with pytest.raises(Refused, match=r"Raise budget\.usd"):
            dispatcher.submit(make_batch(), SubmitRequest(tier="batch", budget_usd=3.0))
        harness.one.price_usd = 3.0
        job = dispatcher.submit(make_batch(), SubmitRequest(tier="batch", budget_usd=3.0))
        assert (job.state, job.cost_quoted_usd) == (JobState.SUBMITTED, 3.0)
        assert len(harness.one.book()) == 1

    def test_a_policy_that_became_stricter_counts_for_what_was_not_sent(self, harness) -> None:
        harness.one.plan_faults("throttled")
        with pytest.raises(Throttled):
            harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
        assert harness.dispatcher(ASK, ALLOW).submit(make_batch(), SUBMIT_REQUEST).state is JobState.AWAITING_APPROVAL


class TestRouting:
    def test_a_stand_in_takes_over_and_asking_again_finds_the_work_there(self, harness) -> None:
        harness.one.show_status(online=False)
        dispatcher = harness.dispatcher(**FAILOVER)
        job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        assert (job.backend, job.requested_backend, job.provider) == ("other:device", BACKEND, "other")
        assert "is offline" in harness.ledger.events(job.job_id)[0].detail["route"]
        harness.one.show_status(online=True)
        assert dispatcher.submit(make_batch(), SUBMIT_REQUEST) == job
        assert (len(harness.one.book()), len(harness.two.book())) == (0, 1)
        assert dispatcher.collect(job.job_id, make_batch()).counts.num_rows == 4

    def test_a_stand_in_is_asked_the_policy_as_well(self, harness) -> None:
        harness.one.show_status(online=False)
        dispatcher = harness.dispatcher(ALLOW | {"backend": "vendor:*"}, **FAILOVER)
        with pytest.raises(Throttled, match="is offline"):
            dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        assert harness.two.book() == []

    def test_an_outage_loses_no_request(self, harness) -> None:
        harness.one.show_status(online=False)
        dispatcher = harness.dispatcher()
        with pytest.raises(Throttled, match="nothing was sent"):
            dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        [job] = harness.ledger.jobs()
        assert job.state is JobState.APPROVED
        assert dispatcher.jobs_to_resubmit() == [job]
        harness.one.show_status(online=True)
        assert dispatcher.submit(make_batch(), SUBMIT_REQUEST).state is JobState.SUBMITTED

    def test_what_was_not_sent_goes_elsewhere_when_its_backend_goes_out(self, harness) -> None:
        harness.one.plan_faults("throttled")
        dispatcher = harness.dispatcher(**FAILOVER)
        with pytest.raises(Throttled):
            dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        [first] = harness.ledger.jobs()
        harness.one.show_status(online=False)
        job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
        left = harness.ledger.job(first.job_id)
        assert (left.state, left.rerouted_to) == (JobState.REROUTED, job.job_id)
        assert (job.backend, job.state, job.run_number) == ("other:device", JobState.SUBMITTED, 2)
        assert dispatcher.current_job(first.job_id) == job
        assert dispatcher.collect(first.job_id, make_batch()).job.job_id == job.job_id

    def test_a_stand_in_that_the_budget_does_not_hold_takes_nothing_over(self, harness) -> None:
        harness.one.price_usd, harness.two.price_usd = 1.0, 1.5
        harness.one.plan_faults("throttled")
        dispatcher, request = harness.dispatcher(**FAILOVER), replace(SUBMIT_REQUEST, budget_usd=1.4)
        with pytest.raises(Throttled):
            dispatcher.submit(make_batch(), request)
        harness.one.show_status(online=False)
        with pytest.raises(Refused, match="budget of"):
            dispatcher.submit(make_batch(), request)
        [job] = harness.ledger.jobs()
        assert job.state is JobState.APPROVED
        harness.one.show_status(online=True)
        assert dispatcher.submit(make_batch(), request).state is JobState.SUBMITTED

    def test_failures_in_a_row_open_the_breaker_for_every_process(self, harness) -> None:
        rules = {"routing": {"breaker": {"failures": 2, "open_seconds": 100.0}}}
        harness.one.plan_faults("throttled", "throttled")
        with pytest.raises(Throttled, match="slow down"):
            harness.dispatcher(**rules).submit_all(sub_batches(1, 2, 3, 4), SUBMIT_REQUEST)
        assert harness.one.calls("submit") == 2
        with pytest.raises(Throttled, match="is left alone until 2026-05-01 12:01:40"):
            harness.dispatcher(**rules).submit(make_batch(), SUBMIT_REQUEST)
        harness.now += timedelta(seconds=101)
        jobs = harness.dispatcher(**rules).submit_all(sub_batches(1, 2, 3, 4), SUBMIT_REQUEST)
        assert {job.state for job in jobs} == {JobState.SUBMITTED}
        assert len(harness.one.book()) == 4
        assert harness.ledger.breaker(BACKEND).state == "closed"

    def test_a_short_retry_after_is_waited_for_in_place(self, harness) -> None:
        harness.one.retry_after = 7.0
        harness.one.plan_faults("throttled", "none")
        jobs = harness.dispatcher(**FAILOVER).submit_all(sub_batches(1, 2), SUBMIT_REQUEST)
        assert {job.backend for job in jobs} == {BACKEND}
        assert harness.sleeps == [7.0]
        assert harness.one.calls("submit") == 3

    def test_a_long_retry_after_is_respected_by_the_next_call(self, harness) -> None:
        harness.one.retry_after = 120.0
        harness.one.plan_faults("throttled")
        dispatcher = harness.dispatcher()
        for _ in range(3):
            with pytest.raises(Throttled):
                dispatcher.submit_all(sub_batches(1, 2), SUBMIT_REQUEST)
        assert (harness.one.calls("submit"), harness.sleeps) == (1, [])
        harness.now += timedelta(seconds=121)
        assert len(dispatcher.submit_all(sub_batches(1, 2), SUBMIT_REQUEST)) == 2

    def test_higher_priority_goes_first(self, harness) -> None:
        harness.one.retry_after = 120.0
        harness.one.plan_faults("throttled")
        dispatcher = harness.dispatcher()
        with pytest.raises(Throttled):
            dispatcher.submit_all(sub_batches(1, 2), SUBMIT_REQUEST)
        second = dispatcher.latest_job(sub_batches(2)[0].batch)
        assert dispatcher.decisions.reprioritise(second.job_id, 5).priority == 5
        harness.now += timedelta(seconds=121)
        jobs = dispatcher.submit_all(sub_batches(1, 2), SUBMIT_REQUEST)
        assert [line["token"] for line in harness.one.book()] == [jobs[1].token, jobs[0].token]
        with pytest.raises(IllegalTransition):
            dispatcher.decisions.reprioritise(second.job_id, 6)


class TestCalibration:
    @pytest.mark.parametrize("mode", ["hardware", "emulator"])
    def test_a_stale_one_stops_paid_shots(self, harness, mode) -> None:
        harness.one.mode = mode
        harness.one.calibrate("old", NOON - timedelta(days=3))
        with pytest.raises(Refused, match=r"calibration old is 72\.0 h old"):
            harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
        assert harness.one.book() == []
        assert harness.dispatcher(**FAILOVER).submit(make_batch(), SUBMIT_REQUEST).backend == "other:device"

    def test_a_stale_one_may_be_accepted_and_that_is_recorded(self, harness) -> None:
        harness.one.calibrate("old", NOON - timedelta(days=3))
        job = harness.dispatcher(routing={"calibration": {"stale": "accept"}}).submit(make_batch(), SUBMIT_REQUEST)
        assert "72.0 h old" in harness.ledger.events(job.job_id)[0].detail["route"]

    def test_the_fixed_one_of_a_simulated_device_never_gets_stale(self, harness) -> None:
        harness.one.mode = "local-testing"
        harness.one.calibrate("old", NOON - timedelta(days=900))
        assert harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST).state is JobState.SUBMITTED

    def test_one_that_changed_between_compile_and_submission_is_noted(self, harness) -> None:
        harness.one.calibrate("c1", NOON)
        prepare = harness.one.prepare

        def slow(template, backend, *, level, seed):
            harness.one.calibrate("c2", NOON)
            return prepare(template, backend, level=level, seed=seed)

        harness.one.prepare = slow
        job = harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
        planned, _, submitting, _ = harness.ledger.events(job.job_id)
        assert planned.detail["calibration_id"] == "c1"
        assert (submitting.detail["calibration_before"], submitting.detail["calibration_id"]) == ("c1", "c2")
        assert [kept.calibration.calibration_id for kept in harness.ledger.calibrations()] == ["c1", "c2"]
