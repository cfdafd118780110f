"""Coefficients as integers: what is called a proof is decided without rounding.

Two readings of a float64, each for its place. A weight that somebody wrote down *means* the shortest decimal that it
stands for (0.1, not 0.1000000000000000055); a coefficient that was computed *is* the fraction that it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from qhybrid_pipelines.classical.exhaustive import MAX_VARIABLES, find_minimum, is_minimum
from qhybrid_pipelines.core.binary_models.ising import IsingModel

#: Sums of integers below this are exact in float64, whatever the order of addition.
EXACT_FLOAT_TOTAL = 2**53

#: Outcomes that floats do not tell apart are compared in integers, up to this many.
_MAX_TIED = 4096


@dataclass(frozen=True, slots=True)
class IntegerWeights:
    """Weights as integers times a unit, ``weights[i] == integers[i] * unit``.

    Attributes:
        integers: one per weight.
        unit: the largest number that every weight is a multiple of; 1 where all of them are 0.
    """

    integers: tuple[int, ...]
    unit: Fraction

    @property
    def total(self) -> int:
        """Sum of the sizes."""
        return sum(map(abs, self.integers))

    def sums_are_exact(self, *, times: int = 1) -> bool:
        """Return whether sums in which each weight counts up to so many times are exact in float64, in any order.

        The unit has to be a binary fraction, and its own digits count: a float64 such as 0.05 fills the mantissa by itself,
        so that three times it is rounded already.
        """
        numerator, denominator = self.unit.as_integer_ratio()
        digits = numerator // (numerator & -numerator)
        return not denominator & (denominator - 1) and times * self.total * digits < EXACT_FLOAT_TOTAL


def integers_as_written(weights: Iterable[float]) -> IntegerWeights:
    """Return weights as multiples of one unit, each read as the shortest decimal that gives its float64."""
    return _common_unit([Fraction(repr(weight)) for weight in map(float, weights)])


def integers_as_stored(weights: Iterable[float]) -> IntegerWeights:
    """Return weights as multiples of one unit, each read as the binary fraction that its float64 is."""
    return _common_unit([Fraction(weight) for weight in map(float, weights)])


def _common_unit(weights: Sequence[Fraction]) -> IntegerWeights:
    denominator = math.lcm(*(weight.denominator for weight in weights))
    integers = [weight.numerator * (denominator // weight.denominator) for weight in weights]
    divisor = math.gcd(*integers) or denominator
    return IntegerWeights(tuple(value // divisor for value in integers), Fraction(divisor, denominator))


@dataclass(frozen=True, slots=True)
class IntegerQubo:
    """``E(x) = offset + sum a_i x_i + sum q_ij x_i x_j`` over 0 and 1, in integers; the offset is left out.

    Attributes:
        linear: ``a``, one per variable.
        quadratic: ``(i, j, q_ij)`` of each coupling.
    """

    linear: tuple[int, ...]
    quadratic: tuple[tuple[int, int, int], ...]

    @classmethod
    def from_ising(cls, model: IsingModel) -> IntegerQubo:
        """Return the form of a model over ``x = (1 - s) / 2``, exactly as its float64 are."""
        model.require_quadratic("a QUBO")
        size = model.size
        values = integers_as_stored([*model.linear.tolist(), *model.couplings.tolist()]).integers
        linear = [-2 * value for value in values[:size]]
        quadratic = []
        for (i, j), value in zip(model.pairs.tolist(), values[size:], strict=True):
            linear[i] -= 2 * value
            linear[j] -= 2 * value
            quadratic.append((i, j, 4 * value))
        return cls(tuple(linear), tuple(quadratic))

    def energy(self, word: int) -> int:
        """Return the energy of a packed outcome."""
        once = sum(value for i, value in enumerate(self.linear) if word >> i & 1)
        return once + sum(value for i, j, value in self.quadratic if word >> i & word >> j & 1)


def is_exact_in_floats(model: IsingModel) -> bool:
    """Return whether energies, and coefficients over 0 and 1, are exact in float64, whatever the order of addition."""
    weights = model.products.weights.tolist()
    stored = integers_as_stored([*model.linear.tolist(), *model.couplings.tolist(), *weights, model.offset])
    # A coupling is 4 J over 0 and 1, and a product of k spins 2^k w.
    return stored.sums_are_exact(times=2 ** int(model.products.orders.max(initial=2)))


def exact_minimum(model: IsingModel) -> int | None:
    """Return an outcome of the lowest energy, the smallest word among several; compared in integers.

    Args:
        model: at most :data:`.exhaustive.MAX_VARIABLES` variables.

    Returns:
        None where floats do not tell which outcome is lowest, and either more are equal up to rounding than can be compared in integers, or
        the model has products of more spins.
    """
    if model.size > MAX_VARIABLES:
        raise ValueError(f"{model.size} variables are too many to be enumerated, at most {MAX_VARIABLES}")
    if is_exact_in_floats(model):
        return int(np.argmin(model.diagonal))
    _, lowest = find_minimum(model)
    tied = np.flatnonzero(is_minimum(model, model.diagonal, lowest)).tolist()
    if len(tied) > _MAX_TIED or not model.is_quadratic:
        return None
    exact = IntegerQubo.from_ising(model)
    return min(tied, key=lambda word: (exact.energy(word), word))
