"""The X mixer compiled by numba: the arithmetic of `x_mixer` as loops over blocks that stay in the cache.

Importing this module needs numba, which the extra ``fast`` installs. Without fast-math: sums keep their order, and special
values their meaning. Real and imaginary parts lie in two arrays, because the mixer treats them alike, see `qaoa_phases`.
"""

from __future__ import annotations

from math import cos, floor, pi, sin, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.quantum.simulation.qaoa_phases import Phases

I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]

#: Amplitudes that go through phases and lower qubits together: 32 KiB for each of the two parts.
BLOCK = 1 << 12
#: Neighbouring amplitudes that go through the upper qubits together.
COLUMNS = 1 << 7

# pi/2 in three parts, of which the first two have 33 bits: products with small integers are exact (Cody and Waite 1980).
HALF_PI_1 = float.fromhex("0x1.921fb544p+0")
HALF_PI_2 = float.fromhex("0x1.0b4611a6p-34")
HALF_PI_3 = float.fromhex("0x1.3198a2e037073p-69")


@njit(nogil=True, cache=True, error_model="numpy")
def rotate_two_qubits(x0: F64, x1: F64, x2: F64, x3: F64, c: float, s: float) -> None:
    """Turn two qubits; the arrays are the amplitudes with 00, 01, 10 and 11 there."""
    for k in range(x0.shape[0]):
        a0, a1, a2, a3 = x0[k], x1[k], x2[k], x3[k]
        b0, b1, b2, b3 = c * a0 + s * a1, s * a0 - c * a1, c * a2 + s * a3, s * a2 - c * a3
        x0[k], x2[k] = c * b0 + s * b2, s * b0 - c * b2
        x1[k], x3[k] = c * b1 + s * b3, s * b1 - c * b3


@njit(nogil=True, cache=True, error_model="numpy")
def rotate_one_qubit(x0: F64, x1: F64, c: float, s: float) -> None:
    """Turn one qubit; the arrays are the amplitudes with 0 and 1 there."""
    for k in range(x0.shape[0]):
        a0, a1 = x0[k], x1[k]
        x0[k], x1[k] = c * a0 + s * a1, s * a0 - c * a1


@njit(nogil=True, cache=True, error_model="numpy")
def rotate_lowest_three(x: F64, c: float, s: float) -> None:
    """Turn the lowest three qubits."""
    for g in range(x.shape[0] // 8):
        k = 8 * g
        a0, a1, a2, a3 = x[k], x[k + 1], x[k + 2], x[k + 3]
        a4, a5, a6, a7 = x[k + 4], x[k + 5], x[k + 6], x[k + 7]
        b0, b1, b2, b3 = c * a0 + s * a1, s * a0 - c * a1, c * a2 + s * a3, s * a2 - c * a3
        b4, b5, b6, b7 = c * a4 + s * a5, s * a4 - c * a5, c * a6 + s * a7, s * a6 - c * a7
        a0, a2, a1, a3 = c * b0 + s * b2, s * b0 - c * b2, c * b1 + s * b3, s * b1 - c * b3
        a4, a6, a5, a7 = c * b4 + s * b6, s * b4 - c * b6, c * b5 + s * b7, s * b5 - c * b7
        x[k], x[k + 4] = c * a0 + s * a4, s * a0 - c * a4
        x[k + 1], x[k + 5] = c * a1 + s * a5, s * a1 - c * a5
        x[k + 2], x[k + 6] = c * a2 + s * a6, s * a2 - c * a6
        x[k + 3], x[k + 7] = c * a3 + s * a7, s * a3 - c * a7


@njit(nogil=True, cache=True, error_model="numpy")
def _rotate(x: F64, stride: int, row: int, begin: int, columns: int, c: float, s: float) -> None:
    """Turn all qubits from ``stride`` on, of ``columns`` amplitudes from ``begin`` on in every row of ``row``."""
    size = x.shape[0]
    while 4 * stride <= size:
        w = min(columns, stride)
        for base in range(begin, size, 4 * stride):
            for k in range(base, base + stride, row):
                k1, k2, k3 = k + stride, k + 2 * stride, k + 3 * stride
                rotate_two_qubits(x[k : k + w], x[k1 : k1 + w], x[k2 : k2 + w], x[k3 : k3 + w], c, s)
        stride *= 4
    if 2 * stride <= size:
        w = min(columns, stride)
        for k in range(begin, begin + stride, row):
            rotate_one_qubit(x[k : k + w], x[k + stride : k + stride + w], c, s)


@njit(nogil=True, cache=True, error_model="numpy")
def _rotate_block(x: F64, c: float, s: float) -> None:
    """Turn all qubits of a block."""
    size = x.shape[0]
    stride = 1
    if size >= 8:
        rotate_lowest_three(x, c, s)
        stride = 8
    _rotate(x, stride, size, 0, size, c, s)


@njit(nogil=True, cache=True, error_model="numpy")
def sine_and_cosine(angle: float, quarters: int) -> tuple[float, float]:
    """Return sine and cosine of ``angle`` plus some quarter turns; without branches, so that loops are vectorised.

    The polynomials are those of fdlibm's k_sin.c and k_cos.c, for up to an eighth of a turn.
    """
    nearest = floor(angle * (2 / pi) + 0.5)
    r = angle - nearest * HALF_PI_1 - nearest * HALF_PI_2 - nearest * HALF_PI_3
    z = r * r
    sine = r + r * z * (
        -1.66666666666666324348e-01
        + z
        * (
            8.33333333332248946124e-03
            + z
            * (
                -1.98412698298579493134e-04
                + z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10))
            )
        )
    )
    cosine = (1.0 - 0.5 * z) + z * z * (
        4.16666666666666019037e-02
        + z
        * (
            -1.38888888888741095749e-03
            + z
            * (
                2.48015872894767294178e-05
                + z * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11))
            )
        )
    )
    quadrant = (np.int64(nearest) + quarters) & 3
    first, second = (cosine, sine) if quadrant & 1 else (sine, cosine)
    return (-first if quadrant & 2 else first), (-second if (quadrant + 1) & 2 else second)


