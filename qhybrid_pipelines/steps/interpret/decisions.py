"""Step 11: accept, continue with a next round, or fall back to the classical answer."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from qhybrid_pipelines.problems.decisions import decide
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.steps.values_from_rows import ExecutionKey, get_row, get_specification, select_rows
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def decisions(
    executions: Iterable[ExecutionKey],
    *,
    experiments: pa.Table,
    problem_instances: pa.Table,
    reduced_models: pa.Table,
    parameter_sweeps: pa.Table,
    optimiser_steps: pa.Table,
    point_scores: pa.Table,
    scored_solutions: pa.Table,
    baselines: pa.Table,
    baseline_comparisons: pa.Table,
) -> pa.Table:
    """Return the table `decisions`, next specifications included; registering those is `steps.interpret.next_rounds`."""
    rows = []
    for backend, key in executions:
        instance = Instance.from_row(get_row(problem_instances, key))
        decision = decide(
            family_named(instance.family),
            instance,
            get_specification(experiments, key),
            experiment=key,
            backend=backend,
            reduced_model_row=get_row(reduced_models, key),
            comparison_row=get_row(baseline_comparisons, key, backend),
            angles=_angles(select_rows(optimiser_steps, key, backend)) or _angles(select_rows(parameter_sweeps, key)),
            point_scores=select_rows(point_scores, key, backend),
            scored_solutions=select_rows(scored_solutions, key, backend),
            baselines=select_rows(baselines, key),
        )
        rows.append({"experiment": key, "backend": backend, **decision})
    return from_rows(schemas.DECISIONS, rows)


def _angles(points: pa.Table) -> dict[int, list[float]]:
    """Return the angles of every point of a table; those of a loop are its steps', else those of the sweep."""
    return {row["point"]: row["angles"] for row in points.select(["point", "angles"]).to_pylist()}
