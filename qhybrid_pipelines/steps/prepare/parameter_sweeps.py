"""Step 4: the parameter points that will be tried."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.problems.reduction import reduced_model_from_row
from qhybrid_pipelines.quantum.sweeps import plan_sweep
from qhybrid_pipelines.steps.prepare.optimised_angles import StoredAngles
from qhybrid_pipelines.steps.prepare.user_circuits import load_user_circuit
from qhybrid_pipelines.steps.values_from_rows import Row, get_row, read_experiments, with_partition_columns
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows


def parameter_sweeps(experiments: pa.Table, reduced_models: pa.Table, specifications: Specifications) -> pa.Table:
    """Return the table `parameter_sweeps`; an experiment that reduction solved has none."""
    rows: list[Row] = []
    for key, spec in read_experiments(experiments):
        plan = plan_sweep(
            reduced_model_from_row(get_row(reduced_models, key)),
            spec,
            load_user_circuit(spec, specifications),
            optimise=StoredAngles(specifications.home),
        )
        rows += with_partition_columns(plan.rows(), experiment=key)
    return from_rows(schemas.PARAMETER_SWEEPS, rows)
