"""Zero-noise extrapolation: expectations at several strengths of the noise, carried on to none.

Sources: K. Temme, S. Bravyi and J. M. Gambetta, Physical Review Letters 119, 180509 (2017), equation 5 for Richardson's weights; T. Giurgica-Tiron et al.,
IEEE QCE 2020, 306 (arXiv:2005.10921), for folding and for the line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from qhybrid_pipelines.classical.shot_means import ShotMean
from qhybrid_pipelines.core.binary_models.ising import F64

Extrapolation = Literal["linear", "richardson"]


def extrapolation_weights(factors: Sequence[float], extrapolation: Extrapolation) -> F64:
    """Return the weights whose sum with expectations is the one without noise, shape ``(factors,)``; in sum 1.

    A line by least squares, or the polynomial through all of them. No weight depends on what is measured, so errors of shots are carried on exactly.

    Args:
        factors: strengths of the noise, all different, at least two.
        extrapolation: which of the two.
    """
    strengths = np.asarray(factors, dtype=np.float64)
    order = 2 if extrapolation == "linear" else len(strengths)
    design = np.vander(strengths, order, increasing=True)
    return np.asarray(np.linalg.pinv(design)[0])


def extrapolate(means: Sequence[ShotMean], factors: Sequence[float], extrapolation: Extrapolation) -> ShotMean:
    """Return the expectation without noise; its error is that of the shots, and not that of the law that it follows.

    Args:
        means: one for each strength.
        factors: the strengths.
        extrapolation: how they are carried on.
    """
    weights = extrapolation_weights(factors, extrapolation).tolist()
    value = math.fsum(weight * one.mean for weight, one in zip(weights, means, strict=True))
    error = math.hypot(*(weight * one.standard_error for weight, one in zip(weights, means, strict=True)))
    half = math.hypot(*(weight * (one.high - one.low) / 2 for weight, one in zip(weights, means, strict=True)))
    return ShotMean(
        mean=value,
        standard_error=error,
        low=value - half,
        high=value + half,
        shots=sum(one.shots for one in means),
        effective_shots=math.fsum(one.effective_shots for one in means),
    )
