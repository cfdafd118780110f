r"""Linear ramps: angles that need no table and no optimisation, scaled to the strength of the cost.

Layer ``l`` of ``p`` has :math:`\gamma_l = (l + 1/2) / p \cdot T\,\sigma` and :math:`\beta_l = -(1 - (l + 1/2) / p) \cdot T`, with
``T = 0.75`` for both and :math:`\sigma` the ratio of a 3-regular unweighted MaxCut's local field to this model's.
Source: S. H. Sack, M. Serbyn, Quantum 5, 491 (2021), for the ramp.
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel

#: Slope of both ramps, measured best over 3-regular graphs; radians.
SLOPE = 0.75

#: Root mean square of the local field of 3-regular unweighted MaxCut: three couplings of 1/2.
REFERENCE_FIELD = float(np.sqrt(0.75))


def cost_scale(model: IsingModel, *, constant_ones: bool = False) -> float:
    r"""Return by how much the gammas of the reference must be multiplied for this model.

    The local field of variable ``i`` has the mean square :math:`h_i^2 + \sum_j J_{ij}^2` over random outcomes, and the squared weights of
    its products of more spins beside them; a model
    whose fields are twice as strong turns twice as fast, so its gammas are halved. Exactly 1 for 3-regular unweighted
    MaxCut. A model without any field gives 1.

    Args:
        model: the cost.
        constant_ones: the number of ones never changes. Then neither the mean field nor the mean coupling over all pairs
            changes any energy difference (a cardinality penalty is nothing else), and both are left out.
    """
    n = model.size
    fields, dense = model.linear.copy(), np.zeros((n, n))
    dense[model.pairs[:, 0], model.pairs[:, 1]] = model.couplings
    dense += dense.T
    if constant_ones and n > 1:
        fields -= fields.mean()
        dense -= dense.sum() / (n * (n - 1))
        np.fill_diagonal(dense, 0.0)
    squares = fields**2 + (dense**2).sum(axis=1)
    if not model.is_quadratic:
        squares = squares + model.products.weights**2 @ model.products.incidence(n)
    rms = float(np.sqrt(np.mean(squares))) if n else 0.0
    return REFERENCE_FIELD / rms if rms > 0 else 1.0


def ramp(layers: int, *, gamma_slope: float = SLOPE, beta_slope: float = SLOPE, scale: float = 1.0) -> F64:
    """Return the ``(2 layers,)`` angles of a ramp, gammas first, in radians."""
    middle = (np.arange(layers) + 0.5) / layers
    return np.concatenate([middle * gamma_slope * scale, -(1 - middle) * beta_slope])
