"""What to expect is measured on jobs that ended on the same backend, and nothing is made up where there are few."""

from __future__ import annotations

from datetime import timedelta

import pytest

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import EventData, Transition
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines.service.pages.expected_times import FEWEST, ExpectedTimes
from qhybrid_pipelines.service.pages.job_index import JobIndex
from qhybrid_pipelines_tests.support.ledger_plans import NOW, plan


@pytest.fixture
def ledger(tmp_path):
    opened = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    yield opened
    opened.close()


def finish(ledger, name: str, seconds: float) -> None:
    """Write a job that was with its provider for so many seconds: half of them in its queue."""
    job = ledger.plan(plan(name))
    steps = (
        (Event.ACKNOWLEDGE, 0.0),
        (Event.QUEUE, 0.0),
        (Event.START, seconds / 2),
        (Event.COMPLETE, seconds),
        (Event.FETCH, seconds + 1),
        (Event.VERIFY, seconds + 1),
    )
    events = tuple(
        EventData(event=event, at=NOW + timedelta(seconds=after), clock="vendor" if 0 < index < 4 else "observed")
        for index, (event, after) in enumerate(steps)
    )
    ledger.advance(Transition(job=job, steps=events, observed_at=NOW + timedelta(hours=1), provider_job_id=f"v-{name}"))


def test_too_few_say_nothing_and_the_basis_says_that(ledger):
    for number in range(FEWEST - 1):
        finish(ledger, f"a{number}", 10.0)
    found = ExpectedTimes(ledger, JobIndex(ledger)).on("v:d")
    assert (found.p50, found.p90, found.jobs) == (None, None, FEWEST - 1)
    assert "are needed" in found.basis


def test_the_middle_and_the_slow_end_of_the_last_jobs(ledger):
    for number in range(11):
        finish(ledger, f"a{number}", 10.0 * (number + 1))
    clock = [0.0]
    times = ExpectedTimes(ledger, JobIndex(ledger), clock=Clock(monotonic=lambda: clock[0]))
    found = times.on("v:d")
    assert (found.p50, found.p90, found.jobs) == pytest.approx((60.0, 100.0, 11))
    for number in range(11, 40):
        finish(ledger, f"a{number}", 500.0)
    assert times.on("v:d") == found  # for a while
    clock[0] = 61.0
    assert times.on("v:d").p50 == pytest.approx(500.0)
    assert times.on("v:other").p50 is None
