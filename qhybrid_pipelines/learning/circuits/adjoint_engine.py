"""Exact gradients of the re-uploading circuit for many samples at once, in plain NumPy: the default way of training.

Two things make it fast. In the X basis RX is diagonal and CNOT is still a permutation (control and target change
places), so the only dense products are with the weights' rotations, which all samples share. And rotations of
neighbouring qubits are joined to one matrix, so that a layer is a few matrix products over all samples. The backward
pass carries one state back (adjoint differentiation: T. Jones and J. Gacon, arXiv:2009.02823).

States are arrays of shape ``(2**n_qubits, samples)``; qubit 0 is the most significant bit of the first index, as in
PennyLane. Tests hold the results against PennyLane, the parameter-shift rule and finite differences.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.learning.circuits.class_scores import (
    I64,
    TrainedCircuit,
    backpropagate_readout,
    circuit_from_parameters,
)
from qhybrid_pipelines.learning.circuits.reuploading_circuit import CircuitShape

C128 = npt.NDArray[np.complex128]

#: Qubits whose rotations are joined to one matrix.
GROUP_QUBITS = 4
#: Amplitudes of the states that are held at once, one per layer for a gradient: 256 MiB, and as much again for what is made
#: of them. More samples than that pass in blocks.
BLOCK_AMPLITUDES = 1 << 24

_HADAMARD = np.array([[1, 1], [1, -1]], dtype=np.complex128) / np.sqrt(2)
_PAULI_Y = np.array([[0, -1j], [1j, 0]])
_PAULI_Z = np.diag([1.0 + 0j, -1.0])


class AdjointEngine:
    """Expectations, loss and gradient of one circuit shape."""

    def __init__(self, shape: CircuitShape) -> None:
        self.shape, self.name = shape, "adjoint"
        n = shape.n_qubits
        self._groups = [range(first, min(first + GROUP_QUBITS, n)) for first in range(0, n, GROUP_QUBITS)]
        middle = _cnot_permutation([(target, control) for control, target in shape.cnot_pairs()], n)
        self._cnot_permutations = [middle] * (shape.layers - 1) + [_cnot_permutation(shape.cnot_pairs(), n)]
        self._inverse_permutations = [np.argsort(gather) for gather in self._cnot_permutations]
        # Layers pass their state on in the X basis, the last one in the Z basis; shape (layers, 1, 2, 2).
        self._basis_changes = np.stack([_HADAMARD] * (shape.layers - 1) + [np.eye(2, dtype=np.complex128)])[:, None]
        index = np.arange(2**n)[:, None] >> np.arange(n - 1, -1, -1)
        self._signs = (1.0 - 2.0 * (index & 1)).T  # Z of qubit q in basis state k: [q, k]

    def expectations(self, features: F64, weights: F64) -> F64:
        """Return <Z> of every qubit, shape ``(samples, n_qubits)``.

        Args:
            features: shape ``(samples, n_features)``, radians.
            weights: shape ``shape.weights_shape``, radians.
        """
        rotations = self._group_rotations(weights)
        found = [
            self._measure(self._forward(self._phases(features[rows]), rotations)[-1]) for rows in self._blocks(features)
        ]
        return np.concatenate(found)

    def loss_and_gradient(self, parameters: F64, features: F64, targets: I64) -> tuple[float, F64]:
        """Return the mean loss and its gradient, in the order of ``parameters``."""
        circuit = circuit_from_parameters(parameters, self.shape)
        rotations = self._group_rotations(circuit.weights)
        loss, gradient = 0.0, np.zeros(len(parameters))
        for rows in self._blocks(features):
            share = len(targets[rows]) / len(targets)
            of_block, slope = self._block_loss_and_gradient(circuit, rotations, features[rows], targets[rows])
            loss, gradient = loss + share * of_block, gradient + share * slope
        return loss, gradient

    def _blocks(self, features: F64) -> list[slice]:
        rows = max(1, BLOCK_AMPLITUDES // ((self.shape.layers + 1) << self.shape.n_qubits))
        return [slice(first, first + rows) for first in range(0, len(features), rows)]

    def _block_loss_and_gradient(
        self, circuit: TrainedCircuit, rotations: list[C128], features: F64, targets: I64
    ) -> tuple[float, F64]:
        phases = self._phases(features)
        states = self._forward(phases, rotations)
        loss, readout_gradient, expectation_gradient = backpropagate_readout(
            circuit, self._measure(states[-1]), targets
        )
        gradient = self._backward(phases, rotations, states, expectation_gradient, circuit.weights)
        return loss, np.concatenate([gradient.ravel(), readout_gradient])

    def _phases(self, features: F64) -> C128:
        """Return the diagonal of all RX in the X basis, shape ``(2**n, samples)``."""
        turns = np.exp(-0.5j * features.T)
        phases = np.ones((1, len(features)), dtype=np.complex128)
        for qubit in range(self.shape.n_qubits):
            turn = turns[qubit % self.shape.n_features]
            phases = (phases[:, None] * np.stack([turn, turn.conj()])).reshape(-1, len(features))
        return phases

    def _forward(self, phases: C128, rotations: list[C128]) -> list[C128]:
        """Return the state after the rotations of each layer, and at the end the state that is measured."""
        # All qubits at 0 are all qubits at + in the X basis.
        state = phases * 2 ** (-self.shape.n_qubits / 2)
        states = []
        for layer, gather in enumerate(self._cnot_permutations):
            if layer:
                state = phases * state
            for group, matrices in zip(self._groups, rotations, strict=True):
                state = _apply_rotation(matrices[layer], state, group)
            states.append(state)
            state = state[gather]
        return [*states, state]

    def _measure(self, state: C128) -> F64:
        return (self._signs @ (state.real**2 + state.imag**2)).T

    def _backward(
        self, phases: C128, rotations: list[C128], states: list[C128], expectation_gradient: F64, weights: F64
    ) -> F64:
        """Return the gradient for the weights of ``sum(pull * expectations)``."""
        slopes = self._basis_changes[:, :, None] @ _rot_derivatives(weights) @ self._basis_changes[:, :, None]
        gradient = np.empty(self.shape.weights_shape)
        state = (self._signs.T @ expectation_gradient.T) * states[-1]
        for layer in reversed(range(self.shape.layers)):
            state = state[self._inverse_permutations[layer]]
            for group in self._groups:
                overlap = _overlap(states[layer], state, group)
                for qubit in group:
                    one = _trace_out(overlap, qubit - group.start, len(group))
                    gradient[layer, qubit] = 2 * np.einsum("kab,ba->k", slopes[layer, qubit], one).real
            if layer:
                for group, matrices in zip(self._groups, rotations, strict=True):
                    state = _apply_rotation(matrices[layer].conj().T, state, group)
                state *= phases.conj()
        return gradient

    def _group_rotations(self, weights: F64) -> list[C128]:
        """Return for each group of qubits the product of its rotations, shape ``(layers, 2**width, 2**width)``."""
        rotations = self._basis_changes @ _rot_matrices(weights) @ _HADAMARD
        grouped = []
        for group in self._groups:
            joined = np.ones((self.shape.layers, 1, 1), dtype=np.complex128)
            for qubit in group:
                size = 2 * joined.shape[-1]
                joined = (joined[:, :, None, :, None] * rotations[:, qubit, None, :, None, :]).reshape(-1, size, size)
            grouped.append(joined)
        return grouped


def _cnot_permutation(cnot_pairs: list[tuple[int, int]], n: int) -> I64:
    """Return the permutation with which ``state[permutation]`` is the state after the CNOTs."""
    index = np.arange(2**n)
    gather = index
    for control, target in cnot_pairs:
        gather = gather[index ^ (((index >> (n - 1 - control)) & 1) << (n - 1 - target))]
    return gather


def _apply_rotation(matrix: C128, state: C128, group: range) -> C128:
    return np.asarray((matrix @ state.reshape(2**group.start, len(matrix), -1)).reshape(state.shape))


def _overlap(state: C128, other: C128, group: range) -> C128:
    """Return ``sum state[a] conj(other[b])`` over samples and all qubits outside the group."""
    left, width = 2**group.start, 2 ** len(group)
    return np.asarray(
        (state.reshape(left, width, -1) @ other.reshape(left, width, -1).conj().swapaxes(1, 2)).sum(axis=0)
    )


def _trace_out(overlap: C128, position: int, width: int) -> C128:
    """Return the 2 x 2 part of one qubit of a group."""
    before, after = 2**position, 2 ** (width - position - 1)
    one: C128 = np.einsum("iajibj->ab", overlap.reshape(before, 2, after, before, 2, after))
    return one


def _rot_matrices(weights: F64) -> C128:
    """Return Rot(a, b, c) = RZ(c) RY(b) RZ(a), shape ``(layers, n_qubits, 2, 2)``."""
    a, b, c = np.moveaxis(weights, -1, 0)
    cos, sin = np.cos(b / 2), np.sin(b / 2)
    plus, minus = np.exp(-0.5j * (a + c)), np.exp(-0.5j * (a - c))
    rows = [[plus * cos, -minus.conj() * sin], [minus * sin, plus.conj() * cos]]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def _rot_derivatives(weights: F64) -> C128:
    """Return the derivative of Rot by each angle times its inverse, shape ``(layers, n_qubits, 3, 2, 2)``."""
    rot = _rot_matrices(weights)
    last = _rot_matrices(weights * (0, 0, 1))
    first = rot @ (-0.5j * _PAULI_Z) @ _dagger(rot)
    second = last @ (-0.5j * _PAULI_Y) @ _dagger(last)
    return np.stack([first, second, np.broadcast_to(-0.5j * _PAULI_Z, first.shape)], axis=2)


def _dagger(gates: C128) -> C128:
    return gates.conj().swapaxes(-1, -2)
