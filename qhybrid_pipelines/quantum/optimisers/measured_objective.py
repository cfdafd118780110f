r"""The objective of a loop, from counts: the mean energy of the best fraction of the shots, and how uncertain it is.

With the threshold :math:`v` up to which the best shots make up the fraction :math:`\alpha`, the value is the mean of
:math:`v + \min(E - v, 0) / \alpha` over all shots, and its standard error that of this mean: :math:`v` changes it in second order only.
:math:`\alpha = 1` is the plain mean. Source: P. Barkoutsos et al., Quantum 4, 256 (2020).
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64


def tail_mean(energies: F64, counts: F64, fraction: float) -> tuple[float, float]:
    """Return the mean energy of the best shots and its standard error, in the model's units.

    Args:
        energies: of the distinct outcomes, shape ``(m,)``.
        counts: how often each was measured, in shots, shape ``(m,)``; at least one shot in all.
        fraction: of the shots, above 0 and at most 1.
    """
    shots = float(counts.sum())
    order = np.argsort(energies, kind="stable")
    cumulated = np.cumsum(counts[order])
    last = min(int(np.searchsorted(cumulated, fraction * shots)), len(order) - 1)
    threshold = energies[order[last]] if fraction < 1 else 0.0
    samples = threshold + np.minimum(energies - threshold, 0.0) / fraction if fraction < 1 else energies
    mean = float(np.sum(samples * counts) / shots)
    variance = float(np.sum((samples - mean) ** 2 * counts) / max(shots - 1, 1))
    return mean, float(np.sqrt(variance / shots))
