"""What leaves this machine: circuits with numbers, shots, the backend's name, an opaque token and the home's id. Nothing else.

No name of a problem, variable, experiment or person is in it. A circuit's name is its place and a digest; by these a
result that belongs to another batch, or to another place of this one, is found out.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
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
