"""Policy, approval, routing and patience in front of real providers with books of their own."""

from __future__ import annotations

from datetime import timedelta

import pytest
from durable_vendor import BACKEND, make_batch
from small_world import ALLOW, NOON, TERMS, parts

from qhybrid_pipelines.core.errors import IllegalTransition, Refused, Throttled
from qhybrid_pipelines.core.jobs import JobState

ASK = {"name": "paid", "above_cost_usd": 0.0, "then": "approve", "reason": "shots cost money"}


FAILOVER = {"routing": {"failover": {BACKEND: ["other:device"]}}}


class TestPolicy:
    def test_no_rule_no_job(self, world) -> None:
        with pytest.raises(Refused, match="no rule of the policy allows it"):
            world.dispatcher(ALLOW | {"principal": "bob"}).submit(make_batch(), **TERMS)
        assert (world.ledger.jobs(), world.one.calls("submit")) == ([], 0)

    def test_a_denial_names_who_what_and_why(self, world) -> None:
        deny = {"name": "secret", "data_class": "confidential", "then": "deny", "reason": "it stays here"}
        with pytest.raises(
            Refused,
            match=r"'ada' run 400 shots with confidential data for \$0.00 on 'vendor:device'.*'secret': it stays",
        ):
            world.dispatcher(deny, ALLOW).submit(make_batch(), data_class="confidential", **TERMS)

    def test_shots_and_cost_count_over_all_parts_together(self, world) -> None:
        world.one.price_usd = 1.0
        dispatcher = world.dispatcher(ALLOW | {"max_shots": 800, "max_cost_usd": 2.0})
        with pytest.raises(Refused):
            dispatcher.submit_all(parts(1, 2, 3), **TERMS)
        assert len(dispatcher.submit_all(parts(1, 2), **TERMS)) == 2

    def test_the_record_says_who_asked_and_by_which_policy(self, world) -> None:
        dispatcher = world.dispatcher(environment="test")
        job = dispatcher.submit(make_batch(), data_class="public", priority=3, **TERMS)
        assert (job.principal, job.environment, job.data_class, job.priority) == ("ada", "test", "public", 3)
        assert (job.policy_sha256, job.requested_backend) == (dispatcher.policy.sha256, BACKEND)
        assert job.deadline_at == NOON + timedelta(days=1)
        assert world.ledger.events(job.job_id)[1].detail == {"rule": "all", "reason": "trust"}

    def test_an_anonymous_launch_is_told_apart(self, world) -> None:
        dispatcher = world.dispatcher({"name": "named", "principal": "a*", "then": "allow", "reason": "a name"})
        with pytest.raises(Refused, match="'ui-anonymous'"):
            dispatcher.submit(make_batch(), principal="ui-anonymous", **TERMS)

    def test_prod_uses_no_provider_that_may_be_paid_twice(self, world) -> None:
        world.one.dedupe = "none"
        with pytest.raises(Refused, match="may be paid twice"):
            world.dispatcher(environment="prod").submit(make_batch(), **TERMS)

    def test_what_was_compiled_stands_in_the_plan(self, world) -> None:
        world.one.calibrate("c1", NOON)
        job = world.dispatcher().submit(make_batch(), **TERMS)
        detail = world.ledger.events(job.job_id)[0].detail
        assert (detail["depth"], detail["two_qubit_gates"], detail["compile_seconds"]) == (7, 3, 0.25)
        assert (detail["calibration_id"], detail["calibration_measured_at"]) == ("c1", NOON.isoformat())
        assert [kept.calibration.calibration_id for kept in world.ledger.calibrations(BACKEND)] == ["c1"]

    def test_all_parts_are_planned_or_none(self, world) -> None:
        world.one.price_usd = 1.0
        with pytest.raises(Refused, match=r"Raise budget\.usd"):
            world.dispatcher().submit_all(parts(1, 2, 3), tier="batch", budget_usd=2.5)
        assert (world.ledger.jobs(), world.one.book()) == ([], [])

    def test_the_same_parts_again_cost_nothing(self, world) -> None:
        dispatcher = world.dispatcher()
        first = dispatcher.submit_all(parts(1, 2, 3), **TERMS)
        assert dispatcher.submit_all(parts(3, 1, 2), **TERMS) == [first[2], first[0], first[1]]
        assert world.one.calls("submit") == 3


