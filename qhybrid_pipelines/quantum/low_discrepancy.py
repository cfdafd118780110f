"""Points that fill a cube evenly, without a generator of random numbers."""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64


def spread_evenly(points: int, dimensions: int) -> F64:
    """Return the first points of a low-discrepancy sequence in the unit cube, shape ``(points, dimensions)``.

    The Kronecker sequence of the powers of the generalised golden ratio ``g``, the root of ``g^(d+1) = g + 1``
    (M. Roberts, The unreasonable effectiveness of quasirandom sequences, 2018).
    """
    ratio = 2.0
    for _ in range(64):
        ratio = (1 + ratio) ** (1 / (dimensions + 1))
    steps = ratio ** -np.arange(1.0, dimensions + 1)
    return np.asarray((0.5 + np.arange(1, points + 1)[:, None] * steps) % 1.0, dtype=np.float64)
