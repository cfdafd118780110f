"""Reading the body of ``POST /jobs``: what is asked for, or one sentence on why it cannot be accepted.

Accepted are ``ionq.circuit.v1`` and ``ionq.multi-circuit.v1``. OpenQASM jobs, quantum functions and sessions of the
published interface are refused by name, because this emulator does not play them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qhybrid_pipelines.emulator.circuits import (
    BadRequest,
    Circuit,
    as_integer,
    as_object,
    as_text_or_none,
    gate_counts,
    read_circuits,
)
from qhybrid_pipelines.emulator.machines import (
    DEBIASING_MINIMUM_SHOTS,
    MACHINES,
    NOISE_MODELS,
    Machine,
)

SINGLE, MULTI = "ionq.circuit.v1", "ionq.multi-circuit.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A job as it was asked for.

    Attributes:
        type: ``ionq.circuit.v1`` or ``ionq.multi-circuit.v1``.
        backend: a name of `machines.MACHINES`.
        name: free text or None.
        metadata: strings by key, handed back as they came.
        shots: per circuit.
        circuits: in the order sent.
        noise: the simulator's noise model as sent; None on a machine.
        settings: as sent.
        dry_run: compile only.
        one_qubit_gates: of all circuits together.
        two_qubit_gates: of all circuits together; a gate on more qubits counts as two-qubit.
    """

    type: str
    backend: str
    name: str | None
    metadata: Mapping[str, str] | None
    shots: int
    circuits: Sequence[Circuit]
    noise: Mapping[str, Any] | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    dry_run: bool
    one_qubit_gates: int
    two_qubit_gates: int

    @property
    def qubits(self) -> int:
        """Width of the widest circuit."""
        return max(circuit.qubits for circuit in self.circuits)

    @property
    def debiasing(self) -> bool:
        """Whether error mitigation by debiasing was asked for."""
        return wants_debiasing(self.settings)


def wants_debiasing(settings: Mapping[str, Any]) -> bool:
    """Return whether a job's settings ask for debiasing."""
    mitigation = settings.get("error_mitigation")
    return isinstance(mitigation, dict) and bool(mitigation.get("debiasing"))


def read_job_request(body: bytes) -> JobRequest:
    """Read and check a request body.

    Raises:
        BadRequest: naming the field.
    """
    payload = _payload(body)
    machine = MACHINES.get(str(payload.get("backend")))
    if machine is None:
        raise BadRequest(f"Unknown backend {payload.get('backend')!r}.", "backend")
    circuits = read_circuits(payload.get("input"), multi=payload["type"] == MULTI)
    one, two = gate_counts(circuits)
    job_request = JobRequest(
        type=payload["type"],
        backend=machine.name,
        name=as_text_or_none(payload.get("name"), "name"),
        metadata=_metadata(payload.get("metadata")),
        shots=as_integer(payload.get("shots", 100), "shots"),
        circuits=circuits,
        noise=_noise(payload.get("noise")) if machine.average_fidelity is None else None,
        settings=as_object(payload.get("settings") or {}, "settings"),
        dry_run=bool(payload.get("dry_run", False)),
        one_qubit_gates=one,
        two_qubit_gates=two,
    )
    _check_limits(job_request, machine)
    return job_request


def _payload(body: bytes) -> dict[str, Any]:
    """Read the outermost object and check that its kind of job is played here."""
    try:
        payload = json.loads(body)
    except ValueError:
        raise BadRequest("The body is not JSON.") from None
    if not isinstance(payload, dict):
        raise BadRequest("The body is not a JSON object.")
    unknown = sorted(set(payload) - _FIELDS)
    if unknown:
        raise BadRequest(f"Unknown field {unknown[0]!r}.", *unknown)
    if payload.get("session_id") is not None:
        raise BadRequest("Sessions are not emulated.", "session_id")
    kind = payload.get("type")
    if kind not in (SINGLE, MULTI):
        raise BadRequest(f"Jobs of type {kind!r} are not emulated; known are {SINGLE} and {MULTI}.", "type")
    return payload


def _check_limits(job_request: JobRequest, machine: Machine) -> None:
    """Refuse what is too much for a machine."""
    if not 1 <= job_request.shots <= machine.max_shots:
        raise BadRequest(f"shots is {job_request.shots}; {machine.name} takes 1 to {machine.max_shots}.", "shots")
    if len(job_request.circuits) > machine.max_circuits:
        raise BadRequest(
            f"The job has {len(job_request.circuits)} circuits; {machine.name} takes {machine.max_circuits} per job.",
            "input.circuits",
        )
    if job_request.qubits > machine.qubits:
        raise BadRequest(
            f"The job needs {job_request.qubits} qubits; {machine.name} has {machine.qubits}.", "input.qubits"
        )
    if job_request.debiasing and job_request.shots < DEBIASING_MINIMUM_SHOTS:
        raise BadRequest(f"Debiasing needs at least {DEBIASING_MINIMUM_SHOTS} shots.", "shots")


_FIELDS = frozenset(
    {"name", "metadata", "shots", "backend", "session_id", "settings", "dry_run", "noise", "type", "input"}
)


def _noise(given: Any) -> Mapping[str, Any]:
    """Read the simulator's noise block."""
    block = as_object(given or {}, "noise")
    model = block.get("model") or "ideal"
    if model != "ideal" and model not in NOISE_MODELS:
        raise BadRequest(
            f"Noise model {model!r} is not emulated; known are ideal, {', '.join(sorted(NOISE_MODELS))}.",
            "noise.model",
        )
    seed = block.get("seed")
    return {"model": model} if seed is None else {"model": model, "seed": as_integer(seed, "noise.seed")}


def _metadata(given: Any) -> Mapping[str, str] | None:
    """Read the metadata: strings by key."""
    if given is None:
        return None
    block = as_object(given, "metadata")
    for key, value in block.items():
        if not isinstance(value, str):
            raise BadRequest(f"metadata.{key} is not a string.", f"metadata.{key}")
    return block
