"""What an engine is: one way of simulating a batch on this machine; and which one a batch gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.discovery import exported_by_modules, public_members
from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.execution import engines


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRun:
    """Counts in `COUNTS_SCHEMA`, how long the two parts of the work took, and how many chunks of points it was divided into."""

    counts: pa.Table
    compile_seconds: float
    execute_seconds: float
    chunks: int = 1


class Engine(Protocol):
    """One way of simulating; stateless, so that an instance may be shared."""

    @property
    def name(self) -> str:
        """Short name, also the second part of its backend's name."""

    @property
    def max_qubits(self) -> int:
        """Widest circuit it takes."""

    @property
    def preference(self) -> int:
        """Place in the order in which the automatic choice asks engines, lowest first. Exact and fast ones come first."""

    @property
    def pointwise(self) -> bool:
        """Whether the counts of a point are the same bytes whatever other points are in the batch: then it may be divided."""

    def version(self) -> str:
        """Return the version of the code that simulates."""

    def unsupported_reason(self, batch: CircuitBatch) -> str | None:
        """Return why the engine cannot run a batch, or None if it can."""

    def run(self, batch: CircuitBatch) -> EngineRun:
        """Simulate a batch."""


@cache
def all_engines() -> tuple[Engine, ...]:
    """Return what the modules in `execution/engines/` export as ``ENGINE``, in the order in which `local:auto` asks them.

    Raises:
        TypeError: an engine lacks something that :class:`Engine` asks for.
    """
    found: list[Engine] = exported_by_modules(engines, "ENGINE", required=public_members(Engine))
    return tuple(sorted(found, key=lambda engine: engine.preference))


def choose_engine(engines: Sequence[Engine], batch: CircuitBatch) -> Engine:
    """Return the first engine that can run a batch.

    Raises:
        Rejected: the batch is malformed, or no engine can run it; says why for each.
    """
    check_well_formed(batch)
    reasons = []
    for engine in engines:
        reason = too_wide_reason(engine, batch) or engine.unsupported_reason(batch)
        if reason is None:
            return engine
        reasons.append(f"{engine.name}: {reason}")
    raise Rejected("; ".join(reasons))


def too_wide_reason(engine: Engine, batch: CircuitBatch) -> str | None:
    """Return why a batch has too many qubits for an engine, or None."""
    width = batch.template.n_qubits
    return f"{width} qubits are more than {engine.max_qubits}" if width > engine.max_qubits else None


def check_well_formed(batch: CircuitBatch) -> None:
    """Refuse a batch that no backend could run.

    NaN and infinities are caught here because simulators and compilers answer them with unrelated errors, or not at all.

    Raises:
        Rejected: shapes do not belong together, a number is not finite, or there are no points or shots.
    """

    def refuse(problem: str) -> None:
        raise Rejected(problem)

    inputs = len(batch.template.parameters)
    if batch.bindings.ndim != 2 or batch.bindings.shape[1] != inputs:
        refuse(f"bindings have shape {batch.bindings.shape}, the template has {inputs} inputs")
    if batch.seeds.ndim != 2 or len(batch.seeds) != batch.points or 0 in batch.seeds.shape or batch.shots < 1:
        refuse(f"the batch is empty: {batch.points} points, seeds of shape {batch.seeds.shape}, {batch.shots} shots")
    if not np.isfinite(batch.bindings).all():
        refuse("bindings hold NaN or infinities")
    structure = batch.structure
    if structure is not None:
        if structure.model.size != batch.template.n_qubits or len(structure.angles) != batch.points:
            refuse("the QAOA structure has another width or other points than the template")
        if not np.isfinite(structure.angles).all():
            refuse("angles hold NaN or infinities")
