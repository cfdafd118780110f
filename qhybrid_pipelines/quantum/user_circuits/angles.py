"""What an angle of a circuit may be: a number, or a sum of multiples of the file's inputs and a number."""

from __future__ import annotations

import math
from typing import NamedTuple


class Angle(NamedTuple):
    """A constant part in radians, and (index of an input, factor) for each input that moves the angle, by index."""

    constant: float
    slopes: tuple[tuple[int, float], ...] = ()


#: What an expression is worth: whole numbers are kept apart, because version 3 divides them without a remainder.
Value = int | float | Angle


def add(left: Value, right: Value) -> Value:
    """Return the sum of two values."""
    if not isinstance(left, Angle) and not isinstance(right, Angle):
        return left + right
    left, right = to_angle(left), to_angle(right)
    slopes = dict(left.slopes)
    for index, factor in right.slopes:
        slopes[index] = slopes.get(index, 0.0) + factor
    moving = tuple(sorted((index, factor) for index, factor in slopes.items() if factor))
    return Angle(left.constant + right.constant, moving)


def scale(value: Value, factor: float) -> Value:
    """Return the product of a value and a number."""
    if not isinstance(value, Angle):
        return value * factor
    slopes = tuple((index, slope * factor) for index, slope in value.slopes if slope * factor)
    return Angle(value.constant * factor, slopes)


def divide(value: Value, divisor: float) -> Value:
    """Return the quotient of a value and a number other than zero."""
    if not isinstance(value, Angle):
        return value / divisor
    # The reciprocal for the slopes, the quotient for the constant: each is rounded once.
    slopes = tuple((index, slope / divisor) for index, slope in value.slopes)
    return Angle(value.constant / divisor, slopes)


def to_angle(value: Value) -> Angle:
    """Return a value as an angle."""
    return value if isinstance(value, Angle) else Angle(float(value))


def simplify(value: Value) -> Value:
    """Return the number that an angle is when nothing moves it."""
    return value.constant if isinstance(value, Angle) and not value.slopes else value


def is_finite(value: Value) -> bool:
    """Tell whether every number in a value is finite."""
    angle = to_angle(value)
    return math.isfinite(angle.constant) and all(math.isfinite(slope) for _, slope in angle.slopes)
