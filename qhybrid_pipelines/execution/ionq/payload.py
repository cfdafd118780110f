"""What leaves this machine: circuits with numbers, shots, the backend's name, an opaque token and the home's id. Nothing else.

No name of a problem, variable, experiment or person is in it. A circuit's name is its place and a digest; by these a
result that belongs to another batch, or to another place of this one, is found out.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs import Capabilities, CircuitBatch
from qhybrid_pipelines.execution.ionq.gates import Gate
from qhybrid_pipelines.quantum.simulation.sampling import shot_seed

JOB_TYPE = "ionq.multi-circuit.v1"
TOKEN_KEY = "qhybrid_token"  # noqa: S105 - the name of a field
HOME_KEY = "qhybrid_home"
SIMULATOR = "simulator"


def circuit_names(batch: CircuitBatch) -> list[str]:
    """Return the name of every circuit of a batch, by point, then repetition."""
    head = f"{batch.template.template_id}|{batch.shots}|".encode()
    bindings = np.ascontiguousarray(batch.bindings, dtype="<f8")
    names: list[str] = []
    for point in range(batch.points):
        row = head + bindings[point].tobytes()
        for repetition in range(batch.repetitions):
            digest = sha256_hex(row + int(batch.seeds[point, repetition]).to_bytes(8, "little"))
            names.append(f"{len(names)}-{digest[:16]}")
    return names


def job_body(batch: CircuitBatch, circuits: list[list[Gate]], token: str, *, home_id: str = "") -> bytes:
    """Return the body of the request that submits a batch: one circuit per point and repetition.

    Args:
        batch: says shots, width and backend.
        circuits: the gates of every point.
        token: opaque; is in the job's name and metadata, by which it can be found.
        home_id: opaque; is in the metadata with it, so that a copy's job is not taken for one of ours.
    """
    device = batch.backend.partition(":")[2]
    names = circuit_names(batch)
    entries = [
        {"name": names[point * batch.repetitions + repetition], "circuit": circuits[point]}
        for point in range(batch.points)
        for repetition in range(batch.repetitions)
    ]
    body: dict[str, Any] = {
        "type": JOB_TYPE,
        "name": token,
        "metadata": {TOKEN_KEY: token} | ({HOME_KEY: home_id} if home_id else {}),
        "backend": device,
        "shots": batch.shots,
        "input": {"gateset": "qis", "qubits": batch.template.n_qubits, "circuits": entries},
    }
    if device == SIMULATOR:
        body["noise"] = {"model": "ideal", "seed": shot_seed(batch.seeds.ravel())}
    else:
        # The vendor may turn it on by itself, and what it returns then are no longer frequencies of shots.
        body["settings"] = {"error_mitigation": {"debiasing": False}}
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()


def check_batch(batch: CircuitBatch, capabilities: Capabilities, *, gates_per_circuit: int = 0) -> None:
    """Check what would be refused, before anything is sent.

    Raises:
        Rejected: bindings or seeds have another shape than they should or are not finite, or a limit is exceeded.
    """
    circuits = batch.points * batch.repetitions
    if batch.bindings.ndim != 2 or batch.bindings.shape[1] != len(batch.template.parameters):
        problem = (
            f"the bindings have shape {batch.bindings.shape}, the template has {len(batch.template.parameters)} inputs"
        )
    elif not np.isfinite(batch.bindings).all():
        problem = "the bindings are not finite"
    elif batch.seeds.shape[0] != batch.points or circuits < 1:
        problem = f"the seeds have shape {batch.seeds.shape}, the bindings {batch.points} points"
    elif not capabilities.min_shots <= batch.shots <= capabilities.max_shots:
        problem = f"{batch.shots} shots; {batch.backend} takes {capabilities.min_shots} to {capabilities.max_shots}"
    elif circuits > capabilities.max_circuits_per_job:
        problem = f"{circuits} circuits; {batch.backend} takes {capabilities.max_circuits_per_job} in one job"
    elif capabilities.max_gates_per_job is not None and circuits * gates_per_circuit > capabilities.max_gates_per_job:
        problem = (
            f"{circuits} circuits of {gates_per_circuit} gates; {batch.backend} takes "
            f"{capabilities.max_gates_per_job} gates in one job"
        )
    elif batch.template.n_qubits > capabilities.max_qubits:
        problem = f"{batch.template.n_qubits} qubits; {batch.backend} has {capabilities.max_qubits}"
    else:
        return
    raise Rejected(problem)
