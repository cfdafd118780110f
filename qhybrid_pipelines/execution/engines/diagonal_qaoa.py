"""The engine for QAOA: it runs the structure, not the gates, and imports no simulator."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import numpy as np

from qhybrid_pipelines.core.bits import U64
from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.core.jobs import CircuitBatch, QaoaStructure
from qhybrid_pipelines.execution.counts import counts_table
from qhybrid_pipelines.execution.engines import ring_mixer, x_mixer
from qhybrid_pipelines.execution.engines.engine import EngineRun
from qhybrid_pipelines.execution.sampling import sample_point

#: Raised with every change that can move a probability by one bit.
VERSION = "1"


class DiagonalQaoa:
    """NumPy state vectors with the precomputed cost diagonal; the ring mixer in its subspace."""

    name = "diagonal-qaoa"
    max_qubits = 20

    def version(self) -> str:
        """Return the version of this engine and of NumPy."""
        return f"{VERSION}, numpy {np.__version__}"

    def unsupported(self, batch: CircuitBatch) -> str | None:
        """Return why the engine cannot run a batch, or None if it can."""
        structure = batch.structure
        if structure is None:
            return "the batch has no QAOA structure"
        if structure.angles.shape[1] % 2 or structure.angles.shape[1] == 0:
            return f"{structure.angles.shape[1]} angles are not as many gammas as betas"
        if structure.mixer == "xy" and structure.cardinality not in range(structure.model.size + 1):
            return f"{structure.cardinality} ones do not fit {structure.model.size} qubits"
        if not _measured_at_the_end(batch.template.text):
            return "the circuit measures before its end"
        return None

    def run(self, batch: CircuitBatch) -> EngineRun:
        """Simulate a batch; energies are tabulated once, as the counterpart of compiling."""
        structure = batch.structure
        if structure is None:
            raise ValueError("diagonal-qaoa was given a batch without structure")
        begin = time.perf_counter()
        _ = structure.model.diagonal
        compiled = time.perf_counter()
        outcomes, rows = exact_probabilities(structure)
        counts = counts_table(
            sample_point(row, seeds, batch.shots, point=point, outcomes=outcomes)
            for point, (row, seeds) in enumerate(zip(rows, batch.seeds, strict=True))
        )
        return EngineRun(
            counts=counts, compile_seconds=compiled - begin, execute_seconds=time.perf_counter() - compiled
        )


def exact_probabilities(structure: QaoaStructure) -> tuple[U64 | None, Iterator[F64]]:
    """Return the packed outcomes (None for all of them), and their probabilities point by point."""
    model = structure.model
    energies = model.diagonal - model.offset
    ones = structure.cardinality
    if structure.mixer == "x" or ones is None:
        return None, x_mixer.probabilities(energies, structure.angles)
    outcomes = ring_mixer.outcomes_with(ones, model.size)
    rows = ring_mixer.probabilities(energies[outcomes.astype(np.intp)], structure.angles, ones=ones, n=model.size)
    return outcomes, rows


def _measured_at_the_end(text: str) -> bool:
    """Tell whether nothing but measurements follows the first measurement; reads the canonical text line by line."""
    lines = [line for line in text.splitlines() if line.strip()]
    measures = [bool(re.fullmatch(r"c\[(\d+)\] = measure q\[\1\];", line.strip())) for line in lines]
    return True in measures and all(measures[measures.index(True) :])
