"""Look before sending, look before giving up: whoever sent the work, by whatever answer, it is in the vendor's book once.

The judge of every test is the vendor's own book of accepted jobs.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.provider_job_search import LISTING_SECONDS
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.policy.deployment import Deployment
from qhybrid_pipelines.control.policy.rules import Policy
from qhybrid_pipelines.control.reporting.next_steps import next_steps
from qhybrid_pipelines.core.errors import Ambiguous, InvalidInput, Rejected, Throttled, Unavailable
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.dispatcher_harness import ALLOW, NOON, SUBMIT_REQUEST, sub_batches
from qhybrid_pipelines_tests.support.durable_vendor import BACKEND, DurableVendor, make_batch

S = JobState
ACCEPTANCE = timedelta(seconds=600)
#: Answers of something in front of the vendor to a submission that was accepted behind it, and to one that was not.
AFTER, BEFORE = ("rejected_after", "throttled_after"), ("rejected", "throttled")


class HomeOf:
    """A home: its ledger, its identity, and its own clock; the account at the vendor is one."""

    def __init__(self, folder: Path, account: Path, *, home_id: str, tenant: str = "", **facts: Any) -> None:
        self.now, self.monotonic = NOON, 0.0
        facts = {"dedupe": "tag_lookup", "price_usd": 2.0, "mode": "hardware"} | facts
        self.vendor = DurableVendor(account, **facts)
        folder.mkdir(exist_ok=True)
        self.ledger = SqlLedger.open_sqlite(folder / "ledger.db")
        self.dispatcher = Dispatcher(
            self.ledger,
            {"vendor": self.vendor},
            RawStore(folder / "raw"),
            deployment=Deployment(principal="ada", tenant=tenant),
            policy=Policy.model_validate({"rules": [ALLOW]}),
            clock=Clock(now=lambda: self.now, sleep=self.sleep, monotonic=lambda: self.monotonic),
            home_id=home_id,
        )

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def submit(self, seed: int = 1) -> JobRecord:
        return self.dispatcher.submit(make_batch(seed=seed), SUBMIT_REQUEST)

    def job(self, seed: int = 1) -> JobRecord:
        found = self.ledger.latest(make_batch().experiment, BACKEND, make_batch(seed=seed).payload_sha256)
        assert found is not None
        return found

    def submit_known(self) -> None:
        """A job that was accepted long ago, and that the list must show."""
        self.submit(seed=500)
        self.now += timedelta(hours=1)


@pytest.fixture
def make_home(tmp_path, request):
    made = []

    def make(name: str = "home", **facts: Any) -> HomeOf:
        home = HomeOf(tmp_path / name, tmp_path / "account", **{"home_id": name} | facts)
        made.append(home)
        return home

    yield make
    for home in made:
        home.ledger.close()


def accepted(home: HomeOf, seed: int = 1) -> list[dict[str, Any]]:
    token = home.job(seed).token
    return [line for line in home.vendor.book() if line["token"] == token]


class TestAnswersOfAGateway:
    @pytest.mark.parametrize("answer", AFTER)
    @pytest.mark.parametrize("dedupe", ["tag_lookup", "token"])
    def test_what_was_accepted_behind_a_refusal_is_adopted(self, make_home, answer, dedupe) -> None:
        home = make_home(acceptance_seconds=ACCEPTANCE.total_seconds(), dedupe=dedupe)
        home.vendor.plan_faults(answer)
        job = home.submit()
        assert (job.state, job.provider_job_id) == (S.SUBMITTED, "v-1")
        assert len(home.vendor.book()) == home.vendor.calls("submit") == 1
        assert home.dispatcher.collect(job.job_id, make_batch()).job.state is S.VERIFIED

    @pytest.mark.parametrize("answer", [*AFTER, *BEFORE])
    def test_a_vendor_that_can_tell_nothing_leaves_it_to_a_person(self, make_home, answer) -> None:
        home = make_home(dedupe="none")
        home.vendor.plan_faults(answer)
        assert home.submit().state is S.SUBMIT_UNKNOWN
        assert home.vendor.calls("submit") == 1

    def test_a_refusal_is_believed_when_the_vendor_cannot_have_it_any_more(self, make_home) -> None:
        home = make_home(acceptance_seconds=ACCEPTANCE.total_seconds())
        home.submit_known()
        home.vendor.plan_faults("rejected")
        for _ in range(2):
            with pytest.raises(Ambiguous, match=r"was a refusal \(shots must be even\).*nothing is sent again before"):
                home.submit()
        assert home.job().state is S.SUBMITTING
        home.now += ACCEPTANCE
        rejected = home.submit()
        assert (rejected.state, rejected.error) == (S.REJECTED, "vendor: submit failed: shots must be even")
        assert (accepted(home), home.vendor.calls("submit")) == ([], 2)
        assert home.ledger.account(rejected.experiment).reserved_usd == 2.0, "the known job's alone"

    def test_one_that_asks_to_come_back_later_is_sent_again_when_it_cannot_have_been_accepted(self, make_home) -> None:
        home = make_home(acceptance_seconds=ACCEPTANCE.total_seconds(), retry_after_seconds=5.0)
        home.submit_known()
        home.vendor.plan_faults("throttled")
        with pytest.raises(Ambiguous, match="slow down"):
            home.submit()
        home.now += ACCEPTANCE
        job = home.submit()
        assert (job.state, job.attempt, len(accepted(home))) == (S.SUBMITTED, 1, 1)

    def test_what_is_accepted_late_behind_a_refusal_is_adopted_all_the_same(self, make_home) -> None:
        home = make_home(acceptance_seconds=ACCEPTANCE.total_seconds())
        home.submit_known()
        home.vendor.plan_faults("late")
        original, home.vendor.submit = home.vendor.submit, None

        def refused(batch, token):
            with pytest.raises(Ambiguous):
                original(batch, token)
            raise Rejected("409 from the gateway")

        home.vendor.submit = refused
        with pytest.raises(Ambiguous):
            home.submit()
        home.vendor.accept_late(make_batch())
        home.now += ACCEPTANCE
        assert home.submit().state is S.SUBMITTED
        assert len(accepted(home)) == 1

    def test_what_never_left_this_machine_is_refused_at_once(self, make_home) -> None:
        home = make_home(acceptance_seconds=ACCEPTANCE.total_seconds())

        def refused(batch, token):
            raise Rejected("too wide", request_sent=False)

        home.vendor.submit = refused
        assert home.submit().state is S.REJECTED


class TestEmptyLists:
    @pytest.mark.parametrize("fault", ["ambiguous_after", "ambiguous_before", *AFTER, *BEFORE])
    def test_a_list_without_any_job_of_ours_proves_nothing(self, make_home, fault) -> None:
        home = make_home()
        home.submit_known()
        home.vendor.plan_faults(fault)
        (home.vendor.folder / "list_is_empty").touch()
        job = home.submit()
        assert job.state is S.SUBMIT_UNKNOWN
        assert "none of those either that it has accepted before" in job.error
        assert home.vendor.calls("submit") == 2
        assert len(accepted(home)) == ("after" in fault)

    def test_a_home_that_never_had_a_job_accepted_waits_for_a_person(self, make_home) -> None:
        home = make_home()
        home.vendor.plan_faults("ambiguous_before")
        assert home.submit().state is S.SUBMIT_UNKNOWN
        home.dispatcher.decisions.resolve(home.job().job_id, None)
        job = home.submit()
        assert (job.state, job.attempt, job.error) == (S.SUBMITTED, 2, "")
        assert len(home.vendor.book()) == 1

    def test_a_job_that_was_accepted_a_moment_ago_need_not_be_listed_yet_and_proves_nothing(self, make_home) -> None:
        home = make_home(listing_lag_seconds=20.0)
        home.submit(seed=500)
        home.vendor.plan_faults("ambiguous_before")
        job = home.submit()
        assert job.state is S.SUBMIT_UNKNOWN

    def test_before_the_first_submission_an_empty_list_is_enough(self, make_home) -> None:
        home = make_home()
        assert home.submit().state is S.SUBMITTED
        assert home.vendor.calls("find") == 1

    def test_a_list_that_fails_stops_the_first_submission_too(self, make_home) -> None:
        home = make_home()

        def down(*_, **__):
            raise Unavailable("503")

        original, home.vendor.list_tokens = home.vendor.list_tokens, down
        with pytest.raises(Unavailable, match="vendor: find failed: 503"):
            home.submit()
        assert (home.job().state, home.vendor.calls("submit")) == (S.APPROVED, 0)
        home.vendor.list_tokens = original
        assert home.submit().state is S.SUBMITTED


class TestOtherHomes:
    def test_what_this_home_sent_before_its_ledger_was_put_back_is_adopted_and_charged_once(self, make_home) -> None:
        before = make_home("before", home_id="one")
        paid = before.submit()
        restored = make_home("restored", home_id="one")
        job = restored.submit()
        assert (job.state, job.provider_job_id, job.token) == (S.SUBMITTED, paid.provider_job_id, paid.token)
        assert restored.dispatcher.collect(job.job_id, make_batch()).job.state is S.VERIFIED
        assert restored.ledger.account(job.experiment).settled_usd == 2.0
        assert len(restored.vendor.book()) == restored.vendor.calls("submit") == 1

    def test_what_another_home_sent_waits_for_a_person_who_adopts_it(self, make_home) -> None:
        paid, mine = make_home("theirs").submit(), make_home("mine")
        job = mine.submit()
        assert (job.state, job.provider_job_id) == (S.SUBMIT_UNKNOWN, None)
        assert f"as {paid.provider_job_id}, sent by home theirs, and nothing is sent before you choose" in job.error
        for command in (f"resolve {job.job_id} --provider-job-id v-1", f"resolve {job.job_id} --pay-own"):
            assert f"`qhybrid jobs {command}`" in job.error
        assert "--pay-own" in next_steps(job, mine.now)
        assert mine.submit() == job, "asking again sends nothing"
        with pytest.raises(InvalidInput, match=r"sent by another home.*--provider-job-id v-1.*--pay-own"):
            mine.dispatcher.decisions.resolve(job.job_id, None)
        adopted = mine.dispatcher.decisions.resolve(job.job_id, "v-1")
        assert (adopted.state, adopted.error) == (S.SUBMITTED, "")
        assert mine.dispatcher.collect(job.job_id, make_batch()).job.state is S.VERIFIED
        assert len(mine.vendor.book()) == 1

    def test_a_person_may_pay_for_an_own_one_and_is_asked_again_for_the_next_copy(self, make_home) -> None:
        theirs, mine, third = make_home("theirs"), make_home("mine"), make_home("third")
        theirs.submit()
        job = mine.dispatcher.decisions.resolve(mine.submit().job_id, None, pay_own=True)
        assert job.state is S.APPROVED
        own = mine.submit()
        assert (own.state, own.attempt, own.provider_job_id) == (S.SUBMITTED, 2, "v-2")
        third.dispatcher.decisions.resolve(third.submit().job_id, None, pay_own=True)
        assert third.submit().state is S.SUBMIT_UNKNOWN, "the second attempt's token is in the list as well"
        assert len(mine.vendor.book()) == 2
        lost = make_home("fourth", dedupe="none")
        lost.vendor.plan_faults("ambiguous_before")
        unknown = lost.submit(seed=9)
        with pytest.raises(InvalidInput, match="no other home is known"):
            lost.dispatcher.decisions.resolve(unknown.job_id, None, pay_own=True)

    def test_one_that_is_cancelled_while_it_waits_is_neither_paid_nor_ends_the_others(self, make_home) -> None:
        theirs, mine = make_home("theirs"), make_home("mine")
        paid, job = theirs.submit(), mine.submit()
        assert mine.dispatcher.decisions.cancel(job.job_id, by="bo").state is S.SUBMIT_UNKNOWN
        for found, pay_own in ((paid.provider_job_id, False), (None, True)):
            with pytest.raises(InvalidInput, match=r"was cancelled while nobody knew.*`--not-there` ends it here"):
                mine.dispatcher.decisions.resolve(job.job_id, found, pay_own=pay_own)
        assert mine.dispatcher.decisions.resolve(job.job_id, None).state is S.CANCELLED
        mine.dispatcher.poll_due()
        assert mine.submit().state is S.CANCELLED
        assert (len(mine.vendor.book()), mine.vendor.calls("cancel")) == (1, 0)
        assert theirs.dispatcher.collect(paid.job_id, make_batch()).job.state is S.VERIFIED

    def test_a_job_whose_label_names_no_home_is_not_taken_for_ours(self, make_home) -> None:
        make_home("older", home_id="").submit()
        job = make_home("mine").submit()
        assert job.state is S.SUBMIT_UNKNOWN
        assert "a home that its label does not name" in job.error

    def test_in_doubt_the_job_of_another_home_is_not_adopted(self, make_home) -> None:
        """Two copies send at once, and the answer to one is lost before it left: what is listed is the other's."""
        theirs, mine = make_home("theirs"), make_home("mine")
        mine.submit_known()
        mine.vendor.plan_faults("ambiguous_before")
        original = mine.vendor.submit

        def raced(batch, token):
            mine.vendor.plan_faults()
            theirs.submit()
            mine.vendor.plan_faults("ambiguous_before")
            return original(batch, token)

        mine.vendor.submit = raced
        assert mine.submit().state is S.SUBMIT_UNKNOWN
        assert [line["home_id"] for line in accepted(mine)] == ["theirs"]

    def test_two_tenants_never_meet(self, make_home) -> None:
        one, two = make_home("one", tenant="physics"), make_home("two", tenant="chemistry")
        tokens = {home.submit().token for home in (one, two)}
        assert len(tokens) == len(one.vendor.book()) == 2

    def test_the_token_does_not_depend_on_the_home(self, make_home) -> None:
        homes = [make_home(name, tenant="physics") for name in ("one", "two")]
        assert len({home.submit().token for home in homes}) == 1


