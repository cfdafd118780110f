"""Exact gradients of a circuit that somebody wrote, for many samples at once, by adjoint differentiation.

The backward pass carries the state and its pull back through the gates one by one, so that two states are held, whatever the depth
(T. Jones and J. Gacon, arXiv:2009.02823). States have shape ``(2, ..., 2, samples)``, axis ``q`` for qubit ``q``. Tests hold the results against
Qiskit and the parameter-shift rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.learning.circuits.class_scores import I64, backpropagate_readout, circuit_from_parameters
from qhybrid_pipelines.learning.circuits.own_circuit import OwnCircuitShape, gate_sequence

C128 = npt.NDArray[np.complex128]

#: Amplitudes of a state that are held at once, 64 MiB; more samples than that pass in blocks.
BLOCK_AMPLITUDES = 1 << 22


class OwnCircuitEngine:
    """Expectations, loss and gradient of one circuit."""

    def __init__(self, shape: OwnCircuitShape) -> None:
        self.shape, self.name = shape, "adjoint"
        self._gates = gate_sequence(shape)
        self._of_weights = frozenset(shape.turned)

    def expectations(self, features: F64, weights: F64) -> F64:
        """Return <Z> of every qubit, shape ``(samples, n_qubits)``; weights in one row, radians."""
        return np.concatenate(
            [self._measure(self._forward(self._angles(features[rows], weights))) for rows in self._blocks(features)]
        )

    def loss_and_gradient(self, parameters: F64, features: F64, targets: I64) -> tuple[float, F64]:
        """Return the mean loss and its gradient, in the order of ``parameters``."""
        circuit = circuit_from_parameters(parameters, self.shape)
        loss, gradient = 0.0, np.zeros(len(parameters))
        for rows in self._blocks(features):
            share = len(targets[rows]) / len(targets)
            angles = self._angles(features[rows], circuit.weights)
            state = self._forward(angles)
            of_block, of_readout, pull = backpropagate_readout(circuit, self._measure(state), targets[rows])
            slopes = self._backward(angles, state, pull) @ self.shape.weight_matrix()
            loss, gradient = loss + share * of_block, gradient + share * np.concatenate([slopes, of_readout])
        return loss, gradient

    def _blocks(self, features: F64) -> list[slice]:
        rows = max(1, BLOCK_AMPLITUDES >> self.shape.n_qubits)
        return [slice(first, first + rows) for first in range(0, len(features), rows)]

    def _angles(self, features: F64, weights: F64) -> F64:
        """Return the angles of all rotations, shape ``(inputs, samples)``."""
        return np.ascontiguousarray(self.shape.bindings(features, weights).T)

    def _forward(self, angles: F64) -> C128:
        n = self.shape.n_qubits
        state = np.zeros((*(2,) * n, angles.shape[1]), dtype=np.complex128)
        state[(0,) * n] = 1.0
        for gate, qubits, place in self._gates:
            state = (
                _rotated(state, gate, qubits, angles[place]) if isinstance(gate, str) else _applied(state, gate, qubits)
            )
        return state

    def _measure(self, state: C128) -> F64:
        shares = state.real**2 + state.imag**2
        n = self.shape.n_qubits
        sums = [shares.sum(axis=tuple(axis for axis in range(n) if axis != qubit)) for qubit in range(n)]
        return np.stack([up - down for up, down in sums], axis=1)

    def _backward(self, angles: F64, state: C128, pull: F64) -> F64:
        """Return the slope of ``sum(pull * expectations)`` for each rotation that hangs on weights."""
        n, slopes = self.shape.n_qubits, {}
        other = np.zeros_like(state)
        for qubit in range(n):
            other += pull[:, qubit] * _pauli(state, "Z", (qubit,))
        for gate, qubits, place in reversed(self._gates):
            if not isinstance(gate, str):
                inverse = gate.conj().T
                state, other = _applied(state, inverse, qubits), _applied(other, inverse, qubits)
                continue
            assert place is not None
            if place in self._of_weights:
                slopes[place] = float(np.vdot(other, _pauli(state, gate, qubits)).imag)
            state, other = (_rotated(one, gate, qubits, -angles[place]) for one in (state, other))
        return np.array([slopes[place] for place in self.shape.turned])


def _rotated(state: C128, pauli: str, qubits: tuple[int, ...], angle: F64) -> C128:
    """Return the state after ``exp(-i angle/2 P)``, an angle for each sample."""
    return np.asarray(np.cos(angle / 2) * state - 1j * np.sin(angle / 2) * _pauli(state, pauli, qubits))


def _pauli(state: C128, pauli: str, qubits: tuple[int, ...]) -> C128:
    """Return ``P`` times the state, where ``P`` has a letter for each of the qubits."""
    for letter, qubit in zip(pauli, qubits, strict=True):
        if letter != "Z":
            state = np.flip(state, axis=qubit)
        if letter != "X":
            # After the flip of Y, index 0 holds what was in 1: Y|1> = -i|0>, Y|0> = i|1>.
            factors = np.array([1.0, -1.0] if letter == "Z" else [-1j, 1j])
            state = state * factors.reshape((2, *(1,) * (state.ndim - 1 - qubit)))
    return state


def _applied(state: C128, matrix: Any, qubits: tuple[int, ...]) -> C128:
    """Return the state after a gate; the first of the qubits is the lowest bit of the matrix's index."""
    k = len(qubits)
    axes = tuple(reversed(qubits))
    moved = np.tensordot(matrix.reshape((2,) * (2 * k)), state, axes=(tuple(range(k, 2 * k)), axes))
    return np.asarray(np.moveaxis(moved, tuple(range(k)), axes))
