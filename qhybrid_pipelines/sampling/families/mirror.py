"""Randomised mirror circuits: random layers, a random Pauli in the middle, the same layers backwards; one outcome is right.

Source: T. Proctor et al., Nature Physics 18, 75 (2022), arXiv:2008.11294. The layers are Clifford, so that the outcome is known for
every width.
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.quantum.qasm import empty_circuit
from qhybrid_pipelines.sampling.built_circuit import BuiltCircuit, CircuitFamily

#: Gates whose products are all 24 one-qubit Cliffords; two of each layer's are drawn per qubit.
_FIRST = ((), ("h",), ("s",), ("h", "s"), ("s", "h"), ("h", "s", "h"))
_PAULIS = ((), ("x",), ("y",), ("z",))


class Mirror:
    """``depth`` layers of random one-qubit Cliffords and CNOTs on random pairs, half of them there and half back."""

    name = "mirror"
    title = "randomised mirror circuits with one right outcome (arXiv:2008.11294)"
    least_width, width_step, has_depth, is_random = 1, 1, True, True

    def default_depth(self, width: int) -> int:
        """Return as many layers as qubits, an even number."""
        return max(2, width + width % 2)

    def build(self, width: int, depth: int, random: np.random.Generator) -> BuiltCircuit:
        """Return a random circuit with ``depth`` layers, rounded up to an even number, and its one outcome."""
        from qiskit.quantum_info import Clifford, Pauli

        there = empty_circuit(width)
        for _ in range((depth + 1) // 2):
            for qubit in range(width):
                for gate in (*_drawn(random, _FIRST), *_drawn(random, _PAULIS)):
                    getattr(there, gate)(qubit)
            order = random.permutation(width)
            for first, second in zip(order[0::2], order[1::2], strict=False):
                there.cx(int(first), int(second))
        middle = empty_circuit(width)
        for qubit in range(width):
            for gate in _drawn(random, _PAULIS):
                getattr(middle, gate)(qubit)
        circuit = there.copy()
        circuit.barrier()  # no compiler may cancel the two halves
        circuit.compose(middle, inplace=True)
        circuit.barrier()
        circuit.compose(there.inverse(), inplace=True)
        # The whole is U+ P U, again a Pauli: its X part says which bits it flips.
        flipped = Pauli(middle.remove_final_measurements(inplace=False)).evolve(Clifford(there), frame="h").x
        outcome = sum(1 << qubit for qubit, is_flipped in enumerate(flipped) if is_flipped)
        return BuiltCircuit(circuit=circuit, measured=width, known={outcome: 1.0})


def _drawn(random: np.random.Generator, choices: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    return choices[int(random.integers(len(choices)))]


FAMILY: CircuitFamily = Mirror()
