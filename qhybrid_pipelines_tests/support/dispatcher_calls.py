"""Calls of a dispatcher that its tests make: one job, another one, the same home with a provider of another kind."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch

NOW = datetime.now(UTC)


def submit(dispatcher: Dispatcher, **facts) -> JobRecord:
    return dispatcher.submit(make_batch(), SubmitRequest(**{"tier": "batch", "budget_usd": 0.0} | facts))


def submit_another(dispatcher: Dispatcher) -> JobRecord:
    """Another job of ours, which the vendor's list must show from now on."""
    return dispatcher.submit(make_batch(seed=100), SubmitRequest(tier="batch", budget_usd=0.0))


def dispatcher_for_vendor(
    dispatcher: Dispatcher, tmp_path: Path, sleeps: list[float], **facts
) -> tuple[Dispatcher, DurableVendor]:
    """The same home with a provider of another kind."""
    vendor = DurableVendor(tmp_path / "other_vendor", **facts)
    store = RawStore(tmp_path / "raw")
    return Dispatcher(dispatcher.ledger, {"vendor": vendor}, store, clock=Clock(sleep=sleeps.append)), vendor


def event_names(ledger: SqlLedger, job: JobRecord) -> list[str]:
    return [event.event for event in ledger.events(job.job_id)]
