"""Characterizations: every few virtual hours each machine is measured again and found slightly better or worse.

The logarithm of each error rate takes a seeded random walk that is folded back at a factor of ``WORST`` above and below
the usual error. Characterization ``k`` of a machine is a function of the seed alone, so nothing need be stored: the
same seed gives the same history after every restart.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhybrid_pipelines.emulator.clock import stamp
from qhybrid_pipelines.emulator.local_errors import LocalErrors, local_errors
from qhybrid_pipelines.emulator.machines import TIMING, Fidelity, Machine

WORST = 3.0
"""An error rate stays within this factor of the usual one."""

STEP = 0.15
"""Standard deviation of one step of the walk, in the natural logarithm of the error rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Characterization:
    """What one measurement of a machine found.

    Attributes:
        id: UUID, a function of seed, machine and number.
        machine: what was measured.
        measured_at: virtual Unix seconds.
        fidelity: the medians found.
        errors: of each qubit and pair; None where errors have no place.
    """

    id: str
    machine: Machine
    measured_at: float
    fidelity: Fidelity
    errors: LocalErrors | None = None

    def payload(self, *, skew_seconds: float) -> dict[str, Any]:
        """Return it as the interface shows it, its date shifted by a faulty clock."""
        qubits = self.machine.qubits
        return {
            "id": self.id,
            "backend": self.machine.name,
            "date": stamp(self.measured_at + skew_seconds),
            "qubits": qubits,
            "connectivity": [[first, second] for first in range(qubits) for second in range(first + 1, qubits)],
            "fidelity": {
                "1q": {"median": self.fidelity.one_qubit, "stderr": None},
                "2q": {"median": self.fidelity.two_qubit, "stderr": None},
                "spam": {"median": self.fidelity.spam, "stderr": None},
            },
            "timing": dict(TIMING),
            **({} if self.errors is None else {"emulator": self.errors.payload()}),
        }


class CharacterizationHistory:
    """All characterizations of one noisy machine since the emulator's folder was made.

    Args:
        machine: with usual fidelities.
        seed: of the emulator.
        began_at: virtual Unix seconds of characterization 0.
        every_seconds: virtual seconds between two.
        local: each qubit and pair has errors of its own.
        bad_qubit: which is to be the bad one then; None draws it.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        seed: int,
        began_at: float,
        every_seconds: float,
        local: bool = False,
        bad_qubit: int | None = None,
    ) -> None:
        self._local, self._bad_qubit = local, bad_qubit
        self._machine, self._seed = machine, seed
        self._began_at, self._every_seconds = began_at, every_seconds
        self._walk = np.zeros((0, 3))

    def index_at(self, moment: float) -> int:
        """Return the number of the characterization in force at a virtual moment."""
        return max(0, int((moment - self._began_at) // self._every_seconds))

    def last_before(self, moment: float) -> int:
        """Return the number of the last characterization measured before a virtual moment; -1 when there is none."""
        return max(-1, math.ceil((moment - self._began_at) / self._every_seconds) - 1)

    def at(self, moment: float) -> Characterization:
        """Return the characterization in force at a virtual moment."""
        return self.characterization(self.index_at(moment))

    def characterization(self, number: int) -> Characterization:
        """Return characterization ``number``, counted from 0."""
        average_fidelity = self._machine.average_fidelity
        assert average_fidelity is not None
        factors = np.exp(self._folded(number))
        fidelity = Fidelity(
            one_qubit=round(1 - (1 - average_fidelity.one_qubit) * float(factors[0]), 7),
            two_qubit=round(1 - (1 - average_fidelity.two_qubit) * float(factors[1]), 7),
            spam=round(1 - (1 - average_fidelity.spam) * float(factors[2]), 7),
        )
        name, qubits = self._machine.name, self._machine.qubits
        errors = None
        if self._local:
            errors = local_errors(name, qubits, fidelity, seed=self._seed, number=number, bad_qubit=self._bad_qubit)
        return Characterization(
            id=str(uuid.uuid5(_NAMESPACE, f"{self._seed}/{self._machine.name}/{number}")),
            machine=self._machine,
            measured_at=self._began_at + number * self._every_seconds,
            fidelity=fidelity,
            errors=errors,
        )

    def find(self, identifier: str, moment: float) -> Characterization | None:
        """Return the characterization with this id among those measured so far, newest first."""
        for number in range(self.index_at(moment), -1, -1):
            found = self.characterization(number)
            if found.id == identifier:
                return found
        return None

    def _folded(self, number: int) -> NDArray[np.float64]:
        """Return the walk after ``number`` steps, folded into plus or minus ``log(WORST)``."""
        if number >= len(self._walk):
            # rows are drawn in order, so a longer draw begins with the shorter one
            key = hashlib.sha256(f"drift/{self._seed}/{self._machine.name}".encode()).digest()
            steps = np.random.default_rng(int.from_bytes(key[:8])).normal(0.0, STEP, size=(2 * number + 64, 3))
            self._walk = np.cumsum(steps, axis=0)
        edge = np.log(WORST)
        return np.asarray(edge - np.abs((self._walk[number] + edge) % (4 * edge) - 2 * edge))


_NAMESPACE = uuid.UUID("6a1f5a52-3f0a-5c35-9f7e-2d1c1b0a9e08")
