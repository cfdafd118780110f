"""QAOA with the X mixer on state vectors: a phase from the energy of every outcome, and one turn of every qubit.

A gate-by-gate simulator passes over the state once per coupling; here all couplings of a layer are one look at the
precomputed energies, and the mixer is a product of small matrices, each turning a group of qubits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.ising import F64

C128 = npt.NDArray[np.complex128]

#: Qubits turned by one matrix product: 16 x 16 matrices keep both BLAS and the cache busy.
GROUP = 4
#: Rows of one matrix product. From 2**16 multiplications on OpenBLAS wakes its threads, which wait for each other
#: longer than they work on products this small (five times slower on a busy machine), and may round by their number.
ROWS = 1 << 7
#: Amplitudes evolved together. The shape of a block depends on the width alone, so BLAS takes the same path for a point
#: wherever it stands in a sweep, and its probabilities are the same to the last bit.
BLOCK_AMPLITUDES = 1 << 14


def probabilities(energies: F64, angles: F64) -> Iterator[F64]:
    """Yield the ``(2**n,)`` outcome probabilities of every point, in order.

    Args:
        energies: shape ``(2**n,)``, indexed by the packed outcome.
        angles: shape ``(points, 2 p)``, gammas first, then betas, in radians.
    """
    points, layers = len(angles), angles.shape[1] // 2
    # Many outcomes share an energy (unweighted MaxCut has a few dozen levels), and looking a phase up is cheap.
    levels, level_of = np.unique(energies, return_inverse=True)
    block = max(1, BLOCK_AMPLITUDES // len(energies))
    for first in range(0, points, block):
        chunk = np.zeros((block, angles.shape[1]))
        taken = min(block, points - first)
        chunk[:taken] = angles[first : first + taken]
        states = np.full((block, len(energies)), 1 / np.sqrt(len(energies)), dtype=np.complex128)
        for layer in range(layers):
            states *= _phases(levels, level_of, chunk[:, layer])
            states = _mix(states, chunk[:, layers + layer])
        yield from np.square(states.real[:taken]) + np.square(states.imag[:taken])


def _phases(levels: F64, level_of: npt.NDArray[np.intp], gammas: F64) -> C128:
    """Return ``exp(-i gamma E)``, shape ``(block, 2**n)``."""
    return np.take(np.exp(np.multiply.outer(-1j * gammas, levels)), level_of, axis=1)


def _mix(states: C128, betas: F64) -> C128:
    """Return ``exp(-i beta X)`` applied to every qubit.

    Each product turns the uppermost group of qubits and moves it to the lower end; after all groups the qubits stand in
    their old order.
    """
    block, size = states.shape
    n = size.bit_length() - 1
    for qubits in (len(part) for part in np.array_split(np.arange(n), -(-n // GROUP))):
        rest = size >> qubits
        rows = min(rest, ROWS)
        groups = states.reshape(block, 1 << qubits, rest // rows, rows).transpose(0, 2, 3, 1)
        states = np.matmul(groups, _turns(betas, qubits)[:, None]).reshape(block, size)
    return states


def _turns(betas: F64, qubits: int) -> C128:
    """Return ``exp(-i beta X)`` on a group, shape ``(block, 2**qubits, 2**qubits)``; an entry counts the flipped bits."""
    index = np.arange(1 << qubits)
    flips = np.bitwise_count(index[:, None] ^ index)
    flipped = np.arange(qubits + 1)
    powers = np.cos(betas)[:, None] ** (qubits - flipped) * (-1j * np.sin(betas)[:, None]) ** flipped
    return np.asarray(powers[:, flips], dtype=np.complex128)
