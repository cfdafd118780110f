"""Figures for Prometheus, read back by its own parser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.lifecycle import OPEN
from qhybrid_pipelines.control.ledger.port import Breaker
from qhybrid_pipelines.control.reporting.metrics import BUCKETS, metrics_text, read_ledger_snapshot
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch


@pytest.fixture
def told(dispatcher, ledger, vendor: DurableVendor):
    """What is said about one verified, one running and one cancelled job of 1 $ each."""
    vendor.price_usd = 1.0
    batches = [make_batch(seed=seed, experiment=f"x{seed}-00000000") for seed in (1, 2, 3)]
    done, running, cancelled = (
        dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=5.0)) for batch in batches
    )
    vendor.show(done.provider_job_id, JobState.COMPLETED, cost_usd=0.75)
    vendor.show(running.provider_job_id, JobState.RUNNING)
    dispatcher.poll([done, running])
    dispatcher.collect(done.job_id, batches[0])
    dispatcher.decisions.cancel(cancelled.job_id)
    now = running.created_at + timedelta(hours=1)
    text = metrics_text(read_ledger_snapshot(ledger, {"qhybrid_spooled_records": ("Records that wait", 7.0)}), now=now)
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(family) -> dict[tuple[str, ...], float]:
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def test_jobs_money_and_age(told):
    jobs = values(told["qhybrid_jobs"])
    assert jobs["vendor:device", "VERIFIED"] == jobs["vendor:device", "RUNNING"] == 1
    assert sum(jobs.values()) == 3
    assert values(told["qhybrid_open_jobs"])[("vendor:device",)] == sum(
        number for (_, state), number in jobs.items() if state in OPEN
    )
    assert values(told["qhybrid_oldest_open_job_age_seconds"])[("vendor:device",)] == pytest.approx(3600, abs=5)
    cost = values(told["qhybrid_cost_usd"])
    assert cost["vendor:device", "quoted"] == 3.0
    assert cost["vendor:device", "reported"] == 0.75
    budget = values(told["qhybrid_budget_usd"])
    assert budget[("limit",)] == 15.0
    assert budget[("settled",)] >= 0.75
    assert values(told["qhybrid_spooled_records"]) == {(): 7.0}


def test_seconds_are_a_histogram_that_adds_up(told):
    samples = [s for s in told["qhybrid_job_seconds"].samples if s.labels["component"] == "orchestration"]
    buckets = [s for s in samples if s.name.endswith("_bucket")]
    assert len(buckets) == len(BUCKETS) + 1
    counts = [s.value for s in buckets]
    assert counts == sorted(counts)
    assert counts[-1] == next(s.value for s in samples if s.name.endswith("_count")) == 3


def test_labels_stay_few_however_many_jobs_there_are(told):
    names = {label for family in told.values() for sample in family.samples for label in sample.labels}
    assert names == {"backend", "state", "component", "kind", "le"}


def test_a_breaker_is_in_one_state(ledger, vendor):
    now = datetime(2026, 5, 1, tzinfo=UTC)
    ledger.save_breaker(
        Breaker(
            backend="vendor:device", state="open", failures=5, opened_at=now, retry_at=now, reason="away", version=0
        )
    )
    text = metrics_text(read_ledger_snapshot(ledger), now=now)
    [family] = [f for f in text_string_to_metric_families(text) if f.name == "qhybrid_breaker_state"]
    assert values(family) == {
        ("vendor:device", "open"): 1.0,
        ("vendor:device", "closed"): 0.0,
        ("vendor:device", "half_open"): 0.0,
    }


def test_an_empty_ledger_has_figures_too(ledger):
    text = metrics_text(read_ledger_snapshot(ledger), now=datetime.now(UTC))
    assert "qhybrid_budget_usd" in text
    assert list(text_string_to_metric_families(text))
