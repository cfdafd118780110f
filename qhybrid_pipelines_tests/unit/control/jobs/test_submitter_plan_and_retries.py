"""What a job is written down with, what its intent notes of a new calibration, and how often a busy provider is asked again."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from qhybrid_pipelines.control.backends.health import BackendHealth
from qhybrid_pipelines.control.jobs import approval
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.chain.chain_anchor import read_link
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import Breaker
from qhybrid_pipelines.control.policy.deployment import ANONYMOUS
from qhybrid_pipelines.control.policy.rules import BreakerRules, Decision
from qhybrid_pipelines.core.errors import Refused, Rejected, Throttled, Unavailable
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines_tests.support.dispatcher_harness import ALLOW, NOON, SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import BACKEND, make_batch

ASKS = {"name": "somebody", "then": "approve", "reason": "it costs"}
STALE_IS_FINE = {"calibration": {"stale": "accept"}}


class TestWhatIsWrittenDown:
    def test_every_field_of_a_new_job(self, harness) -> None:
        """Three points, two repetitions of 100 shots: six circuits, 600 shots."""
        harness.one.price_usd = 2.5
        batch = make_batch(points=3)
        request = SubmitRequest(tier="batch", budget_usd=40.0, principal="bob", priority=7)
        job = harness.dispatcher(ASKS).submit(batch, request)
        written = {field.name: getattr(job, field.name) for field in fields(job)}
        assert (
            written
            | {
                "state": JobState.AWAITING_APPROVAL,
                "experiment": batch.experiment,
                "backend": BACKEND,
                "requested_backend": BACKEND,
                "provider": "vendor",
                "payload_sha256": batch.payload_sha256,
                "run_number": 1,
                "attempt": 1,
                "circuits": 6,
                "shots": 600,
                "cost_quoted_usd": 2.5,
                "price_source": "price list of 2026-01-01",
                "environment": "dev",
                "principal": "bob",
                "priority": 7,
                "tier": "batch",
                "created_at": NOON,
                "approved_by": None,
                "provider_job_id": None,
            }
            == written
        )
        assert job.deadline_at is not None
        assert job.deadline_at > NOON
        assert harness.ledger.account(job.experiment).limit_usd == 40.0
        assert harness.ledger.account(job.experiment).reserved_usd == 2.5
        planned, asked = harness.ledger.events(job.job_id)
        assert (planned.event, asked.event) == ("JobPlanned", "JobApprovalRequested")
        assert asked.detail == {"rule": "somebody", "reason": "it costs"}

    def test_the_next_job_of_the_same_work_is_number_two_with_another_token(self, harness) -> None:
        first = harness.dispatcher(ASKS).submit(make_batch(), SUBMIT_REQUEST)
        declined = harness.dispatcher(ASKS).decisions.decline(first.job_id, by="eve", reason="too dear")
        assert (declined.state, declined.error) == (JobState.REJECTED, "declined by eve: too dear")
        assert harness.ledger.events(first.job_id)[-1].detail == {"by": "eve", "reason": "too dear"}
        second = harness.dispatcher(ASKS).submit(make_batch(), replace(SUBMIT_REQUEST, repeat=True))
        assert (first.run_number, second.run_number) == (1, 2)
        assert second.job_id != first.job_id
        assert second.token != first.token


def job_that(harness, **facts):
    """A job that waits for a person, with some facts replaced."""
    return replace(harness.dispatcher(ASKS).submit(make_batch(), SUBMIT_REQUEST), **facts)


class TestApproval:
    def approve(self, job, *, by="eve", seconds_left=1.0):
        job = replace(job, deadline_at=NOON + timedelta(seconds=seconds_left))
        return approval.approve(job, by=by, now=NOON - timedelta(hours=1), present=NOON)

    def test_the_terms_that_were_agreed_to_are_written(self, harness) -> None:
        job = job_that(harness, cost_quoted_usd=2.5, environment="prod", principal="ada")
        agreed = self.approve(job)
        [step] = agreed.steps
        assert (step.event, step.at, agreed.approved_by) == (Event.APPROVE, NOON - timedelta(hours=1), "eve")
        terms = {"payload_sha256": job.payload_sha256, "backend": BACKEND, "cost_quoted_usd": 2.5, "by": "eve"}
        assert step.detail == terms

    @pytest.mark.parametrize("seconds_left", [-1.0, -86_400.0])
    def test_too_late_by_the_present_and_not_by_what_the_move_is_dated(self, harness, seconds_left) -> None:
        with pytest.raises(Refused, match=r"had to be approved by 2026-.* UTC\. Ask again"):
            self.approve(job_that(harness), seconds_left=seconds_left)

    @pytest.mark.parametrize("by", ["", "  ", ANONYMOUS])
    def test_somebody_without_a_name_cannot_agree(self, harness, by) -> None:
        with pytest.raises(Refused, match="somebody with a name"):
            self.approve(job_that(harness), by=by)

    def test_in_prod_nobody_agrees_to_what_they_asked_for(self, harness) -> None:
        own = job_that(harness, environment="prod", principal="eve")
        with pytest.raises(Refused, match="'eve' asked for job"):
            self.approve(own)
        assert self.approve(replace(own, environment="dev")).approved_by == "eve"

    def test_a_risen_price_brings_the_limits_and_an_unchanged_one_none(self, harness) -> None:
        job, limits = job_that(harness, cost_quoted_usd=1.0, approved_by=None), ("a limit",)
        allow = Decision(verdict="allow", rule="free", reason="cheap")
        risen = approval.price_transition(job, allow, 1.5, NOON, spending_limits=limits)
        assert (risen.spending_limits, risen.cost_quoted_usd, risen.observed_at) == (limits, 1.5, NOON)
        # The ledger keeps whole micro-dollars, rounded up: a difference below one is none.
        rounded = replace(job, cost_quoted_usd=1.000001)
        assert approval.price_transition(rounded, allow, 1.0000004, NOON, spending_limits=limits) is None


class TestCalibrationOfTheIntent:
    """What the event JobSubmitting notes of a calibration, for a job that was planned before."""

    def intent_after(self, harness, change) -> dict | None:
        rules = (ASKS,)
        harness.one.calibrate("monday", NOON)
        waiting = harness.dispatcher(*rules, routing=STALE_IS_FINE).submit(make_batch(), SUBMIT_REQUEST)
        harness.dispatcher(*rules, routing=STALE_IS_FINE).decisions.approve(waiting.job_id, by="eve")
        change()
        job = harness.dispatcher(*rules, routing=STALE_IS_FINE).submit(make_batch(), SUBMIT_REQUEST)
        assert job.state is JobState.SUBMITTED
        [intent] = [event for event in harness.ledger.events(job.job_id) if event.event == "JobSubmitting"]
        return intent.detail

    def test_the_same_one_is_not_worth_a_word(self, harness) -> None:
        assert self.intent_after(harness, lambda: None) is None

    def test_another_one_is_noted_beside_the_one_of_the_plan(self, harness) -> None:
        tuesday = NOON + timedelta(days=1)
        assert self.intent_after(harness, lambda: harness.one.calibrate("tuesday", tuesday)) == {
            "calibration_id": "tuesday",
            "calibration_measured_at": tuesday.isoformat(),
            "calibration_before": "monday",
        }

    def test_one_that_cannot_be_read_keeps_no_approved_job_from_being_sent(self, harness) -> None:
        read, answers = harness.one.calibration, []

        def read_once(backend):
            answers.append(backend)
            if len(answers) > 1:
                raise Unavailable("away for a moment")
            return read(backend)

        detail = self.intent_after(harness, lambda: setattr(harness.one, "calibration", read_once))
        assert len(answers) == 2, "the first is the one that the routing asks for"
        assert detail == {
            "calibration_unread": "vendor: calibration failed: away for a moment",
            "calibration_before": "monday",
        }


class TestABusyProvider:
    """It refuses what was not sent, and says when to come back; the clock shows how often it was waited for."""

    def submit(self, harness, answers, *, submissions=2, wait_seconds=5.0):
        original, asked = harness.one.submit, []

        def submit(batch, token):
            asked.append(token)
            if answers:
                raise answers.pop(0)
            return original(batch, token)

        harness.one.submit = submit
        tiers = {"batch": {"retry": {"submissions": submissions, "wait_seconds": wait_seconds}}}
        try:
            job = harness.dispatcher(ALLOW, tiers=tiers, routing={"breaker": {"failures": 9}}).submit(
                make_batch(), SUBMIT_REQUEST
            )
        except Throttled:
            job = None
        return job, asked, harness.sleeps

    def busy(self, seconds):
        return Throttled("busy", retry_after_seconds=seconds, request_sent=False)

    @pytest.mark.parametrize(("refusals", "submissions"), [(1, 2), (2, 2), (3, 2), (1, 0), (1, 1)])
    def test_it_is_asked_again_as_often_as_the_tier_says(self, harness, refusals, submissions) -> None:
        tier = {"submissions": submissions, "wait_seconds": 5.0}
        harness.one.show_status(online=True)
        job, asked, sleeps = self.submit(harness, [self.busy(0.5) for _ in range(refusals)], **tier)
        assert (job is not None) == (refusals <= submissions)
        assert len(asked) == min(refusals, submissions) + 1
        assert len(set(asked)) == 1, "always with the same token"
        assert len(harness.one.book()) == (job is not None)
        assert sleeps.count(0.5) == min(refusals, submissions)

    @pytest.mark.parametrize(("seconds", "is_waited"), [(5.0, True), (5.1, False), (None, False)])
    def test_a_longer_wait_than_the_tier_allows_is_left_to_the_next_run(self, harness, seconds, is_waited) -> None:
        job, asked, _ = self.submit(harness, [self.busy(seconds)])
        assert (job is not None, len(asked)) == (is_waited, 1 + is_waited)


class TestHealthIsRecorded:
    def health(self, harness):
        return BackendHealth(harness.ledger, BreakerRules(), clock=Clock(now=lambda: NOON))

    def test_a_success_closes_what_was_open_and_writes_nothing_where_all_was_well(self, harness) -> None:
        self.health(harness).record_success("v:d")
        assert harness.ledger.breaker("v:d") is None, "nothing to write"
        opened = Breaker(backend="v:d", state="half_open", failures=0, opened_at=NOON, retry_at=NOON, reason="away")
        for known in (opened, replace(opened, backend="v:e", state="closed", failures=2)):
            harness.ledger.save_breaker(known)
            self.health(harness).record_success(known.backend)
            found = harness.ledger.breaker(known.backend)
            assert (found.state, found.failures, found.retry_at, found.reason) == ("closed", 0, None, None)
        version = harness.ledger.breaker("v:e").version
        self.health(harness).record_success("v:e")
        assert harness.ledger.breaker("v:e").version == version

    @pytest.mark.parametrize(
        ("error", "failures"), [(Unavailable("no answer"), 3), (Rejected("shots must be even"), 0)]
    )
    def test_a_refusal_of_ours_is_a_success_of_theirs(self, harness, error, failures) -> None:
        harness.ledger.save_breaker(Breaker(backend="v:d", failures=2))
        self.health(harness).record_failure("v:d", error)
        assert harness.ledger.breaker("v:d").failures == failures


def test_the_intent_is_noted_outside_the_ledger_before_the_provider_is_called(harness, tmp_path) -> None:
    dispatcher = harness.dispatcher()
    context = replace(dispatcher._context, anchor=tmp_path / "notes" / "link.json")
    harness.dispatcher(ASKS).submit(make_batch(), SUBMIT_REQUEST)
    context.note_intent()
    assert read_link(context.anchor) == harness.ledger.head()
    replace(context, anchor=None).note_intent()
    assert [file.name for file in tmp_path.rglob("*.json") if file.name == "link.json"] == ["link.json"]