class TestApproval:
    @pytest.fixture(autouse=True)
    def priced(self, world) -> None:
        world.one.price_usd = 2.0

    def test_nothing_is_sent_before_somebody_agrees_and_then_once(self, world) -> None:
        dispatcher = world.dispatcher(ASK, ALLOW)
        job = dispatcher.submit(make_batch(), **TERMS)
        assert job.state is JobState.AWAITING_APPROVAL
        assert dispatcher.submit(make_batch(), **TERMS) == job
        assert world.ledger.account(job.experiment).reserved_usd == 2.0
        agreed = dispatcher.approve(job.job_id, by="bob")
        assert (agreed.state, agreed.approved_by) == (JobState.APPROVED, "bob")
        assert world.ledger.events(job.job_id)[-1].detail == {
            "payload_sha256": job.payload_sha256,
            "backend": BACKEND,
            "cost_quoted_usd": 2.0,
            "by": "bob",
        }
        assert world.one.book() == []
        assert dispatcher.submit(make_batch(), **TERMS).state is JobState.SUBMITTED
        assert len(world.one.book()) == 1
        with pytest.raises(IllegalTransition):
            dispatcher.approve(job.job_id, by="bob")

    def test_a_declined_job_frees_its_money(self, world) -> None:
        dispatcher = world.dispatcher(ASK, ALLOW)
        job = dispatcher.decline(dispatcher.submit(make_batch(), **TERMS).job_id, by="bob", reason="too dear")
        assert (job.state, job.error) == (JobState.REJECTED, "declined by bob: too dear")
        assert world.ledger.account(job.experiment).reserved_usd == 0.0

    @pytest.mark.parametrize(("environment", "refused"), [("dev", False), ("test", False), ("prod", True)])
    def test_in_prod_nobody_agrees_with_themselves(self, world, environment, refused) -> None:
        dispatcher = world.dispatcher(ASK, ALLOW, environment=environment)
        job = dispatcher.submit(make_batch(), **TERMS)
        if refused:
            with pytest.raises(Refused, match="somebody else has to agree"):
                dispatcher.approve(job.job_id, by="ada")
            assert world.ledger.job(job.job_id) == job
        assert dispatcher.approve(job.job_id, by="bob" if refused else "ada").state is JobState.APPROVED

    def test_nobody_without_a_name_agrees(self, world) -> None:
        dispatcher = world.dispatcher(ASK, ALLOW)
        job = dispatcher.submit(make_batch(), **TERMS)
        with pytest.raises(Refused, match="with a name"):
            dispatcher.approve(job.job_id, by="ui-anonymous")

    def test_agreement_comes_too_late_after_the_deadline(self, world) -> None:
        dispatcher = world.dispatcher(ASK, ALLOW)
        job = dispatcher.submit(make_batch(), **TERMS)
        world.now += timedelta(days=2)
        with pytest.raises(Refused, match="had to be approved by 2026-05-02"):
            dispatcher.approve(job.job_id, by="bob")
        [expired] = dispatcher.expire_due()
        assert (expired.state, expired.cost_settled_usd) == (JobState.EXPIRED, 0.0)
        assert world.one.book() == []

    def test_a_risen_price_asks_again_instead_of_paying(self, world) -> None:
        dispatcher = world.dispatcher(ASK, ALLOW)
        job = dispatcher.submit(make_batch(), **TERMS)
        dispatcher.approve(job.job_id, by="bob")
        world.one.price_usd = 3.0
        again = dispatcher.submit(make_batch(), **TERMS)
        assert (again.state, again.cost_quoted_usd) == (JobState.AWAITING_APPROVAL, 3.0)
        assert world.ledger.account(job.experiment).reserved_usd == 3.0
        assert "rose from $2.00 to $3.00" in world.ledger.events(job.job_id)[-1].detail["reason"]
        assert world.one.book() == []
        dispatcher.approve(job.job_id, by="bob")
        assert dispatcher.submit(make_batch(), **TERMS).state is JobState.SUBMITTED

    def test_a_fallen_price_asks_nobody(self, world) -> None:
        dispatcher = world.dispatcher(ASK, ALLOW)
        dispatcher.approve(dispatcher.submit(make_batch(), **TERMS).job_id, by="bob")
        world.one.price_usd = 1.0
        assert dispatcher.submit(make_batch(), **TERMS).state is JobState.SUBMITTED

    def test_a_risen_price_that_the_policy_allows_has_to_fit_the_budget(self, world) -> None:
        dispatcher = world.dispatcher()
        world.one.plan_faults("throttled")
        with pytest.raises(Throttled):
            dispatcher.submit(make_batch(), tier="batch", budget_usd=3.0)
        world.one.price_usd = 4.0
        with pytest.raises(Refused, match=r"Raise budget\.usd"):
            dispatcher.submit(make_batch(), tier="batch", budget_usd=3.0)
        world.one.price_usd = 3.0
        job = dispatcher.submit(make_batch(), tier="batch", budget_usd=3.0)
        assert (job.state, job.cost_quoted_usd) == (JobState.SUBMITTED, 3.0)
        assert len(world.one.book()) == 1

    def test_a_policy_that_became_stricter_counts_for_what_was_not_sent(self, world) -> None:
        world.one.plan_faults("throttled")
        with pytest.raises(Throttled):
            world.dispatcher().submit(make_batch(), **TERMS)
        assert world.dispatcher(ASK, ALLOW).submit(make_batch(), **TERMS).state is JobState.AWAITING_APPROVAL


