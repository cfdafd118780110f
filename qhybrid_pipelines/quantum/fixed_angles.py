"""Fixed angles for MaxCut on regular graphs: which models they hold for, and the look-up.

J. Wurtz and D. Lykov, arXiv:2107.00677, conjecture that the angles that are best on trees do at least as well on every
regular graph of that degree. Across degrees they collapse (measured: 0.83 to 0.87 of the optimum where optimised angles
reach 0.90 to 0.96), so there is no nearest entry: a model has an entry or it has none.
"""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64, IsingModel
from qhybrid_pipelines.quantum.angles_table import FIXED_ANGLES

#: Fields and differences of couplings below this part of a coupling come from summing weights, not from the problem.
ROUNDING = 1e-9


def table_angles(model: IsingModel, layers: int) -> tuple[F64 | None, str]:
    """Return the ``(2 layers,)`` angles of the table for a model, and its degree or why there is no entry.

    The table is for couplings of 1/2; a model with couplings ``J`` needs its gammas divided by ``2 J``.
    """
    if not model.is_quadratic or not len(model.couplings):
        return None, "there are no couplings" if model.is_quadratic else "there are products of more than two spins"
    coupling = float(model.couplings[0])
    if np.abs(model.linear).max() > ROUNDING * abs(coupling):
        return None, "there are fields"
    if coupling <= 0 or np.abs(model.couplings - coupling).max() > ROUNDING * coupling:
        return None, "couplings are not all equal and positive"
    degrees = np.bincount(model.pairs.ravel(), minlength=model.size)
    degree = int(degrees[0])
    if np.any(degrees != degree):
        return None, "graph is not regular"
    entry = FIXED_ANGLES.get(degree, {}).get(layers)
    if entry is None:
        return None, f"degree {degree} with {layers} layers is not in the table"
    _, gammas, betas = entry
    return np.concatenate([np.array(gammas) / (2 * coupling), betas]), f"degree {degree}"
