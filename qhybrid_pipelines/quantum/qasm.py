"""The canonical text of a template: OpenQASM 3 without a single number that comes from data.

The exporter prints floats rounded to about 1e-12, so a literal would lose digits; every angle is therefore an input and
its value is in the bindings as float64. The same circuit gives the same bytes in every process, and text read back
and written again is unchanged: its SHA-256 is the template's identity. Reading is `core.jobs.openqasm`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.quantum.drawing import draw_from_text

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

#: Inputs keep their own name in the text only when they look like this; others would be renamed by the exporter.
IDENTIFIER = re.compile(r"^[a-z][a-z0-9_]*$")


def write_circuit(circuit: QuantumCircuit) -> str:
    """Return the text of a circuit."""
    from qiskit.qasm3 import dumps

    return str(dumps(circuit))


def empty_circuit(n_qubits: int) -> QuantumCircuit:
    """Return a circuit with the registers that every template has: ``q`` and ``c``, both ``n_qubits`` wide."""
    from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

    return QuantumCircuit(QuantumRegister(n_qubits, "q"), ClassicalRegister(n_qubits, "c"))


def make_template(circuit: QuantumCircuit) -> Template:
    """Return the template of a circuit; qubit ``i`` is measured into bit ``i`` at its end.

    Args:
        circuit: unitary gates on the registers of :func:`empty_circuit`; every gate parameter is a plain
            ``Parameter`` with an identifier for a name.

    Raises:
        ValueError: a gate holds a number or an expression, an input's name is not an identifier, or the circuit measures.
    """
    from qiskit.circuit import Parameter

    for instruction in circuit.data:
        for value in instruction.operation.params:
            if not isinstance(value, Parameter) or not IDENTIFIER.match(value.name):
                raise ValueError(f"gate {instruction.operation.name} holds {value!r}, which is not a named input")
        if instruction.clbits:
            raise ValueError(
                f"{instruction.operation.name} uses classical bits; templates are measured at the end only"
            )
    measured = circuit.copy()
    measured.measure(range(circuit.num_qubits), range(circuit.num_qubits))
    return Template(
        text=write_circuit(measured),
        # Sorted by name, which is also the order of the inputs in the text.
        parameters=tuple(parameter.name for parameter in circuit.parameters),
        n_qubits=circuit.num_qubits,
    )


def depth_and_two_qubit_gates(circuit: QuantumCircuit) -> tuple[int, int]:
    """Return ``(depth, two_qubit_gates)`` of a circuit, measurements and barriers not counted."""
    gates = [step for step in circuit.data if step.operation.name not in ("measure", "barrier")]
    depth = circuit.depth(lambda step: step.operation.name not in ("measure", "barrier"))
    return depth, sum(step.operation.num_qubits == 2 for step in gates)


def draw_circuit(template_text: str, *, columns: int = 120) -> str:
    """Return a text drawing of a template for people, folded to ``columns`` characters."""
    plain = draw_from_text(template_text, columns=columns)
    if plain is not None:
        return plain
    return str(read_circuit(template_text).draw(output="text", fold=columns, idle_wires=True))
