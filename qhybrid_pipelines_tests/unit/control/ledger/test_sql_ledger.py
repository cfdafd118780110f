"""A ledger in a SQL database: what it tells, how it reads in parts, and what it says where rows are missing or damaged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from qhybrid_pipelines.control.ledger import sql_ledger
from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead, ChainReport
from qhybrid_pipelines.control.ledger.errors import DuplicateJob, DuplicateProviderJob, StaleJob
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import (
    Breaker,
    EventData,
    HomeIdentity,
    StaleBreaker,
    StoredResult,
    Transition,
)
from qhybrid_pipelines.control.ledger.sql import home_row, queries
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import InvalidInput, Refused
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.ledger_plans import NOW, apply_events, plan
from qhybrid_pipelines_tests.support.tampering import fill, tamper

E = Event
S = JobState


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    """A ledger in a file, whichever database other tests are run with."""
    made = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    yield made
    made.close()


def plan_all(ledger, *names, **facts):
    return [ledger.plan(plan(name, **facts)) for name in names]


def single(job, step=E.ACKNOWLEDGE, **facts) -> Transition:
    return Transition.single(job, step, NOW + timedelta(seconds=1), **facts)


class TestWriting:
    def test_whoever_listens_is_told_what_was_written_after_it_was(self, ledger) -> None:
        told = []

        def observer(written):
            told.append([(type(what).__name__, job.job_id, ledger.job(job.job_id) == job) for what, job in written])

        ledger.observer = observer
        a, b = ledger.plan_all([plan("a"), plan("b")])
        ledger.advance(single(a, provider_job_id="p-a"))
        ledger.advance_all([single(b, provider_job_id="p-b"), single(a)])
        with pytest.raises(StaleJob):
            ledger.advance(single(a))
        assert told == [
            [("Plan", "j-a", True), ("Plan", "j-b", True)],
            [("Transition", "j-a", True)],
            [("Transition", "j-b", True), ("Transition", "j-a", True)],
        ]

    def test_many_moves_are_written_in_parts_so_that_no_writer_waits_long(self, ledger, monkeypatch) -> None:
        monkeypatch.setattr(sql_ledger, "TRANSITIONS_PER_TRANSACTION", 2)
        jobs = plan_all(ledger, *"abcde")
        stale = jobs[1]
        ledger.advance(single(stale, provider_job_id="p"))
        begun = []
        event.listen(ledger._engine, "commit", lambda _: begun.append(1))
        moved = ledger.advance_all([single(job, provider_job_id=f"p-{job.job_id}") for job in jobs])
        assert [job.job_id for job in moved] == [f"j-{name}" for name in "abcde"]
        assert [job.provider_job_id for job in moved] == ["p-j-a", "p", "p-j-c", "p-j-d", "p-j-e"]
        assert len(begun) == 3
        assert ledger.advance_all([]) == []

    @pytest.mark.parametrize(
        ("facts", "words"),
        [
            (
                {"job_id": "j-b", "token": "t"},
                "job j-b would be number 1 of its payload, which another job is; nothing was",
            ),
            (
                {"job_id": "j-b", "payload_sha256": "b"},
                "the token of job j-b belongs to another attempt; nothing was written",
            ),
        ],
    )
    def test_two_jobs_share_no_place_and_no_token(self, ledger, facts, words) -> None:
        plan_all(ledger, "a")
        with pytest.raises(DuplicateJob, match=words) as refusal:
            ledger.plan(plan("a", **facts))
        assert refusal.value.exit_code == 3
        assert [job.job_id for job in ledger.jobs()] == ["j-a"]

    def test_a_provider_answers_with_an_id_once(self, ledger) -> None:
        a, b = plan_all(ledger, "a", "b")
        ledger.advance(single(a, provider_job_id="p"))
        with pytest.raises(DuplicateProviderJob) as refusal:
            ledger.advance(single(b, provider_job_id="p"))
        assert str(refusal.value) == (
            "provider 'v' answered job j-b with id 'p', which belongs to another job. Ask the provider which of them it "
            "holds; nothing was written."
        )
        assert refusal.value.exit_code == 3
        assert ledger.job("j-b") == b

    def test_who_is_late_is_told_what_was_read(self, ledger) -> None:
        [a] = plan_all(ledger, "a")
        ledger.advance(single(a, provider_job_id="p"))
        with pytest.raises(StaleJob, match=r"^job j-a has changed since it was read as SUBMITTING$"):
            ledger.advance(single(a))
        with pytest.raises(StaleJob, match=r"^job j-a has changed since it was read as SUBMITTING$"):
            ledger.plan(plan("b", takes_over=a))
        assert ledger.plan(plan("c", takes_over=ledger.job("j-a"))).job_id == "j-c"

    def test_work_that_was_taken_over_takes_no_further_step(self, ledger) -> None:
        [a] = plan_all(ledger, "a", events=(E.PLAN, E.APPROVE))
        left = ledger.advance(single(a, E.REROUTE, rerouted_to="j-b"))
        assert ledger.advance(single(left, E.REROUTE, rerouted_to="j-b")).version == left.version + 1
        plan_all(ledger, "b")
        with pytest.raises(StaleJob, match=r"^job j-b has taken over the work of job j-a$"):
            ledger.advance(single(ledger.job("j-a"), E.CANCEL))

    def test_another_budget_is_another_experiment(self, ledger) -> None:
        plan_all(ledger, "a", quote=1.0, budget=2.0)
        with pytest.raises(Refused) as refusal:
            ledger.plan(plan("b", quote=0.5, budget=3.0))
        assert str(refusal.value) == (
            "experiment 'maxcut-small-00000000' was given a budget of $2.00, and now one of $3.00. A budget belongs to its "
            "experiment: change budget.usd in the specification, which makes it another experiment."
        )
        ledger.plan(plan("b", quote=1.0, budget=2.0))
        account = ledger.account("maxcut-small-00000000")
        assert (account.limit_usd, account.reserved_usd, account.settled_usd) == (2.0, 2.0, 0.0)

    def test_a_move_without_a_step_is_a_mistake(self, ledger) -> None:
        [a] = plan_all(ledger, "a")
        with pytest.raises(ValueError, match="a move has at least one step"):
            ledger.advance(Transition(job=a, steps=(), observed_at=NOW))

    def test_events_that_somebody_has_put_in_the_place_are_told(self, ledger) -> None:
        [a] = plan_all(ledger, "a")
        tamper(ledger, "UPDATE chain_head SET position = 2")
        with pytest.raises(Refused) as refusal:
            ledger.advance(single(a, provider_job_id="p"))
        assert str(refusal.value) == (
            "the ledger already has other events of job j-a in place of these, so somebody changed it; nothing was "
            "written. `qhybrid doctor --full` names everything that differs."
        )

    def test_a_second_result_takes_the_place_of_the_first_and_of_no_other_job_s(self, ledger) -> None:
        fill(ledger)
        kept = StoredResult(sha256="5" * 64, size_bytes=321, content_type="application/json")
        first, second = (
            replace(kept, sha256="6" * 64),
            replace(kept, sha256="7" * 64, size_bytes=7, content_type="text/csv"),
        )
        job = apply_events(ledger, ledger.job("j-open"), E.QUEUE, E.START, E.COMPLETE)
        assert ledger.stored_result("j-open") is None
        job = apply_events(ledger, job, E.FETCH, result=first)
        assert (ledger.stored_result("j-open"), job.result_sha256) == (first, first.sha256)
        job = apply_events(ledger, apply_events(ledger, job, E.DOUBT_RESULT), E.FETCH, result=second)
        assert (ledger.stored_result("j-open"), ledger.job("j-open").result_sha256) == (second, second.sha256)
        assert ledger.stored_result("j-done") == kept
        assert ledger.audit_rows() == []

    def test_a_quote_and_a_charge_are_in_the_budget(self, ledger) -> None:
        [a] = plan_all(ledger, "a", quote=1.0, budget=5.0, events=(E.PLAN, E.APPROVE))
        steps = (EventData(event=E.REQUEST_APPROVAL, at=NOW), EventData(event=E.APPROVE, at=NOW))
        a = ledger.advance(Transition(job=a, steps=steps, observed_at=NOW, cost_quoted_usd=2.5))
        assert ledger.account(a.experiment).reserved_usd == 2.5
        with pytest.raises(Refused, match=r"quotes \$5\.01"):
            ledger.advance(Transition(job=a, steps=steps, observed_at=NOW, cost_quoted_usd=5.01))
        a = apply_events(ledger, a, E.SUBMIT, E.ACKNOWLEDGE, E.FAIL, provider_job_id="p", cost_usd=0.75)
        account = ledger.account(a.experiment)
        assert (a.cost_settled_usd, account.reserved_usd, account.settled_usd) == (0.75, 0.0, 0.75)
        a = apply_events(ledger, a, E.RECOVER, cost_usd=1.25)
        assert (a.cost_settled_usd, ledger.account(a.experiment).settled_usd) == (0.75, 0.75), "not charged again yet"
        a = apply_events(ledger, a, E.FETCH, E.VERIFY)
        account = ledger.account(a.experiment)
        assert (a.cost_settled_usd, account.reserved_usd, account.settled_usd) == (1.25, 0.0, 1.25)


class TestReading:
    def test_a_job_that_is_not_there(self, ledger) -> None:
        with pytest.raises(InvalidInput) as refusal:
            ledger.job("j-x")
        assert refusal.value.problem == "the ledger has no job 'j-x'"
        assert refusal.value.remedy == "`qhybrid jobs list` shows those it has."

    @pytest.mark.parametrize("at_once", [1, 2, 3, 500])
    def test_many_ids_are_read_in_parts(self, ledger, monkeypatch, at_once) -> None:
        monkeypatch.setattr(queries, "VALUES_PER_STATEMENT", at_once)
        monkeypatch.setattr(home_row, "TOKENS_PER_QUERY", at_once)
        plan_all(ledger, *"abcde")
        ids = ["j-d", "j-b", "j-b", "j-x", "j-a"]
        assert [job.job_id for job in ledger.jobs(ids=ids)] == ["j-a", "j-b", "j-d"]
        assert [job.job_id for job in ledger.jobs(ids=ids, states=[S.APPROVED])] == []
        assert {name: len(events) for name, events in ledger.histories(ids).items()} == {"j-a": 3, "j-b": 3, "j-d": 3}
        assert ledger.jobs(ids=[]) == []
        assert ledger.sent_tokens([f"token-{name}" for name in "edcbax"]) == dict.fromkeys(
            (f"token-{name}" for name in "abcde"), None
        )
        assert set(ledger.accounts(["maxcut-small-00000000", "x", "y"])) == {"maxcut-small-00000000"}

    def test_a_token_counts_as_sent_from_the_intent_on_with_the_id_that_came_back(self, ledger) -> None:
        plan_all(ledger, "waits", events=(E.PLAN, E.APPROVE))
        open_job, sent = plan_all(ledger, "open", "sent")
        ledger.advance(single(sent, provider_job_id="p"))
        assert open_job.state is S.SUBMITTING
        names = ["token-waits", "token-open", "token-sent", "token-nobody"]
        assert ledger.sent_tokens(names) == {"token-open": None, "token-sent": "p"}

    def test_those_that_are_wanted_back_until_it_is_too_late(self, ledger) -> None:
        a, b, c = (ledger.advance(single(job, provider_job_id=job.job_id)) for job in plan_all(ledger, *"abc"))
        a, b = (ledger.advance(single(job, E.INTEND_CANCEL)) for job in (a, b))
        assert [job.job_id for job in ledger.jobs(cancel_intended=True)] == ["j-a", "j-b"]
        b = ledger.advance(single(b, E.CANCEL_TOO_LATE))
        assert [job.job_id for job in ledger.jobs(cancel_intended=True)] == ["j-a"]
        ledger.advance(single(b, E.INTEND_CANCEL))
        assert [job.job_id for job in ledger.jobs(cancel_intended=True)] == ["j-a", "j-b"]
        assert [job.job_id for job in ledger.jobs(cancel_intended=True, states=[S.QUEUED])] == []
        assert c.state is S.SUBMITTED

    def test_pages_newest_and_places(self, ledger) -> None:
        for number, name in enumerate("abcd"):
            facts = {
                "backend": f"v{number % 2}:d",
                "provider": f"v{number % 2}",
                "experiment": f"x{number // 2}-00000000",
            }
            ledger.plan(plan(name, planned_at=NOW + timedelta(seconds=number), **facts))
        ids = lambda jobs: [job.job_id for job in jobs]  # noqa: E731 - a short name for what is compared
        assert ids(ledger.page_of_jobs(limit=2)) == ["j-a", "j-b"]
        assert ids(ledger.page_of_jobs(after="j-b", limit=5)) == ["j-c", "j-d"]
        assert ids(ledger.page_of_jobs(limit=5, experiment="x1-00000000")) == ["j-c", "j-d"]
        newest = lambda **facts: (ids(ledger.newest_jobs(**facts)[0]), ledger.newest_jobs(**facts)[1])  # noqa: E731
        assert newest(limit=3) == (["j-d", "j-c", "j-b"], 4)
        assert newest(limit=1, experiment="x0-00000000") == (["j-b"], 2)
        assert newest(limit=9, without="x0-00000000") == (["j-d", "j-c"], 2)
        assert newest(limit=9, place="v1") == newest(limit=9, place="v1:d") == (["j-d", "j-b"], 2)
        assert newest(limit=9, place="v1", without="x0-00000000", states=[S.SUBMITTING]) == (["j-d"], 1)
        assert newest(limit=9, states=[S.APPROVED]) == ([], 0)
        assert ledger.backends_used() == {"v0:d", "v1:d"}
        assert ledger.principals() == {"unknown"}

    def test_events_after_a_position_and_at_most_so_many(self, ledger) -> None:
        plan_all(ledger, "a", "b")
        positions = lambda **facts: [event.position for event in ledger.events(**facts)]  # noqa: E731
        assert positions() == [1, 2, 3, 4, 5, 6]
        assert positions(after=4) == [5, 6]
        assert positions(after=1, limit=2) == [2, 3]
        assert positions(job_id="j-b") == [4, 5, 6]
        assert positions(job_id="j-b", after=4, limit=1) == [5]

    def test_the_last_job_of_a_payload(self, ledger) -> None:
        plan_all(ledger, "a")
        ledger.plan(plan("b", payload_sha256="a", run_number=2))
        assert ledger.latest("maxcut-small-00000000", "v:d", "a").job_id == "j-b"
        for asked in (("x", "v:d", "a"), ("maxcut-small-00000000", "x", "a"), ("maxcut-small-00000000", "v:d", "x")):
            assert ledger.latest(*asked) is None

    def test_the_present_is_never_before_the_newest_event(self, ledger) -> None:
        early = NOW - timedelta(days=1)
        assert ledger.read_time(early) == early
        plan_all(ledger, "a", planned_at=NOW)
        assert ledger.read_time(early) == NOW
        assert ledger.read_time(NOW + timedelta(seconds=1)) == NOW + timedelta(seconds=1)

    def test_links_of_the_chain(self, ledger) -> None:
        assert ledger.head() == ChainHead()
        assert ledger.contains(ChainHead())
        plan_all(ledger, "a")
        events = ledger.events()
        links = [ChainHead(position=event.position, hash=event.hash) for event in events]
        assert all(ledger.contains(link) for link in links)
        assert ledger.head() == links[-1]
        assert not ledger.contains(ChainHead(position=2, hash=links[0].hash))
        assert not ledger.contains(ChainHead(position=9, hash=links[0].hash))
        assert ledger.verify_chain(start=links[1]) == ChainReport(events=3)
        assert ledger.verify_chain(start=ChainHead(position=2, hash="0" * 64)) == ChainReport(
            events=0, broken_at=2, problem="event 2 is not the one that was found whole before"
        )

    def test_a_breaker_that_changed_meanwhile(self, ledger) -> None:
        saved = ledger.save_breaker(Breaker(backend="v:d", failures=2))
        assert (saved.version, ledger.breaker("v:d"), ledger.breaker("v:x")) == (1, saved, None)
        again = ledger.save_breaker(replace(saved, state="open", reason="down", opened_at=NOW, retry_at=NOW))
        assert ledger.breakers() == [again]
        for old, version in ((saved, 1), (Breaker(backend="v:d"), 0)):
            with pytest.raises(
                StaleBreaker, match=f"^the breaker of 'v:d' has changed since version {version} was read$"
            ):
                ledger.save_breaker(old)
        assert ledger.breaker("v:d") == again


class TestIdentity:
    def test_openings_are_counted_and_another_home_may_own_it(self, ledger) -> None:
        first = ledger.identity()
        assert len(first.home_id) == 16
        assert int(first.home_id, 16) >= 0
        assert (first.openings, first.accepted_jobs) == (0, frozenset())
        assert ledger.count_opening() == replace(first, openings=1)
        assert ledger.count_opening().openings == 2
        other = HomeIdentity(home_id="0" * 16, openings=7, accepted_jobs=frozenset({"v/2", "v/1"}))
        ledger.change_identity(other)
        found = ledger.identity()
        assert (found.home_id, found.openings, found.accepted_jobs) == ("0" * 16, 7, frozenset({"v/1", "v/2"}))

    def test_the_newest_format_is_noted_and_never_an_older_one(self, ledger) -> None:
        newest = ledger.identity()
        for known, noted in ((0, newest.format), (99, 99)):
            tamper(ledger, f"UPDATE home SET format = {known}, collects_from = {known}")
            counted = ledger.count_opening()
            assert counted.format == max(known, newest.format) == noted
            assert counted.collects_from == max(known, newest.collects_from)

    def test_a_ledger_of_a_newer_release_says_who_may_collect(self, ledger) -> None:
        with ledger._engine.connect() as connected:
            for collects_from, allowed in ((newest := ledger.identity().format, True), (newest + 1, False)):
                connected.exec_driver_sql(f"UPDATE home SET collects_from = {collects_from}")
                assert home_row.may_collect(connected) is allowed
            connected.exec_driver_sql("DELETE FROM home")
            assert home_row.may_collect(connected) is False
            connected.exec_driver_sql("ALTER TABLE home DROP COLUMN collects_from")
            assert home_row.may_collect(connected) is False
            connected.rollback()
