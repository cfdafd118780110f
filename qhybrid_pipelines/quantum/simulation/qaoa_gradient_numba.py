r"""Value and gradient of a QAOA objective with the X mixer, compiled by numba: `qaoa_gradient` in loops that stay in the cache.

The states lie between the factors :math:`D` and :math:`R` of `qaoa_phases`. :math:`R` is its own inverse, and there :math:`X_i` of a
qubit is :math:`Y_i`, so its overlap adds up while the qubit is turned back, in real arithmetic on real and imaginary parts alike:

.. math:: \mathrm{Im}\langle\lambda|X_i|\psi\rangle
          = \sum \lambda_1 \psi_0 - \lambda_0 \psi_1 \quad\text{over pairs that differ in bit } i \text{ and both parts.}

Importing this module needs numba, which the extra ``fast`` installs. No fast-math but that the sums of overlaps may be taken in
another order: vectors of partial sums are several times as fast.
"""

from __future__ import annotations

from math import cos, sin, sqrt

import numpy as np
from numba import njit

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.quantum.simulation.qaoa_gradient import Objective
from qhybrid_pipelines.quantum.simulation.qaoa_phases import Phases
from qhybrid_pipelines.quantum.simulation.x_mixer_numba import (
    BLOCK,
    COLUMNS,
    I32,
    U8,
    PhaseTables,
    apply_layer,
    fill_phase_table,
    phase_tables,
    rotate_lowest_three,
    rotate_mirrored_qubit,
    rotate_one_qubit,
    rotate_two_qubits,
    sine_and_cosine,
)

#: The one licence of fast-math that is taken.
SUMS = {"reassoc"}


# Overlaps are loops of their own: one that also wrote would not be vectorised, as too many arrays might overlap each other.


@njit(nogil=True, cache=True, error_model="numpy", fastmath=SUMS)
def _overlaps_of_two(x0: F64, x1: F64, x2: F64, x3: F64, y0: F64, y1: F64, y2: F64, y3: F64) -> float:
    """Return the overlaps of two qubits, of psi (x) and lambda (y) with 00, 01, 10 and 11 there."""
    overlap = 0.0
    for k in range(x0.shape[0]):
        overlap += (x0[k] - x3[k]) * (y1[k] + y2[k]) + (x1[k] + x2[k]) * (y3[k] - y0[k])
    return overlap


@njit(nogil=True, cache=True, error_model="numpy", fastmath=SUMS)
def _overlap_of_one(x0: F64, x1: F64, y0: F64, y1: F64) -> float:
    overlap = 0.0
    for k in range(x0.shape[0]):
        overlap += y1[k] * x0[k] - y0[k] * x1[k]
    return overlap


@njit(nogil=True, cache=True, error_model="numpy", fastmath=SUMS)
def _overlaps_of_lowest_three(x: F64, y: F64) -> float:
    overlap = 0.0
    for g in range(x.shape[0] // 8):
        k = 8 * g
        d0, d1, d2, d3, d4, d5, d6, d7 = y[k], y[k + 1], y[k + 2], y[k + 3], y[k + 4], y[k + 5], y[k + 6], y[k + 7]
        overlap += x[k] * (d1 + d2 + d4) + x[k + 1] * (d3 + d5 - d0) + x[k + 2] * (d3 + d6 - d0)
        overlap += x[k + 3] * (d7 - d1 - d2) + x[k + 4] * (d5 + d6 - d0) + x[k + 5] * (d7 - d1 - d4)
        overlap += x[k + 6] * (d7 - d2 - d4) - x[k + 7] * (d3 + d5 + d6)
    return overlap


@njit(nogil=True, cache=True, error_model="numpy")
def _undo_rotation(x: F64, y: F64, stride: int, row: int, begin: int, columns: int, c: float, s: float) -> float:
    """Turn all qubits from ``stride`` on back, of ``columns`` amplitudes from ``begin`` on in every row of ``row``."""
    size = x.shape[0]
    overlap = 0.0
    while 4 * stride <= size:
        w = min(columns, stride)
        for base in range(begin, size, 4 * stride):
            for k in range(base, base + stride, row):
                k1, k2, k3 = k + stride, k + 2 * stride, k + 3 * stride
                x0, x1, x2, x3 = x[k : k + w], x[k1 : k1 + w], x[k2 : k2 + w], x[k3 : k3 + w]
                y0, y1, y2, y3 = y[k : k + w], y[k1 : k1 + w], y[k2 : k2 + w], y[k3 : k3 + w]
                overlap += _overlaps_of_two(x0, x1, x2, x3, y0, y1, y2, y3)
                rotate_two_qubits(x0, x1, x2, x3, c, s)
                rotate_two_qubits(y0, y1, y2, y3, c, s)
        stride *= 4
    if 2 * stride <= size:
        w = min(columns, stride)
        for k in range(begin, begin + stride, row):
            k1 = k + stride
            x0, x1, y0, y1 = x[k : k + w], x[k1 : k1 + w], y[k : k + w], y[k1 : k1 + w]
            overlap += _overlap_of_one(x0, x1, y0, y1)
            rotate_one_qubit(x0, x1, c, s)
            rotate_one_qubit(y0, y1, c, s)
    return overlap


@njit(nogil=True, cache=True, error_model="numpy")
def _undo_block(x: F64, y: F64, c: float, s: float) -> float:
    """Turn all qubits of a block back and return their overlaps."""
    size = x.shape[0]
    if size < 8:
        return _undo_rotation(x, y, 1, size, 0, size, c, s)
    overlap = _overlaps_of_lowest_three(x, y)
    rotate_lowest_three(x, c, s)
    rotate_lowest_three(y, c, s)
    return overlap + _undo_rotation(x, y, 8, size, 0, size, c, s)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=SUMS)