class TestEarlierAttempts:
    """What a person says about an attempt may be wrong: before another one is sent, its token is looked up once more."""

    def in_doubt(self, home: HomeOf, fault: str) -> JobRecord:
        """A submission without an answer, while the list shows nothing."""
        home.vendor.plan_faults(fault)
        hidden = home.vendor.folder / "list_is_empty"
        hidden.touch()
        job = home.submit()
        hidden.unlink()
        assert job.state is S.SUBMIT_UNKNOWN
        return job

    @pytest.mark.parametrize("dedupe", ["tag_lookup", "token"])
    def test_what_was_accepted_although_a_person_has_not_found_it_is_adopted(self, make_home, dedupe) -> None:
        home = make_home(dedupe="none")
        job = self.in_doubt(home, "ambiguous_after")
        home.dispatcher.decisions.resolve(job.job_id, None)
        home.vendor.dedupe = dedupe  # from now on it lists tokens
        adopted = home.submit()
        assert (adopted.state, adopted.provider_job_id) == (S.SUBMITTED, "v-1")
        assert len(home.vendor.book()) == home.vendor.calls("submit") == 1
        assert home.dispatcher.collect(job.job_id, make_batch()).job.state is S.VERIFIED

    def test_it_is_adopted_however_many_attempts_were_made_since(self, make_home) -> None:
        home = make_home()
        first = self.in_doubt(home, "late")
        home.dispatcher.decisions.resolve(first.job_id, None)
        second = self.in_doubt(home, "ambiguous_before")
        home.dispatcher.decisions.resolve(second.job_id, None)
        assert (first.attempt, second.attempt) == (1, 2)
        home.vendor.accept_late(make_batch(seed=1))
        adopted = home.submit()
        assert (adopted.state, adopted.provider_job_id) == (S.SUBMITTED, "v-1")
        assert len(home.vendor.book()) == 1
        assert home.ledger.verify_chain().is_intact

    def test_what_another_home_has_sent_meanwhile_waits_for_a_person(self, make_home) -> None:
        theirs, mine = make_home("theirs"), make_home("mine")
        job = self.in_doubt(mine, "ambiguous_before")
        mine.dispatcher.decisions.resolve(job.job_id, None)
        theirs.submit()
        asked = mine.submit()
        assert asked.state is S.SUBMIT_UNKNOWN
        assert "sent by home theirs" in asked.error
        mine.dispatcher.decisions.resolve(job.job_id, None, pay_own=True)
        assert mine.submit().provider_job_id == "v-2", "who has decided is not asked again"
        assert len(mine.vendor.book()) == 2

    def test_what_is_really_not_there_is_sent(self, make_home) -> None:
        home = make_home()
        job = self.in_doubt(home, "ambiguous_before")
        home.dispatcher.decisions.resolve(job.job_id, None)
        sent = home.submit()
        assert (sent.state, sent.attempt, len(home.vendor.book())) == (S.SUBMITTED, 2, 1)


