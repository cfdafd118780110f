"""Circuit batches: template, bindings, shots and seeds of one experiment on one backend, and their table row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, QaoaStructure, Template
from qhybrid_pipelines.core.seeds import derive_seed
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.quantum.annealing.anneal_batches import anneal_batch_from_row
from qhybrid_pipelines.quantum.hardware_efficient import hardware_efficient_ansatz
from qhybrid_pipelines.quantum.mixers import choose_mixer
from qhybrid_pipelines.quantum.qaoa import qaoa_ansatz
from qhybrid_pipelines.quantum.user_circuits.reader import UserCircuit, check_width


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBatch:
    """A batch with what people want to know about its circuit.

    Attributes:
        mixer: ``x``, ``xy`` or ``warm_start``; empty for other ansaetze.
        depth: layers of gates of the template before compilation, measurements not counted.
        two_qubit_gates: before compilation.
    """

    batch: CircuitBatch
    ansatz: str
    mixer: str
    depth: int
    two_qubit_gates: int


def build_batch(
    reduced_model: ReducedModel,
    angles: F64,
    spec: ExperimentSpec,
    *,
    experiment: str,
    backend: str,
    circuit: UserCircuit | None = None,
    first_point: int = 0,
) -> PlannedBatch:
    """Return the batch that runs ``angles``, of shape ``(points, angles of the ansatz)`` and in radians, on a reduced model.

    Seeds depend on the experiment's seed, the point and the repetition, not on the backend. A ``circuit`` from a file
    takes the place of the ansatz. Points count from ``first_point``, so that each step of a loop has shots of its own.

    Raises:
        InvalidInput: the angles are not finite or too few or many for the ansatz, or mixer or circuit do not fit the
            kernel.
        ValueError: the reduced model has no variables.
    """
    if reduced_model.size == 0:
        raise ValueError("the reduced model has no variables; there is no circuit to build")
    layers = angles.shape[-1] // 2 if spec.ansatz.layers == "auto" else spec.ansatz.depth
    structure = None
    if circuit is not None:
        check_width(circuit, reduced_model)
        ansatz = circuit.ansatz
    elif spec.ansatz.is_qaoa:
        mixer = choose_mixer(reduced_model, spec)
        ones = reduced_model.cardinality if mixer == "xy" else None
        ansatz = qaoa_ansatz(reduced_model.model, layers, mixer=mixer, cardinality=ones)
        structure = QaoaStructure(model=reduced_model.model, mixer=mixer, cardinality=ones, angles=angles)
    else:
        ansatz = hardware_efficient_ansatz(reduced_model.size, layers)
    if angles.ndim != 2 or angles.shape[1] != len(ansatz.matrix) or not np.isfinite(angles).all():
        raise InvalidInput(
            f"the angles have shape {angles.shape} or are not finite; the ansatz needs {len(ansatz.matrix)} per point",
            remedy="Plan the sweep for this reduced model and ansatz again.",
            field="sweep",
        )
    points = range(first_point, first_point + len(angles))
    seeds = [[derive_seed(spec.seed, "shots", p, r) for r in range(spec.repetitions)] for p in points]
    batch = CircuitBatch(
        experiment=experiment,
        backend=backend,
        template=ansatz.template,
        bindings=ansatz.bindings(angles),
        shots=spec.shots,
        seeds=np.array(seeds, dtype=np.uint64).reshape(len(angles), spec.repetitions),
        structure=structure,
        # Our own simulators run what is written: there is nothing to gain, and one job is enough.
        compile_points=spec.compile == "points" and not backend.startswith("local:"),
        suppression=() if spec.mitigation is None else spec.mitigation.switches,
    )
    return PlannedBatch(
        batch=batch,
        ansatz=spec.ansatz.kind if circuit is None else "file",
        mixer=structure.mixer if structure else "",
        depth=ansatz.depth,
        two_qubit_gates=ansatz.two_qubit_gates,
    )


def batch_to_row(planned: PlannedBatch, *, first_point: int | None = None) -> dict[str, Any]:
    """Return the row of the table `circuit_batches`; :func:`batch_from_row` gives exactly the same batch back.

    Args:
        planned: the batch.
        first_point: number of its circuit in a series, or of its first point in a loop; None where the batch is all there is.
    """
    batch = planned.batch
    return {
        "experiment": batch.experiment,
        "backend": batch.backend,
        "first_point": first_point,
        "template_id": batch.template.template_id,
        "template": batch.template.text,
        "parameters": list(batch.template.parameters),
        "ansatz": planned.ansatz,
        "mixer": planned.mixer,
        "n_qubits": batch.template.n_qubits,
        "depth": planned.depth,
        "two_qubit_gates": planned.two_qubit_gates,
        "points": batch.points,
        "repetitions": batch.repetitions,
        "shots": batch.shots,
        "bindings": batch.bindings.tolist(),
        "seeds": batch.seeds.tolist(),
        "structure": _structure_to_json(batch.structure) if batch.structure else None,
        "compile_points": batch.compile_points,
        "annealing": None,
        "suppression": list(batch.suppression) or None,
        "payload_sha256": batch.payload_sha256,
    }


def batch_from_row(row: Mapping[str, Any]) -> Batch:
    """Return the batch of a row of the table `circuit_batches`."""
    if row.get("annealing"):
        return anneal_batch_from_row(row)
    template = Template(text=row["template"], parameters=tuple(row["parameters"]), n_qubits=row["n_qubits"])
    points = row["points"]
    return CircuitBatch(
        experiment=row["experiment"],
        backend=row["backend"],
        template=template,
        bindings=np.array(row["bindings"], dtype=np.float64).reshape(points, len(template.parameters)),
        shots=row["shots"],
        seeds=np.array(row["seeds"], dtype=np.uint64).reshape(points, row["repetitions"]),
        structure=_structure_from_json(row["structure"], points) if row["structure"] else None,
        compile_points=bool(row["compile_points"]),
        suppression=tuple(row.get("suppression") or ()),
    )


def _structure_to_json(structure: QaoaStructure) -> str:
    return canonical_json(
        {
            "model": structure.model.to_dict(),
            "mixer": structure.mixer,
            "cardinality": structure.cardinality,
            "angles": structure.angles.tolist(),
        }
    )


def _structure_from_json(text: str, points: int) -> QaoaStructure:
    record = json.loads(text)
    angles = np.array(record["angles"], dtype=np.float64)
    return QaoaStructure(
        model=IsingModel.from_dict(record["model"]),
        mixer=record["mixer"],
        cardinality=record["cardinality"],
        angles=angles.reshape(points, angles.size // points if points else 0),
    )
