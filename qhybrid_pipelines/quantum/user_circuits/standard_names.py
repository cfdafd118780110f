"""Definitions that are a standard gate by another file: Qiskit writes ``rzz`` out where a language does not know it.

A compiler would miss a device's native gate, so a definition that has the name of a standard gate and also its matrix
is that gate; one that merely borrows the name keeps its own body.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qhybrid_pipelines.quantum.qasm import empty_circuit
from qhybrid_pipelines.quantum.user_circuits.definitions import DefinedGate
from qhybrid_pipelines.quantum.user_circuits.gates import Step

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from qhybrid_pipelines.quantum.user_circuits.writing_out import GateWriter

#: Angles at which two gates are compared; irrational, so that no identity holds by accident.
PROBE_ANGLES = (0.7390851332151607, 1.3247179572447460, 0.5671432904097838, 1.2020569031595942)
#: Widest gate that is compared: a matrix of 32 rows.
MAX_QUBITS = 5


def is_standard(gate: DefinedGate, probe: GateWriter) -> bool:
    """Tell whether a definition does what the standard gate of its name does, up to a phase.

    One comparison at irrational angles decides for all angles: both sides are analytic in them.

    Args:
        gate: the definition.
        probe: writes its body out; must be empty.
    """
    from qiskit.circuit import Gate
    from qiskit.circuit.library import get_standard_gate_name_mapping
    from qiskit.quantum_info import Operator

    known = get_standard_gate_name_mapping().get(gate.name)
    if not isinstance(known, Gate) or (known.num_qubits, len(known.params)) != (gate.n_qubits, gate.n_angles):
        return False
    if gate.n_qubits > MAX_QUBITS or gate.n_qubits == 0:
        return False
    angles = PROBE_ANGLES[: gate.n_angles]
    probe.write_body(gate, angles, tuple(range(gate.n_qubits)))
    body = circuit_from_steps(probe.steps, gate.n_qubits)
    return bool(Operator(body).equiv(Operator(known.base_class(*angles)), atol=1e-12))


def circuit_from_steps(steps: Sequence[Step], n_qubits: int) -> QuantumCircuit:
    """Return a circuit of standard gates whose angles are numbers or Qiskit's parameters."""
    from qiskit.circuit.library import Barrier, get_standard_gate_name_mapping

    standard = get_standard_gate_name_mapping()
    circuit = empty_circuit(n_qubits)
    for name, angles, qubits in steps:
        gate = Barrier(len(qubits)) if name == "barrier" else standard[name].base_class(*angles)
        circuit.append(gate, qubits)
    return circuit
