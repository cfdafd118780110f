"""The state of a session, and how long its jobs ran, also where some were cancelled."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from qhybrid_pipelines.emulator.ibm.sessions import Sessions
from qhybrid_pipelines_tests.support.emulator_in_process import EmulatorInProcess


@pytest.fixture
def cloud(tmp_path):
    running = EmulatorInProcess(tmp_path / "cloud", key="key", speed=1e-6)
    yield running.cloud
    running.close()


def test_a_cancelled_job_counts_for_as_long_as_it_ran(cloud):
    sessions = Sessions(cloud)
    identifier = sessions.begin({"backend": "ibm_manila", "mode": "batch"})["id"]
    cloud.clock.advance(100)
    now = cloud.clock.now()

    def job(begin, end, canceled=None):
        return SimpleNamespace(
            starts_at=now + begin, ends_at=now + end, canceled_at=None if canceled is None else now + canceled
        )

    before = sessions.shown(identifier, [job(-60, -50, -70), job(5, 10)])
    assert (before["state"], before["elapsed_time"], before["last_job_started"]) == ("open", 0, None)
    during = sessions.shown(identifier, [job(-60, -50, -70), job(-40, -10, -30)])
    assert (during["state"], during["elapsed_time"]) == ("active", pytest.approx(10, abs=0.1))
    assert during["last_job_completed"] is None
    after = sessions.shown(identifier, [job(-40, -10, -30), job(-20, -15), job(-5, 20)])
    assert after["elapsed_time"] == pytest.approx(10 + 5 + 5, abs=0.1)
