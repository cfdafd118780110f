"""Time evolution of an Ising chain in a transverse field by Trotter steps, from a state with every second spin up.

Source: the benchmark "Hamiltonian Simulation" of T. Lubinski et al., arXiv:2110.03137; first-order product formula (H. F. Trotter,
Proceedings of the AMS 10, 545 (1959)). The reference is the outcome of these very steps, not of the exact evolution.
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.quantum.qasm import empty_circuit
from qhybrid_pipelines.sampling.built_circuit import BuiltCircuit, CircuitFamily

#: Coupling and field of ``H = -J sum(Z Z) - h sum(X)``, and the time of a step, in units of ``hbar / J``.
COUPLING, FIELD, STEP = 1.0, 1.0, 0.2


class HamiltonianSimulation:
    """``depth`` Trotter steps of the transverse-field Ising chain with open ends."""

    name = "hamiltonian_simulation"
    title = "Trotter steps of an Ising chain in a transverse field (arXiv:2110.03137)"
    least_width, width_step, has_depth, is_random = 2, 1, True, False

    def default_depth(self, width: int) -> int:
        """Return five steps: one unit of time."""
        del width
        return 5

    def build(self, width: int, depth: int, random: np.random.Generator) -> BuiltCircuit:
        """Return the circuit; nothing in it is random."""
        del random
        circuit = empty_circuit(width)
        circuit.x(range(0, width, 2))
        for _ in range(depth):
            for start in (0, 1):
                for qubit in range(start, width - 1, 2):
                    circuit.cx(qubit, qubit + 1)
                    circuit.rz(-2 * COUPLING * STEP, qubit + 1)
                    circuit.cx(qubit, qubit + 1)
            for qubit in range(width):
                circuit.rx(-2 * FIELD * STEP, qubit)
        return BuiltCircuit(circuit=circuit, measured=width)


FAMILY: CircuitFamily = HamiltonianSimulation()
