"""A request that is accepted after its sender gave up, over HTTP: paid once, however often the work is submitted.

The emulator's book is the judge.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.core.errors import Ambiguous
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.http.transport import RequestLimits
from qhybrid_pipelines.execution.ionq.client import IonQClient
from qhybrid_pipelines.execution.providers.ionq import IonQProvider
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.emulator_client import Client
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger

PATIENCE_SECONDS, LATE_SECONDS = 0.3, 1.5


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_emulator(tmp_path_factory.mktemp("late") / "cloud", speed=4000.0, seed=7) as emulator:
        client = Client(emulator)
        yield client
        client.close()


def accepted_of_one_work(cloud: Client, home: Path, monkeypatch, *, acceptance_seconds: float) -> tuple[int, int]:
    """Submit until the job is acknowledged; return how often we were in doubt, and how many jobs were accepted."""
    for name, value in cloud.emulator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IONQ_LISTING_LAG_SECONDS", "0.05")
    monkeypatch.setenv("IONQ_ACCEPTANCE_SECONDS", str(acceptance_seconds))
    impatient = IonQClient(limits=RequestLimits(read_seconds=PATIENCE_SECONDS))
    dispatcher = Dispatcher(MemoryLedger(), {"ionq": IonQProvider(home / "ionq", impatient)}, RawStore(home / "raw"))
    batch, _ = canary_batch("batch", width=4, qubit=1, backend="ionq:simulator")
    dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=1.0))  # the list must show this one from now on
    time.sleep(0.1)
    slow = {"route": "POST /jobs", "fault": "slow", "params": {"seconds": LATE_SECONDS, "accept": "last"}, "times": 1}
    cloud.faults(slow)
    before = len(cloud.book())
    batch = replace(batch, seeds=batch.seeds + np.uint64(1 + acceptance_seconds))  # each test has work of its own
    doubts = 0
    while True:
        try:
            job = dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=1.0))
        except Ambiguous:
            doubts += 1
            time.sleep(PATIENCE_SECONDS)
        else:
            break
    assert job.state is JobState.SUBMITTED
    time.sleep(LATE_SECONDS)  # whatever was still on its way has arrived
    return doubts, len(cloud.book()) - before


def test_it_is_looked_up_until_it_is_there_or_cannot_come_any_more(cloud, tmp_path, monkeypatch):
    doubts, accepted = accepted_of_one_work(cloud, tmp_path, monkeypatch, acceptance_seconds=60.0)
    assert doubts >= 1
    assert accepted == 1


def test_whoever_takes_an_absent_job_for_a_refused_one_pays_twice(cloud, tmp_path, monkeypatch):
    """The negative control."""
    assert accepted_of_one_work(cloud, tmp_path, monkeypatch, acceptance_seconds=0.0) == (0, 2)
