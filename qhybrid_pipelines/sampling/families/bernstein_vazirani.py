"""Bernstein and Vazirani: one evaluation finds the hidden bits of a linear function. The last qubit is an ancilla.

Source: E. Bernstein and U. Vazirani, SIAM Journal on Computing 26, 1411 (1997).
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.quantum.qasm import empty_circuit
from qhybrid_pipelines.sampling.built_circuit import BuiltCircuit, CircuitFamily


class BernsteinVazirani:
    """CNOTs from the hidden bits to an ancilla in ``|->``, between Hadamards; the ancilla's outcome does not count."""

    name = "bernstein_vazirani"
    title = "hidden bits of a linear function, one qubit is an ancilla (SIAM J. Comput. 26, 1411)"
    least_width, width_step, has_depth, is_random = 2, 1, False, True

    def default_depth(self, width: int) -> int:
        """Return the layers at most: one CNOT per hidden bit, and Hadamards."""
        return width + 1

    def build(self, width: int, depth: int, random: np.random.Generator) -> BuiltCircuit:
        """Return the circuit of random hidden bits, not all 0; it has no other depth."""
        del depth
        data, ancilla = width - 1, width - 1
        hidden = [int(bit) for bit in random.integers(0, 2, size=data)]
        if not any(hidden):
            hidden[0] = 1
        circuit = empty_circuit(width)
        circuit.x(ancilla)
        circuit.h(range(width))
        for qubit, bit in enumerate(hidden):
            if bit:
                circuit.cx(qubit, ancilla)
        circuit.h(range(data))
        return BuiltCircuit(
            circuit=circuit, measured=data, known={sum(bit << qubit for qubit, bit in enumerate(hidden)): 1.0}
        )


FAMILY: CircuitFamily = BernsteinVazirani()
