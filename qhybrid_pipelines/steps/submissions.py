"""Step 7: hand each batch to its provider, once."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from qhybrid_pipelines.control.dispatcher import Dispatcher
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.steps.rows import Row, specification_of
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def submissions(
    batches: pa.Table, experiments: pa.Table, dispatcher: Dispatcher, *, requested_at: datetime | None = None
) -> pa.Table:
    """Return the table `submissions`: the job in the ledger behind each batch.

    Args:
        batches: table `circuit_batches`.
        experiments: table `experiments`.
        dispatcher: the only caller of a provider.
        requested_at: when somebody asked for this run; the first part of its latency.

    A batch that its provider rejects has its row too; collecting that job says why it failed.

    Raises:
        Refused: policy, budget or a limit said no; nothing was written for that batch.
        ProviderError: the provider could not be reached; what was acknowledged before stays acknowledged.
    """
    rows: list[Row] = []
    for row in batches.to_pylist():
        batch = batch_from_row(row)
        spec = specification_of(experiments, batch.experiment)
        job = dispatcher.submit(batch, tier=spec.tier, budget_usd=spec.budget.usd, requested_at=requested_at)
        rows.append(
            {
                "experiment": batch.experiment,
                "backend": batch.backend,
                "job_id": job.job_id,
                "token": job.token,
                "provider_job_id": job.provider_job_id,
                "payload_sha256": batch.payload_sha256,
                "shots_total": batch.points * batch.repetitions * batch.shots,
                "cost_quoted_usd": job.cost_quoted_usd,
            }
        )
    return from_rows(schemas.SUBMISSIONS, rows)
