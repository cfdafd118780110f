"""Any circuit through Aer's own shots: measurements in the middle, resets, and circuits too wide for a table.

The repetitions of a point are the same circuit with the same numbers, and Aer draws every shot independently, so one
simulation gives the shots of them all. Points go to Aer in long arrays, because every call has a price of its own. Aer takes
one seed per call; it is made from the seeds of all that the call holds. So counts are reproducible for the same batch, but
not for the same points split over other batches.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.bits import U64
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.execution.counts import counts_from_points
from qhybrid_pipelines.execution.engines.aer import aer_version, prepare_circuit, text_problem
from qhybrid_pipelines.execution.engines.engine import Engine, EngineRun
from qhybrid_pipelines.parallel.cores import usable_cores
from qhybrid_pipelines.quantum.simulation.sampling import shot_seed

#: Raised with every change that can move a count.
VERSION = "2"
#: Shots of one call; Aer and qiskit hold each of them as text and as bytes until it ends, some 100 bytes in all.
MAX_SHOTS_PER_CALL = 1 << 20
#: Circuits that a call should have at least, so that cores have something to share.
MAX_CIRCUITS_PER_CALL = 4


class AerSampler:
    """Aer's SamplerV2 with one circuit and arrays of bindings."""

    name = "aer-sampler"
    max_qubits = 24
    preference = 40
    pointwise = False

    def version(self) -> str:
        """Return the version of this engine and of Aer."""
        return f"{VERSION}, {aer_version()}"

    def unsupported_reason(self, batch: CircuitBatch) -> str | None:
        """Return why the engine cannot run a batch, or None if it can."""
        return text_problem(batch.template)

    def run(self, batch: CircuitBatch) -> EngineRun:
        """Simulate a batch."""
        from qiskit_aer.primitives import SamplerV2

        prepared, compile_seconds = prepare_circuit(batch.template, keep_measurements=True)
        begin = time.perf_counter()
        options = {"backend_options": {"max_parallel_experiments": usable_cores()}}
        values = prepared.values(batch.bindings)
        shots = np.empty((batch.points, batch.repetitions, batch.shots), dtype=np.uint64)
        for part_slice in _split_calls(batch):
            seeds = batch.seeds[part_slice]
            sampler = SamplerV2(
                default_shots=seeds.shape[1] * batch.shots, seed=shot_seed(seeds.ravel()), options=options
            )
            [answer] = sampler.run([(prepared.circuit, values[part_slice[0]])]).result()
            shots[part_slice] = _pack_samples(answer.join_data().array).reshape(*seeds.shape, batch.shots)
        shots.sort(axis=2)
        counts = counts_from_points(shots, first_point=0)
        seconds = time.perf_counter() - begin
        return EngineRun(
            counts=pa.Table.from_batches([counts]), compile_seconds=compile_seconds, execute_seconds=seconds
        )


def _split_calls(batch: CircuitBatch) -> Iterator[tuple[slice, slice]]:
    """Yield the points and repetitions of each call, as many as fit, at least one of each."""
    repetitions = max(1, min(batch.repetitions, MAX_SHOTS_PER_CALL // (MAX_CIRCUITS_PER_CALL * batch.shots)))
    points = max(1, MAX_SHOTS_PER_CALL // (repetitions * batch.shots))
    for point in range(0, batch.points, points):
        for repetition in range(0, batch.repetitions, repetitions):
            yield slice(point, point + points), slice(repetition, repetition + repetitions)


def _pack_samples(samples: Any) -> U64:
    """Return packed outcomes of qiskit's bit arrays: bytes of one outcome on the last axis, most significant first."""
    words = np.zeros((*samples.shape[:-1], 8), dtype=np.uint8)
    words[..., 8 - samples.shape[-1] :] = samples
    return np.asarray(words.view(">u8")[..., 0], dtype=np.uint64)


ENGINE: Engine = AerSampler()
