r"""Phases of a QAOA layer, looked up by energy, and with them the quarter turns that make the X mixer real.

With :math:`D = \mathrm{diag}((-i)^{|x|})`, where :math:`|x|` counts the ones of an outcome,

.. math:: (e^{-i \beta X})^{\otimes n} = D R D, \qquad
          R = \begin{pmatrix}\cos\beta & \sin\beta \\ \sin\beta & -\cos\beta\end{pmatrix}^{\otimes n}.

So the mixer takes real arithmetic on real and imaginary parts, half of what complex matrices take, and D is a part of
the phases next to it: once before the first mixer, twice (a sign) between mixers. After the last it moves no probability.

Without fields an outcome and its complement have the same energy, and the circuit keeps their amplitudes equal. Then the
outcomes with a last bit of 0 are enough, half of all. On the state between D and R the last qubit's turn joins
complements of the other :math:`n - 1` bits,

.. math:: r'_x = \cos\beta \, r_x - i^n \sin\beta \, (-1)^{|x|} \, r_{\bar x}.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64

#: Amplitudes that are worked on together, 2 MiB: a core's second cache holds them. Smaller blocks are as quick for one thread,
#: but two of them hand Python's lock to each other at every call of NumPy, which then costs more than the second core gives.
#: A narrower circuit has many points in a block,
BLOCK_AMPLITUDES = 1 << 17
#: but not more than this.
MAX_POINTS_PER_BLOCK = 256

C128 = npt.NDArray[np.complex128]

#: A table is worth its while where this many outcomes share an energy (unweighted MaxCut has a few dozen levels).
MIN_OUTCOMES_PER_LEVEL = 4
#: Tables are filled up to a multiple of this, so that vectorised sines treat all points of a block alike.
SIMD_LANES = 8
#: ``(-i)**q`` and ``(-1)**q`` of the number of ones modulo four.
QUARTER_TURN_FACTORS = np.array([1, -1j, -1, 1j])
HALF_TURN_FACTORS = np.array([1, -1, 1, -1], dtype=np.complex128)


class Phases:
    """The energies of one model, sorted into levels. Never changed, so that threads may share it.

    Args:
        energies: shape ``(2**n,)``, indexed by the packed outcome.
        mirrored: complements have the same energy, and only half of the outcomes are to be kept.

    Attributes:
        outcomes: ``2**n``.
        size: how many outcomes are kept: all, or the first half.
        points: how many points fit a block.
        energies: shape ``(size,)``.
        ones_mod_four: shape ``(size,)``, the number of ones modulo four.
        levels: the distinct energies, filled up; empty where too few outcomes share one.
        index: shape ``(size,)``, four times the level of every outcome plus its ones modulo four; empty like ``levels``.
    """

    def __init__(self, energies: F64, *, mirrored: bool = False) -> None:
        self.outcomes = len(energies)
        self.mirrored = mirrored
        self.size = len(energies) // (1 + mirrored)
        self.points = min(MAX_POINTS_PER_BLOCK, max(1, BLOCK_AMPLITUDES // self.size))
        self.energies = energies[: self.size].copy()
        self.ones_mod_four = np.asarray(np.bitwise_count(np.arange(self.size)) & 3, dtype=np.uint8)
        distinct, level_of = np.unique(self.energies, return_inverse=True)
        shared = MIN_OUTCOMES_PER_LEVEL * len(distinct) <= self.size
        self.levels = np.zeros(-(-len(distinct) // SIMD_LANES) * SIMD_LANES if shared else 0)
        self.levels[: len(distinct)] = distinct if shared else 0
        entries = 4 * level_of + self.ones_mod_four if shared else ()
        self.index = np.asarray(entries, dtype=np.int32)

    def table(self, gammas: F64, *, first: bool) -> C128:
        """Return the phases of every level and quarter, shape ``(points, 4 levels)``; ``first`` of the layers or not."""
        turned = np.multiply.outer(-gammas, self.levels)
        phases = np.empty(turned.shape, dtype=np.complex128)
        np.cos(turned, out=phases.real)
        np.sin(turned, out=phases.imag)
        return (phases[:, :, None] * self._quarter_turns(first=first)).reshape(len(gammas), -1)

    def write_phases(self, out: C128, begin: int, gammas: F64, table: C128, *, first: bool) -> None:
        """Write the phases of the outcomes from ``begin`` on to ``out``, shape ``(points, outcomes)``.

        The first layer's hold the amplitude of the uniform superposition too.
        """
        part_slice = slice(begin, begin + out.shape[1])
        if len(self.index):
            np.take(table, self.index[part_slice], axis=1, out=out, mode="clip")
            return
        turned = np.multiply.outer(-gammas, self.energies[part_slice])
        np.cos(turned, out=out.real)
        np.sin(turned, out=out.imag)
        np.multiply(out, self._quarter_turns(first=first)[self.ones_mod_four[part_slice]], out=out)

    @property
    def mirror_turn(self) -> complex:
        """``-i**n``, the factor between complements in the last qubit's turn."""
        return complex(-QUARTER_TURN_FACTORS[(self.outcomes.bit_length() - 1) % 4].conjugate())

    def _quarter_turns(self, *, first: bool) -> C128:
        return QUARTER_TURN_FACTORS / np.sqrt(self.outcomes) if first else HALF_TURN_FACTORS
