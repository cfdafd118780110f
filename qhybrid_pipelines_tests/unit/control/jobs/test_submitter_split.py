"""How a batch becomes jobs, what is told about them before they are written down, and which job stands for a batch later."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from qhybrid_pipelines.control.jobs import write_ahead_submission
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import Transition
from qhybrid_pipelines.core.errors import InvalidInput, Refused, Rejected, Throttled, Unavailable
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.stop_request import StopRequested
from qhybrid_pipelines_tests.support.dispatcher_harness import ALLOW, NOON, SUBMIT_REQUEST, sub_batches
from qhybrid_pipelines_tests.support.durable_vendor import BACKEND, make_batch

FAILOVER = {"routing": {"failover": {BACKEND: ["other:device"]}}}


def limit(harness, **facts) -> None:
    capabilities = type(harness.one).capabilities.__get__(harness.one)
    harness.one.capabilities = lambda backend: replace(capabilities(backend), **facts)


def sizes(parts) -> list[tuple[int, int, int, int]]:
    return [(part.first_point, part.first_repetition, part.batch.points, part.batch.repetitions) for part in parts]


class TestSplit:
    def test_a_batch_that_fits_is_one_part(self, harness) -> None:
        assert sizes(harness.dispatcher().split(make_batch(points=5))) == [(0, 0, 5, 2)]

    def test_parts_are_as_large_as_a_job_may_be(self, harness) -> None:
        limit(harness, max_circuits_per_job=4)
        assert sizes(harness.dispatcher().split(make_batch(points=5))) == [(0, 0, 2, 2), (2, 0, 2, 2), (4, 0, 1, 2)]

    def test_gates_that_a_job_may_have_are_counted_once_compiled(self, harness) -> None:
        limit(harness, max_gates_per_job=30)
        prepare = harness.one.prepare
        harness.one.prepare = lambda *args, **more: replace(prepare(*args, **more), gates=7)
        assert sizes(harness.dispatcher().split(make_batch(points=5))) == [(0, 0, 2, 2), (2, 0, 2, 2), (4, 0, 1, 2)]
        harness.one.prepare = lambda *args, **more: replace(prepare(*args, **more), gates=31)
        with pytest.raises(Refused, match="31 gates"):
            harness.dispatcher().split(make_batch(points=5))

        def refuse(*args, **more):
            raise Rejected("no such gate")

        harness.one.prepare = refuse
        assert sizes(harness.dispatcher().split(make_batch(points=5))) == [(0, 0, 5, 2)], (
            "the compiler has its say later"
        )

    @pytest.mark.parametrize("to_submit", [True, False])
    def test_a_provider_that_does_not_answer_counts_against_it_where_something_is_to_be_sent(
        self, harness, to_submit
    ) -> None:
        def down(backend):
            raise Unavailable("connection refused")

        harness.one.capabilities = down
        with pytest.raises(Unavailable, match="connection refused"):
            harness.dispatcher().split(make_batch(), to_submit=to_submit)
        breaker = harness.ledger.breaker(BACKEND)
        assert (breaker.failures if breaker else 0) == int(to_submit)

    def test_what_has_jobs_already_is_split_as_it_was(self, harness) -> None:
        batch = make_batch(points=5)
        limit(harness, max_circuits_per_job=4)
        dispatcher = harness.dispatcher()
        parts = dispatcher.split(batch)
        dispatcher.submit_all(parts[1:], SUBMIT_REQUEST)
        limit(harness, max_circuits_per_job=100)
        assert sizes(dispatcher.split(batch)) == sizes(parts)
        assert sizes(dispatcher.split(make_batch(points=5, seed=50))) == [(0, 0, 5, 2)], "other work of the experiment"
        elsewhere = dispatcher.split(replace(batch, backend="other:device"))
        assert sizes(elsewhere) == [(0, 0, 5, 2)], "the same work for another backend"
        assert sizes(dispatcher.split(replace(batch, experiment="another-00000000"))) == [(0, 0, 5, 2)]

    def test_of_several_splits_the_one_of_the_largest_parts_counts(self, harness) -> None:
        batch = make_batch(points=5)
        dispatcher = harness.dispatcher()
        for most in (2, 6):
            limit(harness, max_circuits_per_job=most)
            other = make_batch(points=5, experiment=batch.experiment, seed=60) if most == 2 else batch
            dispatcher.submit_all(dispatcher.split(other)[:1], SUBMIT_REQUEST)
        limit(harness, max_circuits_per_job=100)
        assert sizes(dispatcher.split(batch)) == [(0, 0, 3, 2), (3, 0, 2, 2)]


class TestPreview:
    def test_it_says_job_and_terms_and_writes_nothing(self, harness) -> None:
        harness.one.price_usd = 1.5
        dispatcher = harness.dispatcher()
        [known] = dispatcher.submit_all(sub_batches(1), SUBMIT_REQUEST)
        before = harness.ledger.head()
        first, second = dispatcher.preview(sub_batches(1, 2), SUBMIT_REQUEST)
        assert (first.job, first.admission) == (known, None)
        assert second.job is None
        assert [quote.high_usd for quote in second.admission.quotes] == [1.5]
        assert (second.admission.route.backend, second.admission.rejected) == (BACKEND, None)
        assert harness.ledger.head() == before

    def test_work_that_ended_without_a_result_gets_another_job_only_on_request(self, harness) -> None:
        harness.one.plan_faults("rejected")
        dispatcher = harness.dispatcher()
        [job] = dispatcher.submit_all(sub_batches(1), SUBMIT_REQUEST)
        assert (job.state, job.error) == (JobState.REJECTED, "vendor: submit failed: shots must be even")
        [plain] = dispatcher.preview(sub_batches(1), SUBMIT_REQUEST)
        [again] = dispatcher.preview(sub_batches(1), replace(SUBMIT_REQUEST, repeat=True))
        assert plain.job.state is again.job.state is JobState.REJECTED
        assert plain.admission is None
        assert again.admission.route.backend == BACKEND

    def test_a_budget_of_the_policy_that_does_not_hold_it_is_told_before(self, harness) -> None:
        harness.one.price_usd = 3.0
        dispatcher = harness.dispatcher(budgets=[{"usd": 5.0}])
        assert len(dispatcher.preview(sub_batches(1), SUBMIT_REQUEST)) == 1
        with pytest.raises(Refused, match=r"quotes \$6\.00"):
            dispatcher.preview(sub_batches(1, 2), SUBMIT_REQUEST)
        dispatcher.submit_all(sub_batches(1), SUBMIT_REQUEST)
        assert len(dispatcher.preview(sub_batches(1), SUBMIT_REQUEST)) == 1, "what is written down is not paid twice"
        with pytest.raises(Refused, match=r"quotes \$3\.00"):
            dispatcher.preview(sub_batches(1, 2), SUBMIT_REQUEST)


class TestSubmitted:
    def test_one_that_fails_keeps_no_other_from_being_tried_and_the_first_is_told(self, harness) -> None:
        harness.one.plan_faults("throttled", "none", "rejected")
        with pytest.raises(Throttled, match="slow down"):
            harness.dispatcher().submit_all(sub_batches(1, 2, 3), SUBMIT_REQUEST)
        states = sorted(job.state for job in harness.ledger.jobs())
        assert states == [JobState.APPROVED, JobState.REJECTED, JobState.SUBMITTED]
        assert len(harness.one.book()) == 1

    def test_what_the_compiler_refuses_is_written_down_and_not_sent(self, harness) -> None:
        def refuse(*args, **more):
            raise Rejected("no such gate")

        harness.one.price_usd = 2.0
        harness.one.prepare = refuse
        [job] = harness.dispatcher().submit_all(sub_batches(1), SUBMIT_REQUEST)
        assert (job.state, job.error) == (JobState.REJECTED, "vendor: prepare failed: no such gate")
        planned, rejected = harness.ledger.events(job.job_id)
        assert (planned.event, planned.detail) == ("JobPlanned", None)
        assert rejected.detail == {"phase": "prepare", "class": "Rejected", "retryable": False}
        assert harness.one.calls("submit") == 0
        account = harness.ledger.account(job.experiment)
        assert (account.reserved_usd, account.settled_usd) == (0.0, 0.0)

    def test_a_plan_says_what_was_compiled_the_price_and_why_it_may_run(self, harness) -> None:
        job = harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
        planned, approved, *_ = harness.ledger.events(job.job_id)
        assert planned.detail == {
            "compiled_sha256": make_batch().template.template_id[::-1],
            "depth": 7,
            "two_qubit_gates": 3,
            "compile_seconds": 0.25,
        }
        assert approved.detail == {"rule": "all", "reason": "trust"}

    def test_parts_of_one_size_are_priced_once_and_others_by_themselves(self, harness) -> None:
        asked, estimate = [], harness.one.estimate

        def priced(batch):
            asked.append((batch.points, batch.shots))
            return replace(estimate(batch), high_usd=0.01 * batch.points)

        harness.one.estimate = priced
        limit(harness, max_circuits_per_job=4)
        dispatcher = harness.dispatcher()
        jobs = dispatcher.submit_all(dispatcher.split(make_batch(points=5)), SUBMIT_REQUEST)
        assert asked == [(2, 100), (1, 100)]
        assert [job.cost_quoted_usd for job in jobs] == [0.02, 0.02, 0.01]

    def test_the_policy_takes_waiting_work_elsewhere_and_says_where_and_why(self, harness) -> None:
        harness.one.plan_faults("throttled")
        dispatcher = harness.dispatcher(**FAILOVER)
        with pytest.raises(Throttled):
            dispatcher.submit_all(sub_batches(1), SUBMIT_REQUEST)
        [waiting] = harness.ledger.jobs()
        harness.one.show_status(online=False)
        [moved] = dispatcher.submit_all(sub_batches(1), SUBMIT_REQUEST)
        left = harness.ledger.job(waiting.job_id)
        assert (left.state, left.rerouted_to) == (JobState.REROUTED, moved.job_id)
        assert (moved.backend, moved.provider, moved.requested_backend) == ("other:device", "other", BACKEND)
        noted = harness.ledger.events(left.job_id)[-1].detail
        assert set(noted) == {"backend", "reason"}
        assert noted["backend"] == "other:device"
        assert harness.ledger.events(moved.job_id)[0].detail["route"] == noted["reason"]
        assert dispatcher.latest_job(sub_batches(1)[0].batch) == moved
        assert dispatcher.current_job(left.job_id) == moved
        assert (harness.one.book(), len(harness.two.book())) == ([], 1)

    def test_a_backend_that_does_not_exist_is_wrong_input_with_the_ones_that_do(self, harness) -> None:
        with pytest.raises(InvalidInput) as refusal:
            harness.dispatcher().submit(make_batch(backend="vendor:nothing"), SUBMIT_REQUEST)
        assert refusal.value.problem == "there is no backend 'vendor:nothing'"
        assert refusal.value.remedy == "Choose one of vendor:device."
        assert refusal.value.field == "backends"
        with pytest.raises(InvalidInput) as refusal:
            harness.dispatcher().submit(make_batch(backend="nobody:device"), SUBMIT_REQUEST)
        assert refusal.value.problem == "there is no provider 'nobody' for backend 'nobody:device'"
        assert refusal.value.remedy == "Choose a backend of other, vendor."
        assert refusal.value.field == "backends"

    @pytest.mark.parametrize(("region", "place"), [("eu", "region eu"), (None, "region not known")])
    def test_a_denial_says_shots_data_price_backend_place_and_rule(self, harness, region, place) -> None:
        harness.one.region, harness.one.price_usd = region, 1.5
        never = {"name": "never", "then": "deny", "reason": "not today"}
        with pytest.raises(Refused) as refusal:
            harness.dispatcher(never, principal="eve").submit(make_batch(), replace(SUBMIT_REQUEST, times=2))
        assert (
            "the policy does not let 'eve' run 800 shots with internal data for $3.00 on 'vendor:device' "
            f"(hardware, {place}) in dev: rule 'never': not today"
        ) in str(refusal.value)

    def test_where_no_rule_fits_none_is_named(self, harness) -> None:
        with pytest.raises(Refused, match=r"in dev: no rule of the policy allows it"):
            harness.dispatcher(ALLOW | {"environment": "prod"}).submit(make_batch(), SUBMIT_REQUEST)

    def test_jobs_that_only_go_on_when_their_batch_is_submitted_again(self, harness) -> None:
        harness.one.plan_faults("throttled", "none")
        dispatcher = harness.dispatcher()
        with pytest.raises(Throttled):
            dispatcher.submit_all(sub_batches(1, 2), SUBMIT_REQUEST)
        waiting, sent = sorted(harness.ledger.jobs(), key=lambda job: job.state)
        assert (waiting.state, sent.state) == (JobState.APPROVED, JobState.SUBMITTED)
        assert dispatcher.jobs_to_resubmit() == [waiting]
        moved = harness.ledger.advance(
            Transition.single(waiting, Event.REROUTE, NOON, detail={"backend": "other:device"}, rerouted_to="j-later")
        )
        assert dispatcher.current_job(waiting.job_id) == moved, "nobody has taken it over yet"
        assert dispatcher.jobs_to_resubmit() == [moved]
        assert dispatcher.latest_job(make_batch(seed=12_345)) is None

    def test_a_backend_that_takes_the_work_leaves_its_stand_ins_in_peace(self, harness) -> None:
        asked, estimate = [], harness.two.estimate

        def counted(batch):
            asked.append(batch.backend)
            return estimate(batch)

        harness.two.estimate = counted
        assert harness.dispatcher(**FAILOVER).submit(make_batch(), SUBMIT_REQUEST).backend == BACKEND
        assert (asked, harness.two.calls("status")) == ([], 0)
        harness.one.show_status(online=False)
        harness.dispatcher(**FAILOVER).submit(make_batch(seed=70), SUBMIT_REQUEST)
        assert asked == ["other:device"]

    @pytest.mark.parametrize("question", [1, 2, 3])
    def test_whoever_is_stopped_before_the_intent_sends_nothing_and_the_next_run_goes_on(
        self, harness, monkeypatch, question
    ) -> None:
        """Under the lock, after what is checked before a submission, and after the token was looked up."""
        harness.one.dedupe = "tag_lookup"
        asked = []

        def stop_at_once() -> None:
            asked.append(1)
            if len(asked) == question:
                raise StopRequested(signal.SIGTERM)

        with monkeypatch.context() as patch:
            patch.setattr(write_ahead_submission, "raise_if_stop_requested", stop_at_once)
            with pytest.raises(StopRequested):
                harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST)
        [job] = harness.ledger.jobs()
        assert (job.state, harness.one.calls("submit")) == (JobState.APPROVED, 0)
        assert harness.one.calls("find") == int(question == 3)
        assert harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST).state is JobState.SUBMITTED
        assert len(harness.one.book()) == 1
