"""The statistics of a fair comparison: over independent runs, paired, with bounds instead of point claims."""

from __future__ import annotations

import math

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.seeds import generator

LEVEL = 0.95
BOOTSTRAP_RESAMPLES = 10_000


def paired_bootstrap(differences: F64, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean of paired differences, shape ``(runs,)``.

    Runs are resampled, not shots: shots of one run share its parameters and are not independent evidence. The
    resampling stream is fixed, so that the same differences always give the same bounds.
    Source: B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Raises:
        ValueError: there are no runs.
    """
    runs = len(differences)
    if not runs:
        raise ValueError("a bootstrap needs at least one run")
    chosen = generator(0, "paired bootstrap", runs).integers(0, runs, size=(BOOTSTRAP_RESAMPLES, runs))
    tail = (1 - level) / 2
    low, high = np.quantile(differences[chosen].mean(axis=1), [tail, 1 - tail])
    return float(low), float(high)


def wilson_interval(successes: int, trials: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the bounds of a success probability; ``(0, 1)`` without trials, the rule of three without successes.

    Source: E. B. Wilson, Journal of the American Statistical Association 22, 209 (1927).
    """
    if trials == 0:
        return 0.0, 1.0
    if successes == 0:
        return 0.0, rule_of_three(trials)
    # Written out: to import `scipy.stats` for `binomtest` takes longer than everything else that a verdict needs.
    from scipy.special import ndtri

    share, z = successes / trials, float(ndtri(0.5 + 0.5 * level))
    middle = 2 * trials * share + z**2
    spread = z * math.sqrt(z**2 + 4 * trials * share * (1 - share))
    whole = 2 * (trials + z**2)
    return (middle - spread) / whole, 1.0 if successes == trials else (middle + spread) / whole


def rule_of_three(trials: int) -> float:
    """Return the upper 95 % bound of a probability after ``trials`` without success: ``3 / trials``, at most 1.

    Source: B. D. Jovanovic and P. S. Levy, The American Statistician 51, 137 (1997).
    """
    return min(1.0, 3.0 / trials)


def trials_to_target(success: float, trials: int, *, confidence: float = 0.99) -> float:
    """Return how many trials reach the target at least once with ``confidence``.

    Args:
        success: observed share of trials that reached it.
        trials: how many were observed. If none succeeded, ``success`` is bounded by the rule of three and the answer
            is a lower bound, never infinity.
        confidence: wanted probability of one success.
    """
    probability = success if success > 0 else rule_of_three(trials)
    if probability >= 1:
        return 1.0
    return max(1.0, math.log(1 - confidence) / math.log1p(-probability))


def holm_adjusted(p_values: F64) -> F64:
    """Return p-values adjusted for several claims, in the order given; each may then be compared with one level.

    Source: S. Holm, Scandinavian Journal of Statistics 6, 65 (1979).
    """
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(steps) else steps
    return adjusted
