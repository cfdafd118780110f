"""The data re-uploading circuit, written once, in PennyLane: the model, the template and the gradients all start here.

Each layer turns qubit ``q`` by its feature (RX), then by three weights (Rot), and entangles the ring with CNOTs; the
control without entanglement leaves out the CNOTs and nothing else. All qubits are measured.
Source: A. Pérez-Salinas et al., Quantum 4, 226 (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Features are angles in [-LARGEST_ANGLE, LARGEST_ANGLE], radians: half a turn in all, so that RX tells the two ends apart.
LARGEST_ANGLE = 1.5707963267948966


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitShape:
    """Which circuit it is, without its weights.

    Attributes:
        n_features: angles of a sample; qubit ``q`` takes feature ``q % n_features``, so spare qubits repeat features.
        n_qubits: width, at least ``n_features``.
        layers: how often the features are uploaded.
        entangled: False leaves out the CNOTs.
    """

    n_features: int
    n_qubits: int
    layers: int
    entangled: bool

    @property
    def weights_shape(self) -> tuple[int, int, int]:
        """Layer, qubit, and the three angles of Rot."""
        return self.layers, self.n_qubits, 3

    @property
    def n_weights(self) -> int:
        """Number of trainable angles."""
        return self.layers * self.n_qubits * 3

    def cnot_pairs(self) -> list[tuple[int, int]]:
        """Return control and target of the CNOTs of a layer in the order in which they act; one alone for two qubits."""
        if not self.entangled or self.n_qubits == 1:
            return []
        pairs = [(qubit, (qubit + 1) % self.n_qubits) for qubit in range(self.n_qubits)]
        return pairs if self.n_qubits > 2 else pairs[:1]


def apply_layers(features: Any, weights: Any, shape: CircuitShape) -> None:
    """Queue the circuit's gates in PennyLane; wire ``q`` is qubit ``q``.

    Args:
        features: shape ``(n_features,)`` or ``(samples, n_features)``, radians.
        weights: shape ``shape.weights_shape``, radians. Both may hold symbols instead of numbers.
        shape: which circuit.
    """
    import pennylane as qml

    for layer in range(shape.layers):
        for qubit in range(shape.n_qubits):
            qml.RX(features[..., qubit % shape.n_features], wires=qubit)
        for qubit in range(shape.n_qubits):
            first, second, third = (weights[layer, qubit, angle] for angle in range(3))
            qml.Rot(first, second, third, wires=qubit)
        for control, target in shape.cnot_pairs():
            qml.CNOT(wires=(control, target))
