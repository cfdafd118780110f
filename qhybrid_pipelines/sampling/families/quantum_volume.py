"""Quantum volume circuits: layers of random two-qubit unitaries on random pairs.

Source: A. Cross et al., Physical Review A 100, 032328 (2019), arXiv:1811.12926. A device has the quantum volume ``2 ** width`` where
the heavy outputs of square circuits come with more than two thirds, by the lower bound of their interval.
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.quantum.qasm import empty_circuit
from qhybrid_pipelines.sampling.built_circuit import BuiltCircuit, CircuitFamily


class QuantumVolume:
    """``depth`` layers, each a random permutation and Haar-random unitaries on neighbouring pairs; as deep as wide by default."""

    name = "quantum_volume"
    title = "random two-qubit unitaries on random pairs (arXiv:1811.12926)"
    least_width, width_step, has_depth, is_random = 2, 1, True, True

    def default_depth(self, width: int) -> int:
        """Return the width: square circuits."""
        return width

    def build(self, width: int, depth: int, random: np.random.Generator) -> BuiltCircuit:
        """Return a random circuit, its unitaries written as CNOTs and one-qubit rotations."""
        from qiskit.circuit.library import CXGate
        from qiskit.synthesis import TwoQubitBasisDecomposer
        from scipy.stats import unitary_group

        decompose = TwoQubitBasisDecomposer(CXGate(), euler_basis="ZYZ")
        circuit = empty_circuit(width)
        for _ in range(depth):
            order = random.permutation(width)
            for first, second in zip(order[0::2], order[1::2], strict=False):
                block = decompose(unitary_group.rvs(4, random_state=random))
                circuit.compose(block, qubits=[int(first), int(second)], inplace=True)
        circuit.global_phase = 0.0
        return BuiltCircuit(circuit=circuit, measured=width)


FAMILY: CircuitFamily = QuantumVolume()
