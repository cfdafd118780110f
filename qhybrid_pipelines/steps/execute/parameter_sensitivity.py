"""Step 6: what the angles of a batch do to the mean energy, and what the backend's gate errors take of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.problems.reduction import reduced_model_from_row
from qhybrid_pipelines.quantum.angle_search import MAX_QUBITS
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.quantum.sensitivity import PointSensitivity, point_sensitivity
from qhybrid_pipelines.steps.values_from_rows import ExecutionKey, Row, get_row, select_rows
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import from_rows


def parameter_sensitivity(
    executions: Iterable[ExecutionKey],
    circuit_batches: pa.Table,
    reduced_models: pa.Table,
    *,
    gate_error: Callable[[str], float | None],
) -> pa.Table:
    """Return the table `parameter_sensitivity`: a row for every angle of the first point, which is the best guess.

    Only circuits of QAOA have rows: of others it is not known what an angle does without running them.

    Args:
        executions: backends and experiments.
        circuit_batches: of these executions.
        reduced_models: of these experiments.
        gate_error: tells the error of a backend's two-qubit gates, None where it has or tells none.
    """
    rows: list[Row] = []
    known: dict[tuple[str, bytes], PointSensitivity] = {}
    for backend, key in executions:
        # A loop has a batch for every step; its first one is at the best guess, as that of a sweep.
        for row in select_rows(circuit_batches, key, backend).sort_by("first_point").slice(0, 1).to_pylist():
            batch = batch_from_row(row)
            structure = batch.structure if isinstance(batch, CircuitBatch) else None
            if structure is None or structure.model.size > MAX_QUBITS:
                continue
            angles = np.array(structure.angles[0])
            found = known.get((key, angles.tobytes()))
            if found is None:
                reduced_model = reduced_model_from_row(get_row(reduced_models, key))
                found = known[key, angles.tobytes()] = point_sensitivity(reduced_model, structure.mixer, angles)
            rows += _rows(key, backend, row, found, gate_error(backend))
    return from_rows(schemas.PARAMETER_SENSITIVITY, rows)


def _rows(key: str, backend: str, batch: Row, found: PointSensitivity, error: float | None) -> list[Row]:
    """Return the rows of one execution; what concerns the whole point is in each."""
    gates = batch["two_qubit_gates"]
    survival, with_errors = (None, None) if error is None else found.expectation_with_errors(error, gates)
    point = {
        "experiment": key,
        "backend": backend,
        "shots": batch["shots"] * batch["repetitions"],
        "expectation": found.expectation,
        "deviation": found.deviation,
        "random_expectation": found.random_expectation,
        "two_qubit_gates": gates,
        "two_qubit_error": error,
        "survival": survival,
        "expectation_with_errors": with_errors,
    }
    return [
        {
            **point,
            "number": number,
            "angle": one.angle,
            "value": one.value,
            "gradient": one.gradient,
            "curvature": one.curvature,
            "step": one.step,
            "difference": one.difference,
            "shots_to_tell": one.shots_to_tell,
        }
        for number, one in enumerate(found.angles)
    ]
