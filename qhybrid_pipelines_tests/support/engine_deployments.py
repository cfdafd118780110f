"""What the tests of launchers share: a slow cloud, experiments in the inbox, and patience."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import dagster as dg
import pytest
import yaml

from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.dagster_daemon import DaemonProcess
from qhybrid_pipelines_tests.support.emulator_client import Client

#: Virtual seconds of queue: nothing is done before the test jumps ahead.
QUEUE_SECONDS = 1e6
POLICY = """
rules: [{name: all, then: allow, reason: a test}]
routing: {breaker: {open_seconds: 1, max_open_seconds: 4}}
tiers: {batch: {poll_min_seconds: 1, poll_max_seconds: 5}}
"""
PATIENCE_SECONDS = 900.0
Held = TypeVar("Held")


@contextmanager
def slow_cloud(folder: Path, key: str) -> Iterator[Client]:
    """Give a cloud that takes one circuit a job and half a second for each, and whose queue is long."""
    with running_emulator(folder, key=key, speed=0.001, seed=7) as emulator, closing(Client(emulator)) as client:
        client.admin("PUT", "/backends/simulator", {"max_circuits_per_job": 1, "extra_wait_seconds": QUEUE_SECONDS})
        client.faults({"route": "POST /jobs", "fault": "slow", "params": {"seconds": 0.5}})
        yield client


def drop(home: Home, *specifications: Mapping[str, object]) -> None:
    """Put experiments into the inbox, as files that nobody writes to any more."""
    for specification in specifications:
        path = home.inbox / f"{specification['name']}.yaml".replace(" ", "")
        path.write_text(yaml.safe_dump(dict(specification)))
        os.utime(path, (time.time() - 60,) * 2)


class Watch:
    """Waits for things to happen, and says when they did.

    Args:
        deployment: whose output is shown where it waited in vain.
        logs: of the engine, likewise.
    """

    def __init__(self, deployment: DaemonProcess, logs: Callable[[], str]) -> None:
        self._deployment, self._logs, self._began = deployment, logs, time.monotonic()

    def until(self, condition: Callable[[], Held], what: str) -> Held:
        """Return what a condition gave once it holds; fail the test if it never does."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not (held := condition()):
            if time.monotonic() > until:
                print(self._deployment.log.read_text()[-20_000:], self._logs())
                pytest.fail(f"waited for: {what}")
            time.sleep(0.25)
        print(f"{time.monotonic() - self._began:6.1f} s  {what}", flush=True)
        return held


def messages(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return all that a run's log says."""
    return "\n".join(entry.message + entry.user_message for entry in instance.all_logs(run_id))
