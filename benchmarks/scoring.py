"""Energies of ten million measured outcomes: looked up in our tables, against dimod and against plain NumPy.

A reduced model with all couplings; 300,000 distinct outcomes, each measured many times, in random order. dimod gets the rows as its
documentation has them, a matrix of one byte per variable, ready made; it and NumPy score a slice of the rows, because a
row costs them the same whatever the number. First every way must give the same energies.

    python benchmarks/scoring.py
    python benchmarks/scoring.py --variables 64
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import dimod
import numpy as np
from measuring import interleaved, machine, show, span

from qhybrid_pipelines.core.binary_models.bits import unpack
from qhybrid_pipelines.core.binary_models.ising import IsingModel

DISTINCT = 300_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--variables", type=int, default=27, help="21 to 64")
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--slice", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=7)
    options = arguments.parse_args()
    size, random = options.variables, np.random.default_rng(7)
    pairs = np.stack(np.triu_indices(size, 1), axis=1).astype(np.int32)
    model = IsingModel(
        linear=random.normal(size=size), pairs=pairs, couplings=random.normal(size=len(pairs)), offset=0.5
    )
    distinct = random.integers(0, 2**size - 1, DISTINCT, dtype=np.uint64, endpoint=True)
    words = distinct[random.integers(0, DISTINCT, options.rows)]
    some = words[: options.slice]
    assignments = unpack(some, size)
    couplings = dict(zip(map(tuple, pairs.tolist()), model.couplings.tolist(), strict=True))
    bqm = dimod.BinaryQuadraticModel.from_ising(dict(enumerate(model.linear.tolist())), couplings, model.offset)
    spins = (1 - 2 * assignments.astype(np.int8)).astype(np.int8)
    matrix = np.zeros((size, size))
    matrix[pairs[:, 0], pairs[:, 1]] = model.couplings

    def products() -> np.ndarray:
        values = spins.astype(np.float64)
        return model.offset + values @ model.linear + np.einsum("ij,ij->i", values @ matrix, values)

    ways: dict[str, tuple[int, Callable[[], np.ndarray]]] = {
        "tables (ours)": (len(words), partial(model.energies, words)),
        "dimod": (len(some), partial(bqm.energies, (spins, range(size)))),
        "NumPy, matrix product": (len(some), products),
    }
    expected = model.energies(some)
    for _, score in ways.values():
        assert np.allclose(score()[: len(some)], expected, rtol=0, atol=1e-9)
    started = time.perf_counter()
    IsingModel(linear=model.linear, pairs=pairs, couplings=model.couplings, offset=0.5).tables  # noqa: B018  making them
    making = time.perf_counter() - started
    processor: dict[str, list[float]] = {name: [] for name in ways}
    timings = interleaved(
        {name: partial(_timed, score, processor[name]) for name, (_, score) in ways.items()}, rounds=options.rounds
    )
    rates = {name: ways[name][0] / np.array(timings[name].seconds) / 1e6 for name in ways}
    rows = [
        {
            "way": name,
            "rows a call": ways[name][0],
            "million rows/s (median)": float(np.median(rate)),
            "lowest to highest": span(rate),
            "million rows per second of processor time": ways[name][0] / median(processor[name][1:]) / 1e6,
            "ours, times this (median)": float(np.median(rates["tables (ours)"] / rate)),
            "lowest to highest ratio": span(rates["tables (ours)"] / rate),
        }
        for name, rate in rates.items()
    ]
    about = machine("numpy", "dimod") | {"seconds to make the tables": making}
    show(f"Energies of outcomes of {size} variables, all coupled; {options.rounds} rounds", rows, about)


def _timed(score: Callable[[], np.ndarray], seconds: list[float]) -> None:
    started = time.process_time()
    score()
    seconds.append(time.process_time() - started)


if __name__ == "__main__":
    main()
