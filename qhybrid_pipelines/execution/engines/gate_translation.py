"""Circuits in the gates of a simulator, which has no couplings between its qubits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.transpiler import Target


def translate(circuit: QuantumCircuit, target: Target, *, level: int = 0, seed: int = 0) -> QuantumCircuit:
    """Return a circuit in the gates of a simulator; inputs stay free.

    Args:
        circuit: any.
        target: names of the gates.
        level: of the compiler.
        seed: of the compiler.
    """
    if level == 0 and _has_only(circuit, target):
        # The compiler would only reorder gates on different qubits, as this does. To find that out it loads the plugins
        # of all packages, IBM's client among them, which takes half a second.
        from qiskit.converters import circuit_to_dag, dag_to_circuit

        return dag_to_circuit(circuit_to_dag(circuit))
    from qiskit.transpiler import generate_preset_pass_manager

    return generate_preset_pass_manager(level, target=target, seed_transpiler=seed).run(circuit)


def _has_only(circuit: QuantumCircuit, target: Target) -> bool:
    """Tell whether a circuit consists of gates and measurements of a target, and barriers."""
    from qiskit.circuit import Barrier, Gate, Measure

    names = target.operation_names
    return all(
        isinstance(instruction.operation, Barrier)
        or (isinstance(instruction.operation, Gate | Measure) and instruction.name in names)
        for instruction in circuit.data
    )
