"""Step 10: the verdict of each execution against the classical baselines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.reporting.ledger_tables import execution_times
from qhybrid_pipelines.problems.comparison import compare
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.quantum.annealing.anneal_batches import HYBRID
from qhybrid_pipelines.steps.execute.qpu_result_sets import (
    explain_failed_circuits,
    explain_missing_counts,
    get_current_jobs,
)
from qhybrid_pipelines.steps.values_from_rows import ExecutionKey, get_row, select_rows
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def baseline_comparisons(
    executions: Iterable[ExecutionKey],
    *,
    problem_instances: pa.Table,
    reduced_models: pa.Table,
    parameter_sweeps: pa.Table,
    qpu_submissions: pa.Table,
    point_scores: pa.Table,
    scored_solutions: pa.Table,
    baselines: pa.Table,
    dispatcher: Dispatcher,
) -> pa.Table:
    """Return the table `baseline_comparisons`: one verdict per execution."""
    rows = []
    for backend, key in executions:
        instance = Instance.from_row(get_row(problem_instances, key))
        jobs = get_current_jobs(select_rows(qpu_submissions, key, backend).to_pylist(), dispatcher)
        spent = execution_times(dispatcher.ledger, jobs)
        verdict = compare(
            family_named(instance.family),
            instance,
            get_row(reduced_models, key),
            point_scores=select_rows(point_scores, key, backend),
            scored_solutions=select_rows(scored_solutions, key, backend),
            baselines=select_rows(baselines, key),
            **about_sweep(parameter_sweeps, key),
            quantum_seconds=spent.elapsed_seconds,
            execute_seconds=spent.execute_seconds,
            without_counts=explain_missing_counts(jobs),
            failed_circuits=explain_failed_circuits(jobs),
        )
        rows.append({"experiment": key, "backend": backend, **verdict})
    return from_rows(schemas.BASELINE_COMPARISONS, rows)


def about_sweep(parameter_sweeps: pa.Table, key: str) -> dict[str, Any]:
    """Return what the sweep of an experiment knows of the depth, and whether a hybrid solver answers; all its points say the same."""
    points = select_rows(parameter_sweeps, key)
    known = {name: pc.min(points.column(name)).as_py() for name in ("optimised_expectation", "depth_reason")}
    return known | {"is_hybrid": HYBRID in points.column("strategy").to_pylist()}
