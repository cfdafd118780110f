"""A sweep in chunks of neighbouring points, on whatever workers there are: one batch, one job, one table of counts.

Every point of a batch has seeds of its own, so that its counts depend on nothing but the point where the engine says so (`Engine.pointwise`).
Then they are the same bytes for any number of chunks, any mapper, and any worker that was killed in the middle.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.execution.counts import counts_table
from qhybrid_pipelines.execution.engines.engine import Engine, EngineRun, all_engines
from qhybrid_pipelines.parallel.mapper import PARTS_PER_WORKER, Mapper, WorkersUnavailable

#: Amplitudes of all points together below which a sweep stays in this process: some seconds of one core, less than sending and preparing it in parts costs.
LEAST_AMPLITUDES = 1 << 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Neighbouring points of a batch.

    Attributes:
        engine: name of the one that simulates them.
        version: of the engine where the batch comes from.
        first_point: in the whole batch.
        batch: these points alone.
    """

    engine: str
    version: str
    first_point: int
    batch: CircuitBatch


def map_chunks(batch: CircuitBatch, engine: Engine, mapper: Mapper, *, chunks: int | None = None) -> EngineRun:
    """Return the counts of a batch, the same as `Engine.run`.

    Args:
        batch: that the engine can run.
        engine: simulates every chunk.
        mapper: where they are simulated.
        chunks: into how many the points are divided, at most one for each; by default as many as are worth it.

    Raises:
        WorkersUnavailable: no worker could do it, or one has another version of the engine.
    """
    # First whether it may be divided at all: to count workers is to start them, or to fail where there are none.
    number = min(batch.points, chunks or _chunks_worth_it(batch, mapper)) if engine.pointwise else 1
    if number == 1:
        return engine.run(batch)
    begin = time.perf_counter()
    bounds = np.linspace(0, batch.points, number + 1).astype(int)
    work = [
        Chunk(engine=engine.name, version=engine.version(), first_point=int(first), batch=_points(batch, first, end))
        for first, end in pairwise(bounds)
    ]
    done = list(mapper.map(run_chunk, work))
    compile_seconds = max(run.compile_seconds for run in done)
    return EngineRun(
        counts=counts_table(part for run in done for part in run.counts.to_batches()),
        compile_seconds=compile_seconds,
        execute_seconds=time.perf_counter() - begin - compile_seconds,
        chunks=number,
    )


def run_chunk(chunk: Chunk) -> EngineRun:
    """Simulate a chunk; its counts name the points as the whole batch does.

    Raises:
        WorkersUnavailable: the engine here is another one than where the batch comes from.
    """
    engine = next(engine for engine in all_engines() if engine.name == chunk.engine)
    if engine.version() != chunk.version:
        raise WorkersUnavailable(
            f"a worker computes with {chunk.engine} {engine.version()}, and its work needs {chunk.version}",
            remedy="Install the same packages on all workers: constraints.txt pins them.",
        )
    run = engine.run(chunk.batch)
    point = pa.array(run.counts.column("point").to_numpy() + np.int32(chunk.first_point), pa.int32())
    place = run.counts.schema.get_field_index("point")
    return replace(run, counts=run.counts.set_column(place, run.counts.schema.field("point"), point))


def _chunks_worth_it(batch: CircuitBatch, mapper: Mapper) -> int:
    if batch.points << batch.width < LEAST_AMPLITUDES:
        return 1
    return max(1, PARTS_PER_WORKER * mapper.workers)


def _points(batch: CircuitBatch, first: int, end: int) -> CircuitBatch:
    structure = batch.structure
    return replace(
        batch,
        bindings=batch.bindings[first:end],
        seeds=batch.seeds[first:end],
        structure=None if structure is None else replace(structure, angles=structure.angles[first:end]),
    )
