"""Any circuit through Aer's own shots: measurements in the middle, resets, and circuits too wide for a table.

Each repetition is one run with one seed, made from the seeds of all its points, because Aer takes one seed per run.
So counts are reproducible for the same batch, but not for the same points split over other batches.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from qhybrid_pipelines.core.bits import U64
from qhybrid_pipelines.core.jobs import CircuitBatch
from qhybrid_pipelines.execution.counts import counts_of_shots, counts_table
from qhybrid_pipelines.execution.engines.aer import aer_version, faulty_text, make_ready
from qhybrid_pipelines.execution.engines.engine import EngineRun
from qhybrid_pipelines.execution.sampling import shot_seed


class AerSampler:
    """Aer's SamplerV2 with one circuit and an array of bindings per repetition."""

    name = "aer-sampler"
    max_qubits = 24

    def version(self) -> str:
        """Return the version of Aer."""
        return aer_version()

    def unsupported(self, batch: CircuitBatch) -> str | None:
        """Return why the engine cannot run a batch, or None if it can."""
        return faulty_text(batch.template)

    def run(self, batch: CircuitBatch) -> EngineRun:
        """Simulate a batch."""
        from qiskit_aer.primitives import SamplerV2

        ready, compile_seconds = make_ready(batch.template, keep_measurements=True)
        begin = time.perf_counter()
        options = {"backend_options": {"max_parallel_experiments": os.cpu_count() or 1}}
        values = ready.values(batch.bindings)
        shots = np.empty((batch.points, batch.repetitions, batch.shots), dtype=np.uint64)
        for repetition in range(batch.repetitions):
            sampler = SamplerV2(default_shots=batch.shots, seed=shot_seed(batch.seeds[:, repetition]), options=options)
            [answer] = sampler.run([(ready.circuit, values)]).result()
            shots[:, repetition] = _packed(answer.join_data().array)
        shots.sort(axis=2)
        counts = counts_table(counts_of_shots(rows, point=point) for point, rows in enumerate(shots))
        return EngineRun(counts=counts, compile_seconds=compile_seconds, execute_seconds=time.perf_counter() - begin)


def _packed(samples: Any) -> U64:
    """Return packed outcomes of qiskit's bit arrays: bytes of one outcome on the last axis, most significant first."""
    words = np.zeros((*samples.shape[:-1], 8), dtype=np.uint8)
    words[..., 8 - samples.shape[-1] :] = samples
    return np.asarray(words.view(">u8")[..., 0], dtype=np.uint64)
