"""Step 8: collect what came back, verified against what was asked for."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.control.dispatcher import Dispatcher
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.steps.rows import only_row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import conform, empty


def result_sets(batches: pa.Table, submissions: pa.Table, dispatcher: Dispatcher) -> pa.Table:
    """Return the table `counts`.

    Raises:
        JobFailed: a job is not finished, or ended without a usable result.
    """
    parts = [empty(schemas.COUNTS)]
    for row in batches.to_pylist():
        batch = batch_from_row(row)
        job_id = only_row(submissions, batch.experiment, batch.backend)["job_id"]
        counts = dispatcher.collect(job_id, batch).counts
        for name, value in (("job_id", job_id), ("backend", batch.backend), ("experiment", batch.experiment)):
            counts = counts.add_column(0, pa.field(name, pa.string(), nullable=False), pa.repeat(value, len(counts)))
        parts.append(conform(schemas.COUNTS, counts))
    return pa.concat_tables(parts)
