"""Errors with a place: how good each qubit and each pair of a machine is on one day.

Qubits differ by factors that are drawn once per machine, one of them is bad, and each drifts from day to day on its own. The
factors have the median 1, so that the medians of a characterization stay what they are. All of it is a function of the emulator's
seed, the machine's name and the number of the characterization.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhybrid_pipelines.emulator.machines import TIMING, Fidelity

F64 = NDArray[np.float64]

SPREAD = 0.4
"""Standard deviation of the natural logarithm of a qubit's factor."""
BAD_FACTOR = 6.0
"""How much worse the one bad qubit is, and every pair with it."""
DAY_SPREAD = 0.15
"""Standard deviation of the natural logarithm of what one day adds to a qubit's factor."""
WORST_ERROR = 0.25
"""No error is more probable than this."""
RELAXATION_SHARE = 1.5
"""A qubit in state 1 is read wrongly so many times as often as the mean of both states; one in state 0 the rest."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalErrors:
    """Probabilities of one day, by qubit.

    Attributes:
        bad_qubit: the one that is much worse than the others.
        one_qubit: of an error after a gate on one qubit, shape ``(qubits,)``.
        two_qubit: of an error after a gate on a pair, symmetric, shape ``(qubits, qubits)``.
        read_zero_as_one: shape ``(qubits,)``.
        read_one_as_zero: shape ``(qubits,)``.
        t1_seconds: relaxation time, shape ``(qubits,)``.
        t2_seconds: dephasing time, at most twice the relaxation time, shape ``(qubits,)``.
    """

    bad_qubit: int
    one_qubit: F64
    two_qubit: F64
    read_zero_as_one: F64
    read_one_as_zero: F64
    t1_seconds: F64
    t2_seconds: F64

    def payload(self) -> dict[str, Any]:
        """Return what a characterization says about it: fidelities and times by qubit, and by pair."""
        rows, columns = np.triu_indices(len(self.one_qubit), k=1)
        return {
            "noise": "local",
            "qubits": [
                {
                    "1q": round(1 - float(self.one_qubit[qubit]), 7),
                    "read_zero_as_one": round(float(self.read_zero_as_one[qubit]), 7),
                    "read_one_as_zero": round(float(self.read_one_as_zero[qubit]), 7),
                    "t1": round(float(self.t1_seconds[qubit]), 4),
                    "t2": round(float(self.t2_seconds[qubit]), 4),
                }
                for qubit in range(len(self.one_qubit))
            ],
            "2q": [
                [first, second, round(1 - error, 7)]
                for first, second, error in zip(
                    rows.tolist(), columns.tolist(), self.two_qubit[rows, columns].tolist(), strict=True
                )
            ],
        }


def local_errors(
    machine: str, qubits: int, fidelity: Fidelity, *, seed: int, number: int, bad_qubit: int | None = None
) -> LocalErrors:
    """Return the errors of a machine on one day.

    Args:
        machine: its name.
        qubits: how many it has.
        fidelity: the day's medians.
        seed: of the emulator.
        number: of the characterization.
        bad_qubit: the one that is to be bad; one is drawn where it is None, or the machine has fewer qubits.
    """
    fixed, day = _generator(f"{seed}/{machine}"), _generator(f"{seed}/{machine}/{number}")
    drawn = int(fixed.integers(qubits))  # in any case, so that the factors of the qubits are the same
    bad_qubit = drawn if bad_qubit is None or bad_qubit >= qubits else bad_qubit
    worse = np.where(np.arange(qubits) == bad_qubit, BAD_FACTOR, 1.0)
    gate, read, idle = (
        np.exp(fixed.normal(0.0, SPREAD, qubits) + day.normal(0.0, DAY_SPREAD, qubits)) * worse for _ in range(3)
    )
    pairs = np.sqrt(np.outer(gate, gate)) * np.exp(_symmetric(fixed.normal(0.0, SPREAD, (qubits, qubits))))
    pairs = np.where(np.maximum.outer(worse, worse) > 1, pairs * np.sqrt(BAD_FACTOR), pairs)
    upper = pairs[np.triu_indices(qubits, k=1)]
    mean_read = _limited((1 - fidelity.spam) * read / np.median(read))
    t1 = TIMING["t1"] / (idle / np.median(idle))
    return LocalErrors(
        bad_qubit=bad_qubit,
        one_qubit=_limited((1 - fidelity.one_qubit) * gate / np.median(gate)),
        two_qubit=_limited((1 - fidelity.two_qubit) * pairs / np.median(upper)),
        read_zero_as_one=mean_read * (2 - RELAXATION_SHARE),
        read_one_as_zero=mean_read * RELAXATION_SHARE,
        t1_seconds=t1,
        t2_seconds=np.minimum(2 * t1, TIMING["t2"] / (idle / np.median(idle))),
    )


def _symmetric(values: F64) -> F64:
    """Return a symmetric matrix with the values above the diagonal."""
    upper = np.triu(values, k=1)
    return np.asarray(upper + upper.T)


def _limited(errors: F64) -> F64:
    return np.minimum(errors, WORST_ERROR)


def _generator(text: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"local/{text}".encode()).digest()[:16]))
