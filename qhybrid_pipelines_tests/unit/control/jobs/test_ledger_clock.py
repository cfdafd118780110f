"""The ledger's clock: what it shows, when it is trusted, and what stops when it is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.ledger_clock import ClockDisagreement, LedgerClock
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import Unavailable
from qhybrid_pipelines.core.jobs import provider_time
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.clock import Clock, boot_seconds
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.dispatcher_harness import NOON, SUBMIT_REQUEST, DispatcherHarness
from qhybrid_pipelines_tests.support.durable_vendor import make_batch
from qhybrid_pipelines_tests.support.ledger_plans import NOW, plan
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger

SKEWS = (timedelta(minutes=11), timedelta(minutes=-11), timedelta(days=1), timedelta(days=-1))


class SettableClock:
    """A wall clock that can be set, beside a boot-time clock that cannot."""

    def __init__(self, at: datetime = NOW) -> None:
        self.started, self.passed_seconds, self.offset = at, 0.0, timedelta()
        self.clock = Clock(now=self._now, boot_time=lambda: self.passed_seconds)

    def _now(self) -> datetime:
        return self.started + timedelta(seconds=self.passed_seconds) + self.offset


@pytest.fixture(autouse=True)
def _no_readings() -> Iterator[None]:
    provider_time.forget()
    yield
    provider_time.forget()


def hear(provider: str, at: datetime, **more: str) -> None:
    """An answer of a provider, with its time."""
    now = boot_seconds()
    with provider_time.asking(provider):
        provider_time.note_answer({"Date": format_datetime(at, usegmt=True), **more}, sent=now, received=now)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("skew", SKEWS)
def test_the_time_is_never_before_the_newest_event(kind: str, skew: timedelta, tmp_path: Path) -> None:
    ledger = MemoryLedger() if kind == "memory" else SqlLedger.open_sqlite(tmp_path / "ledger.db")
    ledger.plan(plan())
    machine = SettableClock(NOW + skew)
    assert LedgerClock(ledger, machine.clock).now() == max(NOW, NOW + skew)
    ledger.close()


@pytest.mark.parametrize("skew", SKEWS)
def test_what_is_compared_with_stored_times_is_this_machines_present(skew: timedelta) -> None:
    ledger, machine = MemoryLedger(), SettableClock(NOW + skew)
    ledger.plan(plan())
    time = LedgerClock(ledger, machine.clock)
    assert time.present() == time.present_clock.now() == NOW + skew
    assert time.clock.now() == max(NOW, NOW + skew)


@pytest.mark.parametrize("skew", SKEWS)
def test_on_postgres_it_is_the_servers_time_whatever_this_machine_thinks(skew: timedelta, postgres_url: str) -> None:
    ledger = SqlLedger.open_postgres(postgres_url)
    wrong = Clock(now=lambda: datetime.now(UTC) + skew, boot_time=boot_seconds)
    time = LedgerClock(ledger, wrong)
    assert abs((time.now() - datetime.now(UTC)).total_seconds()) < 5
    assert abs((time.present() - datetime.now(UTC)).total_seconds()) < 5
    hear("cloud", datetime.now(UTC))
    time.check("cloud")
    assert not time.should_ask("cloud")
    assert time.margin_seconds("cloud", 600.0) == 0.0
    hear("cloud", datetime.now(UTC) + skew)
    with pytest.raises(ClockDisagreement, match="the ledger's server"):
        time.check("cloud")
    ledger.close()


@pytest.mark.parametrize("step", SKEWS)
def test_a_step_within_a_process_is_noticed_and_time_that_passes_is_not(step: timedelta) -> None:
    machine = SettableClock()
    time = LedgerClock(MemoryLedger(), machine.clock)
    time.check("cloud")
    machine.passed_seconds += 86_400 * 30
    machine.offset = timedelta(seconds=20)  # a slow correction over a month
    time.check("cloud")
    machine.offset = step
    with pytest.raises(ClockDisagreement, match=r"was set .* while this process was running"):
        time.check("cloud")
    LedgerClock(MemoryLedger(), machine.clock).check("cloud")  # another process has seen no step


@pytest.mark.parametrize("skew", SKEWS)
def test_a_provider_whose_date_is_far_away_stops_what_is_done_with_it_and_nothing_else(skew: timedelta) -> None:
    time = LedgerClock(MemoryLedger(), Clock())
    hear("cloud", datetime.now(UTC) - skew)
    hear("other", datetime.now(UTC))
    with pytest.raises(ClockDisagreement, match="the clock of provider 'cloud'"):
        time.check("cloud")
    time.check("other")
    time.check("never heard of")
    assert time.provider_skew_seconds("cloud") == pytest.approx(skew.total_seconds(), abs=3)


def test_dates_that_say_nothing_are_left_out() -> None:
    hear("cloud", datetime.now(UTC))
    known = provider_time.last_reading("cloud")
    with provider_time.asking("cloud"):
        for wrong in ({}, {"Date": "yesterday"}, {"Date": ""}, {"Date": format_datetime(NOW), "Age": "old"}):
            provider_time.note_answer(wrong, sent=0.0, received=0.0)
    assert provider_time.last_reading("cloud") == known
    hear("cached", datetime.now(UTC) - timedelta(hours=1), Age="3600")
    LedgerClock(MemoryLedger(), Clock()).check("cached")


def test_a_question_is_asked_once_in_a_while() -> None:
    time = LedgerClock(MemoryLedger(), Clock())
    assert time.should_ask("cloud")
    assert not time.should_ask("cloud"), "it was asked a moment ago"
    hear("other", datetime.now(UTC))
    assert not time.should_ask("other")


def test_no_provider_is_asked_for_its_time_beside_a_clock_of_another_world() -> None:
    assert not LedgerClock(MemoryLedger(), SettableClock().clock).should_ask("cloud")


def test_a_provider_is_asked_on_a_machine_that_has_just_started(monkeypatch) -> None:
    monkeypatch.setattr("qhybrid_pipelines.core.system.clock.time.clock_gettime", lambda _: 1.0)
    assert LedgerClock(MemoryLedger(), Clock()).should_ask("cloud")


def test_a_window_is_waited_for_longer_where_no_server_measures_it() -> None:
    time = LedgerClock(MemoryLedger(), Clock())
    assert time.margin_seconds("cloud", 600.0) == 0.0, "nothing is known about its clock"
    hear("cloud", datetime.now(UTC))
    assert time.margin_seconds("cloud", 600.0) == 120.0
    assert time.margin_seconds("cloud", 2.0) == 2.0


@pytest.mark.parametrize("step", SKEWS)
def test_while_clocks_disagree_nothing_is_sent_or_ended_and_results_are_collected(
    step: timedelta, harness: DispatcherHarness
) -> None:
    offset = [timedelta()]

    def boot_time() -> float:
        return (harness.now - NOON).total_seconds()

    usual = harness.dispatcher()
    dispatcher = Dispatcher(
        harness.ledger,
        {"vendor": harness.one, "other": harness.two},
        RawStore(harness.path / "raw"),
        deployment=usual.deployment,
        policy=usual.policy,
        clock=Clock(now=lambda: harness.now + offset[0], sleep=harness.sleep, boot_time=boot_time),
    )
    job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
    harness.one.show(job.provider_job_id, JobState.RUNNING)
    offset[0] = step
    with pytest.raises(ClockDisagreement):
        dispatcher.submit(make_batch(seed=77), SUBMIT_REQUEST)
    assert {seen.state for seen in dispatcher.expire_due()} <= {JobState.RUNNING}, "a look is all that happens"
    assert len(harness.one.book()) == 1
    assert len(dispatcher.clock_problems()) == 1
    harness.one.show(job.provider_job_id, JobState.COMPLETED)
    assert dispatcher.collect(job.job_id, make_batch()).job.state is JobState.VERIFIED


@pytest.mark.parametrize("skew", SKEWS)
def test_a_wrong_clock_that_the_look_up_shows_dates_no_intent(skew: timedelta, harness: DispatcherHarness) -> None:
    """An intent of tomorrow would keep right machines from sending until tomorrow, although nothing was sent."""
    usual, of_the_double = harness.dispatcher(), harness.one.list_tokens
    harness.one.dedupe = "tag_lookup"

    def list_tokens(*arguments, **options):
        hear("vendor", datetime.now(UTC))
        return of_the_double(*arguments, **options)

    harness.one.list_tokens = list_tokens

    def submit(offset: timedelta) -> JobRecord:
        provider_time.forget()  # a new process has heard from nobody
        dispatcher = Dispatcher(
            harness.ledger,
            {"vendor": harness.one},
            RawStore(harness.path / "raw"),
            deployment=usual.deployment,
            policy=usual.policy,
            clock=Clock(now=lambda: datetime.now(UTC) + offset, boot_time=boot_seconds),
        )
        return dispatcher.submit(make_batch(), SUBMIT_REQUEST)

    with pytest.raises(ClockDisagreement):
        submit(skew)
    [planned] = harness.ledger.jobs()
    assert (planned.state, harness.one.book()) == (JobState.APPROVED, [])
    sent = submit(timedelta())
    # What a machine has planned whose clock was a day behind may be too late by now.
    assert sent.state is (JobState.EXPIRED if skew <= -timedelta(days=1) else JobState.SUBMITTED)
    assert len(harness.one.book()) == (sent.state is JobState.SUBMITTED)


def test_a_wrong_clock_gives_no_refused_result_up(harness: DispatcherHarness) -> None:
    """A machine whose clock is a day ahead thinks that a result of this minute has been refused for a day."""
    usual = harness.dispatcher()

    def dispatcher(offset: timedelta) -> Dispatcher:
        return Dispatcher(
            harness.ledger,
            {"vendor": harness.one},
            RawStore(harness.path / "raw"),
            deployment=usual.deployment,
            policy=usual.policy,
            clock=Clock(now=lambda: datetime.now(UTC) + offset, boot_time=boot_seconds),
        )

    right = dispatcher(timedelta())
    job = right.submit(make_batch(), SUBMIT_REQUEST)
    result = harness.one.folder / f"{job.provider_job_id}.result"
    whole = result.read_bytes()
    result.write_bytes(whole.replace(job.payload_sha256.encode(), b"of another batch"))
    harness.one.show(job.provider_job_id, JobState.COMPLETED)
    with pytest.raises(Unavailable):
        right.collect(job.job_id, make_batch())
    hear("vendor", datetime.now(UTC))
    with pytest.raises(Unavailable, match="fetched again automatically"):
        dispatcher(timedelta(days=1)).collect(job.job_id, make_batch())
    result.write_bytes(whole)
    assert right.collect(job.job_id, make_batch()).job.state is JobState.VERIFIED


class TestEdges:
    """Times that lie exactly on a bound."""

    @pytest.mark.parametrize(("seconds", "agrees"), [(60, True), (-60, True), (61, False), (-61, False)])
    def test_clocks_a_minute_apart_still_agree(self, seconds: int, *, agrees: bool) -> None:
        machine = SettableClock()
        time = LedgerClock(MemoryLedger(), machine.clock)
        time.now()
        machine.offset = timedelta(seconds=seconds)
        if agrees:
            time.check("vendor")
        else:
            with pytest.raises(ClockDisagreement, match=r"the clock of this machine was set 61 s (forward|back) while"):
                time.check("vendor")

    @pytest.mark.parametrize(
        ("passed", "questions"), [((0.0, 0.0), 1), ((0.0, 0.9), 1), ((0.0, 1.0), 2), ((1.0, 0.5), 2)]
    )
    def test_a_reading_counts_for_a_second(self, passed: tuple[float, float], questions: int) -> None:
        """The ledger's clock is asked once for both, unless a second has passed or the machine's counter runs backwards."""
        machine, ledger, asked = SettableClock(), MemoryLedger(), []
        read = ledger.read_time
        ledger.read_time = lambda now: (asked.append(now), read(now))[1]
        time = LedgerClock(ledger, machine.clock)
        for machine.passed_seconds in passed:
            time.now()
        assert len(asked) == questions

    @pytest.mark.parametrize(("ahead", "is_ahead"), [(60, False), (61, True)])
    def test_a_stored_time_a_minute_ahead_is_no_wrong_clock_yet(self, ahead: int, *, is_ahead: bool) -> None:
        assert LedgerClock(MemoryLedger(), SettableClock().clock).is_ahead(NOW + timedelta(seconds=ahead)) is is_ahead
