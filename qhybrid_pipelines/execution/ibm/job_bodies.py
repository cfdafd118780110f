"""What a job of IBM's service is asked for: a program, a compiled circuit with an array of bindings, and explicit options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.specifications.mitigation_specification import DECOUPLING, TWIRLING
from qhybrid_pipelines.execution.ibm.codecs import encoder
from qhybrid_pipelines.execution.ibm.devices import MAX_EXECUTIONS, Device
from qhybrid_pipelines.execution.ibm.executor import SAMPLER, executor_params, wanted_program
from qhybrid_pipelines.execution.ibm.results import PAYLOAD


def check_size(batch: CircuitBatch, device: Device) -> None:
    """Return if one job takes a batch. Raises `Rejected` for too many shots or circuits."""
    if batch.shots > device.max_shots or batch.seeds.size * batch.shots > MAX_EXECUTIONS:
        raise Rejected(
            f"{batch.seeds.size} circuits of {batch.shots} shots are more than {batch.backend} takes in one job"
        )


def job_body(batch: CircuitBatch, circuit: Any, *, name: str, tags: list[str]) -> bytes:
    """Return the body of the request that submits a job of the program that the environment names.

    Args:
        batch: whose hash travels with the circuit.
        circuit: its template, compiled for the device.
        name: of the device.
        tags: of the job.

    Raises:
        Rejected: the program has no switch for what the batch asks for, or cannot be written here.
    """
    program = wanted_program()
    if program == SAMPLER:
        params = sampler_params(batch, circuit)
    elif batch.suppression:
        raise Rejected(f"the program {program!r} has no switch for {batch.suppression[0].replace(':', ' ')}")
    else:
        circuit = circuit.copy()
        circuit.metadata = {}
        values = _values(batch, circuit)
        params = executor_params(circuit, values, shots=batch.shots, passed_through={PAYLOAD: batch.payload_sha256})
    job = {"program_id": program, "backend": name, "tags": tags, "params": params}
    return json.dumps(job, cls=encoder()).encode()


def sampler_params(batch: CircuitBatch, circuit: Any) -> dict[str, Any]:
    """Return the parameters of a job of ``sampler`` for a compiled circuit, ready for the vendor's `encoder`."""
    from qiskit.primitives.containers.sampler_pub import SamplerPub

    circuit = circuit.copy()
    circuit.metadata = {PAYLOAD: batch.payload_sha256}
    pub = SamplerPub.coerce((circuit, _values(batch, circuit), batch.shots))
    return {"pubs": [pub], "options": sampler_options(batch.suppression), "version": 2, "support_qiskit": True}


def sampler_options(suppression: Sequence[str]) -> dict[str, Any]:
    """Return the options of the program ``sampler`` for some switches; what is not asked for is said to be off, whatever the vendor's default."""
    options: dict[str, Any] = {
        DECOUPLING: {"enable": False},
        TWIRLING: {"enable_gates": False, "enable_measure": False},
    }
    twirled = {name.partition(":")[2] for name in suppression if name.startswith(f"{TWIRLING}:")}
    for name in suppression:
        if name.startswith(f"{DECOUPLING}:"):
            options[DECOUPLING] = {"enable": True, "sequence_type": name.partition(":")[2]}
    if twirled:
        options[TWIRLING] = {"enable_gates": "gates" in twirled, "enable_measure": "measurement" in twirled}
    return options


def _values(batch: CircuitBatch, circuit: Any) -> Any:
    """Return the bindings of shape (points, repetitions, inputs), in the circuit's own order of inputs."""
    columns = [batch.template.parameters.index(parameter.name) for parameter in circuit.parameters]
    return np.repeat(batch.bindings[:, None, columns], batch.repetitions, axis=1)
