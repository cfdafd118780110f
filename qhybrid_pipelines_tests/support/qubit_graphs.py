"""Qubit graphs of small annealers with holes, drawn from D-Wave's own generators."""

from __future__ import annotations

from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.quantum.annealing.qubit_graph import QubitGraph


def zephyr_with_holes(size: int, *, seed: int = 1, holes: float = 0.05, **ranges: Any) -> QubitGraph:
    """Return a Zephyr graph of which some qubits and couplers do not work."""
    from dwave import graphs

    rng = np.random.default_rng(seed)
    whole = graphs.zephyr_graph(size)
    works = {int(qubit) for qubit in sorted(whole) if rng.random() >= holes}
    couplers = sorted(tuple(sorted(edge)) for edge in whole.edges if set(edge) <= works)
    kept = [edge for edge in couplers if rng.random() >= holes / 10]
    return QubitGraph(
        graph_id=f"test-{size}-{seed}",
        family="zephyr",
        shape=(size, 4),
        qubits=np.array(sorted(works), dtype=np.int64),
        couplers=np.array(kept, dtype=np.int64),
        **ranges,
    )


def random_model(n: int, density: float, *, seed: int) -> IsingModel:
    """Return an Ising model with fields, couplings and an offset that are not round numbers."""
    rng = np.random.default_rng(seed)
    pairs = np.array([(i, j) for i in range(n) for j in range(i + 1, n) if rng.random() < density], dtype=np.int32)
    return IsingModel(
        linear=rng.normal(size=n),
        pairs=pairs.reshape(-1, 2),
        couplings=rng.normal(size=len(pairs)),
        offset=float(rng.normal()),
    )
