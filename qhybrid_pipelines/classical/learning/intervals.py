"""Intervals for scores of repeated cross-validation, whose folds share training rows and are not independent.

The plain t interval takes J fold differences for independent and is far too narrow. Nadeau and Bengio correct its
variance: mean and standard deviation ``s`` of J paired differences, with ``n_test / n_train`` rows, give

    mean ± t(J - 1) * s * sqrt(1 / J + n_test / n_train)

Sources: C. Nadeau and Y. Bengio, Inference for the generalization error, Machine Learning 52, 239 (2003);
R. R. Bouckaert and E. Frank, PAKDD 2004, LNCS 3056, 3, use it for repeated k-fold as here. It is exact when every two
differences have the correlation ``n_test / (n_test + n_train)``, and an approximation otherwise.
"""

from __future__ import annotations

import math

from qhybrid_pipelines.classical.statistics import LEVEL
from qhybrid_pipelines.core.ising import F64


def standard_error(differences: F64, test_share: float) -> float:
    """Return the corrected standard error of the mean; ``test_share`` is ``n_test / n_train`` of a fold.

    Raises:
        ValueError: there are fewer than two differences.
    """
    if len(differences) < 2:
        raise ValueError("an interval over folds needs at least two of them")
    return math.sqrt((1 / len(differences) + test_share) * float(differences.var(ddof=1)))


def corrected_interval(differences: F64, test_share: float, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the corrected interval of the mean of fold differences (or of fold scores), shape ``(folds,)``.

    Without any spread it is the mean itself, twice.
    """
    from scipy.special import stdtrit

    half = float(stdtrit(len(differences) - 1, (1 + level) / 2)) * standard_error(differences, test_share)
    mean = float(differences.mean())
    return mean - half, mean + half


def p_value_above(differences: F64, test_share: float, margin: float) -> float:
    """Return the one-sided p-value of the claim that the mean difference is above ``margin``."""
    from scipy.special import stdtr

    excess, error = float(differences.mean()) - margin, standard_error(differences, test_share)
    if error == 0:
        return 0.0 if excess > 0 else 1.0
    return float(stdtr(len(differences) - 1, -excess / error))
