"""Step 5: what classical solvers make of the same instance."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.problems.baselines import run_baselines
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.reduction import kernel_from_row
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.steps.rows import Row, experiments_in, labelled, only_row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def baselines(experiments: pa.Table, instances: pa.Table, kernels: pa.Table) -> pa.Table:
    """Return the table `baselines`: every solver, every run, on the instance that the quantum side gets."""
    rows: list[Row] = []
    for key, spec in experiments_in(experiments):
        instance = Instance.from_row(only_row(instances, key))
        kernel = kernel_from_row(only_row(kernels, key))
        runs = run_baselines(family_named(instance.family), instance, kernel, spec)
        rows += labelled(runs, experiment=key)
    return from_rows(schemas.BASELINES, rows)
