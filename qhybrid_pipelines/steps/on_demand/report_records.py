"""Which runs of MLflow hold the records of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.specifications import Specifications


def mlflow_runs(key: str, specifications: Specifications, lake: Lake) -> list[str]:
    """Return MLflow's ids of an experiment's runs: one for each backend, and for learning the parent of all others."""
    spec = specifications.load_any(key)
    if isinstance(spec, LearningSpec):
        table, partitions = schemas.QML_TRACKING_RUNS, [PartitionKey(experiment=key)]
    else:
        table = schemas.TRACKING_RUNS
        partitions = [PartitionKey(experiment=key, backend=backend) for backend in spec.backends]
    rows = [
        row
        for partition in partitions
        if lake.exists(table, partition)
        for row in lake.read(table, partition).to_pylist()
    ]
    return [row["mlflow_run_id"] for row in rows if row["mlflow_run_id"] is not None and row.get("model") is None]
