r"""Value and gradient of a QAOA objective on the exact state, by one pass forwards and one backwards.

The objective is the expectation of a diagonal observable :math:`O` that may depend on the probabilities. With the state
:math:`|\psi\rangle` after all layers and :math:`|\lambda\rangle = O|\psi\rangle`, both are taken back layer by layer, and the
derivative by the angle of a factor :math:`e^{-i\theta G}` is :math:`2\,\mathrm{Im}\langle\lambda|G|\psi\rangle` where that factor
stands. All ``2 p`` derivatives cost four passes over a layer, instead of the ``4 p`` circuits of parameter shifts.

The X mixer is :math:`W e^{-i\beta b} W` with the Walsh-Hadamard transform :math:`W` and a diagonal :math:`b`. Without fields
complements keep equal amplitudes; then the last qubit is left out, and its X is the product of all others' X.

Source: T. Jones, J. Gacon, Efficient calculation of gradients in classical simulations of variational quantum algorithms,
arXiv:2009.02823.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.quantum.simulation.qaoa_phases import C128
from qhybrid_pipelines.quantum.simulation.ring_mixer import pair_partners
from qhybrid_pipelines.quantum.simulation.x_mixer import (
    group_qubits,
    multiply_group,
    multiply_lowest_group,
    pair_rotations,
)

#: Takes the probabilities, gives the objective and the diagonal observable whose expectation has the same gradient.
Objective = Callable[[F64], tuple[float, F64]]


class Generator(Protocol):
    """The generator of a mixer on a row of states."""

    def apply(self, states: C128, beta: float) -> None:
        """Apply ``exp(-i beta B)`` to every row of ``states``, in place."""

    def undo(self, states: C128, beta: float) -> float:
        """Take ``exp(-i beta B)`` back from both rows (psi, lambda) in place, and return ``Im <lambda|B|psi>``."""


class XGenerator:
    """``B`` is the sum of all X. Shapes depend on the width alone, so results do too.

    Args:
        qubits: that are kept.
        mirrored: one more qubit is left out, whose X is the product of all others'.
    """

    def __init__(self, qubits: int, *, mirrored: bool) -> None:
        ones = np.bitwise_count(np.arange(1 << qubits))
        self._eigenvalue = np.arange(qubits, -qubits - 1, -2, dtype=np.float64)
        if mirrored:
            self._eigenvalue += np.where(np.arange(qubits + 1) % 2, -1.0, 1.0)
        self._ones = np.asarray(ones, dtype=np.intp)
        self._diagonal = self._eigenvalue[self._ones]
        self._groups = [(first, np.stack([_walsh_matrix(count)] * 2)) for first, count in group_qubits(0, qubits)]
        if self._groups:  # once, and not for every layer of every evaluation
            self._groups[0] = (0, pair_rotations(self._groups[0][1]))
        self._scratch = np.empty((2, 1 << qubits), dtype=np.complex128)

    def apply(self, states: C128, beta: float) -> None:
        """Apply ``exp(-i beta B)`` to every row."""
        self._transform(states)
        states *= np.exp(-1j * beta * self._eigenvalue)[self._ones]
        self._transform(states)

    def undo(self, states: C128, beta: float) -> float:
        """Take ``exp(-i beta B)`` back and return ``Im <lambda|B|psi>``."""
        self._transform(states)
        slope = _imaginary_overlap(states, self._diagonal)
        states *= np.exp(1j * beta * self._eigenvalue)[self._ones]
        self._transform(states)
        return slope

    def _transform(self, states: C128) -> None:
        rows = len(states)
        current, scratch = states, self._scratch[:rows]
        for qubit, matrix in self._groups:
            if qubit == 0:
                multiply_lowest_group(current, scratch, matrix[:rows])
            else:
                multiply_group(current, scratch, matrix[:rows], qubit)
            current, scratch = scratch, current
        if current is not states:
            states[...] = current


class RingGenerator:
    """``B`` is the product of the pairs of a ring, one after the other, on the outcomes with a fixed number of ones."""

    def __init__(self, *, ones: int, qubits: int) -> None:
        self._pairs = pair_partners(ones, qubits)

    def apply(self, states: C128, beta: float) -> None:
        """Apply the mixer to every row."""
        for here, there in self._pairs:
            _turn_pair(states, here, there, beta)

    def undo(self, states: C128, beta: float) -> float:
        """Take the mixer back and return the sum over its pairs of ``Im <lambda|G|psi>``, each at its own place."""
        slope = 0.0
        for here, there in reversed(self._pairs):
            psi, back = states
            slope += float(np.vdot(back[here], psi[there]).imag + np.vdot(back[there], psi[here]).imag)
            _turn_pair(states, here, there, -beta)
        return slope


class QaoaGradient:
    """Value and gradient of an objective of one model. Keeps two states: an object for one thread.

    Args:
        energies: shape ``(outcomes,)``, of the outcomes that ``mixer`` works on.
        mixer: its generator.
        objective: see :data:`Objective`; it is given the probabilities of the outcomes in the order of ``energies``.
        write_phases: given a gamma and an array, writes ``exp(-i gamma (E - mean))`` there; by sines and cosines if not given.
        start: amplitudes of the first state, shape ``(outcomes,)``; all alike if not given.
    """

    def __init__(
        self,
        energies: F64,
        mixer: Generator,
        objective: Objective,
        *,
        write_phases: Callable[[float, C128], None] | None = None,
        start: F64 | None = None,
    ) -> None:
        # A constant is a global phase; around zero the phases are smallest, and rounding with them.
        self._energies = energies - energies.mean()
        self._mixer, self._objective = mixer, objective
        self._write_phases = write_phases or _phase_writer(self._energies)
        self._start: F64 | float = 1 / np.sqrt(len(energies)) if start is None else start
        self._states = np.empty((2, len(energies)), dtype=np.complex128)
        self._phases: list[C128] = []
        self._gammas: list[float] = []

    def __call__(self, angles: F64) -> tuple[float, F64]:
        """Return the objective and its gradient, shape ``(2 p,)``, for angles with gammas first, in radians."""
        layers = len(angles) // 2
        value, observable = self._objective(self.probabilities(angles))
        np.multiply(self._states[0], observable, out=self._states[1])
        slopes = np.empty(2 * layers)
        for layer in reversed(range(layers)):
            slopes[layers + layer] = self._mixer.undo(self._states, angles[layers + layer])
            slopes[layer] = _imaginary_overlap(self._states, self._energies)
            if layer:
                self._states *= np.conjugate(self._phases[layer], out=self._phases[layer])
                self._gammas[layer] = -self._gammas[layer]
        return value, 2 * slopes

    def probabilities(self, angles: F64) -> F64:
        """Return the probabilities of the outcomes, in the order of the energies, for angles with gammas first, in radians."""
        layers = len(angles) // 2
        while len(self._phases) < layers:
            self._phases.append(np.ones(len(self._energies), dtype=np.complex128))
            self._gammas.append(0.0)
        forward = self._states[:1]
        forward[:] = self._start
        for layer in range(layers):
            # Points of a grid share their gammas.
            if self._gammas[layer] != angles[layer]:
                self._gammas[layer] = float(angles[layer])
                self._write_phases(self._gammas[layer], self._phases[layer])
            forward *= self._phases[layer]
            self._mixer.apply(forward, angles[layers + layer])
        return np.asarray(np.square(forward[0].real) + np.square(forward[0].imag), dtype=np.float64)


def _phase_writer(energies: F64) -> Callable[[float, C128], None]:
    """Return what writes ``exp(-i gamma E)``; where outcomes share their energies, as without weights, one sine of each is enough."""
    distinct, places = np.unique(energies, return_inverse=True)
    few = 2 * len(distinct) <= len(energies)

    def write(gamma: float, out: C128) -> None:
        turned = gamma * (distinct if few else energies)
        if few:
            np.take(np.cos(turned) + 1j * np.sin(-turned), places, out=out)
            return
        np.cos(turned, out=out.real)
        np.sin(-turned, out=out.imag)

    return write


def _imaginary_overlap(states: C128, diagonal: F64) -> float:
    """Return ``Im <lambda|diagonal|psi>`` of the rows (psi, lambda)."""
    psi, back = states
    # Not a dot product: BLAS wakes its threads for one, which cost more than they save on vectors this short.
    return float(np.sum((back.real * psi.imag - back.imag * psi.real) * diagonal))


def _turn_pair(states: C128, here: npt.NDArray[np.intp], there: npt.NDArray[np.intp], beta: float) -> None:
    stay, turn = np.cos(beta), -1j * np.sin(beta)
    a, b = states[:, here], states[:, there]
    states[:, here] = stay * a + turn * b
    states[:, there] = stay * b + turn * a


def _walsh_matrix(qubits: int) -> F64:
    index = np.arange(1 << qubits)
    signs = np.where(np.bitwise_count(index[:, None] & index) & 1, -1.0, 1.0)
    return np.asarray(signs / np.sqrt(1 << qubits), dtype=np.float64)
