"""What the search for optimised angles costs, with and without the extra ``fast``, and whether random starts find anything better.

    python benchmarks/angle_search.py                       # processor seconds at 16 qubits, 2 layers
    python benchmarks/angle_search.py --qubits 20 --layers 4
    python benchmarks/angle_search.py --random-starts 20 --models 30 --qubits 10

Start it with ``OPENBLAS_NUM_THREADS=1``: processor time then is that of the work, whatever else the machine does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
from measuring import machine, show
from scipy.optimize import minimize

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.quantum import exact_state
from qhybrid_pipelines.quantum.angle_search import AngleSearch, TailObjective, optimise_angles
from qhybrid_pipelines.quantum.exact_state import Mixer, QaoaState
from qhybrid_pipelines.quantum.ramps import cost_scale

#: Share of the shots whose mean is compared with what random starts find.
TAIL = 0.1


def reduced(linear: np.ndarray, couplings: dict[tuple[int, int], float], ones: int | None = None) -> ReducedModel:
    pairs = sorted(couplings)
    model = IsingModel(
        linear=linear,
        pairs=np.array(pairs, dtype=np.int32),
        couplings=np.array([couplings[pair] for pair in pairs]),
        offset=0.0,
    )
    n = len(linear)
    root, value = np.arange(n, dtype=np.int32), np.zeros(n, dtype=np.uint8)
    return ReducedModel(model=model, root=root, value=value, cardinality=ones, exact=True)


def dense(n: int, seed: int, *, ones: int | None = None) -> ReducedModel:
    rng = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    return reduced(rng.normal(size=n), dict(zip(pairs, rng.normal(size=len(pairs)), strict=True)), ones)


def weighted(n: int, seed: int) -> ReducedModel:
    rng = np.random.default_rng(seed)
    edges = nx.gnm_random_graph(n, 3 * n, seed=seed).edges
    return reduced(np.zeros(n), {(min(e), max(e)): float(rng.uniform(0.2, 1.0)) for e in edges})


def regular(n: int, seed: int) -> ReducedModel:
    edges = nx.random_regular_graph(3, n, seed=seed).edges
    return reduced(np.zeros(n), {(min(e), max(e)): 0.5 for e in edges})


KINDS: dict[str, tuple[Mixer, Callable[[int, int], ReducedModel]]] = {
    "dense with fields": ("x", dense),
    "weighted graph": ("x", weighted),
    "3-regular graph": ("x", regular),
    "dense, n/2 - 2 ones": ("xy", lambda n, seed: dense(n, seed, ones=n // 2 - 2)),
}


def time_searches(qubits: int, layers: int, seeds: int) -> list[dict[str, Any]]:
    """Return a row for every kind of model, the ways interleaved; one search of each before, which loads and compiles."""
    compiling = exact_state.can_compile
    ways = {"fast": compiling, "base": lambda: False} if compiling() else {"base": compiling}
    rows = []
    for name, (mixer, make) in KINDS.items():
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        reached: dict[str, list[float]] = {way: [] for way in ways}
        evaluations = []
        for can in ways.values():
            exact_state.can_compile = can
            optimise_angles(make(14, 0), mixer, 1)
        for seed in range(1, seeds + 1):
            for way, can in ways.items():
                exact_state.can_compile = can
                started = time.process_time()
                found = optimise_angles(make(qubits, seed), mixer, layers)
                seconds[way].append(time.process_time() - started)
                reached[way].append(found.optimum_probability)
            evaluations.append(found.evaluations)
        first, *_, last = [reached[way] for way in (*ways, *ways)]
        rows.append(
            {
                "model": name,
                "qubits": qubits,
                "layers": layers,
                "gradients": f"{min(evaluations)} to {max(evaluations)}",
                **{f"{way}, processor s": f"{min(took):.2f} to {max(took):.2f}" for way, took in seconds.items()},
                "largest relative difference of the optimum's probability": f"{np.max(np.abs(np.divide(first, last) - 1)):.0e}",
            }
        )
    return rows


def compare_with_random_starts(qubits: int, layers: int, starts: int, models: int) -> dict[str, Any]:
    """Count in how many models random starts find a better tail than the search, by gradients without compiled loops."""
    better, worse = 0, 0
    excess = []
    for index in range(models):
        mixer, make = list(KINDS.values())[index % len(KINDS)]
        model = make(qubits, 100 + index)
        own = AngleSearch(model, mixer, tail_fraction=TAIL).optimise(layers).tail_energy
        compiling, exact_state.can_compile = exact_state.can_compile, lambda: False
        state = QaoaState(model, mixer)
        exact_state.can_compile = compiling
        gradient = state.gradient(TailObjective(state.energies, TAIL))
        scale = np.repeat([cost_scale(model.model, constant_ones=mixer == "xy"), 1.0], layers)
        rng = np.random.default_rng(index)

        def objective(x: np.ndarray, gradient: Any = gradient, scale: np.ndarray = scale) -> tuple[float, np.ndarray]:
            value, slope = gradient(x * scale)
            return value, slope * scale

        crowd = min(
            minimize(objective, rng.uniform(-1.5, 1.5, 2 * layers), jac=True, method="L-BFGS-B").fun
            for _ in range(starts)
        )
        gap = (own - crowd) / (np.ptp(state.energies) or 1.0)
        excess.append(gap)
        better, worse = better + int(gap > 1e-6), worse + int(gap < -1e-6)
    return {
        "models": models,
        "qubits": qubits,
        "layers": layers,
        "random starts": starts,
        "random starts better by more than 1e-6": better,
        "search better by more than 1e-6": worse,
        "largest excess over the best random start, of the energies' spread": f"{max(excess):.1e}",
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qubits", type=int, default=16)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--random-starts", type=int, default=0, help="compare with so many, instead of timing")
    parser.add_argument("--models", type=int, default=30)
    chosen = parser.parse_args()
    about = machine("numpy", "scipy")
    if chosen.random_starts:
        row = compare_with_random_starts(chosen.qubits, chosen.layers, chosen.random_starts, chosen.models)
        show("Random starts against the search", [row], about)
    else:
        show("Search for angles", time_searches(chosen.qubits, chosen.layers, chosen.seeds), about)


if __name__ == "__main__":
    main()
