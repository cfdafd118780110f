"""The states behind the quantum kernel, and the kernel of many samples at once.

Feature map, ``layers`` times: H on every qubit, RZ by each scaled feature, ZZ by the product of each pair of scaled features
(V. Havlíček et al., Nature 567, 209 (2019)). The bandwidth scales the features before they become angles; without it
kernel values between different samples vanish as qubits are added (R. Shaydulin and S. Wild, Phys. Rev. A 106, 042407 (2022)).
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.specifications.features_specification import EncodingName
from qhybrid_pipelines.learning.circuits.amplitude_encoding import amplitudes

C128 = npt.NDArray[np.complex128]

#: Amplitudes that are simulated at once: 64 MiB.
BLOCK_AMPLITUDES = 1 << 22


def embedding_angles(features: F64, *, bandwidth: float) -> F64:
    """Return the angles of the feature map, shape ``(samples, n + n (n - 1) / 2)``: each qubit's, then each pair's, radians.

    Args:
        features: shape ``(samples, n)``, radians.
        bandwidth: factor of every feature.
    """
    scaled = bandwidth * features
    one, other = np.triu_indices(features.shape[1], 1)
    return np.concatenate([scaled, scaled[:, one] * scaled[:, other]], axis=1)


def apply_embedding(angles: Any, *, n_qubits: int, layers: int) -> None:
    """Queue the feature map in PennyLane; wire ``q`` carries feature ``q``.

    Args:
        angles: of :func:`embedding_angles`, with or without the axis of the samples; may hold symbols instead of numbers.
        n_qubits: width, one qubit for each feature.
        layers: repetitions.
    """
    import pennylane as qml

    for _ in range(layers):
        for qubit in range(n_qubits):
            qml.Hadamard(wires=qubit)
        for qubit in range(n_qubits):
            qml.RZ(angles[..., qubit], wires=qubit)
        for place, pair in enumerate(combinations(range(n_qubits), 2), start=n_qubits):
            qml.IsingZZ(angles[..., place], wires=pair)


def embedded_states(features: F64, *, layers: int, bandwidth: float, encoding: EncodingName = "iqp") -> C128:
    """Return the state of every sample, shape ``(samples, 2**n_qubits)``; all samples in one simulation per block.

    ``angle`` turns each qubit by its scaled feature (RX), once: more layers would only be a larger bandwidth. ``amplitude`` has neither.
    """
    if encoding == "angle":
        return _product_states(bandwidth * features)
    if encoding == "amplitude":
        return amplitudes(features).astype(np.complex128)
    import pennylane as qml

    width = features.shape[1]

    @qml.qnode(qml.device("default.qubit", wires=width), interface=None, diff_method=None)  # type: ignore[untyped-decorator]
    def circuit(angles: F64) -> Any:
        apply_embedding(angles, n_qubits=width, layers=layers)
        return qml.state()

    rows, angles = max(1, BLOCK_AMPLITUDES >> width), embedding_angles(features, bandwidth=bandwidth)
    return np.concatenate([circuit(angles[first : first + rows]) for first in range(0, len(angles), rows)])


def _product_states(angles: F64) -> C128:
    """Return the states of RX on every qubit, shape ``(samples, 2**n)``, qubit 0 the highest bit of the index as in PennyLane."""
    states = np.ones((len(angles), 1), dtype=np.complex128)
    for angle in angles.T / 2:
        qubit = np.stack([np.cos(angle), -1j * np.sin(angle)], axis=1)
        states = (states[:, :, None] * qubit[:, None, :]).reshape(len(angles), -1)
    return states


def fidelity_kernel(states: C128, others: C128) -> F64:
    """Return ``|<states[i]|others[j]>|^2``, shape ``(len(states), len(others))``."""
    overlaps = states.conj() @ others.T
    return overlaps.real**2 + overlaps.imag**2