class TestRouting:
    def test_a_stand_in_takes_over_and_asking_again_finds_the_work_there(self, world) -> None:
        world.one.show_status(online=False)
        dispatcher = world.dispatcher(**FAILOVER)
        job = dispatcher.submit(make_batch(), **TERMS)
        assert (job.backend, job.requested_backend, job.provider) == ("other:device", BACKEND, "other")
        assert "is offline" in world.ledger.events(job.job_id)[0].detail["route"]
        world.one.show_status(online=True)
        assert dispatcher.submit(make_batch(), **TERMS) == job
        assert (len(world.one.book()), len(world.two.book())) == (0, 1)
        assert dispatcher.collect(job.job_id, make_batch()).counts.num_rows == 4

    def test_a_stand_in_is_asked_the_policy_as_well(self, world) -> None:
        world.one.show_status(online=False)
        dispatcher = world.dispatcher(ALLOW | {"backend": "vendor:*"}, **FAILOVER)
        with pytest.raises(Throttled, match="is offline"):
            dispatcher.submit(make_batch(), **TERMS)
        assert world.two.book() == []

    def test_an_outage_loses_no_request(self, world) -> None:
        world.one.show_status(online=False)
        dispatcher = world.dispatcher()
        with pytest.raises(Throttled, match="nothing was sent"):
            dispatcher.submit(make_batch(), **TERMS)
        [job] = world.ledger.jobs()
        assert job.state is JobState.APPROVED
        assert dispatcher.resume() == [job]
        world.one.show_status(online=True)
        assert dispatcher.submit(make_batch(), **TERMS).state is JobState.SUBMITTED

    def test_what_was_not_sent_goes_elsewhere_when_its_backend_goes_out(self, world) -> None:
        world.one.plan_faults("throttled")
        dispatcher = world.dispatcher(**FAILOVER)
        with pytest.raises(Throttled):
            dispatcher.submit(make_batch(), **TERMS)
        [first] = world.ledger.jobs()
        world.one.show_status(online=False)
        job = dispatcher.submit(make_batch(), **TERMS)
        left = world.ledger.job(first.job_id)
        assert (left.state, left.rerouted_to) == (JobState.REROUTED, job.job_id)
        assert (job.backend, job.state, job.occurrence) == ("other:device", JobState.SUBMITTED, 2)
        assert dispatcher.current(first.job_id) == job
        assert dispatcher.collect(first.job_id, make_batch()).job.job_id == job.job_id

    def test_a_stand_in_that_the_budget_does_not_hold_takes_nothing_over(self, world) -> None:
        world.one.price_usd, world.two.price_usd = 1.0, 1.5
        world.one.plan_faults("throttled")
        dispatcher, terms = world.dispatcher(**FAILOVER), TERMS | {"budget_usd": 1.4}
        with pytest.raises(Throttled):
            dispatcher.submit(make_batch(), **terms)
        world.one.show_status(online=False)
        with pytest.raises(Refused, match="budget of"):
            dispatcher.submit(make_batch(), **terms)
        [job] = world.ledger.jobs()
        assert job.state is JobState.APPROVED
        world.one.show_status(online=True)
        assert dispatcher.submit(make_batch(), **terms).state is JobState.SUBMITTED

    def test_failures_in_a_row_open_the_breaker_for_every_process(self, world) -> None:
        rules = {"routing": {"breaker": {"failures": 2, "open_seconds": 100.0}}}
        world.one.plan_faults("throttled", "throttled")
        with pytest.raises(Throttled, match="slow down"):
            world.dispatcher(**rules).submit_all(parts(1, 2, 3, 4), **TERMS)
        assert world.one.calls("submit") == 2
        with pytest.raises(Throttled, match="is left alone until 2026-05-01 12:01:40"):
            world.dispatcher(**rules).submit(make_batch(), **TERMS)
        world.now += timedelta(seconds=101)
        jobs = world.dispatcher(**rules).submit_all(parts(1, 2, 3, 4), **TERMS)
        assert {job.state for job in jobs} == {JobState.SUBMITTED}
        assert len(world.one.book()) == 4
        assert world.ledger.breaker(BACKEND).state == "closed"

    def test_a_short_retry_after_is_waited_for_in_place(self, world) -> None:
        world.one.retry_after = 7.0
        world.one.plan_faults("throttled", "none")
        jobs = world.dispatcher(**FAILOVER).submit_all(parts(1, 2), **TERMS)
        assert {job.backend for job in jobs} == {BACKEND}
        assert world.naps == [7.0]
        assert world.one.calls("submit") == 3

    def test_a_long_retry_after_is_respected_by_the_next_call(self, world) -> None:
        world.one.retry_after = 120.0
        world.one.plan_faults("throttled")
        dispatcher = world.dispatcher()
        for _ in range(3):
            with pytest.raises(Throttled):
                dispatcher.submit_all(parts(1, 2), **TERMS)
        assert (world.one.calls("submit"), world.naps) == (1, [])
        world.now += timedelta(seconds=121)
        assert len(dispatcher.submit_all(parts(1, 2), **TERMS)) == 2

    def test_higher_priority_goes_first(self, world) -> None:
        world.one.retry_after = 120.0
        world.one.plan_faults("throttled")
        dispatcher = world.dispatcher()
        with pytest.raises(Throttled):
            dispatcher.submit_all(parts(1, 2), **TERMS)
        second = dispatcher.latest(parts(2)[0].batch)
        assert dispatcher.reprioritise(second.job_id, 5).priority == 5
        world.now += timedelta(seconds=121)
        jobs = dispatcher.submit_all(parts(1, 2), **TERMS)
        assert [line["token"] for line in world.one.book()] == [jobs[1].token, jobs[0].token]
        with pytest.raises(IllegalTransition):
            dispatcher.reprioritise(second.job_id, 6)


