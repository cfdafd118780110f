"""Any circuit through Aer's own shots: measurements in the middle, resets, and circuits too wide for a table.

Points and repetitions go to Aer in long arrays, because every call has a price of its own. Aer takes one seed per call; it
is made from the seeds of all that the call holds. So counts are reproducible for the same batch, but not for the same
points split over other batches.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.bits import U64
from qhybrid_pipelines.core.jobs import CircuitBatch
from qhybrid_pipelines.execution.counts import counts_of_points
from qhybrid_pipelines.execution.engines.aer import aer_version, faulty_text, make_ready
from qhybrid_pipelines.execution.engines.engine import EngineRun
from qhybrid_pipelines.execution.sampling import shot_seed

#: Raised with every change that can move a count.
VERSION = "2"
#: Shots of one call; Aer and qiskit hold each of them as text and as bytes until it ends.
SHOTS_OF_A_CALL = 1 << 19


class AerSampler:
    """Aer's SamplerV2 with one circuit and arrays of bindings."""

    name = "aer-sampler"
    max_qubits = 24

    def version(self) -> str:
        """Return the version of this engine and of Aer."""
        return f"{VERSION}, {aer_version()}"

    def unsupported(self, batch: CircuitBatch) -> str | None:
        """Return why the engine cannot run a batch, or None if it can."""
        return faulty_text(batch.template)

    def run(self, batch: CircuitBatch) -> EngineRun:
        """Simulate a batch."""
        from qiskit_aer.primitives import SamplerV2

        ready, compile_seconds = make_ready(batch.template, keep_measurements=True)
        begin = time.perf_counter()
        options = {"backend_options": {"max_parallel_experiments": os.cpu_count() or 1}}
        values = np.repeat(ready.values(batch.bindings), batch.repetitions, axis=0)
        seeds = batch.seeds.ravel()
        shots = np.empty((len(values), batch.shots), dtype=np.uint64)
        step = max(1, SHOTS_OF_A_CALL // batch.shots)
        for these in (slice(first, first + step) for first in range(0, len(values), step)):
            sampler = SamplerV2(default_shots=batch.shots, seed=shot_seed(seeds[these]), options=options)
            [answer] = sampler.run([(ready.circuit, values[these])]).result()
            shots[these] = _packed(answer.join_data().array)
        shots.sort(axis=1)
        counts = counts_of_points(shots.reshape(batch.points, batch.repetitions, batch.shots), first_point=0)
        seconds = time.perf_counter() - begin
        return EngineRun(
            counts=pa.Table.from_batches([counts]), compile_seconds=compile_seconds, execute_seconds=seconds
        )


def _packed(samples: Any) -> U64:
    """Return packed outcomes of qiskit's bit arrays: bytes of one outcome on the last axis, most significant first."""
    words = np.zeros((*samples.shape[:-1], 8), dtype=np.uint8)
    words[..., 8 - samples.shape[-1] :] = samples
    return np.asarray(words.view(">u8")[..., 0], dtype=np.uint64)
