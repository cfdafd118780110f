"""What is not sent right after it was written down that it would be is not sent: another machine may have done it meanwhile."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from qhybrid_pipelines.control.jobs.context import SEND_WITHIN_SECONDS
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system import failpoints
from qhybrid_pipelines_tests.support.dispatcher_harness import SUBMIT_REQUEST, DispatcherHarness
from qhybrid_pipelines_tests.support.durable_vendor import make_batch
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger


@pytest.mark.parametrize("place", ["submit.intended", "submit.before_call"])
def test_a_machine_that_stood_still_before_the_call_looks_first(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = DispatcherHarness(tmp_path, MemoryLedger())
    stands_still_for = {place: SEND_WITHIN_SECONDS + 1.0}

    def reach(name: str) -> None:
        harness.now += timedelta(seconds=stands_still_for.pop(name, 0.0))

    harness.one.dedupe = "tag_lookup"
    dispatcher = harness.dispatcher()
    dispatcher.submit(make_batch(seed=100), SUBMIT_REQUEST)  # from now on the vendor's list has to show it
    monkeypatch.setattr(failpoints, "on_reached", reach)
    with pytest.raises(Refused, match=r"stood still for 31 s .*Run the same command again: it looks first"):
        dispatcher.submit(make_batch(), SUBMIT_REQUEST)
    job = dispatcher.latest_job(make_batch())
    assert job is not None
    assert (job.state, harness.one.calls("submit")) == (JobState.SUBMITTING, 1)
    assert dispatcher.submit(make_batch(), SUBMIT_REQUEST).state is JobState.SUBMITTED
    assert len(harness.one.book()) == 2


def test_half_a_minute_is_time_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = DispatcherHarness(tmp_path, MemoryLedger())
    stands_still_for = {"submit.before_call": SEND_WITHIN_SECONDS}

    def reach(name: str) -> None:
        harness.now += timedelta(seconds=stands_still_for.pop(name, 0.0))

    monkeypatch.setattr(failpoints, "on_reached", reach)
    assert harness.dispatcher().submit(make_batch(), SUBMIT_REQUEST).state is JobState.SUBMITTED
