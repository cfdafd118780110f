r"""A circuit with errors where they strike: what the trajectory sampler is given.

Steps act in their order. A gate is a matrix; an error is a Pauli channel, or the decay of one qubit from 1 to 0. Thermal relaxation
with times :math:`T_1` and :math:`T_2 \le 2 T_1` for a while :math:`t` is the decay with probability :math:`1 - e^{-t/T_1}`, and then a
phase flip with probability :math:`(1 - e^{-t (1/T_2 - 1/2T_1)})/2`; see :func:`relaxation`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64

C128 = npt.NDArray[np.complex128]

MOST_FUSED_QUBITS = 4
"""Widest gate or error that is taken together with others."""


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """A matrix on some qubits.

    Attributes:
        qubits: the first is the least significant bit of the matrix's index.
        matrix: shape ``(2**m, 2**m)``.
    """

    qubits: tuple[int, ...]
    matrix: C128


@dataclass(frozen=True, slots=True, eq=False)
class PauliErrors:
    """A Pauli string that strikes or does not.

    Attributes:
        qubits: that it acts on.
        probabilities: of the strings with codes 1, 2, ... , shape ``(4**m - 1,)``. Of a code, bits ``2 k`` and ``2 k + 1`` are the Pauli on the
            qubit at position ``k``: 1 for X, 2 for Z, 3 for Y.
    """

    qubits: tuple[int, ...]
    probabilities: F64

    @property
    def total(self) -> float:
        """Probability that any of them strikes."""
        return float(self.probabilities.sum())

    @property
    def strings(self) -> int:
        """How many different ones there are."""
        return len(self.probabilities)


@dataclass(frozen=True, slots=True, eq=False)
class Decay:
    """Amplitude damping: a qubit in state 1 falls to 0 with this probability."""

    qubits: tuple[int]
    probability: float

    @property
    def total(self) -> float:
        """Probability that it is a candidate."""
        return self.probability

    @property
    def strings(self) -> int:
        """There is but one way to decay."""
        return 1


@dataclass(frozen=True, slots=True, eq=False)
class WideGate:
    """A gate on more qubits than a group of gates has.

    Attributes:
        qubits: that it acts on, more than `MOST_FUSED_QUBITS`.
        apply: returns states after it; both have shape ``(states, 2**n)``, qubit 0 the least significant bit.
    """

    qubits: tuple[int, ...]
    apply: Callable[[C128], C128]


@dataclass(frozen=True, slots=True, eq=False)
class WidePaulis:
    """A Pauli string on many qubits that strikes or does not, each string other than the identity alike.

    Attributes:
        qubits: that it acts on, more than `MOST_FUSED_QUBITS`.
        total: probability that one strikes.
    """

    qubits: tuple[int, ...]
    total: float

    @property
    def strings(self) -> int:
        """How many different ones there are."""
        return int(4 ** len(self.qubits) - 1)


Error = PauliErrors | WidePaulis | Decay
Step = Gate | WideGate | Error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readout:
    """How qubits are read, shape ``(bits,)`` each.

    Attributes:
        qubits: that is read into each bit.
        zero_as_one: probability that a 0 is read as 1.
        one_as_zero: probability that a 1 is read as 0.
    """

    qubits: npt.NDArray[np.intp]
    zero_as_one: F64
    one_as_zero: F64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoisyCircuit:
    """Steps from all zeros to a measurement.

    Attributes:
        n_qubits: how many there are.
        steps: in their order.
        readout: at the end.
    """

    n_qubits: int
    steps: Sequence[Step]
    readout: Readout


def uniform_paulis(qubits: Sequence[int], probability: float) -> PauliErrors | WidePaulis:
    """Return errors that strike with a probability, each string other than the identity alike."""
    if len(qubits) > MOST_FUSED_QUBITS:
        return WidePaulis(tuple(qubits), probability)
    strings = 4 ** len(qubits) - 1
    return PauliErrors(tuple(qubits), np.full(strings, probability / strings))


def one_qubit_paulis(qubit: int, x: float, y: float, z: float) -> PauliErrors:
    """Return errors of one qubit with the probabilities of X, Y and Z."""
    return PauliErrors((qubit,), np.array([x, z, y]))


def relaxation(qubit: int, seconds: float, t1: float, t2: float) -> list[Step]:
    """Return thermal relaxation to the state 0, times in seconds; ``t2`` is at most ``2 * t1``, and may be infinite with it."""
    steps: list[Step] = []
    decayed = float(-np.expm1(-seconds / t1))
    flipped = float(-np.expm1(-seconds * (1 / t2 - 0.5 / t1))) / 2
    if decayed > 0:
        steps.append(Decay((qubit,), decayed))
    if flipped > 0:
        steps.append(one_qubit_paulis(qubit, 0.0, 0.0, flipped))
    return steps
