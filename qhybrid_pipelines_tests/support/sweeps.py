"""Sweeps to be divided: of QAOA, of gates alone, and of a circuit that measures in the middle; and what their counts are as bytes."""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.execution.engines.engine import EngineRun
from qhybrid_pipelines.execution.results import encode
from qhybrid_pipelines.quantum.circuits import build_batch
from qhybrid_pipelines.quantum.sweeps import plan_sweep
from qhybrid_pipelines_tests.support.reduced_models import ising, make_reduced_model, make_spec


def random_sweep(
    n: int, *, points: int, kind: str = "qaoa", cardinality: int | None = None, shots: int = 128
) -> CircuitBatch:
    """Return a sweep of random angles over a random model of ``n`` spins, of two layers and two repetitions."""
    rng = np.random.default_rng(n)
    pairs = {(i, j): rng.normal() for i in range(n) for j in range(i + 1, n) if rng.random() < 0.5}
    reduced_model = make_reduced_model(ising(rng.normal(size=n), pairs), cardinality)
    spec = make_spec(kind=kind, points=points, strategy="random", layers=2, shots=shots, repetitions=2)
    angles = plan_sweep(reduced_model, spec).angles
    return build_batch(reduced_model, angles, spec, experiment="case-00000000", backend="local:auto").batch


def counts_sha256(run: EngineRun) -> str:
    """Return the hash of counts as they are stored."""
    return sha256_hex(encode(run.counts, {}))
