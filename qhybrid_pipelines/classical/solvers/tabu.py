"""Multistart tabu search over an Ising model, by D-Wave's samplers.

That sampler is usually stopped by the clock, and then two runs differ. Without a timeout it ends after its restarts,
each bounded by a number of variable updates, and gives the same answer every time (checked by a test). Models with products of more
than two spins, which it does not take, are searched by `classical.product_search`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qhybrid_pipelines.classical.bqm import has_constant_energy, to_bqm
from qhybrid_pipelines.classical.product_search import tabu_products, tabu_steps
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import IsingModel

#: A search looks at every variable for a flip this many times; fewer times where all searches together would look at
#: more than `_UPDATES` variables, which takes about half a second on one thread.
_VISITS = 10_000
_UPDATES = 100_000_000
_SEARCHES = 11


def count_visits(model: IsingModel) -> int:
    """Return how often all searches together look at the whole neighbourhood."""
    return _SEARCHES * (_updates_per_search(model) if model.is_quadratic else tabu_steps(model, _SEARCHES))


def _updates_per_search(model: IsingModel) -> int:
    return max(100, min(_VISITS, _UPDATES // (_SEARCHES * max(1, model.size))))


def tabu_search(model: IsingModel, *, seed: int) -> U8:
    """Return the best assignment found, shape ``(1, n)``.

    Args:
        model: energy to be lowered.
        seed: any non-negative integer; its lower 31 bits are used.
    """
    if has_constant_energy(model):
        return np.zeros((1, model.size), dtype=np.uint8)
    if not model.is_quadratic:
        return tabu_products(model, searches=_SEARCHES, seed=seed)
    from dwave.samplers import TabuSampler

    per_search = _updates_per_search(model)
    sampler: Any = TabuSampler()  # type: ignore[no-untyped-call]
    found = sampler.sample(
        to_bqm(model),
        num_reads=1,
        timeout=None,
        num_restarts=_SEARCHES - 1,
        coefficient_z_first=per_search,
        coefficient_z_restart=per_search,
        lower_bound_z=1,
        seed=seed & 0x7FFF_FFFF,
    )
    return np.asarray(found.record.sample < 0, dtype=np.uint8)