@njit(nogil=True, cache=True, error_model="numpy")
def _initial_phases(re: F64, im: F64, scale: float, gamma: float, energies: F64, quarters: U8) -> None:
    """Apply the first layer's phases to the uniform superposition, outcome by outcome."""
    for k in range(re.shape[0]):
        sine, cosine = sine_and_cosine(-gamma * energies[k], -quarters[k])
        re[k], im[k] = scale * cosine, scale * sine


@njit(nogil=True, cache=True, error_model="numpy")
def _multiply_phases(re: F64, im: F64, gamma: float, energies: F64, quarters: U8) -> None:
    """Apply a later layer's phases, outcome by outcome."""
    for k in range(re.shape[0]):
        sine, cosine = sine_and_cosine(-gamma * energies[k], 2 * quarters[k])
        a, b = re[k], im[k]
        re[k], im[k] = a * cosine - b * sine, a * sine + b * cosine


@njit(nogil=True, cache=True, error_model="numpy")
def _initial_phases_by_table(re: F64, im: F64, cosines: F64, sines: F64, index: I32) -> None:
    for k in range(re.shape[0]):
        re[k], im[k] = cosines[index[k]], sines[index[k]]


@njit(nogil=True, cache=True, error_model="numpy")
def _multiply_phases_by_table(re: F64, im: F64, cosines: F64, sines: F64, index: I32) -> None:
    for k in range(re.shape[0]):
        a, b, cosine, sine = re[k], im[k], cosines[index[k]], sines[index[k]]
        re[k], im[k] = a * cosine - b * sine, a * sine + b * cosine


@njit(nogil=True, cache=True, error_model="numpy")
def fill_phase_table(table: F64, levels: F64, gamma: float, scale: float, turn: int) -> None:
    """Fill the table of a layer; ``turn`` is how many quarter turns every one of an outcome adds."""
    for level in range(levels.shape[0]):
        for quarter in range(4):
            sine, cosine = sine_and_cosine(-gamma * levels[level], turn * quarter)
            table[0, 4 * level + quarter], table[1, 4 * level + quarter] = scale * cosine, scale * sine


@njit(nogil=True, cache=True, error_model="numpy")
def rotate_mirrored_qubit(
    re: F64, im: F64, re2: F64, im2: F64, c: float, s: complex, quarters: U8, quarters2: U8
) -> None:
    """Turn the last qubit of a mirrored state: each outcome of a stretch with its complement, which ends the other."""
    last = re.shape[0] - 1
    for k in range(re.shape[0]):
        a_re, a_im, b_re, b_im = re[k], im[k], re2[last - k], im2[last - k]
        sign, sign2 = 1.0 - 2.0 * (quarters[k] & 1), 1.0 - 2.0 * (quarters2[last - k] & 1)
        re[k] = c * a_re + sign * (s.real * b_re - s.imag * b_im)
        im[k] = c * a_im + sign * (s.real * b_im + s.imag * b_re)
        re2[last - k] = c * b_re + sign2 * (s.real * a_re - s.imag * a_im)
        im2[last - k] = c * b_im + sign2 * (s.real * a_im + s.imag * a_re)


