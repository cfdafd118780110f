"""A sample as the amplitudes of a state: padded with zeros to a power of two and divided by its length, so that only its direction counts.

The state is prepared qubit by qubit, each turned by rotations about Y that the qubits before it control. Written out in single rotations and CNOTs these follow
a Gray code (M. Möttönen et al., Phys. Rev. Lett. 93, 130502 (2004)); PennyLane has the transform of the angles. Qubit 0 is the highest bit of
an index, as in PennyLane.
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.specifications.features_specification import MAX_AMPLITUDES
from qhybrid_pipelines.learning.circuits.input_checks import UnusableInput

#: Rows whose length is below are all zeros but for rounding.
SMALLEST_LENGTH = 1e-9


def amplitude_qubits(n_features: int) -> int:
    """Return how many qubits hold the features of a sample: the logarithm to base 2, rounded up.

    Raises:
        UnusableInput: there are too many, or there is a single one, which has no direction.
    """
    if not 2 <= n_features <= MAX_AMPLITUDES:
        raise UnusableInput(
            f"{n_features} {'feature is' if n_features == 1 else 'features are'} not encoded in amplitudes, but 2 to {MAX_AMPLITUDES}",
            remedy="Use features.pca in that range, or another encoding.",
            field="encoding",
        )
    return (n_features - 1).bit_length()


def amplitudes(features: F64) -> F64:
    """Return the state of every sample, shape ``(samples, 2**n_qubits)``, real.

    Args:
        features: shape ``(samples, n_features)``.

    Raises:
        UnusableInput: a sample is all zeros; names the first, counted from 0.
    """
    padded = np.zeros((len(features), 2 ** amplitude_qubits(features.shape[1])))
    padded[:, : features.shape[1]] = features
    lengths = np.linalg.norm(padded, axis=1, keepdims=True)
    if (lengths < SMALLEST_LENGTH).any():
        row = int(np.argmin(lengths))
        raise UnusableInput(
            f"row {row} is all zeros, and amplitudes have a direction only",
            remedy="Remove the row, or take another encoding.",
            field="features",
        )
    return np.asarray(padded / lengths)


def preparation_angles(features: F64) -> F64:
    """Return the angles of the rotations of :func:`preparation_steps` in their order, shape ``(samples, 2**n_qubits - 1)``, radians.

    Each is linear in the angles that a qubit is turned by for each state of the qubits before it: the rotations of the difference of such angles,
    or of their negative, have the difference and the negative of these.
    """
    from pennylane.templates.state_preparations.mottonen import compute_theta

    states = amplitudes(features)
    n_qubits = states.shape[1].bit_length() - 1
    levels = []
    for qubit in range(n_qubits):
        halves = states.reshape(len(states), 2**qubit, 2, -1)
        # Signs are those of the last qubit's two amplitudes; before it, lengths are turned into each other.
        sides = halves[..., 0] if qubit == n_qubits - 1 else np.linalg.norm(halves, axis=3)
        turns = 2 * np.arctan2(sides[..., 1], sides[..., 0])
        levels.append(np.asarray(compute_theta(turns, num_qubits=qubit)) if len(turns) else turns)
    return np.concatenate(levels, axis=1)


def preparation_steps(qubit: int) -> list[tuple[int, ...]]:
    """Return what prepares one qubit after those before it: ``(qubit,)`` is the next rotation about Y, ``(control, qubit)`` a CNOT."""
    from pennylane.templates.state_preparations.mottonen import gray_code

    if qubit == 0:
        return [(0,)]
    code = gray_code(qubit)
    changed = np.log2(code ^ np.roll(code, -1)).astype(int)
    return [step for bit in changed.tolist() for step in ((qubit,), (qubit - 1 - bit, qubit))]
