"""Step 8, of experiments that anneal: how whole the chains were, setting by setting, from the results that were kept."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.quantum.annealing.programming import torque_compensation
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.steps.execute.qpu_result_sets import get_current_jobs, sub_batch_for
from qhybrid_pipelines.steps.values_from_rows import Row, select_rows
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def chains(circuit_batches: pa.Table, qpu_submissions: pa.Table, dispatcher: Dispatcher) -> pa.Table:
    """Return the table `chains`: a row for each problem whose result is here; none for circuits.

    Raises:
        CorruptFile: a kept result is gone or changed.
    """
    rows: list[Row] = []
    for batch_row in circuit_batches.to_pylist():
        batch = batch_from_row(batch_row)
        if not isinstance(batch, AnnealBatch):
            continue
        unit = torque_compensation(batch.model)
        parts = select_rows(qpu_submissions, batch.experiment, batch.backend).to_pylist()
        for part, job in zip(parts, get_current_jobs(parts, dispatcher), strict=True):
            if job.state is not JobState.VERIFIED:
                continue
            sub_batch = sub_batch_for(batch, part, 0)
            broken = dispatcher.collect(job.job_id, sub_batch.batch).chain_breaks
            if broken is None:
                continue
            point = sub_batch.first_point
            factor = float(batch.chain_strengths[point])
            rows.append(
                {
                    "experiment": batch.experiment,
                    "backend": batch.backend,
                    "point": point,
                    "repetition": sub_batch.first_repetition,
                    "job_id": job.job_id,
                    "annealing_time_us": float(batch.annealing_times[point]),
                    "chain_strength": factor,
                    "chain_strength_units": factor * unit,
                    "gauge": int(batch.gauges[point]),
                    "reads": batch.shots,
                    "broken_fraction": float(broken.mean()),
                    "most_broken": float(broken.max()),
                    "method": batch.unembedding,
                    "qubits": batch.qubits,
                    "longest_chain": batch.embedding.longest,
                    "graph_id": batch.embedding.graph_id,
                    "embedding_sha256": batch.embedding.sha256,
                }
            )
    return from_rows(schemas.CHAINS, rows)
