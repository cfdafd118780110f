"""The hardware-efficient ansatz against its own definition in dense matrices."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.quantum.hardware_efficient import count_angles, hardware_efficient_ansatz
from qhybrid_pipelines_tests.support.reduced_models import circuit_probabilities, on_qubits


def dense(n: int, layers: int, angles: np.ndarray) -> np.ndarray:
    def turns(values, kind):
        def one(t):
            c, s = np.cos(t / 2), np.sin(t / 2)
            return np.array([[c, -s], [s, c]]) if kind == "ry" else np.diag([c - 1j * s, c + 1j * s])

        return on_qubits({qubit: one(value) for qubit, value in enumerate(values)}, n)

    words = np.arange(1 << n)
    state = (words == 0).astype(complex)
    blocks = angles.reshape(-1, n)
    for layer in range(layers):
        state = turns(blocks[2 * layer + 1], "rz") @ turns(blocks[2 * layer], "ry") @ state
        for i in range(n if n > 2 else n - 1):
            state = np.where((words >> i) & (words >> (i + 1) % n) & 1, -state, state)
    return np.abs(turns(blocks[-1], "ry") @ state) ** 2


@pytest.mark.parametrize(("n", "layers"), [(1, 1), (2, 2), (3, 2), (4, 1)])
def test_probabilities(n, layers):
    ansatz = hardware_efficient_ansatz(n, layers)
    assert len(ansatz.template.parameters) == count_angles(n, layers) == n * (2 * layers + 1)
    angles = np.random.default_rng(n).normal(size=(1, count_angles(n, layers)))
    expected = dense(n, layers, angles[0])
    assert np.abs(circuit_probabilities(ansatz.template, ansatz.bindings(angles)[0]) - expected).max() < 1e-12


def test_more_than_ten_qubits_keep_their_angles_apart():
    # Inputs sort by name, ry_0_10 before ry_0_2; the map from angles must follow.
    ansatz = hardware_efficient_ansatz(12, 1)
    angles = np.zeros((1, count_angles(12, 1)))
    angles[0, 2] = np.pi
    probabilities = circuit_probabilities(ansatz.template, ansatz.bindings(angles)[0])
    assert probabilities.argmax() == 1 << 2
