"""Greenberger-Horne-Zeilinger states: all bits 0 or all 1, half of the shots each."""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.quantum.qasm import empty_circuit
from qhybrid_pipelines.sampling.built_circuit import BuiltCircuit, CircuitFamily


class Ghz:
    """``(|0...0> + |1...1>) / sqrt(2)`` by a chain of CNOTs: every bit hangs on every other."""

    name = "ghz"
    title = "Greenberger-Horne-Zeilinger state by a chain of CNOTs"
    least_width, width_step, has_depth, is_random = 2, 1, False, False

    def default_depth(self, width: int) -> int:
        """Return the layers of CNOTs."""
        return width - 1

    def build(self, width: int, depth: int, random: np.random.Generator) -> BuiltCircuit:
        """Return the circuit; it has no other depth and nothing random."""
        del depth, random
        circuit = empty_circuit(width)
        circuit.h(0)
        for qubit in range(width - 1):
            circuit.cx(qubit, qubit + 1)
        return BuiltCircuit(circuit=circuit, measured=width, known={0: 0.5, 2**width - 1: 0.5})


FAMILY: CircuitFamily = Ghz()