def _mirrored_overlap(states: F64, begin: int, end: int, quarters: U8, turn: complex) -> float:
    """Return the overlap of the last qubit of a mirrored state: each outcome of a stretch with its complement, both ways."""
    last = states.shape[2] - 1
    psi_re, psi_im, back_re, back_im = states[0, 0], states[0, 1], states[1, 0], states[1, 1]
    re, im = 0.0, 0.0
    for k in range(begin, end):
        j = last - k
        sign, sign2 = 1.0 - 2.0 * (quarters[k] & 1), 1.0 - 2.0 * (quarters[j] & 1)
        re += sign * (back_re[k] * psi_re[j] + back_im[k] * psi_im[j])
        re += sign2 * (back_re[j] * psi_re[k] + back_im[j] * psi_im[k])
        im += sign * (back_re[k] * psi_im[j] - back_im[k] * psi_re[j])
        im += sign2 * (back_re[j] * psi_im[k] - back_im[j] * psi_re[k])
    return turn.real * re - turn.imag * im


@njit(nogil=True, cache=True, error_model="numpy", fastmath=SUMS)
def _energy_overlap(re: F64, im: F64, back_re: F64, back_im: F64, energies: F64) -> float:
    overlap = 0.0
    for k in range(re.shape[0]):
        overlap += energies[k] * (back_re[k] * im[k] - back_im[k] * re[k])
    return overlap


@njit(nogil=True, cache=True, error_model="numpy")
def _undo_phases(re: F64, im: F64, back_re: F64, back_im: F64, gamma: float, energies: F64, quarters: U8) -> None:
    for k in range(re.shape[0]):
        sine, cosine = sine_and_cosine(gamma * energies[k], 2 * quarters[k])
        a, b, c, d = re[k], im[k], back_re[k], back_im[k]
        re[k], im[k] = a * cosine - b * sine, a * sine + b * cosine
        back_re[k], back_im[k] = c * cosine - d * sine, c * sine + d * cosine


@njit(nogil=True, cache=True, error_model="numpy")
def _undo_phases_by_table(re: F64, im: F64, back_re: F64, back_im: F64, table: F64, index: I32) -> None:
    for k in range(re.shape[0]):
        cosine, sine = table[0, index[k]], -table[1, index[k]]
        a, b, c, d = re[k], im[k], back_re[k], back_im[k]
        re[k], im[k] = a * cosine - b * sine, a * sine + b * cosine
        back_re[k], back_im[k] = c * cosine - d * sine, c * sine + d * cosine


@njit(nogil=True, cache=True, error_model="numpy")
def _finish_stretch(
    states: F64, table: F64, tables: PhaseTables, begin: int, end: int, gamma: float, layer: int
) -> float:
    """Return the overlap with the energies of a stretch, and take its phases back where a layer is below."""
    re, im, back_re, back_im = (
        states[0, 0, begin:end],
        states[0, 1, begin:end],
        states[1, 0, begin:end],
        states[1, 1, begin:end],
    )
    energies = tables.energies[begin:end]
    overlap = _energy_overlap(re, im, back_re, back_im, energies)
    if layer == 0:
        return overlap
    if tables.levels.shape[0] > 0:
        _undo_phases_by_table(re, im, back_re, back_im, table, tables.entries[begin:end])
    else:
        _undo_phases(re, im, back_re, back_im, gamma, energies, tables.quarters[begin:end])
    return overlap


