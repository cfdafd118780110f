"""Step 10: the verdict of each execution against the classical baselines."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from qhybrid_pipelines.control.dispatcher import Dispatcher
from qhybrid_pipelines.control.reports import latency_of
from qhybrid_pipelines.problems.comparison import compare
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.steps.rows import Execution, only_row, rows_of
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def comparisons(
    executions: Iterable[Execution],
    *,
    instances: pa.Table,
    kernels: pa.Table,
    submissions: pa.Table,
    point_scores: pa.Table,
    solutions: pa.Table,
    baselines: pa.Table,
    dispatcher: Dispatcher,
) -> pa.Table:
    """Return the table `comparisons`: one verdict per execution."""
    rows = []
    for backend, key in executions:
        instance = Instance.from_row(only_row(instances, key))
        jobs = rows_of(submissions, key, backend).to_pylist()
        latency = latency_of(dispatcher.ledger, jobs[0]["job_id"]) if jobs else None
        verdict = compare(
            family_named(instance.family),
            instance,
            only_row(kernels, key),
            point_scores=rows_of(point_scores, key, backend),
            solutions=rows_of(solutions, key, backend),
            baselines=rows_of(baselines, key),
            quantum_seconds=latency.total_seconds if latency else None,
            execute_seconds=latency.execute_seconds if latency else None,
        )
        rows.append({"experiment": key, "backend": backend, **verdict})
    return from_rows(schemas.COMPARISONS, rows)
