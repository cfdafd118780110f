"""Models whose lowest outcome is certain, to prove the bit order of annealers and hybrid solvers, and batches that none may accept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.core.jobs.hybrid_batch import HybridBatch
from qhybrid_pipelines.core.seeds import derive_seed
from qhybrid_pipelines.core.specifications.experiment_key import CANARY_EXPERIMENT


def canary_model(*, width: int, variable: int) -> IsingModel:
    """Return a model of fields whose lowest outcome has only one variable at 1; a weak chain of couplings uses couplers, too."""
    fields = np.full(width, -1.0)
    fields[variable] = 1.0
    pairs = np.stack([np.arange(width - 1), np.arange(1, width)], axis=1).astype(np.int32)
    return IsingModel(linear=fields, pairs=pairs, couplings=np.full(width - 1, 0.01), offset=0.0)


def canary_anneal(
    model: IsingModel, embedding: Embedding, *, backend: str, shots: int, repetitions: int
) -> AnnealBatch:
    """Return a batch of two points: as it is, and with random variables upside down, which may not show."""
    seeds = [[derive_seed(7, "canary", point, run) for run in range(repetitions)] for point in range(2)]
    return AnnealBatch(
        experiment=CANARY_EXPERIMENT,
        backend=backend,
        model=model,
        embedding=embedding,
        annealing_times=np.full(2, 20.0),
        chain_strengths=np.full(2, 2.0),
        gauges=np.arange(2),
        gauge_seed=11,
        shots=shots,
        seeds=np.array(seeds, dtype=np.uint64),
    )


def canary_hybrid(model: IsingModel, *, backend: str, time_limit: float, repetitions: int) -> HybridBatch:
    """Return a batch for a hybrid solver."""
    seeds = [[derive_seed(7, "canary", 0, run) for run in range(repetitions)]]
    return HybridBatch(
        experiment=CANARY_EXPERIMENT,
        backend=backend,
        model=model,
        time_limit=time_limit,
        seeds=np.array(seeds, dtype=np.uint64),
    )


def malformed_hybrids(batch: HybridBatch) -> list[Batch]:
    """Return batches like one of a single problem that no hybrid solver may accept: numbers, limits, several problems or answers."""
    return [
        replace(batch, model=replace(batch.model, linear=np.full(batch.width, np.nan))),
        replace(batch, shots=2),
        replace(batch, time_limit=1e-3),
        replace(batch, time_limit=np.inf),
        replace(batch, seeds=np.zeros((1, 2), dtype=np.uint64)),
    ]


def malformed_anneals(batch: AnnealBatch) -> list[Batch]:
    """Return batches like one of a single problem that no annealer may accept: numbers, limits and a foreign qubit graph."""
    nan = replace(batch.model, linear=np.full(batch.width, np.nan))
    stranger = replace(batch.embedding, graph_id="another")
    return [
        replace(batch, model=nan),
        replace(batch, shots=0),
        replace(batch, annealing_times=np.array([np.inf])),
        replace(batch, chain_strengths=np.array([0.0])),
        replace(batch, embedding=stranger),
        replace(batch, annealing_times=np.full(2, 20.0)),
    ]
