"""Step 6: circuits for one backend: template, bindings, shots and seeds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.problems.reduction import kernel_from_row
from qhybrid_pipelines.quantum.circuits import batch_to_row, build_batch
from qhybrid_pipelines.steps.prepare.user_circuits import circuit_of
from qhybrid_pipelines.steps.rows import Execution, only_row, rows_of, specification_of
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows


def circuit_batches(
    executions: Iterable[Execution],
    experiments: pa.Table,
    kernels: pa.Table,
    sweep_points: pa.Table,
    specifications: Specifications,
) -> pa.Table:
    """Return the table `circuit_batches`; an experiment that reduction solved has no row."""
    rows = []
    for backend, key in executions:
        points = rows_of(sweep_points, key).sort_by("point")
        if points.num_rows:
            angles = np.array(points.column("angles").to_pylist(), dtype=np.float64).reshape(points.num_rows, -1)
            kernel = kernel_from_row(only_row(kernels, key))
            spec = specification_of(experiments, key)
            planned = build_batch(
                kernel,
                angles,
                spec,
                experiment=key,
                backend=backend,
                circuit=circuit_of(spec, specifications),
            )
            rows.append(batch_to_row(planned))
    return from_rows(schemas.CIRCUIT_BATCHES, rows)