@njit(nogil=True, cache=True, error_model="numpy")
def _undo_layer(
    states: F64, table: F64, tables: PhaseTables, gamma: float, beta: float, layer: int
) -> tuple[float, float]:
    """Take a layer back from psi and lambda, upper qubits first; return the overlaps with the energies and with the mixer."""
    size = states.shape[2]
    c, s = cos(beta), sin(beta)
    if layer > 0:
        fill_phase_table(table, tables.levels, gamma, 1.0, 2)
    mirrored = tables.mirror_turn != 0
    half = size // 2 if mirrored else size
    width = min(half, BLOCK)
    by_gamma, by_beta = 0.0, 0.0
    if width < size:
        for begin in range(0, width, COLUMNS):
            for part in range(2):
                by_beta += _undo_rotation(states[0, part], states[1, part], width, width, begin, COLUMNS, c, s)
    for begin in range(0, half, width):
        end, begin2, end2 = begin + width, size - begin - width, size - begin
        for part in range(2):
            by_beta += _undo_block(states[0, part, begin:end], states[1, part, begin:end], c, s)
            if mirrored:
                by_beta += _undo_block(states[0, part, begin2:end2], states[1, part, begin2:end2], c, s)
        if mirrored:
            by_beta += _mirrored_overlap(states, begin, end, tables.quarters, tables.mirror_turn)
            for state in range(2):
                rotate_mirrored_qubit(
                    states[state, 0, begin:end],
                    states[state, 1, begin:end],
                    states[state, 0, begin2:end2],
                    states[state, 1, begin2:end2],
                    c,
                    -s * tables.mirror_turn,
                    tables.quarters[begin:end],
                    tables.quarters[begin2:end2],
                )
            by_gamma += _finish_stretch(states, table, tables, begin2, end2, gamma, layer)
        by_gamma += _finish_stretch(states, table, tables, begin, end, gamma, layer)
    return by_gamma, by_beta


@njit(nogil=True, cache=True, error_model="numpy")
def _forwards(state: F64, table: F64, tables: PhaseTables, angles: F64, probabilities: F64) -> None:
    """Write the state after all layers, and the probabilities of the kept outcomes, which add up to 1."""
    size, layers = state.shape[1], angles.shape[0] // 2
    for layer in range(layers):
        scale = 1 / sqrt(size) if layer == 0 else 0.0
        apply_layer(state, table, tables, angles[layer], angles[layers + layer], scale)
    for k in range(size):
        probabilities[k] = state[0, k] * state[0, k] + state[1, k] * state[1, k]


@njit(nogil=True, cache=True, error_model="numpy")
def _backwards(states: F64, table: F64, tables: PhaseTables, angles: F64, observable: F64, slopes: F64) -> None:
    """Write the slopes by every angle; the states are taken back."""
    layers = angles.shape[0] // 2
    for part in range(2):
        for k in range(states.shape[2]):
            states[1, part, k] = states[0, part, k] * observable[k]
    for layer in range(layers - 1, -1, -1):
        by_gamma, by_beta = _undo_layer(states, table, tables, angles[layer], angles[layers + layer], layer)
        slopes[layer], slopes[layers + layer] = 2 * by_gamma, 2 * by_beta


class CompiledQaoaGradient:
    """As `qaoa_gradient.QaoaGradient` with its X mixer, to within rounding; keeps two states and no phases.

    Args:
        phases: of all outcomes' energies, around zero.
        objective: as there.
    """

    def __init__(self, phases: Phases, objective: Objective) -> None:
        self._objective = objective
        self._states = np.empty((2, 2, phases.size))
        self._table = np.empty((2, 4 * len(phases.levels)))
        self._tables = phase_tables(phases)

    def __call__(self, angles: F64) -> tuple[float, F64]:
        """Return the objective and its gradient, shape ``(2 p,)``, for angles with gammas first, in radians."""
        value, observable = self._objective(self.probabilities(angles))
        slopes = np.empty(len(angles))
        _backwards(self._states, self._table, self._tables, np.ascontiguousarray(angles), observable, slopes)
        return value, slopes

    def probabilities(self, angles: F64) -> F64:
        """Return the probabilities of the kept outcomes, in the order of the energies; they add up to 1."""
        found = np.empty(self._states.shape[2])
        _forwards(self._states[0], self._table, self._tables, np.ascontiguousarray(angles), found)
        return found
