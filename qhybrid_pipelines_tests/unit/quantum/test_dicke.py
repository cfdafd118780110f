"""The Dicke preparation gives equal, real, positive amplitudes on exactly the outcomes with K ones."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.quantum.dicke import DickePreparation
from qhybrid_pipelines.quantum.qasm import empty_circuit


def amplitudes(n: int, ones: int) -> np.ndarray:
    from qiskit.quantum_info import Statevector

    circuit = empty_circuit(n)
    preparation = DickePreparation(circuit)
    preparation.append(ones)
    circuit.remove_final_measurements()
    return Statevector(circuit.assign_parameters(preparation.inputs)).data


@pytest.mark.parametrize("n", range(1, 8))
def test_amplitudes(n):
    for ones in range(n + 1):
        member = np.bitwise_count(np.arange(1 << n)) == ones
        assert np.abs(amplitudes(n, ones) - member / np.sqrt(member.sum())).max() < 1e-13


def test_gates_grow_with_the_smaller_of_ones_and_zeros():
    sizes = {}
    for ones in (2, 4, 10, 12):
        circuit = empty_circuit(14)
        DickePreparation(circuit).append(ones)
        sizes[ones] = circuit.count_ops()["cx"]
    assert sizes[2] == sizes[12] < sizes[4] == sizes[10] <= 6 * 14 * 4
