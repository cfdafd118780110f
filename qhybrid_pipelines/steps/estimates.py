"""What an experiment would take and cost, before anything is submitted."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.steps.batches import circuit_batches
from qhybrid_pipelines.steps.experiments import experiments
from qhybrid_pipelines.steps.instances import problem_instances
from qhybrid_pipelines.steps.kernels import kernels
from qhybrid_pipelines.steps.rows import Row, only_row
from qhybrid_pipelines.steps.sweeps import parameter_sweeps
from qhybrid_pipelines.steps.workspace import Workspace


def estimates(workspace: Workspace, specification: Path) -> list[Row]:
    """Take an experiment in, reduce and plan it, and return one row per backend with size and price.

    Raises:
        InvalidInput: the experiment is wrong.
    """
    accepted = workspace.intake.accept_file(specification)
    key, spec = accepted.key, accepted.specification
    asked = experiments([key], workspace.specifications)
    reduced = kernels(asked, problem_instances(asked, workspace.specifications))
    points = parameter_sweeps(asked, reduced, workspace.specifications)
    executions = [(backend, key) for backend in spec.backends]
    batches = circuit_batches(executions, asked, reduced, points, workspace.specifications)
    qubits = only_row(reduced, key)["n_qubits"]
    return [_row(workspace, key, backend, batches, qubits) for backend in spec.backends]


def _row(workspace: Workspace, key: str, backend: str, batches: pa.Table, qubits: int) -> Row:
    found = [row for row in batches.to_pylist() if row["backend"] == backend]
    if not found:
        return {
            "experiment": key,
            "backend": backend,
            "qubits": qubits,
            "circuits": 0,
            "shots": 0,
            "low_usd": 0.0,
            "high_usd": 0.0,
            "assumptions": "reduction solves it, nothing is sent",
        }
    batch = batch_from_row(found[0])
    provider = workspace.gateway.providers[backend.partition(":")[0]]
    price = provider.estimate(batch)
    circuits = batch.points * batch.repetitions
    return {
        "experiment": key,
        "backend": backend,
        "qubits": qubits,
        "circuits": circuits,
        "shots": circuits * batch.shots,
        "low_usd": price.low_usd,
        "high_usd": price.high_usd,
        "assumptions": price.assumptions,
    }
