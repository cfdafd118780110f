"""A circuit function written in PennyLane, recorded as OpenQASM 3 text with named inputs in place of numbers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.qasm import empty_circuit, write_circuit

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

#: PennyLane's gate, and the methods of a Qiskit circuit that do the same, one after the other.
_GATE_NAMES: Mapping[str, tuple[str, ...]] = {
    "Hadamard": ("h",),
    "PauliX": ("x",),
    "PauliY": ("y",),
    "PauliZ": ("z",),
    "S": ("s",),
    "T": ("t",),
    "SX": ("sx",),
    "RX": ("rx",),
    "RY": ("ry",),
    "RZ": ("rz",),
    "PhaseShift": ("p",),
    "Rot": ("rz", "ry", "rz"),
    "CNOT": ("cx",),
    "CZ": ("cz",),
    "SWAP": ("swap",),
    "CRX": ("crx",),
    "CRY": ("cry",),
    "CRZ": ("crz",),
    "ControlledPhaseShift": ("cp",),
    "IsingXX": ("rxx",),
    "IsingYY": ("ryy",),
    "IsingZZ": ("rzz",),
    "Toffoli": ("ccx",),
}


def record_circuit(circuit: Callable[[Any], Any], *, angles: int, qubits: int) -> str:
    """Return the text of a circuit whose gates a function queues.

    Args:
        circuit: takes an array of ``angles`` numbers in radians and queues gates; a sum or multiple of angles may stand
            where a gate takes one. Measurements and return values do not count: every qubit is measured at the end.
        angles: how many it takes; they become the inputs ``t_0``, ``t_1``, ...
        qubits: width; wire ``q`` is qubit ``q`` and is measured into bit ``q``.

    Raises:
        InvalidInput: a gate or wire has no counterpart, or an angle goes through a function that symbols do not have.
    """
    gates, _ = queued_gates(lambda: circuit(inputs("t", angles)))
    return write_circuit(written_gates(gates, wires=range(qubits)))


def inputs(name: str, size: int) -> Any:
    """Return symbols ``name_0``, ``name_1``, ... as an array; read in the order of their names, which is that of the numbers."""
    from qiskit.circuit import Parameter

    digits = len(str(max(size - 1, 0)))
    return np.array([Parameter(f"{name}_{number:0{digits}d}") for number in range(size)], dtype=object)


def queued_gates(call: Callable[[], Any]) -> tuple[list[Any], Any]:
    """Return the gates that a call queues, and what it returns.

    Raises:
        InvalidInput: it does something with an angle that symbols do not have.
    """
    import pennylane as qml

    try:
        with qml.queuing.AnnotatedQueue() as queue:
            returned = call()
        return list(qml.tape.QuantumScript.from_queue(queue).operations), returned
    except (TypeError, AttributeError, IndexError) as error:
        raise unsupported_error(f"the circuit function cannot be recorded: {error}") from None


def written_gates(gates: Sequence[Any], *, wires: Sequence[Hashable]) -> QuantumCircuit:
    """Return PennyLane's gates as a Qiskit circuit that measures every qubit at its end; wire ``wires[q]`` is qubit ``q``.

    Raises:
        InvalidInput: a gate or wire has no counterpart.
    """
    place = {wire: number for number, wire in enumerate(wires)}
    text = empty_circuit(len(place))
    for gate in gates:
        on = gate.wires.tolist()
        if gate.name not in _GATE_NAMES:
            raise unsupported_error(f"the gate {gate.name} cannot be written down")
        if not set(on) <= place.keys():
            known = f"0 to {len(place) - 1}" if wires == range(len(place)) else ", ".join(map(str, wires))
            raise unsupported_error(f"the gate {gate.name} acts on the wires {on}, and the circuit has {known}")
        methods = _GATE_NAMES[gate.name]
        share = len(gate.parameters) // len(methods)
        for step, method in enumerate(methods):
            getattr(text, method)(*gate.parameters[step * share : (step + 1) * share], *(place[wire] for wire in on))
    text.measure(range(len(place)), range(len(place)))
    return text


def unsupported_error(problem: str) -> InvalidInput:
    """Return the error of a circuit function that cannot be recorded."""
    return InvalidInput(problem, remedy=f"Use plain sums of angles and these gates: {', '.join(_GATE_NAMES)}.")
