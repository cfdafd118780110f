"""Intervals of shares and means over shots, which also hold where nothing, or everything, was counted."""

from __future__ import annotations

import math

LEVEL = 0.95
#: Two-sided 95 % quantile of the normal distribution.
Z = 1.959963984540054


def share_interval(hits: float, shots: float) -> tuple[float, float]:
    """Return the exact 95 % interval of a probability; it covers at least as often as it says.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26, 404 (1934).

    Args:
        hits: shots that count; a fraction where several shots are worth one.
        shots: all shots, at least as many.
    """
    from scipy.stats import beta

    tail = (1 - LEVEL) / 2
    low = 0.0 if hits <= 0 else float(beta.ppf(tail, hits, shots - hits + 1))
    high = 1.0 if hits >= shots else float(beta.ppf(1 - tail, hits + 1, shots - hits))
    return low, high


def mean_interval(mean: float, mean_square: float, shots: float, largest: float) -> tuple[float, float]:
    """Return the 95 % interval of the mean of a number that every shot has, between 0 and ``largest``.

    Normal, its variance raised by what a shot that was not seen may add: where all shots have the same number, the interval is ``3.84 /
    shots`` of the range wide, a little more than the rule of three says (J. A. Hanley and A. Lippman-Hand, JAMA 249, 1743 (1983)).

    Args:
        mean: over the shots.
        mean_square: of the squares.
        shots: that count as independent.
        largest: number that a shot can have.
    """
    variance = max(mean_square - mean**2, 0.0) + (Z * largest) ** 2 / shots
    half = Z * math.sqrt(variance / shots)
    return max(mean - half, 0.0), min(mean + half, largest)