class TestCosts:
    def test_one_listing_serves_all_jobs_of_a_backend_for_a_while(self, make_home) -> None:
        home = make_home()
        home.dispatcher.submit_all(sub_batches(*range(1, 41)), SUBMIT_REQUEST)
        assert len(home.vendor.book()) == 40
        assert home.vendor.calls("find") == 1

    def test_a_listing_that_is_too_old_is_made_again(self, make_home) -> None:
        home = make_home()
        original = home.vendor.submit

        def slow(batch, token):
            home.monotonic += LISTING_SECONDS * 0.4
            return original(batch, token)

        home.vendor.submit = slow
        home.dispatcher.submit_all(sub_batches(*range(1, 11)), SUBMIT_REQUEST)
        assert len(home.vendor.book()) == 10
        assert home.vendor.calls("find") == 4

    def test_a_vendor_that_merges_tokens_is_not_asked_before_the_first_submission(self, make_home) -> None:
        home = make_home(dedupe="token")
        home.submit()
        assert home.vendor.calls("find") == 0

    def test_after_a_doubt_nothing_that_was_listed_before_counts(self, make_home) -> None:
        home = make_home(retry_after_seconds=1.0)
        home.submit_known()
        home.vendor.plan_faults("throttled")
        job = home.submit()  # found absent, put off, and sent again within one call
        assert job.state is S.SUBMITTED
        assert len(accepted(home)) == 1
        assert home.vendor.calls("find") == 4

    def test_the_first_failure_is_raised_and_the_others_are_sent(self, make_home) -> None:
        home = make_home(acceptance_seconds=ACCEPTANCE.total_seconds())
        home.submit_known()
        home.vendor.plan_faults("throttled")
        with pytest.raises((Ambiguous, Throttled)):
            home.dispatcher.submit_all(sub_batches(1, 2, 3), SUBMIT_REQUEST)
        assert len(home.vendor.book()) == 3
