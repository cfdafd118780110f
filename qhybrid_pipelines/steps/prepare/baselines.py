"""Step 5: what classical solvers make of the same instance."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.parallel.mapper import chosen_mapper
from qhybrid_pipelines.problems.baseline_runs import run_baselines
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.reduction import reduced_model_from_row
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.steps.values_from_rows import Row, get_row, read_experiments, with_partition_columns
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def baselines(experiments: pa.Table, problem_instances: pa.Table, reduced_models: pa.Table) -> pa.Table:
    """Return the table `baselines`: every solver, every run, on the instance that the quantum side gets.

    Raises:
        InvalidInput: the environment names a mapper that cannot be used.
        WorkersUnavailable: its workers could not do it.
    """
    rows: list[Row] = []
    mapper = chosen_mapper()
    for key, spec in read_experiments(experiments):
        instance = Instance.from_row(get_row(problem_instances, key))
        reduced_model = reduced_model_from_row(get_row(reduced_models, key))
        runs = run_baselines(family_named(instance.family), instance, reduced_model, spec, mapper=mapper)
        rows += with_partition_columns(runs, experiment=key)
    return from_rows(schemas.BASELINES, rows)
