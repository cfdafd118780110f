"""QAOA with the X mixer on state vectors, in NumPy: a phase from the energy of every outcome, and a turn of every qubit.

A gate-by-gate simulator passes over the state once per coupling and qubit; here all couplings of a layer are one look at
the precomputed energies, and the mixer is a few products of small real matrices, each turning a group of qubits.
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.quantum.simulation.qaoa_phases import (
    BLOCK_AMPLITUDES,
    C128,
    HALF_TURN_FACTORS,
    SIMD_LANES,
    Phases,
)

#: Qubits turned by one product: 16 x 16 matrices keep both BLAS and the cache busy.
GROUP_QUBITS = 4
#: The lowest qubits are turned together with the pair of real and imaginary part, so there are fewer of them.
LOWEST_GROUP_QUBITS = 3
#: Most multiplications of one product. From 2**16 on OpenBLAS wakes its threads, which wait for each other longer than
#: they work on products this small (five times slower on a busy machine), and may round by their number.
MAX_PRODUCT_MULTIPLICATIONS = 1 << 15


class XMixer:
    """Probabilities of the points of one model. Keeps its buffers, two states: an object for one thread.

    The shapes of products depend on the width alone, and points come in whole lanes of vectorised functions, so a point takes
    the same path wherever it is in a sweep, and its probabilities are the same to the last bit.

    Attributes:
        points: most points of a call.
    """

    def __init__(self, phases: Phases) -> None:
        self._phases = phases
        n = phases.size.bit_length() - 1
        self.points = phases.points
        # A block of a mirrored state is a stretch and the complements of its outcomes, which end as far from the end.
        self._stretches = 1 + (phases.mirrored and phases.size > BLOCK_AMPLITUDES)
        self._low = min(n, BLOCK_AMPLITUDES.bit_length() - self._stretches)
        lowest = min(self._low, LOWEST_GROUP_QUBITS)
        self._low_groups = [(0, lowest), *group_qubits(lowest, self._low)]
        self._high_groups = group_qubits(self._low, n)
        self._signs = HALF_TURN_FACTORS[phases.ones_mod_four[: 1 << self._low]]
        self._buffers = [np.empty((self.points, phases.size), dtype=np.complex128) for _ in range(2)]
        self._states = self._buffers
        self._block = np.empty((2, self.points, self._stretches << self._low), dtype=np.complex128)

    def __call__(self, angles: F64) -> F64:
        """Return the ``(points, 2**n)`` probabilities of up to ``self.points`` points.

        Args:
            angles: shape ``(points, 2 p)``, gammas first, then betas, in radians.
        """
        rows = min(self.points, -(-len(angles) // SIMD_LANES) * SIMD_LANES)
        block = np.zeros((rows, angles.shape[1]))
        block[: len(angles)] = angles
        self._states = [state[:rows] for state in self._buffers]
        layers = angles.shape[1] // 2
        for layer in range(layers):
            self._apply_layer(block[:, layer], block[:, layers + layer], first=layer == 0)
        parts = self._states[0].view(np.float64)
        np.square(parts, out=parts)
        probabilities = np.empty((len(angles), self._phases.outcomes))
        first_half = probabilities[:, : self._phases.size]
        np.add(parts[: len(angles), 0::2], parts[: len(angles), 1::2], out=first_half)
        if self._phases.mirrored:
            probabilities[:, self._phases.size :] = first_half[:, ::-1]
        return probabilities

    def _apply_layer(self, gammas: F64, betas: F64, *, first: bool) -> None:
        size, width = self._phases.size, 1 << self._low
        table = self._phases.table(gammas, first=first)
        rotations = {k: _rotation_matrices(betas, k) for k in {k for _, k in self._low_groups + self._high_groups}}
        for begin in range(0, size // self._stretches, width):
            current, scratch = self._block[:, : len(gammas)]
            begins = (begin, size - begin - width)[: self._stretches]
            stretches = [self._states[0][:, start : start + width] for start in begins]
            for i, (start, stretch) in enumerate(zip(begins, stretches, strict=True)):
                part = current[:, i * width : (i + 1) * width]
                self._phases.write_phases(part, start, gammas, table, first=first)
                if not first:
                    np.multiply(part, stretch, out=part)
            if self._phases.mirrored:
                self._rotate_mirrored_qubit(current, scratch, betas, begins)
            for qubit, k in self._low_groups[:-1]:
                multiply_group(current, scratch, rotations[k], qubit)
                current, scratch = scratch, current
            qubit, k = self._low_groups[-1]
            for i, stretch in enumerate(stretches):
                multiply_group(current[:, i * width : (i + 1) * width], stretch, rotations[k], qubit)
        for qubit, k in self._high_groups:
            multiply_group(self._states[0], self._states[1], rotations[k], qubit)
            self._states.reverse()

    def _rotate_mirrored_qubit(self, current: C128, scratch: C128, betas: F64, begins: tuple[int, ...]) -> None:
        """Turn the last qubit of a mirrored state in place; the block read backwards is that of the complements."""
        width = current.shape[1] // len(begins)
        joined = np.sin(betas) * self._phases.mirror_turn
        for i, begin in enumerate(begins):
            # The sign of an outcome is that of where its stretch begins times that of where it stands there.
            sign = 1 - 2 * (begin.bit_count() & 1)
            np.multiply(self._signs, (sign * joined)[:, None], out=scratch[:, i * width : (i + 1) * width])
        np.multiply(scratch, current[:, ::-1], out=scratch)
        np.multiply(current, np.cos(betas)[:, None], out=current)
        np.add(current, scratch, out=current)


def group_qubits(first: int, last: int) -> list[tuple[int, int]]:
    """Return the lowest qubit and the size of each of the groups that make up ``first`` to ``last - 1``."""
    parts = np.array_split(np.arange(first, last), -(-(last - first) // GROUP_QUBITS)) if last > first else []
    return [(int(part[0]), len(part)) for part in parts]


def multiply_group(states: C128, out: C128, rotations: F64, qubit: int) -> None:
    """Multiply the qubits from ``qubit`` on of ``states`` into ``out``, both of shape ``(points, amplitudes)``, by real matrices.

    Complex numbers are taken as pairs, so that all products are real.
    """
    if qubit == 0:
        multiply_lowest_group(states, out, pair_rotations(rotations))
        return
    points, side = rotations.shape[:2]
    amplitudes = states.shape[1]
    pairs, turned = states.view(np.float64), out.view(np.float64)
    below = 2 << qubit
    columns = min(below, MAX_PRODUCT_MULTIPLICATIONS // side**2)
    wide = (points, 2 * amplitudes // side // below, side, below // columns, columns)
    np.matmul(rotations[:, None, None], pairs.reshape(wide).swapaxes(2, 3), out=turned.reshape(wide).swapaxes(2, 3))


def multiply_lowest_group(states: C128, out: C128, rotations: F64) -> None:
    """Multiply the lowest qubits of ``states`` into ``out``; ``rotations`` are those of `pair_rotations`."""
    points, side = rotations.shape[:2]
    rows = min(2 * states.shape[1] // side, MAX_PRODUCT_MULTIPLICATIONS // side**2)
    shape = (points, 2 * states.shape[1] // side // rows, rows, side)
    np.matmul(states.view(np.float64).reshape(shape), rotations[:, None], out=out.view(np.float64).reshape(shape))


def pair_rotations(rotations: F64) -> F64:
    """Return what the matrices of the lowest group do to pairs of real and imaginary part, shape ``(points, 2 side, 2 side)``."""
    return np.asarray(np.kron(rotations, np.eye(2)), dtype=np.float64)


def _rotation_matrices(betas: F64, qubits: int) -> F64:
    """Return the real form of ``exp(-i beta X)`` on a group, shape ``(points, 2**qubits, 2**qubits)``; see `qaoa_phases`."""
    index = np.arange(1 << qubits)
    flips, both = np.bitwise_count(index[:, None] ^ index), np.bitwise_count(index[:, None] & index)
    flipped = np.arange(qubits + 1)
    powers = np.cos(betas)[:, None] ** (qubits - flipped) * np.sin(betas)[:, None] ** flipped
    return np.asarray(powers[:, flips] * np.where(both & 1, -1.0, 1.0), dtype=np.float64)
