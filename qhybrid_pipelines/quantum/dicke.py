"""Deterministic preparation of the Dicke state: the equal superposition of all outcomes with ``K`` ones.

Source: A. Baertschi and S. Eidenbenz, Deterministic preparation of Dicke states, arXiv:1904.07358, section 3: a product
of split-and-cyclic-shift blocks, of ``O(n K)`` gates, without ancillas or measurements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter


@dataclass
class DickePreparation:
    """Appends the preparation to a circuit whose qubits are all 0, and remembers the rotations it needs.

    Attributes:
        inputs: radians of every input, by name. Equal rotations share an input.
    """

    circuit: QuantumCircuit
    inputs: dict[str, float] = field(default_factory=dict)
    _parameters: dict[str, Parameter] = field(default_factory=dict)

    def append(self, ones: int) -> None:
        """Prepare the state of ``ones`` ones; above half of the qubits, the zeros are prepared and all bits flipped."""
        n = self.circuit.num_qubits
        few = min(ones, n - ones)
        if few:
            self.circuit.x(range(n - few, n))
            # Block m distributes the ones over the first m qubits: from the whole register down to the first two.
            for m in range(n, 1, -1):
                self._split_and_shift(m, min(few, m - 1))
        if few != ones:
            self.circuit.x(range(n))

    def _split_and_shift(self, m: int, ones: int) -> None:
        """Move a part of the amplitude of 1...1 on the last ``ones`` of the first ``m`` qubits one place down."""
        last = m - 1
        for l in range(1, ones + 1):  # noqa: E741 - the paper's letter
            target = last - l
            self.circuit.cx(target, last)
            if l == 1:
                self._controlled_ry(Fraction(l, m), target, last)
            else:
                self._doubly_controlled_ry(Fraction(l, m), target, last, target + 1)
            self.circuit.cx(target, last)

    def _controlled_ry(self, share: Fraction, target: int, control: int) -> None:
        for sign in (1, -1):
            self.circuit.ry(self._input(share, 2 * sign), target)
            self.circuit.cx(control, target)

    def _doubly_controlled_ry(self, share: Fraction, target: int, first: int, second: int) -> None:
        # The quarter turns cancel unless both controls flip the two negative ones.
        for sign, control in ((1, first), (-1, second), (1, first), (-1, second)):
            self.circuit.ry(self._input(share, 4 * sign), target)
            self.circuit.cx(control, target)

    def _input(self, share: Fraction, divisor: int) -> Parameter:
        """Return the input for ``2 arccos(sqrt(share)) / divisor``."""
        from qiskit.circuit import Parameter

        sign = "plus" if divisor > 0 else "minus"
        name = f"dicke_{share.numerator}_{share.denominator}_{abs(divisor)}_{sign}"
        if name not in self._parameters:
            self._parameters[name] = Parameter(name)
            self.inputs[name] = 2 * math.acos(math.sqrt(share)) / divisor
        return self._parameters[name]
