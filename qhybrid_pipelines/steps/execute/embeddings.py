"""Embeddings for experiments that anneal: of the qubit graph as it is now, unless something was sent already."""

from __future__ import annotations

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.steps.execute.circuit_batches import Embed
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey


def embed_with(dispatcher: Dispatcher, lake: Lake) -> Embed:
    """Return what finds the embeddings of a home's experiments.

    One that has jobs on a backend keeps the embedding that they were planned with: with another one they would be other jobs,
    and paid again.
    """

    def embed(experiment: str, backend: str, model: IsingModel, seed: int) -> Embedding:
        has_jobs = any(job.requested_backend == backend for job in dispatcher.ledger.jobs(experiment=experiment))
        known = planned_embedding(lake, experiment, backend) if has_jobs else None
        return known or dispatcher.embedder.embed(model, backend, seed=seed)

    return embed


def planned_embedding(lake: Lake, experiment: str, backend: str) -> Embedding | None:
    """Return the embedding that an experiment's batch for a backend was planned with; None where none was planned."""
    key = PartitionKey(experiment=experiment, backend=backend)
    if not lake.exists(schemas.CIRCUIT_BATCHES, key):
        return None
    batches = map(batch_from_row, lake.read(schemas.CIRCUIT_BATCHES, key).to_pylist())
    return next((batch.embedding for batch in batches if isinstance(batch, AnnealBatch)), None)
