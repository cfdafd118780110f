"""The hidden shift of a bent function: one evaluation finds it.

Source: M. Roetteler, arXiv:0811.3208, with the bent function ``x0 x1 + x2 x3 + ...`` of T. Lubinski et al., arXiv:2110.03137.
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.quantum.qasm import empty_circuit
from qhybrid_pipelines.sampling.built_circuit import BuiltCircuit, CircuitFamily


class HiddenShift:
    """Two products of CZ on neighbouring pairs, the first one shifted by hidden bits, between Hadamards."""

    name = "hidden_shift"
    title = "hidden shift of a bent function (arXiv:0811.3208)"
    least_width, width_step, has_depth, is_random = 2, 2, False, True

    def default_depth(self, width: int) -> int:
        """Return the layers, the same for every width."""
        del width
        return 7

    def build(self, width: int, depth: int, random: np.random.Generator) -> BuiltCircuit:
        """Return the circuit of random hidden bits; it has no other depth."""
        del depth
        shift = [int(bit) for bit in random.integers(0, 2, size=width)]
        circuit = empty_circuit(width)
        shifted = [qubit for qubit, bit in enumerate(shift) if bit]
        circuit.h(range(width))
        for qubits in (shifted, None, shifted):
            if qubits is None:
                for qubit in range(0, width, 2):
                    circuit.cz(qubit, qubit + 1)
            elif qubits:
                circuit.x(qubits)
        circuit.h(range(width))
        for qubit in range(0, width, 2):
            circuit.cz(qubit, qubit + 1)
        circuit.h(range(width))
        return BuiltCircuit(
            circuit=circuit, measured=width, known={sum(bit << qubit for qubit, bit in enumerate(shift)): 1.0}
        )


FAMILY: CircuitFamily = HiddenShift()
