"""Simulated annealing over an Ising model, by D-Wave's samplers: bounded by sweeps, deterministic for a seed.

Models with products of more than two spins, which those do not take, are annealed by `classical.product_search`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qhybrid_pipelines.classical.bqm import has_constant_energy, to_bqm
from qhybrid_pipelines.classical.product_search import anneal_products, product_schedule
from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import IsingModel

#: A read of a large instance may visit this many couplings and fields in all; about a second on one thread.
_VISITS = 2_000_000_000


def annealing_schedule(model: IsingModel) -> tuple[int, int]:
    """Return ``(reads, sweeps)`` for a model of this size.

    20 x 500 reaches every published optimum of the small QUBO files; 800 variables want an order more sweeps
    (measured on the G-set: 10 x 5000 reaches 11624 on G1 and 562 to 564 on G11).
    """
    if not model.is_quadratic:
        return product_schedule(model)
    if model.size <= 100:
        return 20, 500
    reads = 10
    affordable = _VISITS // (reads * (model.size + 2 * len(model.couplings)))
    return reads, int(np.clip(affordable, 100, 5000))


def has_free_ring(model: IsingModel) -> bool:
    """Tell whether variables without fields form a ring that nothing else is coupled to.

    Visited in the order of their names, such variables pass its domain walls on in step, so that two of them never meet:
    the reads end where random ones do. In random order they meet.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    degree = np.bincount(model.pairs.ravel(), minlength=model.size)
    on_path = (degree == 2) & (model.linear == 0)
    if not on_path.any():
        return False
    graph = coo_array((np.ones(len(model.pairs)), model.pairs.T), shape=(model.size, model.size))
    count, label = connected_components(graph, directed=False)
    return bool((np.bincount(label[~on_path], minlength=count) == 0).any())


def anneal(model: IsingModel, *, reads: int, sweeps: int, seed: int) -> U8:
    """Return the last assignment of each read, shape ``(reads, n)``.

    Args:
        model: energy to be lowered.
        reads: independent runs.
        sweeps: passes over all variables per run; the inverse temperature grows geometrically between bounds that
            the sampler derives from the model.
        seed: any non-negative integer; its lower 31 bits are used.
    """
    if has_constant_energy(model):
        return np.zeros((reads, model.size), dtype=np.uint8)
    if not model.is_quadratic:
        return anneal_products(model, reads=reads, sweeps=sweeps, seed=seed)
    from dwave.samplers import SimulatedAnnealingSampler

    sampler: Any = SimulatedAnnealingSampler()  # type: ignore[no-untyped-call]
    found = sampler.sample(
        to_bqm(model),
        num_reads=reads,
        num_sweeps=sweeps,
        randomize_order=has_free_ring(model),
        seed=seed & 0x7FFF_FFFF,
    )
    return np.asarray(found.record.sample < 0, dtype=np.uint8)
