"""The engine for QAOA: it runs the structure, not the gates, and imports no simulator."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import cached_property
from importlib.metadata import version

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.execution.counts import counts_table
from qhybrid_pipelines.execution.engines.engine import Engine, EngineRun
from qhybrid_pipelines.execution.engines.threads import map_in_order
from qhybrid_pipelines.execution.sampling import sample_points
from qhybrid_pipelines.parallel.cores import usable_cores
from qhybrid_pipelines.quantum.simulation.diagonal_qaoa import can_compile, prepare_mixer, prepare_sampling

#: Raised with every change that can move a probability by one bit.
VERSION = "3"
#: What all threads together may keep in states and probabilities, in bytes; a wide circuit gets fewer threads.
MAX_MEMORY_BYTES = 1 << 30
#: Bytes per outcome of one thread: two complex states, probabilities, cumulated probabilities, and what is in between.
BYTES_PER_OUTCOME = 64
#: The same for a warm start, whose mixer has its start, its levels and a third state beside.
WARM_BYTES_PER_OUTCOME = 112


class DiagonalQaoa:
    """State vectors with the precomputed cost diagonal; the ring mixer in its subspace.

    With numba the X mixer is compiled: the same arithmetic in another order, so probabilities differ in their last digits
    and the version says so; sampling is compiled too, without a difference. Within one version counts are the same bytes for any number of threads.

    Args:
        threads: how many to use; all cores by default.
        compiled: whether to use numba; by default, if it is there.
    """

    name = "diagonal-qaoa"
    max_qubits = 20
    preference = 10
    pointwise = True

    def __init__(self, *, threads: int | None = None, compiled: bool | None = None) -> None:
        self._threads = threads
        self._compiled_option = compiled

    @cached_property
    def compiled(self) -> bool:
        """Whether the X mixer is compiled."""
        return can_compile() if self._compiled_option is None else self._compiled_option

    def version(self) -> str:
        """Return the version of this engine and of what it computes with."""
        numba = f"compiled, numba {version('numba')}, " if self.compiled else ""
        return f"{VERSION}, {numba}numpy {np.__version__}"

    def unsupported_reason(self, batch: CircuitBatch) -> str | None:
        """Return why the engine cannot run a batch, or None if it can."""
        structure = batch.structure
        if structure is None:
            return "the batch has no QAOA structure"
        if structure.angles.shape[1] % 2 or structure.angles.shape[1] == 0:
            return f"{structure.angles.shape[1]} angles are not as many gammas as betas"
        if structure.mixer == "xy" and structure.cardinality not in range(structure.model.size + 1):
            return f"{structure.cardinality} ones do not fit {structure.model.size} qubits"
        if not _measures_only_at_end(batch.template.text):
            return "the circuit measures before its end"
        return None

    def run(self, batch: CircuitBatch) -> EngineRun:
        """Simulate a batch; tables of energies and machine code are made first, as the counterpart of compiling."""
        structure = batch.structure
        if structure is None:
            raise ValueError("diagonal-qaoa was given a batch without structure")
        begin = time.perf_counter()
        outcomes, make_mixer = prepare_mixer(structure, compiled=self.compiled)
        find_outcomes = prepare_sampling(compiled=self.compiled)
        prepared = time.perf_counter()
        block = make_mixer().points
        each = WARM_BYTES_PER_OUTCOME if structure.mixer == "warm_start" else BYTES_PER_OUTCOME
        threads_that_fit = max(1, MAX_MEMORY_BYTES // (each << structure.model.size))
        parts = range(0, batch.points, block)
        threads = min(self._threads or usable_cores(), threads_that_fit, len(parts))

        def make_worker() -> Callable[[int], pa.RecordBatch]:
            mixer = make_mixer()

            def work(first: int) -> pa.RecordBatch:
                part_slice = slice(first, first + block)
                rows = mixer(structure.angles[part_slice])
                return sample_points(
                    rows,
                    batch.seeds[part_slice],
                    batch.shots,
                    first_point=first,
                    outcomes=outcomes,
                    outcomes_from_uniforms=find_outcomes,
                )

            return work

        counts = counts_table(map_in_order(make_worker, parts, threads=threads))
        return EngineRun(
            counts=counts, compile_seconds=prepared - begin, execute_seconds=time.perf_counter() - prepared
        )


def _measures_only_at_end(text: str) -> bool:
    """Tell whether nothing but measurements follows the first measurement; reads the canonical text line by line."""
    lines = [line for line in text.splitlines() if line.strip()]
    measures = [bool(re.fullmatch(r"c\[(\d+)\] = measure q\[\1\];", line.strip())) for line in lines]
    return True in measures and all(measures[measures.index(True) :])


ENGINE: Engine = DiagonalQaoa()
