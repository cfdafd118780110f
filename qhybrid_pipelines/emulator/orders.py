"""Reading the body of ``POST /jobs``: what is asked for, or one sentence on why it cannot be accepted.

Accepted are ``ionq.circuit.v1`` and ``ionq.multi-circuit.v1``. OpenQASM jobs, quantum functions and sessions of the
published interface are refused by name, because this emulator does not play them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qhybrid_pipelines.emulator.gates import ARITY, NATIVE_GATES, QIS_GATES, qubits_of
from qhybrid_pipelines.emulator.machines import (
    DEBIASING_MINIMUM_SHOTS,
    MACHINES,
    NOISE_MODELS,
    WIDEST_SIMULATION_QUBITS,
)

SINGLE, MULTI = "ionq.circuit.v1", "ionq.multi-circuit.v1"


class BadRequest(Exception):
    """The body cannot be accepted.

    Args:
        message: one sentence.
        keys: dotted paths of the fields at fault.
    """

    def __init__(self, message: str, *keys: str) -> None:
        super().__init__(message)
        self.keys = keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """One circuit of a job: ``gates`` as they were sent, ``qubits`` that are measured."""

    name: str | None
    qubits: int
    gateset: str
    gates: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
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


def read_order(body: bytes) -> Order:
    """Read and check a request body.

    Raises:
        BadRequest: naming the field.
    """
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
    machine = MACHINES.get(payload.get("backend", ""))
    if machine is None:
        raise BadRequest(f"Unknown backend {payload.get('backend')!r}.", "backend")
    circuits = _circuits(payload.get("input"), multi=kind == MULTI)
    shots = _whole(payload.get("shots", 100), "shots")
    if not 1 <= shots <= machine.max_shots:
        raise BadRequest(f"shots is {shots}; {machine.name} takes 1 to {machine.max_shots}.", "shots")
    if len(circuits) > machine.max_circuits:
        raise BadRequest(
            f"The job has {len(circuits)} circuits; {machine.name} takes {machine.max_circuits} per job.",
            "input.circuits",
        )
    widest = max(circuit.qubits for circuit in circuits)
    if widest > machine.qubits:
        raise BadRequest(f"The job needs {widest} qubits; {machine.name} has {machine.qubits}.", "input.qubits")
    one, two = _counted(circuits)
    order = Order(
        type=kind,
        backend=machine.name,
        name=_text_or_none(payload.get("name"), "name"),
        metadata=_metadata(payload.get("metadata")),
        shots=shots,
        circuits=circuits,
        noise=_noise(payload.get("noise")) if machine.usual is None else None,
        settings=_object(payload.get("settings") or {}, "settings"),
        dry_run=bool(payload.get("dry_run", False)),
        one_qubit_gates=one,
        two_qubit_gates=two,
    )
    if order.debiasing and shots < DEBIASING_MINIMUM_SHOTS:
        raise BadRequest(f"Debiasing needs at least {DEBIASING_MINIMUM_SHOTS} shots.", "shots")
    return order


_FIELDS = frozenset(
    {"name", "metadata", "shots", "backend", "session_id", "settings", "dry_run", "noise", "type", "input"}
)


def _circuits(given: Any, *, multi: bool) -> tuple[Circuit, ...]:
    """Read the input block of a single- or multi-circuit job."""
    block = _object(given, "input")
    gateset = _gateset(block.get("gateset"), "input.gateset")
    if not multi:
        return (_circuit(block, gateset, block.get("qubits"), "input"),)
    entries = block.get("circuits")
    if not isinstance(entries, list) or not entries:
        raise BadRequest("input.circuits is not a list of circuits.", "input.circuits")
    return tuple(
        _circuit(
            _object(entry, f"input.circuits[{index}]"),
            _gateset(entry.get("gateset", gateset), f"input.circuits[{index}].gateset"),
            entry.get("qubits", block.get("qubits")),
            f"input.circuits[{index}]",
        )
        for index, entry in enumerate(entries)
    )


def _circuit(block: Mapping[str, Any], gateset: str, qubits: Any, place: str) -> Circuit:
    """Read one circuit and check each of its gates."""
    gates = block.get("circuit")
    if not isinstance(gates, list):
        raise BadRequest(f"{place}.circuit is not a list of gates.", f"{place}.circuit")
    known = QIS_GATES if gateset == "qis" else NATIVE_GATES
    touched: set[int] = set()
    for index, gate in enumerate(gates):
        where = f"{place}.circuit[{index}]"
        if not isinstance(gate, dict) or gate.get("gate") not in known:
            name = gate.get("gate") if isinstance(gate, dict) else gate
            raise BadRequest(f"Gate {name!r} is not in the gate set {gateset!r}.", where)
        touched.update(_touched(gate, where))
    width = _whole(qubits, f"{place}.qubits") if qubits is not None else max(touched, default=-1) + 1
    if width < 1:
        raise BadRequest(f"{place}.qubits is {width}; a circuit has at least one qubit.", f"{place}.qubits")
    if touched and max(touched) >= width:
        raise BadRequest(f"{place} uses qubit {max(touched)} and declares {width} qubits.", f"{place}.qubits")
    if len(touched) > WIDEST_SIMULATION_QUBITS:
        raise BadRequest(
            f"{place} acts on {len(touched)} qubits; this emulator simulates at most {WIDEST_SIMULATION_QUBITS}.",
            place,
        )
    return Circuit(name=_text_or_none(block.get("name"), f"{place}.name"), qubits=width, gateset=gateset, gates=gates)


def _touched(gate: Mapping[str, Any], where: str) -> tuple[int, ...]:
    """Return the qubits of one gate, checked."""
    targets, controls = qubits_of(gate)
    qubits = (*targets, *controls)
    if any(not isinstance(qubit, int) or isinstance(qubit, bool) or qubit < 0 for qubit in qubits):
        raise BadRequest(f"{where} names a qubit that is not a whole number from 0.", where)
    if len(set(qubits)) != len(qubits):
        raise BadRequest(f"{where} names a qubit twice.", where)
    name = str(gate["gate"])
    wanted = ARITY.get(name)
    if (wanted is not None and len(targets) != wanted) or not targets:
        raise BadRequest(f"{where}: {name} takes {wanted or 'some'} target(s), {len(targets)} given.", where)
    if name == "cnot" and not controls:
        raise BadRequest(f"{where}: cnot needs a control.", where)
    angles = [gate[key] for key in ("rotation", "phase", "angle", "time") if key in gate]
    if not all(_is_number(angle) for angle in (*angles, *gate.get("phases", ()))):
        raise BadRequest(f"{where} has an angle that is not a finite number.", where)
    if name == "pauliexp":
        _check_exponential(gate, len(targets), where)
    return qubits


def _check_exponential(gate: Mapping[str, Any], targets: int, where: str) -> None:
    """Check the Pauli strings of a ``pauliexp`` gate."""
    terms, coefficients = gate.get("terms"), gate.get("coefficients")
    if (
        not isinstance(terms, list)
        or not isinstance(coefficients, list)
        or len(terms) != len(coefficients)
        or not all(isinstance(term, str) and len(term) == targets and set(term) <= set("IXYZ") for term in terms)
        or not all(_is_number(coefficient) for coefficient in coefficients)
    ):
        raise BadRequest(f"{where}: pauliexp needs one coefficient per term and one letter per target.", where)


def _is_number(given: Any) -> bool:
    """Whether a JSON value is a finite number."""
    return isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)


def _counted(circuits: Sequence[Circuit]) -> tuple[int, int]:
    """Return the numbers of gates on one and on more qubits, over all circuits."""
    one = two = 0
    for circuit in circuits:
        for gate in circuit.gates:
            targets, controls = qubits_of(gate)
            if len(targets) + len(controls) == 1:
                one += 1
            else:
                two += 1
    return one, two


def _noise(given: Any) -> Mapping[str, Any]:
    """Read the simulator's noise block."""
    block = _object(given or {}, "noise")
    model = block.get("model") or "ideal"
    if model != "ideal" and model not in NOISE_MODELS:
        raise BadRequest(
            f"Noise model {model!r} is not emulated; known are ideal, {', '.join(sorted(NOISE_MODELS))}.",
            "noise.model",
        )
    seed = block.get("seed")
    return {"model": model} if seed is None else {"model": model, "seed": _whole(seed, "noise.seed")}


def _metadata(given: Any) -> Mapping[str, str] | None:
    """Read the metadata: strings by key."""
    if given is None:
        return None
    block = _object(given, "metadata")
    for key, value in block.items():
        if not isinstance(value, str):
            raise BadRequest(f"metadata.{key} is not a string.", f"metadata.{key}")
    return block


def _gateset(given: Any, place: str) -> str:
    """Read the name of a gate set."""
    if given not in ("qis", "native"):
        raise BadRequest(f"{place} is {given!r}; it is 'qis' or 'native'.", place)
    return str(given)


def _object(given: Any, place: str) -> dict[str, Any]:
    """Read a JSON object."""
    if not isinstance(given, dict):
        raise BadRequest(f"{place} is not an object.", place)
    return given


def _whole(given: Any, place: str) -> int:
    """Read a whole number."""
    if not isinstance(given, int) or isinstance(given, bool):
        raise BadRequest(f"{place} is not a whole number.", place)
    return given


def _text_or_none(given: Any, place: str) -> str | None:
    """Read an optional text."""
    if given is not None and not isinstance(given, str):
        raise BadRequest(f"{place} is not a text.", place)
    return given
