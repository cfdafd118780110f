"""What the warehouse says about each backend in few lines: where a job's time went, and what jobs cost."""

from __future__ import annotations

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
