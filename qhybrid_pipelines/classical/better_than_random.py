r"""Whether samples say more than random ones would.

The mean energy of ``N`` uniform random outcomes has mean :math:`\mu` and deviation :math:`\sigma / \sqrt{N}`; for an
Ising model over all outcomes :math:`\mu = c` and :math:`\sigma^2 = \sum h_i^2 + \sum J_{ij}^2`, because products of
different spins are uncorrelated. By the central limit theorem all but one in a thousand such means lie above
:math:`\mu - 3.09\,\sigma / \sqrt{N}`; samples that do not get below it are called noise-like.
Source of the gate: the confidence test in the LR-QAOA records of metriq-data (confidence level 0.999).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from qhybrid_pipelines.classical.exhaustive import MAX_VARIABLES, all_outcomes
from qhybrid_pipelines.classical.solvers.random_sampling import random_rows
from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.core.seeds import generator

CONFIDENCE = 0.999
#: Random outcomes that stand for all of a wide model whose number of ones is fixed; the mean is known to 1 % of the deviation.
_SAMPLES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomEnergy:
    """Mean and standard deviation of the energy of one uniform random outcome, in cost units."""

    mean: float
    deviation: float

    def threshold(self, shots: F64) -> F64:
        """Return the mean energy that samples of so many shots have to get below."""
        return np.asarray(
            self.mean - NormalDist().inv_cdf(CONFIDENCE) * self.deviation / np.sqrt(shots), dtype=np.float64
        )


def random_energy(model: IsingModel, cardinality: int | None = None) -> RandomEnergy:
    """Return the moments over all outcomes, or over those with ``cardinality`` ones: exact up to 20 variables, above that of samples."""
    if cardinality is None:
        variance = float(np.square(model.linear).sum() + np.square(model.couplings).sum())
        variance += float(np.square(model.products.weights).sum())
        return RandomEnergy(mean=model.offset, deviation=variance**0.5)
    if model.size > MAX_VARIABLES:
        rows = random_rows(generator(0, "random energy"), model.size, _SAMPLES, cardinality)
        sampled = model.assignment_energies(rows)
        return RandomEnergy(mean=float(sampled.mean()), deviation=float(sampled.std()))
    energies = model.diagonal[all_outcomes(model.size, cardinality).astype(np.int64)]
    return RandomEnergy(mean=float(energies.mean()), deviation=float(energies.std()))
