"""Backends in few lines: how many there are, where a job's time went, and what jobs cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from qhybrid_pipelines.storage.analyst import query

if TYPE_CHECKING:
    from qhybrid_pipelines.steps.values_from_rows import Row
    from qhybrid_pipelines.storage.layout import Home

TIMES = """
SELECT backend, component, side, p50_seconds FROM latency_by_backend
ORDER BY backend, list_position(['network', 'orchestration', 'compile', 'queue', 'execute', 'fetch'], component)
"""

COSTS = """
SELECT backend, jobs, shots, quoted_usd, reported_usd, reconciled_usd, usd_per_useful_result FROM cost_by_backend
ORDER BY backend
"""


def times_by_backend(home: Home) -> list[Row]:
    """Return the median seconds of every component of latency, per backend, in the order in which they happen."""
    rows: list[Row] = query(home, TIMES).to_pylist()
    return rows


def costs_by_backend(home: Home) -> list[Row]:
    """Return what the jobs of each backend were quoted, reported and reconciled at, in US dollars."""
    rows: list[Row] = query(home, COSTS).to_pylist()
    return rows


def count_by_provider(backends: Iterable[str]) -> str:
    """Return how many backends each provider has, in a line that a terminal shows whole."""
    counted = Counter(name.partition(":")[0] for name in backends)
    listed = ", ".join(f"{number} of {provider}" for provider, number in counted.items())
    return f"{listed}; `qhybrid backends` lists them" if listed else "none"
