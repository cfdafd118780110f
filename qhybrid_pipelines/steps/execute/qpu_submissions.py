"""Step 7: hand each batch to its provider, once, in as many jobs as its limits ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pyarrow as pa

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.steps.values_from_rows import Row, check_backend_is_named, get_circuits_specification
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def submit_circuit_batches(
    circuit_batches: pa.Table,
    experiments: pa.Table,
    dispatcher: Dispatcher,
    *,
    principal: str,
    requested_at: datetime | None = None,
) -> pa.Table:
    """Return the table `qpu_submissions`: the jobs in the ledger behind each batch, one row per part.

    Args:
        circuit_batches: table `circuit_batches`.
        experiments: table `experiments`.
        dispatcher: the only caller of a provider.
        principal: who asked for this run.
        requested_at: when somebody asked for this run; the first part of its latency.

    A job that its provider rejects, or that waits for a person's approval, has its row too.

    Raises:
        InvalidInput: the experiment does not name the backend.
        Refused: policy, budget or a limit said no; nothing was written for that batch.
        ProviderError: the provider could not be reached; what was acknowledged before stays acknowledged.
    """
    executions: dict[tuple[str, str], list[tuple[int, Batch]]] = {}
    for row in circuit_batches.to_pylist():
        batch = batch_from_row(row)
        executions.setdefault((batch.experiment, batch.backend), []).append((row["first_point"] or 0, batch))
    rows: list[Row] = []
    for (experiment, _), batches in executions.items():
        spec = get_circuits_specification(experiments, experiment)
        rows += submit_batches(batches, spec, dispatcher, principal=principal, requested_at=requested_at)
    return from_rows(schemas.QPU_SUBMISSIONS, rows)


def planned_steps(spec: AnySpec) -> int:
    """Return how many batches of one execution follow each other: the steps of a loop, else one."""
    return (spec.sweep.steps or 1) if isinstance(spec, ExperimentSpec) else 1


def submit_batch(
    batch: Batch,
    spec: AnySpec,
    dispatcher: Dispatcher,
    *,
    principal: str,
    requested_at: datetime | None,
) -> list[Row]:
    """Submit one batch and return a row for each of its parts. Raises as `submit_circuit_batches`."""
    return submit_batches([(0, batch)], spec, dispatcher, principal=principal, requested_at=requested_at)


def submit_batches(
    batches: Sequence[tuple[int, Batch]],
    spec: AnySpec,
    dispatcher: Dispatcher,
    *,
    principal: str,
    requested_at: datetime | None,
    steps: int | None = None,
) -> list[Row]:
    """Submit the batches of one execution, each with the number of its first point, and return a row for each part.

    All are planned with their reservations in one transaction: a series that does not fit its budget sends nothing. Raises as
    `submit_circuit_batches`. ``steps`` is how often batches like these follow each other, where `planned_steps` does not know it.
    """
    parts = []
    for first_point, batch in batches:
        check_backend_is_named(spec, batch.experiment, batch.backend)
        parts += [
            replace(part, first_point=first_point + part.first_point)
            for part in dispatcher.split(batch, to_submit=True)
        ]
    jobs = dispatcher.submit_all(
        parts,
        SubmitRequest(
            tier=spec.tier,
            budget_usd=spec.budget.usd,
            principal=principal,
            requested_at=requested_at,
            data_class=spec.data_class,
            times=steps or planned_steps(spec),
        ),
    )
    return [
        {
            "experiment": sub_batch.batch.experiment,
            "backend": sub_batch.batch.backend,
            "sub_batch": number,
            "first_point": sub_batch.first_point,
            "first_repetition": sub_batch.first_repetition,
            "points": sub_batch.batch.points,
            "repetitions": sub_batch.batch.repetitions,
            "job_id": job.job_id,
            "token": job.token,
            "provider_job_id": job.provider_job_id,
            "payload_sha256": sub_batch.batch.payload_sha256,
            "shots_total": sub_batch.batch.points * sub_batch.batch.repetitions * sub_batch.batch.shots,
            "cost_quoted_usd": job.cost_quoted_usd,
        }
        for number, (sub_batch, job) in enumerate(zip(parts, jobs, strict=True))
    ]
