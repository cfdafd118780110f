"""Multistart tabu search over an Ising model, by D-Wave's samplers.

That sampler is usually stopped by the clock, and then two runs differ. Without a timeout it ends after its restarts,
each bounded by a number of variable updates, and gives the same answer every time (checked by a test).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qhybrid_pipelines.classical.bqm import is_flat, to_bqm
from qhybrid_pipelines.core.bits import U8
from qhybrid_pipelines.core.ising import IsingModel

#: Updates considered per variable in one search: 10 000 visits of the whole neighbourhood.
UPDATES_PER_VARIABLE = 10_000
RESTARTS = 10


def tabu_search(model: IsingModel, *, seed: int) -> U8:
    """Return the best assignment found, shape ``(1, n)``.

    Args:
        model: energy to be lowered.
        seed: any non-negative integer; its lower 31 bits are used.
    """
    if is_flat(model):
        return np.zeros((1, model.size), dtype=np.uint8)
    from dwave.samplers import TabuSampler

    sampler: Any = TabuSampler()  # type: ignore[no-untyped-call]
    found = sampler.sample(
        to_bqm(model),
        num_reads=1,
        timeout=None,
        num_restarts=RESTARTS,
        coefficient_z_first=UPDATES_PER_VARIABLE,
        coefficient_z_restart=UPDATES_PER_VARIABLE,
        lower_bound_z=1,
        seed=seed & 0x7FFF_FFFF,
    )
    return np.asarray(found.record.sample < 0, dtype=np.uint8)
