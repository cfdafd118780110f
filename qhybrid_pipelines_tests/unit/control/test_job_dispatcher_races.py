"""Races that money hangs on: one budget and many spenders, and a cancellation against its job's completion."""

from __future__ import annotations

import json
import random
import threading
import time
from pathlib import Path

import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.policy.rules import Policy
from qhybrid_pipelines.core.jobs.circuit_jobs import CancelOutcome, JobRef
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.crash_process import make_vendor
from qhybrid_pipelines_tests.support.dispatcher_harness import ALLOW, SUBMIT_REQUEST
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch
from qhybrid_pipelines_tests.support.ledgers import open_test_ledger

S = JobState


def test_eight_processes_never_spend_more_than_one_budget(run_process, tmp_path: Path) -> None:
    """40 jobs are wanted, the budget holds 10; the vendor's own book is the judge."""
    vendor, budget = {"price_usd": 0.3}, 3.0
    ends = run_process("spender", tmp_path, vendor=vendor, copies=8, tries=5, budget_usd=budget)
    assert ends == [0] * 8
    book = make_vendor({"home": str(tmp_path), "vendor": vendor}).book()
    assert len(book) == 10
    ledger = open_test_ledger(tmp_path)
    [experiment] = {job.experiment for job in ledger.jobs()}
    account = ledger.account(experiment)
    ledger.close()
    assert account.reserved_usd + account.settled_usd == budget
    assert account.settled_usd > 0


class RacingVendor(DurableVendor):
    """Its jobs complete and are cancelled by different threads; whoever comes first has decided."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._decides, self.ends = threading.Lock(), {}
        self.asked, self.hesitates_seconds = threading.Event(), 0.0

    def complete(self, provider_job_id: str) -> None:
        with self._decides:
            if self.ends.setdefault(provider_job_id, "completed") == "completed":
                self.show(provider_job_id, S.COMPLETED)

    def cancel(self, ref: JobRef) -> CancelOutcome:
        self.asked.set()
        time.sleep(self.hesitates_seconds)
        with self._decides:
            if self.ends.setdefault(ref.provider_job_id, "cancelled") == "completed":
                return CancelOutcome.TOO_LATE
            self.show(ref.provider_job_id, S.CANCELLED)
        return CancelOutcome.CANCELLED if int(ref.provider_job_id[2:]) % 2 else CancelOutcome.REQUESTED


@pytest.mark.slow
def test_cancel_against_completion_two_hundred_times(tmp_path: Path, ledger: SqlLedger) -> None:
    """Our end is the vendor's end, every time: a completed job has its verified result, a cancelled one has none."""
    vendor, chance = RacingVendor(tmp_path / "vendor"), random.Random(7)
    policy = Policy.model_validate({"rules": [ALLOW]})
    dispatcher = Dispatcher(ledger, {"vendor": vendor}, RawStore(tmp_path / "raw"), policy=policy)
    for number in range(200):
        batch = make_batch(seed=100 * number)
        job = dispatcher.submit(batch, SUBMIT_REQUEST)
        vendor.show(job.provider_job_id, S.RUNNING)
        vendor.asked.clear()
        vendor.hesitates_seconds = chance.uniform(0.0, 0.004)

        def finish(
            *,
            job_id: str = job.provider_job_id,
            waits: bool = chance.random() < 0.8,
            delay: float = chance.uniform(0.0, 0.004),
        ) -> None:
            """Most finish while the vendor is being asked to cancel, some at any moment before."""
            if waits:
                vendor.asked.wait()
            time.sleep(delay)
            vendor.complete(job_id)

        other = threading.Thread(target=finish)
        other.start()
        [job] = dispatcher.poll([job])
        dispatcher.decisions.cancel(job.job_id)
        vendor.asked.set()
        other.join()
        [job] = dispatcher.poll([ledger.job(job.job_id)])
        if vendor.ends[job.provider_job_id] == "completed":
            assert dispatcher.collect(job.job_id, batch).job.state is S.VERIFIED
        else:
            assert job.state is S.CANCELLED
    ends = list(vendor.ends.values())
    assert min(ends.count("completed"), ends.count("cancelled")) >= 20, "the race had a fixed winner"
    assert ledger.verify_chain().is_intact


def test_a_vendor_that_completes_what_it_has_cancelled_is_believed_and_the_result_kept(harness) -> None:
    dispatcher = harness.dispatcher()
    job = dispatcher.submit(make_batch(), SUBMIT_REQUEST)
    harness.one.show(job.provider_job_id, S.RUNNING)
    (harness.one.folder / f"{job.provider_job_id}.cancel").write_text("cancelled")
    assert dispatcher.decisions.cancel(job.job_id).state is S.CANCELLED
    harness.one.show(job.provider_job_id, S.COMPLETED)
    [late] = dispatcher.poll_due().changed
    assert late.state is S.CANCELLED
    stored = RawStore(harness.path / "raw").get(harness.ledger.stored_result(job.job_id).sha256)
    assert json.loads(stored)["id"] == job.provider_job_id
