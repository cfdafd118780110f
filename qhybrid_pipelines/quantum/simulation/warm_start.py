r"""QAOA that begins near the minimum of a convex relaxation, with the mixer that has this start as its highest level.

On spins every :math:`s_i^2` is 1, so :math:`\lambda/2 \sum_i (s_i^2 - 1)` changes no energy; with :math:`\lambda` just above minus the lowest
eigenvalue of the couplings the energy becomes convex, and its minimum over :math:`-1 \le s_i \le 1` is unique, and a lower bound. Where all terms
have an even number of spins that minimum is the origin, and complements have equal energies: then the last spin is held at +1.

Qubit ``i`` begins as :math:`R_Y(\theta_i)|0\rangle` with :math:`\cos\theta_i = s_i`, which is kept within :math:`\pm 1/2` so that no answer is out of
reach, and the mixer is :math:`\exp(-i\beta(\sin\theta_i X + \cos\theta_i Z)) = R_Y(\theta_i) R_Z(2\beta) R_Y(-\theta_i)`. With :math:`s_i = 0` both
are those of the X mixer.

Sources: D. Egger, J. Mareček, S. Woerner, Quantum 5, 479 (2021), whose regularisation 1/4 is the bound above; the convex form: P. Hammer,
A. Rubin, RAIRO 4, 67 (1970).
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.quantum.simulation.qaoa_phases import C128
from qhybrid_pipelines.quantum.simulation.x_mixer import (
    group_qubits,
    multiply_group,
    multiply_lowest_group,
    pair_rotations,
)

#: A spin of the relaxed minimum is kept within this.
LARGEST_SPIN = 0.5
#: How far above the lowest that makes the energy convex the shift is, as a share of the couplings' norm: the minimum is unique.
MARGIN = 1e-3
#: Turns are given with so many decimals: a sum that another processor rounds differently then asks for the same circuit.
DECIMALS = 10


def relaxed_spins(model: IsingModel) -> F64:
    """Return the minimum of the convex relaxation, shape ``(n,)``, each between -1 and 1.

    Raises:
        ValueError: the model has products of more than two spins.
    """
    from scipy.linalg import solve_triangular
    from scipy.optimize import lsq_linear

    model.require_quadratic("a warm start")
    n = model.size
    couplings, fields = np.zeros((n, n)), model.linear
    couplings[model.pairs[:, 0], model.pairs[:, 1]] = model.couplings
    couplings += couplings.T
    if model.is_mirrored:
        couplings, fields = couplings[:-1, :-1], couplings[-1, :-1]
    found = np.ones(n)
    free = len(fields)
    if free:
        size = float(np.abs(couplings).sum() + np.abs(fields).sum()) or 1.0
        shift = MARGIN * size - float(np.linalg.eigvalsh(couplings)[0])
        root = np.linalg.cholesky(couplings + shift * np.eye(free))
        goal = -solve_triangular(root, fields, lower=True)
        # It ends at a bound up to rounding.
        found[:free] = lsq_linear(root.T, goal, bounds=(-1, 1), method="bvls", tol=1e-14).x.clip(-1, 1)
    return found


def warm_start_turns(model: IsingModel) -> F64:
    """Return the angle of every qubit's first turn about Y, shape ``(n,)``, radians between pi/3 and 2 pi/3.

    Raises:
        ValueError: as :func:`relaxed_spins`.
    """
    kept = np.clip(relaxed_spins(model), -LARGEST_SPIN, LARGEST_SPIN)
    return np.asarray(np.round(np.arccos(kept), DECIMALS), dtype=np.float64)


class WarmGenerator:
    """``B`` is the sum of ``sin(turn) X + cos(turn) Z``. Shapes depend on the width alone, so results do too.

    Args:
        turns: of :func:`warm_start_turns`, shape ``(n,)``.

    Attributes:
        start: amplitudes of the highest level, shape ``(2**n,)``.
    """

    def __init__(self, turns: F64) -> None:
        qubits = len(turns)
        ones = np.bitwise_count(np.arange(1 << qubits)).astype(np.intp)
        self._diagonal = qubits - 2.0 * ones
        self._ones, self._levels = ones, np.arange(qubits, -qubits - 1, -2, dtype=np.float64)
        half = turns / 2
        rotations = np.array([[np.cos(half), -np.sin(half)], [np.sin(half), np.cos(half)]]).transpose(2, 0, 1)
        self._groups = [_group(first, rotations[first : first + count]) for first, count in group_qubits(0, qubits)]
        self.start: F64 = np.asarray(reduce(np.kron, rotations[::-1, :, 0]), dtype=np.float64)
        self._scratch = np.empty((2, 1 << qubits), dtype=np.complex128)

    def apply(self, states: C128, beta: float) -> None:
        """Apply ``exp(-i beta B)`` to every row."""
        self._turn(states, back=True)
        states *= np.exp(-1j * beta * self._levels)[self._ones]
        self._turn(states, back=False)

    def undo(self, states: C128, beta: float) -> float:
        """Take ``exp(-i beta B)`` back and return ``Im <lambda|B|psi>``."""
        self._turn(states, back=True)
        psi, after = states
        slope = float(np.sum((after.real * psi.imag - after.imag * psi.real) * self._diagonal))
        states *= np.exp(1j * beta * self._levels)[self._ones]
        self._turn(states, back=False)
        return slope

    def _turn(self, states: C128, *, back: bool) -> None:
        rows = len(states)
        current, scratch = states, self._scratch[:rows]
        for qubit, forth, reverse in self._groups:
            matrices = (reverse if back else forth)[:rows]
            if qubit == 0:
                multiply_lowest_group(current, scratch, matrices)
            else:
                multiply_group(current, scratch, matrices, qubit)
            current, scratch = scratch, current
        if current is not states:
            states[...] = current


def _group(first: int, rotations: F64) -> tuple[int, F64, F64]:
    """Return the lowest qubit of a group, and what turns it and turns it back, for two rows."""
    # Bit k of an index is qubit `first + k`, and the first factor of a Kronecker product is the highest bit.
    matrix = np.stack([reduce(np.kron, rotations[::-1])] * 2)
    back = np.ascontiguousarray(matrix.swapaxes(1, 2))
    # The lowest group is multiplied from the right.
    return (first, matrix, back) if first else (first, pair_rotations(back), pair_rotations(matrix))


class WarmMixer:
    """Probabilities of all outcomes, point by point; an object for one thread, like the X mixer's.

    Attributes:
        points: most points of a call.

    Args:
        energies: shape ``(2**n,)``.
        turns: of :func:`warm_start_turns`, shape ``(n,)``.
    """

    points = 1

    def __init__(self, energies: F64, turns: F64) -> None:
        self._energies, self._generator = energies, WarmGenerator(turns)

    def __call__(self, angles: F64) -> F64:
        """Return the probabilities of one point, shape ``(1, 2**n)``.

        Args:
            angles: shape ``(1, 2 p)``, gammas first, then betas, in radians.
        """
        [point] = angles
        layers = len(point) // 2
        state = self._generator.start.astype(np.complex128)[None]
        for gamma, beta in zip(point[:layers], point[layers:], strict=True):
            state *= np.exp(-1j * gamma * self._energies)
            self._generator.apply(state, beta)
        return np.asarray(np.square(state.real) + np.square(state.imag), dtype=np.float64)
