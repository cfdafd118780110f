"""What a machine with a wrong clock has dated a day ahead keeps no right machine waiting until then: on one machine's ledger.

Each test is two machines on one SQLite ledger: one whose clock is wrong, or is set in the middle of something, and a right
one that goes on. Time passes when the test says so, however busy the machine is. The vendor's book is the judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import pytest

from qhybrid_pipelines.control.backends.health import BackendHealth
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.ledger_clock import ClockDisagreement, LedgerClock
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.control.policy.rules import BreakerRules
from qhybrid_pipelines.core.errors import Ambiguous, ProviderError, Throttled, Unavailable
from qhybrid_pipelines.core.jobs import provider_time
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, JobRef, Snapshot
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.dispatcher_harness import SUBMIT_REQUEST, DispatcherHarness
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch

#: That time passes between two readings of a clock.
TICK_SECONDS = 1e-4
AHEAD = (timedelta(minutes=11), timedelta(hours=26))


class PassingTime:
    """The time that it really is, by which all machines run, whatever their clocks say."""

    def __init__(self) -> None:
        self._began, self._seconds = datetime.now(UTC), 0.0
        self.boot_seconds: Callable[[], float] = self.seconds  # one object, by which a clock is known as a machine's

    def pass_by(self, seconds: float) -> None:
        self._seconds += seconds

    def seconds(self) -> float:
        self._seconds += TICK_SECONDS
        return self._seconds

    def true_now(self) -> datetime:
        return self._began + timedelta(seconds=self.seconds())


class ClockVendor(DurableVendor):
    """A vendor that says what time it is with each answer; clocks may be set while it is asked to take a job."""

    is_away = False
    passing: PassingTime
    during_submission: Callable[[], None] = staticmethod(lambda: None)

    def _count(self, kind: str) -> None:
        super()._count(kind)
        now = self.passing.seconds()
        provider_time.note_answer(
            {"Date": formatdate(self.passing.true_now().timestamp(), usegmt=True)}, sent=now, received=now
        )

    def submit(self, batch: CircuitBatch, token: str) -> JobRef:
        self.during_submission()
        return super().submit(batch, token)

    def poll(self, refs: Sequence[JobRef]) -> list[Snapshot]:
        if self.is_away:
            raise Unavailable("503")
        return super().poll(refs)


class Machines:
    """Machines on one ledger, each a new process with a clock of its own."""

    def __init__(self, harness: DispatcherHarness) -> None:
        self.ledger, self._harness, self.offset = harness.ledger, harness, timedelta()
        self.vendor = ClockVendor(harness.path / "clock", name="vendor", mode="hardware", dedupe="tag_lookup")
        self.passing = self.vendor.passing = PassingTime()

    def start(self, offset: timedelta = timedelta()) -> Dispatcher:
        provider_time.forget()  # a new process has heard from nobody
        self.offset = offset
        usual = self._harness.dispatcher()
        return Dispatcher(
            self.ledger,
            {"vendor": self.vendor},
            RawStore(self._harness.path / "raw"),
            deployment=usual.deployment,
            policy=usual.policy,
            clock=self.clock(),
        )

    def clock(self) -> Clock:
        """The clock of the machine that was started last."""
        passing = self.passing
        return Clock(
            now=lambda: passing.true_now() + self.offset,
            monotonic=passing.seconds,
            sleep=passing.pass_by,
            boot_time=passing.boot_seconds,
        )

    def be_set(self, offset: timedelta) -> None:
        self.offset = offset

    def job(self) -> JobRecord:
        return max(self.ledger.jobs(), key=lambda job: self.ledger.events(job.job_id)[0].position)


@pytest.fixture
def machines(harness: DispatcherHarness, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    found = Machines(harness)
    monkeypatch.setattr("qhybrid_pipelines.core.system.clock.boot_seconds", found.passing.boot_seconds)
    # A job of ours that every list shows, so that a list without another one proves something.
    found.start().submit(make_batch(experiment="known-00000000", seed=1000), SUBMIT_REQUEST)
    yield found
    provider_time.forget()


def until_settled(machines: Machines, seconds: float = 5.0) -> JobRecord:
    """Let right machines try to submit the job, each a new process, as a schedule would."""
    end = machines.passing.seconds() + seconds
    while True:
        try:
            return machines.start().submit(make_batch(), SUBMIT_REQUEST)
        except (Ambiguous, Throttled) as error:
            if machines.passing.seconds() > end:
                raise AssertionError(f"a right machine waits: {error}") from None
            machines.passing.pass_by(0.5)  # five refusals in a row would open the breaker


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("fault", ["rejected", "throttled", "ambiguous_before"])
def test_a_clock_that_is_set_between_intent_and_answer(machines: Machines, ahead: timedelta, fault: str) -> None:
    """The answer is dated ahead; what was sent is believed lost or refused when today's window is over, not tomorrow's."""
    machines.vendor.acceptance_seconds = 0.2
    machines.vendor.plan_faults(fault)
    machines.vendor.during_submission = lambda: machines.be_set(ahead)
    with pytest.raises((ProviderError, ClockDisagreement)):
        machines.start().submit(make_batch(), SUBMIT_REQUEST)
    assert machines.job().state is JobState.SUBMITTING
    del machines.vendor.during_submission
    job = until_settled(machines)
    assert job.state is (JobState.REJECTED if fault == "rejected" else JobState.SUBMITTED)
    assert len(machines.vendor.book()) == 1 + (job.state is JobState.SUBMITTED), "accepted once"


@pytest.mark.parametrize("ahead", AHEAD)
def test_the_window_is_not_over_at_once_either(machines: Machines, ahead: timedelta) -> None:
    """Nobody knows when the request was really sent; so it may be accepted for a whole window from when this was noticed."""
    machines.vendor.acceptance_seconds = 600.0
    machines.vendor.plan_faults("late")
    with pytest.raises(ProviderError):
        machines.start().submit(make_batch(), SUBMIT_REQUEST)
    machines.vendor.plan_faults()
    for _ in range(2):
        with pytest.raises(Ambiguous, match="may still accept it"):
            machines.start().submit(make_batch(), SUBMIT_REQUEST)
    machines.vendor.accept_late(make_batch())
    assert machines.start().submit(make_batch(), SUBMIT_REQUEST).state is JobState.SUBMITTED
    assert len(machines.vendor.book()) == 2


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_backend_is_not_left_alone_until_tomorrow(machines: Machines, ahead: timedelta) -> None:
    """A machine whose clock is set while the provider refuses dates the breaker; right machines try again today."""
    machines.vendor.retry_after = 1.0
    machines.vendor.plan_faults("throttled")
    machines.vendor.during_submission = lambda: machines.be_set(ahead)
    with pytest.raises((ProviderError, ClockDisagreement)):
        machines.start().submit(make_batch(seed=70), SUBMIT_REQUEST)
    del machines.vendor.during_submission
    health = BackendHealth(
        machines.ledger, BreakerRules(), clock=Clock(now=lambda: machines.passing.true_now() + ahead)
    )
    for _ in range(BreakerRules().failures):
        health.record_failure("vendor:device", Unavailable("503"))
    job = machines.start().submit(make_batch(), SUBMIT_REQUEST)
    assert job.state is JobState.SUBMITTED


@pytest.mark.parametrize("ahead", AHEAD)
def test_results_are_collected_today(machines: Machines, ahead: timedelta) -> None:
    """A machine with a wrong clock met an outage of the provider's polls."""
    job = machines.start().submit(make_batch(), SUBMIT_REQUEST)
    machines.vendor.show(str(job.provider_job_id), JobState.COMPLETED)
    machines.vendor.is_away = True
    wrong = machines.start(ahead)
    for _ in range(BreakerRules().failures):
        with pytest.raises(Unavailable):
            wrong.poll([job])
    machines.vendor.is_away = False
    assert machines.start().poll_due().waiting == 0
    assert machines.job().state is JobState.COMPLETED


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_failure_is_neither_believed_at_once_nor_tomorrow(
    machines: Machines, ahead: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider calls a job failed for a moment: first a machine with a wrong clock asks, or one with a right clock."""
    monkeypatch.setattr("qhybrid_pipelines.control.jobs.status_poller.FAILURE_CONFIRMED_AFTER", timedelta(seconds=0.3))
    job = machines.start().submit(make_batch(), SUBMIT_REQUEST)
    machines.vendor.show(str(job.provider_job_id), JobState.FAILED)
    for offset in (timedelta(), ahead, timedelta(), ahead):
        machines.start(offset).poll([machines.job()])
        assert machines.job().state is JobState.SUBMITTED, "not believed at once"
    machines.passing.pass_by(0.4)
    machines.start(ahead).poll([machines.job()])
    assert machines.job().state is JobState.SUBMITTED, "a wrong clock does not say how much time has passed"
    machines.start().poll([machines.job()])
    assert machines.job().state is JobState.FAILED, "believed today"


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_failure_that_a_wrong_clock_has_dated_is_believed_today(
    machines: Machines, ahead: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qhybrid_pipelines.control.jobs.status_poller.FAILURE_CONFIRMED_AFTER", timedelta(seconds=0.3))
    job = machines.start().submit(make_batch(), SUBMIT_REQUEST)
    machines.vendor.show(str(job.provider_job_id), JobState.FAILED)
    machines.start(ahead).poll([machines.job()])
    machines.start().poll([machines.job()])
    assert machines.job().state is JobState.SUBMITTED
    machines.passing.pass_by(0.4)
    machines.start().poll([machines.job()])
    assert machines.job().state is JobState.FAILED


@pytest.mark.parametrize("ahead", AHEAD)
def test_a_clock_that_is_set_right_before_the_intent(
    machines: Machines, ahead: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen among random kills: the clock was found right, was set, and dated the intent; nothing was sent, and nothing went on."""
    check, looked = LedgerClock.check, machines.vendor.calls("find")

    def check_and_be_set(time: LedgerClock, provider: str) -> None:
        check(time, provider)
        if machines.vendor.calls("find") > looked:  # the token was looked up, and the intent comes next
            machines.be_set(ahead)

    machines.vendor.acceptance_seconds = 0.2
    dispatcher = machines.start()
    with monkeypatch.context() as patch:
        patch.setattr(LedgerClock, "check", check_and_be_set)
        with pytest.raises(ClockDisagreement):
            dispatcher.submit(make_batch(), SUBMIT_REQUEST)
    assert machines.job().state is JobState.SUBMITTING
    assert len(machines.vendor.book()) == 1, "nothing was sent"
    assert until_settled(machines).state is JobState.SUBMITTED
    assert len(machines.vendor.book()) == 2
