"""The hardware-efficient ansatz: rotations that a device has anyway, and a ring of CZ; it knows nothing of the cost.

Source: A. Kandala et al., Nature 549, 242 (2017).
"""

from __future__ import annotations

from qhybrid_pipelines.quantum.ansatz import Ansatz, make_ansatz
from qhybrid_pipelines.quantum.qasm import empty_circuit


def count_angles(n_qubits: int, layers: int) -> int:
    """Return how many angles the ansatz has: RY and RZ per qubit and layer, and a last RY per qubit."""
    return n_qubits * (2 * layers + 1)


def hardware_efficient_ansatz(n_qubits: int, layers: int) -> Ansatz:
    """Return the ansatz: ``layers`` times (RY and RZ on every qubit, CZ ring), then RY on every qubit.

    The angles are the inputs, in radians: per layer all RY by qubit, then all RZ by qubit; at the end the last RY.
    """
    from qiskit.circuit import Parameter

    circuit = empty_circuit(n_qubits)
    names: list[str] = []

    def rotate(kind: str, layer: int) -> None:
        for qubit in range(n_qubits):
            names.append(f"{kind}_{layer}_{qubit}")
            getattr(circuit, kind)(Parameter(names[-1]), qubit)

    for layer in range(layers):
        rotate("ry", layer)
        rotate("rz", layer)
        for qubit in range(n_qubits if n_qubits > 2 else n_qubits - 1):
            circuit.cz(qubit, (qubit + 1) % n_qubits)
    rotate("ry", layers)
    return make_ansatz(
        circuit, {name: (index, 1.0) for index, name in enumerate(names)}, count_angles(n_qubits, layers)
    )
