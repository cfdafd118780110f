"""Figures of the service itself for Prometheus: requests by route and status, and how long they took."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from qhybrid_pipelines.service.middleware.connection_limits import LimitedHttpProtocol

#: Upper bounds in seconds: from a reading of memory to an estimate.
BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class _CutConnections(Collector):
    """Connections that a limit has cut, as their protocol counts them."""

    def collect(self) -> Iterator[Metric]:
        """Yield the present figure."""
        found = CounterMetricFamily("qhybrid_http_connections_cut", "Connections cut by a limit", labels=("reason",))
        for reason, number in sorted(LimitedHttpProtocol.cut.items()):
            found.add_metric((reason,), number)
        yield found


class RequestFigures:
    """Counts requests of one process; labels are routes and statuses only, never what somebody sent."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "qhybrid_http_requests", "Requests answered", ("route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "qhybrid_http_request_seconds",
            "Until the answer began",
            ("route",),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._registry.register(_CutConnections())

    def add(self, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> str:
        """Return the figures in Prometheus' text format."""
        return generate_latest(self._registry).decode()
