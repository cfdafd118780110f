"""Intervals for scores of repeated cross-validation, whose folds share training rows and are not independent.

The plain t interval treats J fold differences as independent and is far too narrow. Nadeau and Bengio correct its
variance: mean and standard deviation ``s`` of J paired differences, with ``n_test / n_train`` rows, give

    mean ± t(J - 1) * s * sqrt(1 / J + n_test / n_train)

Sources: C. Nadeau and Y. Bengio, Inference for the generalization error, Machine Learning 52, 239 (2003);
R. R. Bouckaert and E. Frank, PAKDD 2004, LNCS 3056, 3, use it for repeated k-fold as here. It is exact when every two
differences have the correlation ``n_test / (n_test + n_train)``, and an approximation otherwise.

Folds that agree have no spread, but few rows are not proof that two models are alike: with ``n`` distinct test rows, no
disagreement among them still allows a difference of ``3.69 / n``. So the half width is never below what the rows alone leave
open, ``(U(k) - k) / n``: ``k`` is the number of rows on which two accuracies differ at least, ``n`` times the mean absolute
fold difference, and ``U`` the upper bound of a Poisson mean after ``k`` events (F. Garwood, Biometrika 28, 437 (1936); at
``k = 0`` the rule of three at 97.5 %). For other metrics a row is taken to weigh the same, which is a convention there.
"""

from __future__ import annotations

import math

import numpy as np

from qhybrid_pipelines.classical.statistics import LEVEL
from qhybrid_pipelines.core.binary_models.ising import F64


def standard_error(differences: F64, test_train_ratio: float, *, rows: int) -> float:
    """Return the corrected standard error of the mean, not below that of so few rows.

    Args:
        differences: of folds, shape ``(folds,)``.
        test_train_ratio: ``n_test / n_train`` of a fold.
        rows: distinct test rows of all folds; repeats test the same rows again.

    Raises:
        ValueError: there are fewer than two differences.
    """
    if len(differences) < 2:
        raise ValueError("an interval over folds needs at least two of them")
    spread = math.sqrt((1 / len(differences) + test_train_ratio) * float(differences.var(ddof=1)))
    least = minimum_half_width(float(np.abs(differences).mean()), rows) / _t_quantile(len(differences), LEVEL)
    return max(spread, least)


def minimum_half_width(difference: float, rows: int, *, level: float = LEVEL) -> float:
    """Return what ``rows`` distinct test rows leave open about a mean difference, whatever the folds say.

    Args:
        difference: mean absolute difference of the folds, in units of one row's largest effect.
        rows: distinct test rows.
        level: of the two-sided interval.
    """
    from scipy.special import gammaincinv

    events = difference * rows
    return (float(gammaincinv(events + 1, (1 + level) / 2)) - events) / rows


def corrected_interval(
    differences: F64, test_train_ratio: float, *, rows: int, level: float = LEVEL
) -> tuple[float, float]:
    """Return the corrected interval of the mean of fold differences; arguments are those of `standard_error`."""
    half = _t_quantile(len(differences), level) * standard_error(differences, test_train_ratio, rows=rows)
    mean = float(differences.mean())
    return mean - half, mean + half


def p_value_above(differences: F64, test_train_ratio: float, margin: float, *, rows: int) -> float:
    """Return the one-sided p-value of the claim that the mean difference is above ``margin``."""
    from scipy.special import stdtr

    excess = float(differences.mean()) - margin
    return float(stdtr(len(differences) - 1, -excess / standard_error(differences, test_train_ratio, rows=rows)))


def _t_quantile(folds: int, level: float) -> float:
    """Return Student's t of a two-sided interval."""
    from scipy.special import stdtrit

    return float(stdtrit(folds - 1, (1 + level) / 2))
