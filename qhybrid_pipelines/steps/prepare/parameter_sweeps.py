"""Step 4: the parameter points that will be tried."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.problems.reduction import kernel_from_row
from qhybrid_pipelines.quantum.sweeps import plan_sweep
from qhybrid_pipelines.steps.prepare.user_circuits import circuit_of
from qhybrid_pipelines.steps.rows import Row, experiments_in, labelled, only_row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows


def parameter_sweeps(experiments: pa.Table, kernels: pa.Table, specifications: Specifications) -> pa.Table:
    """Return the table `sweep_points`; an experiment that reduction solved has none."""
    rows: list[Row] = []
    for key, spec in experiments_in(experiments):
        plan = plan_sweep(kernel_from_row(only_row(kernels, key)), spec, circuit_of(spec, specifications))
        rows += labelled(plan.rows(), experiment=key)
    return from_rows(schemas.SWEEP_POINTS, rows)
