"""The states behind the quantum kernel, and the kernel of many samples at once.

Feature map, ``layers`` times: H on every qubit, RZ by each scaled feature, ZZ by the product of each pair of scaled features
(V. Havlíček et al., Nature 567, 209 (2019)). The bandwidth scales the features before they become angles; without it
kernels of many qubits hardly know any two samples as alike (R. Shaydulin and S. Wild, Phys. Rev. A 106, 042407 (2022)).
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.ising import F64

C128 = npt.NDArray[np.complex128]

#: Amplitudes that are simulated at once: 64 MiB.
BLOCK_AMPLITUDES = 1 << 22


def apply_embedding(features: Any, *, layers: int, bandwidth: float) -> None:
    """Queue the feature map in PennyLane; wire ``q`` carries feature ``q``.

    Args:
        features: shape ``(n_features,)`` or ``(samples, n_features)``, radians.
        layers: repetitions.
        bandwidth: factor of every feature.
    """
    import pennylane as qml

    width = features.shape[-1]
    angles = [bandwidth * features[..., qubit] for qubit in range(width)]
    for _ in range(layers):
        for qubit in range(width):
            qml.Hadamard(wires=qubit)
        for qubit, angle in enumerate(angles):
            qml.RZ(angle, wires=qubit)
        for one, other in combinations(range(width), 2):
            qml.IsingZZ(angles[one] * angles[other], wires=(one, other))


def embedded_states(features: F64, *, layers: int, bandwidth: float) -> C128:
    """Return the state of every sample, shape ``(samples, 2**n_features)``; all samples in one simulation per block."""
    import pennylane as qml

    width = features.shape[1]

    @qml.qnode(qml.device("default.qubit", wires=width), interface=None, diff_method=None)  # type: ignore[untyped-decorator]
    def circuit(block: F64) -> Any:
        apply_embedding(block, layers=layers, bandwidth=bandwidth)
        return qml.state()

    rows = max(1, BLOCK_AMPLITUDES >> width)
    return np.concatenate([circuit(features[first : first + rows]) for first in range(0, len(features), rows)])


def fidelity_kernel(states: C128, others: C128) -> F64:
    """Return ``|<states[i]|others[j]>|^2``, shape ``(len(states), len(others))``."""
    overlaps = states.conj() @ others.T
    return overlaps.real**2 + overlaps.imag**2
