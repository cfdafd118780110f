"""Reading the body of ``POST /jobs``: what is asked for, or one sentence on why it cannot be accepted.

Accepted are ``ionq.circuit.v1`` and ``ionq.multi-circuit.v1``. OpenQASM jobs, quantum functions and sessions of the
published interface are refused by name, because this emulator does not play them.
"""

from __future__ import annotations

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
from qhybrid_pipelines.emulator.interface_versions import APRIL, Interface
from qhybrid_pipelines.emulator.machines import (
    DEBIASING_MINIMUM_SHOTS,
    MACHINES,
    NOISE_MODELS,
    Machine,
)
from qhybrid_pipelines.emulator.strict_json import NotJsonError, read_json

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


def read_job_request(body: bytes, interface: Interface | None = APRIL) -> JobRequest:
    """Read and check a request body.

    Args:
        body: of the request.
        interface: whose backends and limits hold; None reads a job again that was accepted before.

    Raises:
        BadRequest: naming the field.
    """
    payload = _payload(body)
    machine = MACHINES.get(str(payload.get("backend")))
    if machine is None or (interface is not None and machine.name not in interface.machines):
        raise BadRequest(f"Unknown backend {payload.get('backend')!r}.", "backend")
    circuits = read_circuits(payload.get("input"), multi=payload["type"] == MULTI)
    one, two = gate_counts(circuits)
    job_request = JobRequest(
        type=payload["type"],
        backend=machine.name,
        name=as_text_or_none(payload.get("name"), "name"),
        metadata=_metadata(payload.get("metadata")),
        shots=_shots(payload.get("shots", 100)),
        circuits=circuits,
        noise=_noise(payload.get("noise")) if machine.average_fidelity is None else None,
        settings=_settings(payload.get("settings")),
        dry_run=_dry_run(payload.get("dry_run")),
        one_qubit_gates=one,
        two_qubit_gates=two,
    )
    if interface is not None:
        _check_limits(job_request, machine, interface)
    return job_request


def _payload(body: bytes) -> dict[str, Any]:
    """Read the outermost object and check that its kind of job is played here."""
    try:
        payload = read_json(body)
    except NotJsonError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    if not isinstance(payload, dict):
        raise BadRequest("The body is not a JSON object.")
    unknown = sorted(set(payload) - _FIELDS)
    if unknown:
        raise BadRequest(f"Unknown field {unknown[0]!r}.", *unknown)
    if payload.get("session_id") is not None:
        raise BadRequest("Sessions are not emulated.", "session_id")
    if payload.get("lang") not in (None, "json"):  # cirq-ionq sends it; older interfaces had other languages
        raise BadRequest(f"lang is {payload['lang']!r}; circuits are JSON.", "lang")
    kind = payload.get("type")
    if kind not in (SINGLE, MULTI):
        raise BadRequest(f"Jobs of type {kind!r} are not emulated; known are {SINGLE} and {MULTI}.", "type")
    return payload


def _check_limits(job_request: JobRequest, machine: Machine, interface: Interface) -> None:
    """Refuse what is too much for a machine."""
    if not 1 <= job_request.shots <= machine.max_shots:
        raise BadRequest(f"shots is {job_request.shots}; {machine.name} takes 1 to {machine.max_shots}.", "shots")
    most = interface.max_circuits or machine.max_circuits
    if len(job_request.circuits) > most:
        raise BadRequest(
            f"The job has {len(job_request.circuits)} circuits; {machine.name} takes {most} per job.", "input.circuits"
        )
    gates = job_request.one_qubit_gates + job_request.two_qubit_gates
    if interface.max_gates is not None and gates > interface.max_gates:
        raise BadRequest(f"The job has {gates} gates; it may have {interface.max_gates}.", "input.circuits")
    if job_request.qubits > machine.qubits:
        raise BadRequest(
            f"The job needs {job_request.qubits} qubits; {machine.name} has {machine.qubits}.", "input.qubits"
        )
    if job_request.debiasing and job_request.shots < DEBIASING_MINIMUM_SHOTS:
        raise BadRequest(f"Debiasing needs at least {DEBIASING_MINIMUM_SHOTS} shots.", "shots")


_FIELDS = frozenset(
    {"name", "metadata", "shots", "backend", "session_id", "settings", "dry_run", "noise", "type", "input", "lang"}
)
_LARGEST_SEED = 2**63


def _shots(given: Any) -> int:
    """Read the number of shots, which cirq-ionq sends as text."""
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 10:
        return int(given)
    return as_integer(given, "shots")


def _settings(given: Any) -> Mapping[str, Any]:
    """Read the settings: what is not known in them is kept and has no effect."""
    block = as_object(given if given is not None else {}, "settings")
    for name in ("error_mitigation", "compilation"):
        if block.get(name) is not None:
            as_object(block[name], f"settings.{name}")
    return block


def _dry_run(given: Any) -> bool:
    """Read whether the job is compiled only."""
    if given is not None and not isinstance(given, bool):
        raise BadRequest("dry_run is neither true nor false.", "dry_run")
    return bool(given)


def _noise(given: Any) -> Mapping[str, Any]:
    """Read the simulator's noise block."""
    block = as_object(given if given is not None else {}, "noise")
    model = as_text_or_none(block.get("model"), "noise.model") or "ideal"
    if model != "ideal" and model not in NOISE_MODELS:
        raise BadRequest(
            f"Noise model {model!r} is not emulated; known are ideal, {', '.join(sorted(NOISE_MODELS))}.",
            "noise.model",
        )
    seed = block.get("seed")
    if seed is None:
        return {"model": model}
    if not -_LARGEST_SEED <= as_integer(seed, "noise.seed") < _LARGEST_SEED:
        raise BadRequest("noise.seed has more than 64 bits.", "noise.seed")
    return {"model": model, "seed": seed}


def _metadata(given: Any) -> Mapping[str, str] | None:
    """Read the metadata: strings by key."""
    if given is None:
        return None
    block = as_object(given, "metadata")
    for key, value in block.items():
        if not isinstance(value, str):
            raise BadRequest(f"metadata.{key} is not a string.", f"metadata.{key}")
    return block
