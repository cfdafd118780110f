"""The engine for QAOA: it runs the structure, not the gates, and imports no simulator."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from typing import Protocol

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.bits import U64
from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.core.jobs import CircuitBatch, QaoaStructure
from qhybrid_pipelines.execution.counts import counts_table
from qhybrid_pipelines.execution.engines.engine import EngineRun
from qhybrid_pipelines.execution.engines.phases import Phases
from qhybrid_pipelines.execution.engines.ring_mixer import RingMixer, outcomes_with_ones
from qhybrid_pipelines.execution.engines.workers import map_in_order, usable_cores
from qhybrid_pipelines.execution.engines.x_mixer import XMixer
from qhybrid_pipelines.execution.sampling import OutcomesFromUniforms, outcomes_from_uniforms, sample_points

#: Raised with every change that can move a probability by one bit.
VERSION = "3"
#: What all threads together may keep in states and probabilities, in bytes; a wide circuit gets fewer threads.
MAX_MEMORY_BYTES = 1 << 30
#: Bytes per outcome of one thread: two complex states, probabilities, cumulated probabilities, and what is in between.
BYTES_PER_OUTCOME = 64


class Mixer(Protocol):
    """What gives the probabilities of up to ``points`` points; for one thread."""

    @property
    def points(self) -> int:
        """Most points of a call."""

    def __call__(self, angles: F64) -> F64:
        """Return the probabilities of every point, shape ``(points, outcomes)``."""


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

    def __init__(self, *, threads: int | None = None, compiled: bool | None = None) -> None:
        self._threads = threads
        self._compiled_option = compiled

    @cached_property
    def compiled(self) -> bool:
        """Whether the X mixer is compiled."""
        return _can_compile() if self._compiled_option is None else self._compiled_option

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
        find_outcomes = _compiled_outcomes_from_uniforms() if self.compiled else outcomes_from_uniforms
        prepared = time.perf_counter()
        block = make_mixer().points
        threads_that_fit = max(1, MAX_MEMORY_BYTES // (BYTES_PER_OUTCOME << structure.model.size))
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


def prepare_mixer(structure: QaoaStructure, *, compiled: bool) -> tuple[U64 | None, Callable[[], Mixer]]:
    """Return the packed outcomes (None for all of them), and what makes a mixer for a thread."""
    model = structure.model
    energies = model.diagonal - model.offset
    ones = structure.cardinality
    if structure.mixer == "xy" and ones is not None:
        outcomes = outcomes_with_ones(ones, model.size)
        kept = energies[outcomes.astype(np.intp)]
        return outcomes, lambda: RingMixer(kept, ones=ones, n=model.size)
    # Without fields complements have the same energy; a single qubit has no second one to join them.
    phases = Phases(energies, mirrored=model.size > 1 and not model.linear.any())
    if not compiled:
        return None, lambda: XMixer(phases)
    from qhybrid_pipelines.execution.engines.x_mixer_compiled import CompiledXMixer

    CompiledXMixer(Phases(np.zeros(2)))(np.zeros((1, 2)))  # numba compiles at the first call, or reads its cache
    return None, lambda: CompiledXMixer(phases)


def _compiled_outcomes_from_uniforms() -> OutcomesFromUniforms:
    from qhybrid_pipelines.execution.engines import shots_compiled

    shots_compiled.outcomes_from_uniforms(np.ones((1, 1)), np.zeros((1, 1, 1)))  # as above
    return shots_compiled.outcomes_from_uniforms


def _can_compile() -> bool:
    """Tell whether numba is there and finds a place for its cache; without one it refuses to work."""
    try:
        import_module("qhybrid_pipelines.execution.engines.x_mixer_compiled")
    except (ImportError, RuntimeError):
        return False
    return True


def exact_probabilities(structure: QaoaStructure, *, compiled: bool = False) -> tuple[U64 | None, Iterator[F64]]:
    """Return the packed outcomes (None for all of them), and their probabilities point by point."""
    outcomes, make_mixer = prepare_mixer(structure, compiled=compiled)
    mixer = make_mixer()
    blocks = (structure.angles[first : first + mixer.points] for first in range(0, len(structure.angles), mixer.points))
    return outcomes, (row for block in blocks for row in mixer(block))


def _measures_only_at_end(text: str) -> bool:
    """Tell whether nothing but measurements follows the first measurement; reads the canonical text line by line."""
    lines = [line for line in text.splitlines() if line.strip()]
    measures = [bool(re.fullmatch(r"c\[(\d+)\] = measure q\[\1\];", line.strip())) for line in lines]
    return True in measures and all(measures[measures.index(True) :])
