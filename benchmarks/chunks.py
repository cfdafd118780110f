"""One sweep on two workers against one worker, on Dask and on Ray: seconds of the clock, and the same bytes.

A sweep of QAOA on a random cubic graph of 20 nodes in chunks of neighbouring points. Every worker is a process with one core; start-up, imports and
machine code are not counted. All ways take turns in every round. Beside them the same sweep in this process with one core, without any worker.

Dask has a cluster of one worker and one of two. Ray has one cluster of two cores, on which a part asks for both of them where one worker is meant.

    python benchmarks/chunks.py                         # needs the extras `dask` and `ray`
    python benchmarks/chunks.py --only dask --rounds 9
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from distributed import LocalCluster
from engines import batch_of
from measuring import interleaved, machine, show, span

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.execution.chunks import map_chunks
from qhybrid_pipelines.execution.engines.diagonal_qaoa import DiagonalQaoa
from qhybrid_pipelines.execution.results import encode
from qhybrid_pipelines.parallel.cores import limited_cores
from qhybrid_pipelines.parallel.dask_mapper import DaskMapper
from qhybrid_pipelines.parallel.mapper import Mapper, ThreadsMapper, own_release, work_on_part
from qhybrid_pipelines.parallel.ray_mapper import RayMapper

LAYERS = 4
ALONE = "one core, no worker"


class OneAtATime(RayMapper):
    """A part has both cores of the cluster to itself, so that no other one runs beside it."""

    workers = 1

    def map(self, function: Callable[[Any], Any], parts: Sequence[Any]) -> Iterator[Any]:
        call = self._ray.remote(num_cpus=2)(work_on_part)
        waiting = [call.remote(function, part, release=own_release()) for part in parts]
        return (self._ray.get(reference).unwrap() for reference in waiting)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--qubits", type=int, default=20)
    arguments.add_argument("--points", type=int, default=64)
    arguments.add_argument("--chunks", type=int, default=8)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--only", choices=["dask", "ray"])
    options = arguments.parse_args()
    batch, engine = batch_of(options.qubits, layers=LAYERS, points=options.points), DiagonalQaoa()
    mappers: dict[str, tuple[Mapper, Mapper]] = {}
    if options.only != "ray":
        with_workers = partial(
            LocalCluster,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            silence_logs=50,
        )
        clusters = [with_workers(n_workers=number) for number in (1, 2)]
        mappers["Dask"] = (DaskMapper(clusters[0].scheduler_address), DaskMapper(clusters[1].scheduler_address))
    if options.only != "dask":
        two = RayMapper(None)
        assert two.workers == 2, "the benchmark is for two cores"
        mappers["Ray"] = (OneAtATime(None), two)
    hashes: set[str] = set()

    def sweep(mapper: Mapper, chunks: int) -> None:
        with limited_cores(1):
            run = map_chunks(batch, engine, mapper, chunks=chunks)
        hashes.add(sha256_hex(encode(run.counts, {})))

    tasks = {ALONE: partial(sweep, ThreadsMapper(), 1)} | {
        f"{name}, {words}": partial(sweep, mapper, options.chunks)
        for name, pair in mappers.items()
        for words, mapper in zip(("one worker", "two workers"), pair, strict=True)
    }
    timings = interleaved(tasks, rounds=options.rounds)
    assert len(hashes) == 1, "the counts are not the same bytes"
    rows = [
        {
            "way": way,
            "seconds (median)": timing.median,
            "lowest to highest": span(timing.seconds),
            "one worker, times this (median of rounds)": float(np.median(ratios)),
            "lowest to highest ratio": span(ratios),
        }
        for way, timing in timings.items()
        for ratios in [np.array(timings[_reference(way)].seconds) / np.array(timing.seconds)]
    ]
    about = machine("distributed", "ray", "numpy") | {"engine": engine.version(), "counts": hashes.pop()[:16]}
    title = f"{_describe(batch)} in {options.chunks} chunks; {options.rounds} rounds"
    show(title, rows, about)


def _reference(way: str) -> str:
    return way.replace("two workers", "one worker")


def _describe(batch: CircuitBatch) -> str:
    return f"A sweep of {batch.points} points, {batch.width} qubits, {LAYERS} layers, {batch.shots} shots"


if __name__ == "__main__":
    main()
