"""Cancellation against completion over HTTP, two hundred times: our end is the vendor's end, and a result that came is kept.

The emulator's book is the judge. The same race with a vendor that only takes requests is unit/control/test_job_dispatcher_races.py.
"""

from __future__ import annotations

import os
import random
import statistics
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.lifecycle import is_settled
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.providers.ionq import IonQProvider
from qhybrid_pipelines.storage.content_store import RawStore

pytestmark = [pytest.mark.acceptance, pytest.mark.long]

RACES = 100  # on each database
SEED = int(os.environ.get("QHYBRID_KILL_SEED", "20"))
#: A job takes 2 to 4 virtual seconds: 0.13 to 0.27 of ours, long beside a cancellation that takes at most so long.
SPEED, CANCELLATION_SECONDS = 15.0, 0.03


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "sqlite":
        opened = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    else:
        opened = SqlLedger.open_postgres(request.getfixturevalue("postgres_url"))
    yield opened
    opened.close()


def slowness(ledger: SqlLedger, tmp_path: Path, like: CircuitBatch, monkeypatch: pytest.MonkeyPatch) -> float:
    """Return by how much longer jobs have to take here, so that a cancellation on a busy machine is no slower beside them."""
    with running_emulator(tmp_path / "trial", speed=SPEED, seed=SEED) as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        dispatcher = Dispatcher(ledger, {"ionq": IonQProvider(tmp_path / "ionq")}, RawStore(tmp_path / "raw"))
        seconds = []
        for number in range(5):
            batch = replace(like, experiment="trial-00000000", seeds=like.seeds + np.uint64(7 + number))
            job = dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=1.0))
            began = time.monotonic()
            dispatcher.decisions.cancel(job.job_id)
            seconds.append(time.monotonic() - began)
    return max(1.0, statistics.median(seconds) / CANCELLATION_SECONDS)


def test_cancellation_against_completion(ledger: SqlLedger, tmp_path: Path, monkeypatch) -> None:
    chance, ends = random.Random(SEED), Counter()
    like, _ = canary_batch("batch", width=4, qubit=1, backend="ionq:simulator")
    slower = slowness(ledger, tmp_path, like, monkeypatch)
    print(f"seed {SEED}, {slower:.1f} times slower")
    with running_emulator(tmp_path / "cloud", speed=SPEED / slower, seed=SEED) as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        dispatcher = Dispatcher(ledger, {"ionq": IonQProvider(tmp_path / "ionq")}, RawStore(tmp_path / "raw"))
        for number in range(RACES):
            batch = replace(like, seeds=like.seeds + np.uint64(1000 * number))
            job = dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=1.0))
            patience = chance.uniform(0.01, 0.28) * slower

            def cancel(job_id: str = job.job_id, patience: float = patience) -> None:
                time.sleep(patience)
                dispatcher.decisions.cancel(job_id)

            other = threading.Thread(target=cancel)
            other.start()
            until = time.monotonic() + 20
            while not is_settled(job) and time.monotonic() < until:
                [job] = dispatcher.poll([job])
            other.join()
            job = ledger.job(job.job_id)
            ends[job.state] += 1
            if job.state is JobState.COMPLETED:
                assert dispatcher.collect(job.job_id, batch).job.state is JobState.VERIFIED
            else:
                assert job.state is JobState.CANCELLED
        book = httpx.get(f"{emulator.admin_url}/jobs", timeout=10).json()["jobs"]
    ours = {job.provider_job_id: job for job in ledger.jobs(experiment=like.experiment)}
    assert len(book) == len(ours) == RACES
    for line in book:
        job = ours[line["id"]]
        assert (line["state"], job.result_sha256 is not None) == (
            ("completed", True) if job.state is JobState.VERIFIED else ("canceled", False)
        )
    assert ledger.verify_chain().is_intact
    assert ledger.account(like.experiment).reserved_usd == 0.0
    assert min(ends[JobState.COMPLETED], ends[JobState.CANCELLED]) >= RACES // 10, f"a fixed winner: {ends}"
