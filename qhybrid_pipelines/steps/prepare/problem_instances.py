"""Step 2: the problem instance behind each experiment."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.problems import feature_table
from qhybrid_pipelines.problems.instance import Instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.problems.source_sense import unit_of
from qhybrid_pipelines.problems.sources import load_instance
from qhybrid_pipelines.steps.values_from_rows import Row, read_experiments, with_partition_columns
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows


def problem_instances(experiments: pa.Table, specifications: Specifications) -> pa.Table:
    """Return the table `problem_instances`: one parsed and validated instance per experiment."""
    return from_rows(
        schemas.PROBLEM_INSTANCES,
        [
            {"experiment": key, **_row(load_instance(spec.problem, specifications.read_source_file))}
            for key, spec in read_experiments(experiments)
        ],
    )


def features(problem_instances: pa.Table) -> pa.Table:
    """Return the table `features`: one row per instance and feature."""
    rows: list[Row] = []
    for row in problem_instances.to_pylist():
        instance = Instance.from_row(row)
        rows += with_partition_columns(
            feature_table.feature_rows(family_named(instance.family), instance), experiment=row["experiment"]
        )
    return from_rows(schemas.FEATURES, rows)


def _row(instance: Instance) -> Row:
    family = family_named(instance.family)
    model = family.penalised_model(instance).model
    return {
        "instance": instance.name,
        "family": instance.family,
        "n_variables": instance.size,
        "n_terms": len(model.pairs) + len(model.products),
        "sense": family.sense,
        "unit": unit_of(family, instance),
        "best_known": instance.best_known,
        "source": instance.source,
        "content_sha256": instance.sha256,
        "variables": list(instance.variables),
        "payload": instance.canonical,
    }
