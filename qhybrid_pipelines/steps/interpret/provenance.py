"""Step 12: everything that is needed to say why a number changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import pyarrow as pa

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger
from qhybrid_pipelines.control.reporting.ledger_tables import execution_times, job_details
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.provenance import environment
from qhybrid_pipelines.core.specifications.sampling_specification import SamplingSpec
from qhybrid_pipelines.steps.execute.qpu_result_sets import get_current_jobs
from qhybrid_pipelines.steps.values_from_rows import ExecutionKey, Row, get_circuits_specification, get_row, select_rows
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def provenance(
    executions: Iterable[ExecutionKey],
    *,
    experiments: pa.Table,
    problem_instances: pa.Table,
    circuit_batches: pa.Table,
    qpu_submissions: pa.Table,
    dispatcher: Dispatcher,
) -> pa.Table:
    """Return the table `provenance`: code, packages, machine, circuit, payload, result and times of each execution."""
    rows = []
    for backend, key in executions:
        spec = get_circuits_specification(experiments, key)
        batches = select_rows(circuit_batches, key, backend).to_pylist()
        row: Row = {
            "experiment": key,
            "backend": backend,
            "provider": backend.partition(":")[0],
            "instance_sha256": sha256_hex("|".join(row["payload_sha256"] for row in batches))
            if isinstance(spec, SamplingSpec)
            else get_row(problem_instances, key)["content_sha256"],
            "seed": spec.seed,
            "recorded_at": datetime.now(UTC),
            **environment().to_row(),
            **_job_columns(
                batches,
                get_current_jobs(select_rows(qpu_submissions, key, backend).to_pylist(), dispatcher),
                dispatcher.ledger,
            ),
        }
        rows.append(row)
    return from_rows(schemas.PROVENANCE, rows)


def _job_columns(batches: list[Row], jobs: Sequence[JobRecord], ledger: Ledger) -> Row:
    """Return the columns that only an execution with jobs can fill; what several jobs agree on is said once."""
    details = [job_details(ledger, job.job_id) for job in jobs]
    spent = execution_times(ledger, jobs)
    results = [detail.result_sha256 for detail in details if detail.result_sha256]
    return {
        "job_id": jobs[0].job_id if jobs else None,
        "jobs": len(jobs),
        "ran_on": _common_value(job.backend for job in jobs),
        "engine": _common_value(detail.engine for detail in details),
        "engine_version": _common_value(detail.engine_version for detail in details),
        "template_id": batches[0]["template_id"] if batches else None,
        "payload_sha256": batches[0]["payload_sha256"] if batches else None,
        "compiled_sha256": _common_value(detail.compiled_sha256 for detail in details),
        "compiled_depth": max((d.compiled_depth for d in details if d.compiled_depth is not None), default=None),
        "compiled_two_qubit_gates": max(
            (d.compiled_two_qubit_gates for d in details if d.compiled_two_qubit_gates is not None), default=None
        ),
        "result_sha256": results[0] if len(results) == 1 else sha256_hex("|".join(results)) if results else None,
        "calibration_id": _common_value(detail.calibration_id for detail in details),
        "calibrated_at": min((d.calibrated_at for d in details if d.calibrated_at is not None), default=None),
        "shots": batches[0]["shots"] if batches else None,
        "queue_seconds": spent.queue_seconds,
        "execute_seconds": spent.execute_seconds,
    }


def _common_value(values: Iterable[str | None]) -> str | None:
    return ", ".join(dict.fromkeys(value for value in values if value)) or None
