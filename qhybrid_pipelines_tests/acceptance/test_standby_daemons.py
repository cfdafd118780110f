"""Two of Dagster's daemons on one record: the first is killed, and the second goes on; how soon is printed."""

from __future__ import annotations

import os
import signal
import time

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef

from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.browser import wait_until
from qhybrid_pipelines_tests.support.dagster_daemon import DaemonProcess

pytestmark = [pytest.mark.acceptance, pytest.mark.long, experiment_homes.RUNS_IN_PROCESS]

PATIENCE_SECONDS = 240.0


@pytest.fixture
def daemons(tmp_path, postgres_database, monkeypatch):
    """Give a folder in which daemons are started, and end them with everything they started."""
    monkeypatch.setenv("QHYBRID_DAGSTER_POSTGRES_URL", postgres_database)
    environment = {"QHYBRID_DAGSTER_POSTGRES_URL": postgres_database}
    opened = DaemonProcess(tmp_path / "checkout", environment, "deploy/postgres/dagster.yaml")
    monkeypatch.chdir(opened.folder)
    started = []

    def start():
        started.append(opened._start("python", "-m", "qhybrid_pipelines.standby_daemon"))
        return started[-1]

    yield opened, start
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        process.wait()


def test_the_second_ticks_after_the_first_was_killed(daemons):
    folder, start = daemons
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder.folder))) as instance:

        def newest_tick():
            states = [state for state in instance.all_instigator_state() if state.name == "due_stages"]
            ticks = instance.get_ticks(states[0].instigator_origin_id, states[0].selector_id, limit=1) if states else []
            return ticks[0].timestamp if ticks else 0.0

        first = start()
        wait_until(newest_tick, PATIENCE_SECONDS, "the first to tick")
        start()
        wait_until(lambda: "this one stands by" in folder.log.read_text(), PATIENCE_SECONDS, "the second to stand by")
        os.kill(first.pid, signal.SIGKILL)
        killed = time.time()
        wait_until(lambda: newest_tick() > killed, PATIENCE_SECONDS, "the second to tick")
        seconds = newest_tick() - killed
    print(f"the second ticked {seconds:.1f} s after the first was killed")
    assert folder.log.read_text().count("this is the daemon now") == 2
    assert "still sending heartbeats" not in folder.log.read_text()
