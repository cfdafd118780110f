"""The mean over shots of a number that each shot has, with its standard error, also where shots of one run share a fate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64

#: Two-sided 95 % quantile of the normal distribution.
Z = 1.959963984540054
#: Chance below which runs count as different, and not only their shots.
SIGNIFICANT = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotMean:
    """A mean over shots.

    Attributes:
        mean: in the units of the values.
        standard_error: of the mean, in the same units.
        low: lower bound of its 95 % interval.
        high: upper bound of it.
        shots: all of them.
        effective_shots: that count as independent.
    """

    mean: float
    standard_error: float
    low: float
    high: float
    shots: int
    effective_shots: float


def mean_over_shots(values: F64, counts: npt.NDArray[Any], runs: npt.NDArray[Any], *, widest: float) -> ShotMean:
    """Return the mean over shots.

    The standard error is that of a mean of independent numbers, the sample's standard deviation over the root of the shots that
    count as independent. The interval is normal, its variance raised by what one value that was not seen may add: where all shots agree, it
    reaches ``3.84 / shots`` of ``widest`` to either side, a little more than the rule of three says (J. A. Hanley and A. Lippman-Hand, JAMA 249, 1743 (1983)).

    Args:
        values: of each row, shape ``(rows,)``.
        counts: shots of each row.
        runs: the run that each row belongs to.
        widest: difference between the largest and the smallest value that a shot could have; counts where all shots have one value.

    Raises:
        ValueError: the counts add up to zero.
    """
    counts = np.asarray(counts, dtype=np.int64)
    shots = int(counts.sum())
    if not shots:
        raise ValueError("no shots were given: the counts add up to zero")
    mean = float(values @ counts) / shots
    squares = float(((values - mean) ** 2) @ counts)
    effective = shots / design_effect(values, counts, runs)
    error = math.sqrt(squares / max(shots - 1, 1) / effective)
    seen = float(values.max() - values.min())
    half = Z * math.sqrt(error**2 + (Z * (seen or widest) / effective) ** 2)
    return ShotMean(
        mean=mean,
        standard_error=error,
        low=mean - half,
        high=mean + half,
        shots=shots,
        effective_shots=effective,
    )


def design_effect(values: F64, counts: npt.NDArray[Any], runs: npt.NDArray[Any]) -> float:
    """Return by how much the means of runs vary more than their shots explain; 1 where chance may explain it.

    Shots of one run share the machine's state: where runs differ, a shot says less. Source: the design effect of cluster
    samples, L. Kish, Survey Sampling (1965), section 5.4.

    Args:
        values: as for `mean_over_shots`.
        counts: likewise.
        runs: likewise.
    """
    _, run = np.unique(runs, return_inverse=True)
    size = np.bincount(run, weights=counts)
    number = len(size)
    total = float(size.sum())
    mean = float(values @ counts) / total
    variance = float(((values - mean) ** 2) @ counts) / total
    if number < 2 or variance <= 0:
        return 1.0
    from scipy.special import chdtrc

    means = np.bincount(run, weights=values * counts) / size
    statistic = float((size * (means - mean) ** 2).sum()) / variance
    return statistic / (number - 1) if chdtrc(number - 1, statistic) < SIGNIFICANT else 1.0
