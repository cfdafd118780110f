"""Batches for annealers and hybrid solvers: from a reduced model and its embedding, and to and from a row of the table `circuit_batches`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.jobs.anneal_batch import AnnealBatch
from qhybrid_pipelines.core.jobs.embedding import Embedding
from qhybrid_pipelines.core.jobs.hybrid_batch import HybridBatch
from qhybrid_pipelines.core.seeds import derive_seed
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec

#: What the columns ``ansatz`` and ``strategy`` say where there are no circuits.
ANNEALING, HYBRID = "annealing", "hybrid"


def build_anneal_batch(
    reduced_model: ReducedModel, spec: ExperimentSpec, embedding: Embedding, *, experiment: str, backend: str
) -> AnnealBatch:
    """Return the batch that anneals a reduced model as a specification says.

    Raises:
        ValueError: the specification says nothing of annealing, or the reduced model has no variables.
    """
    if spec.annealing is None or reduced_model.size == 0:
        raise ValueError("there is nothing to anneal")
    times, strengths, gauges = zip(*spec.annealing.settings, strict=True)
    seeds = [[derive_seed(spec.seed, "shots", p, r) for r in range(spec.repetitions)] for p in range(len(times))]
    return AnnealBatch(
        experiment=experiment,
        backend=backend,
        model=reduced_model.model,
        embedding=embedding,
        annealing_times=np.array(times, dtype=np.float64),
        chain_strengths=np.array(strengths, dtype=np.float64),
        gauges=np.array(gauges, dtype=np.int64),
        gauge_seed=derive_seed(spec.seed, "gauges"),
        shots=spec.annealing.reads,
        seeds=np.array(seeds, dtype=np.uint64).reshape(len(times), spec.repetitions),
    )


def build_hybrid_batch(
    reduced_model: ReducedModel, spec: ExperimentSpec, *, experiment: str, backend: str
) -> HybridBatch:
    """Return the batch that gives a reduced model to a hybrid solver as a specification says.

    Raises:
        ValueError: the specification is not for a hybrid solver, or the reduced model has no variables.
    """
    if spec.annealing is None or spec.annealing.time_limit_seconds is None or reduced_model.size == 0:
        raise ValueError("there is nothing to solve")
    seeds = [[derive_seed(spec.seed, "shots", 0, run) for run in range(spec.repetitions)]]
    return HybridBatch(
        experiment=experiment,
        backend=backend,
        model=reduced_model.model,
        time_limit=spec.annealing.time_limit_seconds,
        seeds=np.array(seeds, dtype=np.uint64),
    )


def anneal_batch_to_row(batch: AnnealBatch | HybridBatch) -> dict[str, Any]:
    """Return the row of the table `circuit_batches`; :func:`anneal_batch_from_row` gives exactly the same batch back."""
    said: dict[str, Any] = {"model": batch.model.to_dict()}
    if isinstance(batch, HybridBatch):
        said |= {"time_limit_seconds": batch.time_limit}
    else:
        said |= {
            "embedding": batch.embedding.to_dict(),
            "annealing_times": batch.annealing_times.tolist(),
            "chain_strengths": batch.chain_strengths.tolist(),
            "gauges": batch.gauges.tolist(),
            "gauge_seed": batch.gauge_seed,
        }
    return {
        "experiment": batch.experiment,
        "backend": batch.backend,
        "first_point": None,
        "template_id": batch.program_id,
        "template": "",
        "parameters": [],
        "ansatz": HYBRID if isinstance(batch, HybridBatch) else ANNEALING,
        "mixer": "",
        "n_qubits": batch.width,
        "depth": 0,
        "two_qubit_gates": 0,
        "points": batch.points,
        "repetitions": batch.repetitions,
        "shots": batch.shots,
        "bindings": [[] for _ in range(batch.points)],
        "seeds": batch.seeds.tolist(),
        "structure": None,
        "compile_points": False,
        "suppression": None,
        "annealing": canonical_json(said),
        "payload_sha256": batch.payload_sha256,
    }


def anneal_batch_from_row(row: Mapping[str, Any]) -> AnnealBatch | HybridBatch:
    """Return the batch of a row of the table `circuit_batches` that says what is annealed, or given to a hybrid solver."""
    said = json.loads(row["annealing"])
    model, seeds = IsingModel.from_dict(said["model"]), np.array(row["seeds"], dtype=np.uint64)
    if "time_limit_seconds" in said:
        return HybridBatch(
            experiment=row["experiment"],
            backend=row["backend"],
            model=model,
            time_limit=float(said["time_limit_seconds"]),
            shots=row["shots"],
            seeds=seeds.reshape(row["points"], row["repetitions"]),
        )
    return AnnealBatch(
        experiment=row["experiment"],
        backend=row["backend"],
        model=model,
        embedding=Embedding.from_dict(said["embedding"]),
        annealing_times=np.array(said["annealing_times"], dtype=np.float64),
        chain_strengths=np.array(said["chain_strengths"], dtype=np.float64),
        gauges=np.array(said["gauges"], dtype=np.int64),
        gauge_seed=int(said["gauge_seed"]),
        shots=row["shots"],
        seeds=seeds.reshape(row["points"], row["repetitions"]),
    )
