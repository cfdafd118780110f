"""QAOA with the X mixer on state vectors, in NumPy: a phase from the energy of every outcome, and a turn of every qubit.

A gate-by-gate simulator passes over the state once per coupling and qubit; here all couplings of a layer are one look at
the precomputed energies, and the mixer is a few products of small real matrices, each turning a group of qubits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.execution.engines.phases import BLOCK_AMPLITUDES, C128, LANES, TWICE, Phases

#: Qubits turned by one product: 16 x 16 matrices keep both BLAS and the cache busy.
GROUP = 4
#: The lowest qubits are turned together with the pair of real and imaginary part, so there are fewer of them.
LOWEST_GROUP = 3
#: Most multiplications of one product. From 2**16 on OpenBLAS wakes its threads, which wait for each other longer than
#: they work on products this small (five times slower on a busy machine), and may round by their number.
PRODUCT = 1 << 15


class XMixer:
    """Probabilities of the points of one model. Keeps its buffers, two states: an object for one thread.

    The shapes of products depend on the width alone, and points come in whole lanes of vectorised functions, so a point takes
    the same path wherever it stands in a sweep, and its probabilities are the same to the last bit.

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
        lowest = min(self._low, LOWEST_GROUP)
        self._low_groups = [(0, lowest), *_groups(lowest, self._low)]
        self._high_groups = _groups(self._low, n)
        self._signs = TWICE[phases.quarters[: 1 << self._low]]
        self._room = [np.empty((self.points, phases.size), dtype=np.complex128) for _ in range(2)]
        self._states = self._room
        self._block = np.empty((2, self.points, self._stretches << self._low), dtype=np.complex128)

    def __call__(self, angles: F64) -> F64:
        """Return the ``(points, 2**n)`` probabilities of up to ``self.points`` points.

        Args:
            angles: shape ``(points, 2 p)``, gammas first, then betas, in radians.
        """
        rows = min(self.points, -(-len(angles) // LANES) * LANES)
        block = np.zeros((rows, angles.shape[1]))
        block[: len(angles)] = angles
        self._states = [state[:rows] for state in self._room]
        layers = angles.shape[1] // 2
        for layer in range(layers):
            self._apply_layer(block[:, layer], block[:, layers + layer], first=layer == 0)
        parts = self._states[0].view(np.float64)
        np.square(parts, out=parts)
        probabilities = np.empty((len(angles), self._phases.outcomes))
        kept = probabilities[:, : self._phases.size]
        np.add(parts[: len(angles), 0::2], parts[: len(angles), 1::2], out=kept)
        if self._phases.mirrored:
            probabilities[:, self._phases.size :] = kept[:, ::-1]
        return probabilities

    def _apply_layer(self, gammas: F64, betas: F64, *, first: bool) -> None:
        size, width = self._phases.size, 1 << self._low
        table = self._phases.table(gammas, first=first)
        turns = {k: _turns(betas, k) for k in {k for _, k in self._low_groups + self._high_groups}}
        for begin in range(0, size // self._stretches, width):
            now, then = self._block[:, : len(gammas)]
            begins = (begin, size - begin - width)[: self._stretches]
            stretches = [self._states[0][:, start : start + width] for start in begins]
            for i, (start, stretch) in enumerate(zip(begins, stretches, strict=True)):
                part = now[:, i * width : (i + 1) * width]
                self._phases.write(part, start, gammas, table, first=first)
                if not first:
                    np.multiply(part, stretch, out=part)
            if self._phases.mirrored:
                self._turn_last(now, then, betas, begins)
            for qubit, k in self._low_groups[:-1]:
                _turn(now, then, turns[k], qubit)
                now, then = then, now
            qubit, k = self._low_groups[-1]
            for i, stretch in enumerate(stretches):
                _turn(now[:, i * width : (i + 1) * width], stretch, turns[k], qubit)
        for qubit, k in self._high_groups:
            _turn(self._states[0], self._states[1], turns[k], qubit)
            self._states.reverse()

    def _turn_last(self, now: C128, scratch: C128, betas: F64, begins: tuple[int, ...]) -> None:
        """Turn the last qubit of a mirrored state in place; the block read backwards is that of the complements."""
        width = now.shape[1] // len(begins)
        joined = np.sin(betas) * self._phases.mirror_turn
        for i, begin in enumerate(begins):
            # The sign of an outcome is that of where its stretch begins times that of where it stands there.
            sign = 1 - 2 * (begin.bit_count() & 1)
            np.multiply(self._signs, (sign * joined)[:, None], out=scratch[:, i * width : (i + 1) * width])
        np.multiply(scratch, now[:, ::-1], out=scratch)
        np.multiply(now, np.cos(betas)[:, None], out=now)
        np.add(now, scratch, out=now)


def _groups(first: int, last: int) -> list[tuple[int, int]]:
    """Return the lowest qubit and the size of each of the groups that make up ``first`` to ``last - 1``."""
    parts = np.array_split(np.arange(first, last), -(-(last - first) // GROUP)) if last > first else []
    return [(int(part[0]), len(part)) for part in parts]


def _turn(states: C128, out: C128, turns: F64, qubit: int) -> None:
    """Turn the qubits from ``qubit`` on of ``states`` into ``out``, both of shape ``(points, amplitudes)``.

    Complex numbers are taken as pairs, so that all products are real.
    """
    points, side = turns.shape[:2]
    amplitudes = states.shape[1]
    pairs, turned = states.view(np.float64), out.view(np.float64)
    if qubit == 0:
        rows = min(amplitudes // side, PRODUCT // (2 * side) ** 2)
        shape = (points, amplitudes // side // rows, rows, 2 * side)
        np.matmul(pairs.reshape(shape), np.kron(turns, np.eye(2))[:, None], out=turned.reshape(shape))
        return
    below = 2 << qubit
    columns = min(below, PRODUCT // side**2)
    wide = (points, 2 * amplitudes // side // below, side, below // columns, columns)
    np.matmul(turns[:, None, None], pairs.reshape(wide).swapaxes(2, 3), out=turned.reshape(wide).swapaxes(2, 3))


def _turns(betas: F64, qubits: int) -> F64:
    """Return the real form of ``exp(-i beta X)`` on a group, shape ``(points, 2**qubits, 2**qubits)``; see `phases`."""
    index = np.arange(1 << qubits)
    flips, both = np.bitwise_count(index[:, None] ^ index), np.bitwise_count(index[:, None] & index)
    flipped = np.arange(qubits + 1)
    powers = np.cos(betas)[:, None] ** (qubits - flipped) * np.sin(betas)[:, None] ** flipped
    return np.asarray(powers[:, flips] * np.where(both & 1, -1.0, 1.0), dtype=np.float64)


def probabilities(energies: F64, angles: F64) -> Iterator[F64]:
    """Yield the ``(2**n,)`` outcome probabilities of every point, in order.

    Args:
        energies: shape ``(2**n,)``, indexed by the packed outcome.
        angles: shape ``(points, 2 p)``, gammas first, then betas, in radians.
    """
    mixer = XMixer(Phases(energies))
    for first in range(0, len(angles), mixer.points):
        yield from mixer(angles[first : first + mixer.points])
