"""Step 10: the verdict of each execution against the classical baselines."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from qhybrid_pipelines.control.dispatcher import Dispatcher
from qhybrid_pipelines.control.reporting.ledger_tables import time_spent
from qhybrid_pipelines.problems.comparison import compare
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.steps.execute.qpu_result_sets import jobs_behind, why_without_counts
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
        jobs = jobs_behind(rows_of(submissions, key, backend).to_pylist(), dispatcher)
        spent = time_spent(dispatcher.ledger, jobs)
        verdict = compare(
            family_named(instance.family),
            instance,
            only_row(kernels, key),
            point_scores=rows_of(point_scores, key, backend),
            solutions=rows_of(solutions, key, backend),
            baselines=rows_of(baselines, key),
            quantum_seconds=spent.elapsed_seconds,
            execute_seconds=spent.execute_seconds,
            without_counts=why_without_counts(jobs),
        )
        rows.append({"experiment": key, "backend": backend, **verdict})
    return from_rows(schemas.COMPARISONS, rows)
