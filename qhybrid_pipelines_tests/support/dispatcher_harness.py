"""A dispatcher and what it needs: two vendors with books of their own, one ledger, and a clock that the test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import EventData, Plan
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.policy.deployment import Deployment
from qhybrid_pipelines.control.policy.rules import Policy
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ALLOW = {"name": "all", "then": "allow", "reason": "trust"}
SUBMIT_REQUEST = SubmitRequest(tier="batch", budget_usd=100.0)


def sub_batches(*seeds: int) -> list[SubBatch]:
    return [SubBatch(batch=make_batch(seed=10 * seed), first_point=0, first_repetition=seed) for seed in seeds]


class DispatcherHarness:
    """Two vendors, one ledger, a clock that the test moves (and that sleeping moves)."""

    def __init__(self, tmp_path: Path, ledger: SqlLedger) -> None:
        self.now, self.sleeps, self.ledger, self.path = NOON, [], ledger, tmp_path
        self.one = DurableVendor(tmp_path / "one", name="vendor", mode="hardware")
        self.two = DurableVendor(tmp_path / "two", name="other", mode="hardware")

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += timedelta(seconds=seconds)

    def seconds(self) -> float:
        return self.now.timestamp()

    def dispatcher(
        self, *rules: dict, environment: Any = "dev", principal: str = "ada", waits: float = 900.0, **sections
    ) -> Dispatcher:
        policy = Policy.model_validate({"rules": list(rules) or [ALLOW], **sections})
        return Dispatcher(
            self.ledger,
            {"vendor": self.one, "other": self.two},
            RawStore(self.path / "raw"),
            deployment=Deployment(environment=environment, principal=principal),
            policy=policy,
            timeout_seconds=waits,
            clock=Clock(now=lambda: self.now, monotonic=self.seconds, sleep=self.sleep),
        )


def plans(count: int) -> list[Plan]:
    """As many jobs as if a vendor had acknowledged them."""
    return [
        Plan(
            job_id=f"j{n:016x}",
            experiment="maxcut-small-00000000",
            backend="vendor:device",
            provider="vendor",
            payload_sha256=f"{n:064x}",
            run_number=1,
            tier="batch",
            circuits=1,
            shots=1,
            token=f"{n:032x}",
            cost_quoted_usd=0.0,
            price_source="free",
            budget_usd=0.0,
            requested_at=None,
            planned_at=NOON,
            steps=tuple(EventData(event=event, at=NOON) for event in (Event.PLAN, Event.APPROVE, Event.SUBMIT)),
        )
        for n in range(count)
    ]