class TestCalibration:
    def test_a_stale_one_stops_paid_shots(self, world) -> None:
        world.one.calibrate("old", NOON - timedelta(days=3))
        with pytest.raises(Refused, match=r"calibration old is 72\.0 h old"):
            world.dispatcher().submit(make_batch(), **TERMS)
        assert world.one.book() == []
        assert world.dispatcher(**FAILOVER).submit(make_batch(), **TERMS).backend == "other:device"

    def test_a_stale_one_may_be_accepted_and_that_is_recorded(self, world) -> None:
        world.one.calibrate("old", NOON - timedelta(days=3))
        job = world.dispatcher(routing={"calibration": {"stale": "accept"}}).submit(make_batch(), **TERMS)
        assert "72.0 h old" in world.ledger.events(job.job_id)[0].detail["route"]

    def test_the_fixed_one_of_a_simulated_device_never_gets_stale(self, world) -> None:
        world.one.mode = "local-testing"
        world.one.calibrate("old", NOON - timedelta(days=900))
        assert world.dispatcher().submit(make_batch(), **TERMS).state is JobState.SUBMITTED

    def test_one_that_changed_between_compile_and_submission_is_noted(self, world) -> None:
        world.one.calibrate("c1", NOON)
        prepare = world.one.prepare

        def slow(template, backend, *, level, seed):
            world.one.calibrate("c2", NOON)
            return prepare(template, backend, level=level, seed=seed)

        world.one.prepare = slow
        job = world.dispatcher().submit(make_batch(), **TERMS)
        planned, _, submitting, _ = world.ledger.events(job.job_id)
        assert planned.detail["calibration_id"] == "c1"
        assert (submitting.detail["calibration_before"], submitting.detail["calibration_id"]) == ("c1", "c2")
        assert [kept.calibration.calibration_id for kept in world.ledger.calibrations()] == ["c1", "c2"]
