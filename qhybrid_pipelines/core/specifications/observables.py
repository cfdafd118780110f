"""Products of Pauli operators as people write them: ``Z0 Z1``, ``X0``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FACTOR = re.compile(r"([XYZ])(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Observable:
    """A product of Pauli operators on different qubits.

    Attributes:
        factors: qubit and letter of each, by qubit.
    """

    factors: tuple[tuple[int, str], ...]

    @property
    def name(self) -> str:
        """The product as it is written, by qubit: ``Z0 Z1``."""
        return " ".join(f"{letter}{qubit}" for qubit, letter in self.factors)

    @property
    def qubits(self) -> tuple[int, ...]:
        """The qubits that it acts on, ascending."""
        return tuple(qubit for qubit, _ in self.factors)

    @property
    def basis(self) -> dict[int, str]:
        """The letter of each of its qubits."""
        return dict(self.factors)


def parse_observable(text: str) -> Observable:
    """Return the observable of a text such as ``Z0 Z1``; spaces between the factors may be left out.

    Raises:
        ValueError: it is not one; says why.
    """
    compact = "".join(text.split())
    found = _FACTOR.findall(compact)
    if not found or "".join(letter + digits for letter, digits in found) != compact:
        raise ValueError(f"{text!r} is not a product of X, Y and Z with the numbers of their qubits, for example Z0 Z1")
    factors = [(int(digits), letter) for letter, digits in found]
    if len({qubit for qubit, _ in factors}) < len(factors):
        raise ValueError(f"{text!r} names a qubit twice")
    return Observable(tuple(sorted(factors)))
