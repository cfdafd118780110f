"""The quantum Fourier transform and its inverse around an addition of one: a hidden number comes back plus one.

Source: the benchmark "Quantum Fourier Transform (1)" of T. Lubinski et al., arXiv:2110.03137, section IV.
"""

from __future__ import annotations

import math

import numpy as np

from qhybrid_pipelines.quantum.qasm import empty_circuit
from qhybrid_pipelines.sampling.built_circuit import BuiltCircuit, CircuitFamily


class Qft:
    """X on the bits of a hidden number, the transform, phases that add 1, the inverse transform."""

    name = "qft"
    title = "Fourier transform of a hidden number, plus one, and back (arXiv:2110.03137)"
    least_width, width_step, has_depth, is_random = 2, 1, False, True

    def default_depth(self, width: int) -> int:
        """Return the layers of both transforms, roughly."""
        return 4 * width

    def build(self, width: int, depth: int, random: np.random.Generator) -> BuiltCircuit:
        """Return the circuit of a random number; it has no other depth."""
        del depth
        hidden = _random_bits(random, width)
        circuit = empty_circuit(width)
        for qubit in range(width):
            if hidden >> qubit & 1:
                circuit.x(qubit)
        # The transform without its swaps: after it, qubit t carries the phase 2 pi hidden 2**t / 2**(t + 1) ... of bits up to t.
        for target in reversed(range(width)):
            circuit.h(target)
            for control in reversed(range(target)):
                circuit.cp(math.pi / 2 ** (target - control), control, target)
        for target in range(width):
            circuit.p(math.pi / 2**target, target)
        for target in range(width):
            for control in range(target):
                circuit.cp(-math.pi / 2 ** (target - control), control, target)
            circuit.h(target)
        return BuiltCircuit(circuit=circuit, measured=width, known={(hidden + 1) % 2**width: 1.0})


def _random_bits(random: np.random.Generator, width: int) -> int:
    return int("".join(map(str, random.integers(0, 2, size=width))), 2)


FAMILY: CircuitFamily = Qft()
