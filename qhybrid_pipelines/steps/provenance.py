"""Step 12: everything that is needed to say why a number changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pyarrow as pa

from qhybrid_pipelines.control.dispatcher import Dispatcher
from qhybrid_pipelines.control.reports import job_details, latency_of
from qhybrid_pipelines.core.provenance import environment
from qhybrid_pipelines.steps.rows import Execution, Row, only_row, rows_of, specification_of
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def provenance(
    executions: Iterable[Execution],
    *,
    experiments: pa.Table,
    instances: pa.Table,
    batches: pa.Table,
    submissions: pa.Table,
    dispatcher: Dispatcher,
) -> pa.Table:
    """Return the table `provenance`: code, packages, machine, circuit, payload, result and times of each execution."""
    rows = []
    for backend, key in executions:
        spec = specification_of(experiments, key)
        row: Row = {
            "experiment": key,
            "backend": backend,
            "provider": backend.partition(":")[0],
            "instance_sha256": only_row(instances, key)["content_sha256"],
            "seed": spec.seed,
            "calibration_id": None,
            "calibrated_at": None,
            "recorded_at": datetime.now(UTC),
            **environment().to_row(),
            **_of_the_job(
                rows_of(batches, key, backend).to_pylist(), rows_of(submissions, key, backend).to_pylist(), dispatcher
            ),
        }
        rows.append(row)
    return from_rows(schemas.PROVENANCE, rows)


def _of_the_job(batches: list[Row], submissions: list[Row], dispatcher: Dispatcher) -> Row:
    """Return the columns that only an execution with a job can fill."""
    if not batches:
        return dict.fromkeys(
            (
                "job_id",
                "engine",
                "engine_version",
                "template_id",
                "payload_sha256",
                "result_sha256",
                "shots",
                "queue_seconds",
                "execute_seconds",
            )
        )
    batch, job_id = batches[0], submissions[0]["job_id"]
    details = job_details(dispatcher.ledger, job_id)
    latency = latency_of(dispatcher.ledger, job_id)
    return {
        "job_id": job_id,
        "engine": details.engine,
        "engine_version": details.engine_version,
        "template_id": batch["template_id"],
        "payload_sha256": batch["payload_sha256"],
        "result_sha256": details.result_sha256,
        "shots": batch["shots"],
        "queue_seconds": latency.queue_seconds,
        "execute_seconds": latency.execute_seconds,
    }
