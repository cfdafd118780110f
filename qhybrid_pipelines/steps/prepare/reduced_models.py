"""Step 3: what classical reduction leaves to be solved."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.reduction import reduce_instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.steps.values_from_rows import get_row, read_experiments
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def reduced_models(experiments: pa.Table, problem_instances: pa.Table) -> pa.Table:
    """Return the table `reduced_models`: the reduced model of each experiment and the steps that led to it."""
    rows = []
    for key, spec in read_experiments(experiments):
        instance = Instance.from_row(get_row(problem_instances, key))
        reduction = reduce_instance(family_named(instance.family), instance, spec)
        rows.append({"experiment": key, **reduction.to_row()})
    return from_rows(schemas.REDUCED_MODELS, rows)
