"""A circuit function written in PennyLane, recorded as OpenQASM 3 text with named inputs in place of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.qasm import empty_circuit, write_circuit

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
    import pennylane as qml
    from qiskit.circuit import Parameter

    digits = len(str(max(angles - 1, 0)))  # inputs are read in the order of their names
    inputs = np.array([Parameter(f"t_{number:0{digits}d}") for number in range(angles)], dtype=object)
    try:
        tape = qml.tape.make_qscript(circuit)(inputs)
    except (TypeError, AttributeError) as error:
        raise _unsupported_error(f"the circuit function cannot be recorded: {error}") from None
    text = empty_circuit(qubits)
    for gate in tape.operations:
        wires = gate.wires.tolist()
        if gate.name not in _GATE_NAMES:
            raise _unsupported_error(f"the gate {gate.name} cannot be written down")
        if not set(wires) <= set(range(qubits)):
            raise _unsupported_error(
                f"the gate {gate.name} acts on the wires {wires}, and the circuit has 0 to {qubits - 1}"
            )
        methods = _GATE_NAMES[gate.name]
        share = len(gate.parameters) // len(methods)
        for place, method in enumerate(methods):
            getattr(text, method)(*gate.parameters[place * share : (place + 1) * share], *wires)
    text.measure(range(qubits), range(qubits))
    return write_circuit(text)


def _unsupported_error(problem: str) -> InvalidInput:
    return InvalidInput(problem, remedy=f"Use plain sums of angles and these gates: {', '.join(_GATE_NAMES)}.")
