"""Figures for Prometheus, computed from the ledger at the moment somebody asks.

Processes of the pipeline come and go, so none of them could be scraped; the ledger stays. Labels are names of backends,
states and components only: no job, no experiment, no person, so that the number of series stays small for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.ledger.lifecycle import OPEN, TERMINAL
from qhybrid_pipelines.control.reporting.latency_tally import BUCKETS, LatencyTally, read_latency_tally
from qhybrid_pipelines.core.jobs.job_states import JobState

if TYPE_CHECKING:
    from pathlib import Path

    from prometheus_client import Metric

    from qhybrid_pipelines.control.ledger.port import Breaker, JobRecord, Ledger
    from qhybrid_pipelines.control.ledger.totals import BudgetTotals, JobTotals

BREAKER_STATES = ("closed", "half_open", "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSnapshot:
    """What the figures are computed from.

    Attributes:
        totals: of all jobs, by backend and state.
        unended: the jobs that have not ended.
        seconds: how long jobs took.
        budgets: of all experiments together.
        breakers: of all backends.
        gauges: further figures without labels: name -> (meaning, value).
    """

    totals: Sequence[JobTotals]
    unended: Sequence[JobRecord]
    seconds: LatencyTally
    budgets: BudgetTotals
    breakers: Sequence[Breaker] = ()
    gauges: Mapping[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def backends(self) -> list[str]:
        """The backends of all jobs, sorted."""
        return sorted({totals.backend for totals in self.totals})

    def sum(self, backend: str, figure: str) -> float:
        """Return the sum of a figure over the states of a backend's jobs."""
        return float(sum(getattr(totals, figure) for totals in self.totals if totals.backend == backend))


def read_ledger_snapshot(
    ledger: Ledger,
    gauges: Mapping[str, tuple[str, float]] | None = None,
    *,
    tally_file: Path | None = None,
    tmp: Path | None = None,
) -> LedgerSnapshot:
    """Return what the ledger knows.

    Args:
        ledger: counts and sums its jobs.
        gauges: further figures without labels: name -> (meaning, value).
        tally_file: holds how long jobs took, up to an event; without it all events are read.
        tmp: folder of unfinished files.
    """
    return LedgerSnapshot(
        totals=ledger.job_totals(),
        unended=ledger.jobs(states=frozenset(JobState) - TERMINAL),
        seconds=read_latency_tally(ledger, file=tally_file, tmp=tmp),
        budgets=ledger.budget_totals(),
        breakers=ledger.breakers(),
        gauges=gauges or {},
    )


def metrics_text(snapshot: LedgerSnapshot, *, now: datetime) -> str:
    """Return the figures in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest

    class Collector:
        def collect(self) -> Iterator[Metric]:
            yield from _job_metrics(snapshot, now)
            yield _latency_histogram(snapshot.seconds)
            yield from _cost_metrics(snapshot)
            yield _breaker_states(snapshot.breakers)
            yield from _gauge_metrics(snapshot.gauges)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    return generate_latest(registry).decode()


def _job_metrics(snapshot: LedgerSnapshot, now: datetime) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    by_state = GaugeMetricFamily("qhybrid_jobs", "Jobs in the ledger", labels=("backend", "state"))
    for totals in snapshot.totals:
        by_state.add_metric((totals.backend, str(totals.state)), totals.jobs)
    yield by_state

    opened = GaugeMetricFamily("qhybrid_open_jobs", "Jobs that a provider holds", labels=("backend",))
    oldest = GaugeMetricFamily(
        "qhybrid_oldest_open_job_age_seconds", "Age of the oldest job that a provider holds", labels=("backend",)
    )
    overdue = GaugeMetricFamily(
        "qhybrid_overdue_jobs", "Jobs that have not ended though their deadline has passed", labels=("backend",)
    )
    for backend in snapshot.backends:
        held = [totals for totals in snapshot.totals if totals.backend == backend and totals.state in OPEN]
        opened.add_metric((backend,), sum(totals.jobs for totals in held))
        oldest.add_metric(
            (backend,), max(((now - totals.oldest_created_at).total_seconds() for totals in held), default=0.0)
        )
        missed = (job.backend == backend and has_missed_deadline(job, now) for job in snapshot.unended)
        overdue.add_metric((backend,), sum(missed))
    yield from (opened, oldest, overdue)

    attempts = CounterMetricFamily("qhybrid_submission_attempts", "Attempts to submit", labels=("backend",))
    for backend in snapshot.backends:
        attempts.add_metric((backend,), snapshot.sum(backend, "attempts"))
    yield attempts


def has_missed_deadline(job: JobRecord, now: datetime) -> bool:
    """Tell whether a job has not ended though its deadline has passed."""
    return job.deadline_at is not None and job.deadline_at < now and job.state not in TERMINAL


def _latency_histogram(tally: LatencyTally) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(
        "qhybrid_job_seconds", "Where the time of jobs went", labels=("backend", "component")
    )
    for labels in sorted({(backend, component) for (backend, component, _), jobs in tally.counts.items() if jobs}):
        below = accumulate(tally.counts[*labels, number] for number in range(len(BUCKETS) + 1))
        buckets = list(zip([*map(str, BUCKETS), "+Inf"], below, strict=True))
        family.add_metric(labels, buckets, tally.microseconds[labels] / 1e6)
    return family


def _cost_metrics(snapshot: LedgerSnapshot) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    cost = CounterMetricFamily(
        "qhybrid_cost_usd", "Money: quoted, reported by the provider, charged to budgets", labels=("backend", "kind")
    )
    for backend in snapshot.backends:
        for kind in ("quoted", "reported", "charged"):
            cost.add_metric((backend, kind), snapshot.sum(backend, f"{kind}_usd"))
    yield cost
    budget = GaugeMetricFamily("qhybrid_budget_usd", "Budgets of all experiments together", labels=("kind",))
    for kind in ("limit", "reserved", "settled"):
        budget.add_metric((kind,), getattr(snapshot.budgets, f"{kind}_usd"))
    yield budget


def _breaker_states(breakers: Sequence[Breaker]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(
        "qhybrid_breaker_state", "1 for the state that a backend's circuit breaker is in", labels=("backend", "state")
    )
    for breaker in breakers:
        for state in BREAKER_STATES:
            family.add_metric((breaker.backend, state), float(breaker.state == state))
    return family


def _gauge_metrics(gauges: Mapping[str, tuple[str, float]]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    for name, (meaning, value) in gauges.items():
        yield GaugeMetricFamily(name, meaning, value=value)
