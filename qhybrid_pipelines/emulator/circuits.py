"""Reading the circuits of a request: every gate is checked before a job is accepted, none when it is simulated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.emulator.gates import ARITY, NATIVE_GATES, QIS_GATES, gate_qubits
from qhybrid_pipelines.emulator.machines import WIDEST_SIMULATION_QUBITS


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


def read_circuits(given: Any, *, multi: bool) -> tuple[Circuit, ...]:
    """Read the input block of a single- or multi-circuit job."""
    block = as_object(given, "input")
    gateset = _gateset(block.get("gateset"), "input.gateset")
    if not multi:
        return (_circuit(block, gateset, block.get("qubits"), "input"),)
    entries = block.get("circuits")
    if not isinstance(entries, list) or not entries:
        raise BadRequest("input.circuits is not a list of circuits.", "input.circuits")
    return tuple(
        _circuit(
            as_object(entry, f"input.circuits[{index}]"),
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
        name = gate.get("gate") if isinstance(gate, dict) else gate
        if not isinstance(gate, dict) or not isinstance(name, str) or name not in known:
            raise BadRequest(f"Gate {name!r} is not in the gate set {gateset!r}.", where)
        touched.update(_check_gate(gate, where))
    width = as_integer(qubits, f"{place}.qubits") if qubits is not None else max(touched, default=-1) + 1
    if width < 1:
        raise BadRequest(f"{place}.qubits is {width}; a circuit has at least one qubit.", f"{place}.qubits")
    if touched and max(touched) >= width:
        raise BadRequest(f"{place} uses qubit {max(touched)} and declares {width} qubits.", f"{place}.qubits")
    if len(touched) > WIDEST_SIMULATION_QUBITS:
        raise BadRequest(
            f"{place} acts on {len(touched)} qubits; this emulator simulates at most {WIDEST_SIMULATION_QUBITS}.",
            place,
        )
    return Circuit(name=as_text_or_none(block.get("name"), f"{place}.name"), qubits=width, gateset=gateset, gates=gates)


def _check_gate(gate: Mapping[str, Any], where: str) -> tuple[int, ...]:
    """Return the qubits of one gate, checked."""
    targets, controls = gate_qubits(gate)
    phases = gate.get("phases", [])
    if not all(isinstance(entry, list) for entry in (targets, controls, phases)):
        raise BadRequest(f"{where}: targets, controls and phases are lists.", where)
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
    if not all(_is_number(angle) for angle in (*angles, *phases)):
        raise BadRequest(f"{where} has an angle that is not a usable number.", where)
    if name == "ms" and len(phases) != 2:
        raise BadRequest(f"{where}: ms needs two phases.", where)
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
    """Whether a JSON value is a number of ordinary size; an angle of more turns than this is a mistake."""
    return isinstance(given, int | float) and not isinstance(given, bool) and abs(given) < _LARGEST_ANGLE


_LARGEST_ANGLE = 1e9


def gate_counts(circuits: Sequence[Circuit]) -> tuple[int, int]:
    """Return the numbers of gates on one and on more qubits, over all circuits."""
    one = two = 0
    for circuit in circuits:
        for gate in circuit.gates:
            targets, controls = gate_qubits(gate)
            if len(targets) + len(controls) == 1:
                one += 1
            else:
                two += 1
    return one, two


def _gateset(given: Any, place: str) -> str:
    """Read the name of a gate set."""
    if given not in ("qis", "native"):
        raise BadRequest(f"{place} is {given!r}; it is 'qis' or 'native'.", place)
    return str(given)


def as_object(given: Any, place: str) -> dict[str, Any]:
    """Read a JSON object."""
    if not isinstance(given, dict):
        raise BadRequest(f"{place} is not an object.", place)
    return given


def as_integer(given: Any, place: str) -> int:
    """Read a whole number."""
    if not isinstance(given, int) or isinstance(given, bool):
        raise BadRequest(f"{place} is not a whole number.", place)
    return given


def as_text_or_none(given: Any, place: str) -> str | None:
    """Read an optional text."""
    if given is not None and not isinstance(given, str):
        raise BadRequest(f"{place} is not a text.", place)
    return given