class PhaseTables(NamedTuple):
    """What the loops need of `qaoa_phases.Phases`; ``mirror_turn`` is 0 for a state that is not mirrored."""

    levels: F64
    entries: I32
    energies: F64
    quarters: U8
    mirror_turn: complex


@njit(nogil=True, cache=True, error_model="numpy")
def _apply_phases(
    state: F64, table: F64, tables: PhaseTables, begin: int, end: int, gamma: float, scale: float
) -> None:
    """Apply the phases of the outcomes from ``begin`` up to ``end``; ``scale`` is 0 but for the first layer."""
    re, im = state[0, begin:end], state[1, begin:end]
    if tables.levels.shape[0] > 0:
        index = tables.entries[begin:end]
        if scale > 0:
            _initial_phases_by_table(re, im, table[0], table[1], index)
        else:
            _multiply_phases_by_table(re, im, table[0], table[1], index)
    elif scale > 0:
        _initial_phases(re, im, scale, gamma, tables.energies[begin:end], tables.quarters[begin:end])
    else:
        _multiply_phases(re, im, gamma, tables.energies[begin:end], tables.quarters[begin:end])


@njit(nogil=True, cache=True, error_model="numpy")
def apply_layer(state: F64, table: F64, tables: PhaseTables, gamma: float, beta: float, scale: float) -> None:
    """Apply one layer, block by block, then the upper qubits. A mirrored state has two blocks in hand, end to end."""
    size = state.shape[1]
    c, s = cos(beta), sin(beta)
    if scale > 0:
        fill_phase_table(table, tables.levels, gamma, scale, -1)
    else:
        fill_phase_table(table, tables.levels, gamma, 1.0, 2)
    mirrored = tables.mirror_turn != 0
    half = size // 2 if mirrored else size
    width = min(half, BLOCK)
    for begin in range(0, half, width):
        end, begin2, end2 = begin + width, size - begin - width, size - begin
        _apply_phases(state, table, tables, begin, end, gamma, scale)
        if mirrored:
            _apply_phases(state, table, tables, begin2, end2, gamma, scale)
            rotate_mirrored_qubit(
                state[0, begin:end],
                state[1, begin:end],
                state[0, begin2:end2],
                state[1, begin2:end2],
                c,
                s * tables.mirror_turn,
                tables.quarters[begin:end],
                tables.quarters[begin2:end2],
            )
        for part in range(2):
            _rotate_block(state[part, begin:end], c, s)
            if mirrored:
                _rotate_block(state[part, begin2:end2], c, s)
    if width < size:
        for begin in range(0, width, COLUMNS):
            for part in range(2):
                _rotate(state[part], width, width, begin, COLUMNS, c, s)


@njit(nogil=True, cache=True, error_model="numpy")
def _probabilities(state: F64, table: F64, tables: PhaseTables, angles: F64, out: F64) -> None:
    """Write the probabilities of every point to ``out``, shape ``(points, 2**n)``; state and table are for its use."""
    points, outcomes = out.shape
    layers = angles.shape[1] // 2
    re, im = state[0], state[1]
    size = re.shape[0]
    for point in range(points):
        for layer in range(layers):
            scale = 1 / sqrt(outcomes) if layer == 0 else 0.0
            apply_layer(state, table, tables, angles[point, layer], angles[point, layers + layer], scale)
        for k in range(size):
            out[point, k] = re[k] * re[k] + im[k] * im[k]
        for k in range(size, outcomes):
            out[point, k] = out[point, outcomes - 1 - k]


def phase_tables(phases: Phases) -> PhaseTables:
    """Return what the loops need of the phases of a model."""
    mirror_turn = phases.mirror_turn if phases.mirrored else 0j
    return PhaseTables(phases.levels, phases.index, phases.energies, phases.ones_mod_four, mirror_turn)


class CompiledXMixer:
    """As `x_mixer.XMixer`, to within rounding; keeps one state."""

    def __init__(self, phases: Phases) -> None:
        self.points = phases.points
        self._outcomes = phases.outcomes
        self._state = np.empty((2, phases.size))
        self._table = np.empty((2, 4 * len(phases.levels)))
        self._tables = phase_tables(phases)

    def __call__(self, angles: F64) -> F64:
        """Return the ``(points, 2**n)`` probabilities of some points, given their ``(points, 2 p)`` angles."""
        out = np.empty((len(angles), self._outcomes))
        _probabilities(self._state, self._table, self._tables, np.ascontiguousarray(angles), out)
        return out
