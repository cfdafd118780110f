"""Step 9: counts scored against the real objective of the instance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.bits import WORD, assignment_array
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.measured_counts import sum_out_ancillas
from qhybrid_pipelines.problems.reduction import is_proved, reduced_model_from_row
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.problems.scoring import score_counts
from qhybrid_pipelines.steps.values_from_rows import (
    ExecutionKey,
    get_row,
    get_specification,
    of_sweep,
    select_rows,
    to_columns,
)
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import empty, from_columns


def scores(
    executions: Iterable[ExecutionKey],
    experiments: pa.Table,
    problem_instances: pa.Table,
    reduced_models: pa.Table,
    qpu_result_sets: pa.Table,
) -> tuple[pa.Table, pa.Table]:
    """Return the tables `point_scores` and `scored_solutions`; both without rows where nothing was run."""
    points, solutions = [empty(schemas.POINT_SCORES)], [empty(schemas.SCORED_SOLUTIONS)]
    for backend, key in executions:
        measured = select_rows(qpu_result_sets, key, backend)
        if not measured.num_rows:
            continue
        spec = get_specification(experiments, key)
        measured = _of_whole_points(of_sweep(measured, spec.mitigation))
        instance = Instance.from_row(get_row(problem_instances, key))
        reduced_model_row = get_row(reduced_models, key)
        wide = ("high_bits",) if reduced_model_row["n_qubits"] > WORD else ()
        measured = measured.select(["point", "repetition", "bits", "count", *wide])
        counts: Mapping[str, npt.NDArray[Any]] = to_columns(measured)
        if spec.problem.circuit is not None:
            # Only a circuit from a file may be wider than its reduced model: by qubits that it does not measure.
            counts = sum_out_ancillas(counts, width=reduced_model_row["n_qubits"])
        scored = score_counts(
            family_named(instance.family),
            instance,
            reduced_model_from_row(reduced_model_row),
            counts,
            incumbent=assignment_array(reduced_model_row["incumbent"]),
            shots=spec.shots,
            lowest_known=None if is_proved(reduced_model_row) else reduced_model_row["reduced_model_minimum_energy"],
        )
        labels = {"experiment": key, "backend": backend}
        points.append(from_columns(schemas.POINT_SCORES, {**labels, **scored.point_scores}))
        solutions.append(from_columns(schemas.SCORED_SOLUTIONS, {**labels, **scored.solutions}))
    return pa.concat_tables(points), pa.concat_tables(solutions)


def _of_whole_points(measured: pa.Table) -> pa.Table:
    """Return the counts of the points that every run has: where a circuit failed by itself, runs would be of unequal size."""
    if not measured.num_rows:
        return measured
    point, run = (measured.column(name).to_numpy() for name in ("point", "repetition"))
    present = np.zeros((int(point.max()) + 1, int(run.max()) + 1), dtype=np.bool_)
    present[point, run] = True
    measured_runs = present.sum(axis=1)
    if ((measured_runs == 0) | (measured_runs == present.shape[1])).all():
        return measured
    return measured.filter(pa.array(measured_runs[point] == present.shape[1]))
