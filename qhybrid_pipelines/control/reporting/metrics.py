"""Figures for Prometheus, computed from the ledger at the moment somebody asks.

Processes of the pipeline come and go, so none of them could be scraped; the ledger stays. Labels are names of backends,
states and components only: no job, no experiment, no person, so that the number of series stays small for ever.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.ledger.lifecycle import OPEN, TERMINAL
from qhybrid_pipelines.control.reporting.ledger_tables import latency

if TYPE_CHECKING:
    from prometheus_client import Metric

    from qhybrid_pipelines.control.ledger.budget import Account
    from qhybrid_pipelines.control.ledger.port import Breaker, EventRecord, JobRecord, Ledger

COMPONENTS = ("network", "orchestration", "compile", "queue", "execute", "fetch")
#: Upper bounds in seconds: from a simulator's milliseconds to a queue of days.
BUCKETS = (0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0, 259200.0)
BREAKER_STATES = ("closed", "half_open", "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSnapshot:
    """What the figures are computed from.

    Attributes:
        events: of all jobs, by job.
        compile_cache: compiled circuits that were there already, and those that were made; both None if unknown.
    """

    jobs: Sequence[JobRecord]
    events: Mapping[str, Sequence[EventRecord]]
    accounts: Sequence[Account] = ()
    breakers: Sequence[Breaker] = ()
    gauges: Mapping[str, tuple[str, float]] = field(default_factory=dict)


def read_ledger_snapshot(ledger: Ledger, gauges: Mapping[str, tuple[str, float]] | None = None) -> LedgerSnapshot:
    """Return what the ledger knows; ``gauges`` are further figures without labels: name -> (meaning, value)."""
    jobs, events = ledger.jobs(), defaultdict(list)
    for event in ledger.events():
        events[event.job_id].append(event)
    accounts = [ledger.account(name) for name in {job.experiment for job in jobs}]
    return LedgerSnapshot(
        jobs=jobs,
        events=events,
        accounts=[account for account in accounts if account is not None],
        breakers=ledger.breakers(),
        gauges=gauges or {},
    )


def metrics_text(snapshot: LedgerSnapshot, *, now: datetime) -> str:
    """Return the figures in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest

    class Collector:
        def collect(self) -> Iterator[Metric]:
            yield from _job_metrics(snapshot.jobs, now)
            yield _latency_histogram(snapshot)
            yield from _cost_metrics(snapshot)
            yield _breaker_states(snapshot.breakers)
            yield from _gauge_metrics(snapshot.gauges)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    return generate_latest(registry).decode()


def _job_metrics(jobs: Sequence[JobRecord], now: datetime) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    by_state = GaugeMetricFamily("qhybrid_jobs", "Jobs in the ledger", labels=("backend", "state"))
    for (backend, state), number in sorted(Counter((job.backend, job.state) for job in jobs).items()):
        by_state.add_metric((backend, str(state)), number)
    yield by_state

    backends = sorted({job.backend for job in jobs})
    opened = GaugeMetricFamily("qhybrid_open_jobs", "Jobs that a provider holds", labels=("backend",))
    oldest = GaugeMetricFamily(
        "qhybrid_oldest_open_job_age_seconds", "Age of the oldest job that a provider holds", labels=("backend",)
    )
    overdue = GaugeMetricFamily(
        "qhybrid_overdue_jobs", "Jobs that have not ended though their deadline has passed", labels=("backend",)
    )
    for backend in backends:
        backend_jobs = [job for job in jobs if job.backend == backend]
        held = [job for job in backend_jobs if job.state in OPEN]
        opened.add_metric((backend,), len(held))
        oldest.add_metric((backend,), max(((now - job.created_at).total_seconds() for job in held), default=0.0))
        overdue.add_metric((backend,), sum(has_missed_deadline(job, now) for job in backend_jobs))
    yield from (opened, oldest, overdue)

    attempts = CounterMetricFamily("qhybrid_submission_attempts", "Attempts to submit", labels=("backend",))
    for backend in backends:
        attempts.add_metric((backend,), sum(job.attempt for job in jobs if job.backend == backend))
    yield attempts


def has_missed_deadline(job: JobRecord, now: datetime) -> bool:
    """Tell whether a job has not ended though its deadline has passed."""
    return job.deadline_at is not None and job.deadline_at < now and job.state not in TERMINAL


def _latency_histogram(snapshot: LedgerSnapshot) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    seen: dict[tuple[str, str], list[float]] = defaultdict(list)
    for job in snapshot.jobs:
        parts = latency(job, snapshot.events[job.job_id])
        for component in COMPONENTS:
            seconds = getattr(parts, f"{component}_seconds")
            if seconds is not None:
                seen[job.backend, component].append(seconds)
    family = HistogramMetricFamily(
        "qhybrid_job_seconds", "Where the time of jobs went", labels=("backend", "component")
    )
    for labels, values in sorted(seen.items()):
        counts = Counter(bisect_left(BUCKETS, value) for value in values)
        below = accumulate(counts[i] for i in range(len(BUCKETS) + 1))
        buckets = list(zip([*map(str, BUCKETS), "+Inf"], below, strict=True))
        family.add_metric(labels, buckets, sum(values))
    return family


def _cost_metrics(snapshot: LedgerSnapshot) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    cost = CounterMetricFamily(
        "qhybrid_cost_usd", "Money: quoted, reported by the provider, charged to budgets", labels=("backend", "kind")
    )
    for backend in sorted({job.backend for job in snapshot.jobs}):
        backend_jobs = [job for job in snapshot.jobs if job.backend == backend]
        cost.add_metric((backend, "quoted"), sum(job.cost_quoted_usd for job in backend_jobs))
        cost.add_metric((backend, "reported"), sum(job.cost_usd or 0.0 for job in backend_jobs))
        cost.add_metric((backend, "charged"), sum(job.cost_settled_usd or 0.0 for job in backend_jobs))
    yield cost
    budget = GaugeMetricFamily("qhybrid_budget_usd", "Budgets of all experiments together", labels=("kind",))
    for kind in ("limit", "reserved", "settled"):
        budget.add_metric((kind,), sum(getattr(account, f"{kind}_usd") for account in snapshot.accounts))
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
