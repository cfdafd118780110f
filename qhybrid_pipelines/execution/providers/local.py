"""The provider `local`: simulators on this machine. A job is done when `submit` returns, see `execution.stored_jobs`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from qhybrid_pipelines.core.errors import Rejected, Throttled
from qhybrid_pipelines.core.jobs import circuit_jobs
from qhybrid_pipelines.core.jobs.backend_declaration import THIS_MACHINE, Declaration
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines.execution.chunks import map_chunks
from qhybrid_pipelines.execution.engines.aer import NATIVE_GATES, compile_template
from qhybrid_pipelines.execution.engines.engine import Engine, all_engines, choose_engine
from qhybrid_pipelines.execution.port import Provider
from qhybrid_pipelines.execution.stored_jobs import SimulationResult, StoredJobs
from qhybrid_pipelines.parallel.mapper import WorkersUnavailable, chosen_mapper

NAME = "local"

_DECLARATION = Declaration(
    backends=f"{NAME}:*",
    vendor="this package",
    plane="gate",
    price_model="free",
    price_source="nothing is billed: it runs on this machine",
    dedupe="token",
    states=(JobState.COMPLETED, JobState.FAILED),
    times=("submitted", "started", "completed"),
    queue_figures=(),
    queue="none: a job is done when it is acknowledged",
    limits="the memory that an engine's state vectors need",
    calibration="none: they are ideal",
    credential="none needed",
    transport="nothing leaves the caller's process",
    region="this machine",
    sdks="this package: NumPy, PennyLane Lightning and Qiskit Aer",
    observability="timestamps of every step, engine and its version, exact times of compilation and execution",
    integration="none",
    evidence="conformance suite; every engine against Qiskit's state vectors",
    evidence_on=date(2026, 11, 29),
)
DECLARED = (_DECLARATION,)


def build(folder: Path) -> Provider:
    """Return the provider whose results live in ``folder``."""
    return LocalProvider(folder)


class LocalProvider(StoredJobs):
    """Simulators behind the same port as a vendor; ``local:auto`` picks the engine, the other backends force one."""

    abilities: frozenset[Ability] = frozenset()

    def __init__(self, folder: Path) -> None:
        super().__init__(NAME, folder)
        self._engines: dict[str, tuple[Engine, ...]] = {f"{NAME}:auto": all_engines()} | {
            f"{NAME}:{engine.name}": (engine,) for engine in all_engines()
        }

    def backends(self) -> tuple[str, ...]:
        """Return the full names of the backends it offers."""
        return tuple(self._engines)

    def capabilities(self, backend: str) -> circuit_jobs.Capabilities:
        """Return the backend's limits and abilities. Raises `Rejected` for a backend it does not have."""
        engines = self._engine_for(backend)
        return circuit_jobs.Capabilities(
            backend=backend,
            max_qubits=max(engine.max_qubits for engine in engines),
            max_shots=1_000_000,
            max_circuits_per_job=1_000_000,
            native_gates=NATIVE_GATES,
            parametric=True,
            simulator=True,
            noisy=False,
            runs_as_compiled=True,
            listing_lag_seconds=0.0,
            mode="simulator",
            immediate=True,
            region=THIS_MACHINE,
            **_DECLARATION.capability_fields(),
            engines=tuple(engine.name for engine in engines),
        )

    def calibration(self, backend: str) -> circuit_jobs.Calibration | None:
        """Return None: an ideal simulator has nothing to calibrate. Raises `Rejected` for a backend it does not have."""
        self._engine_for(backend)
        return None

    def status(self, backend: str) -> circuit_jobs.BackendStatus:
        """Return that it is here and has no queue. Raises `Rejected` for a backend it does not have."""
        self._engine_for(backend)
        return circuit_jobs.BackendStatus(online=True, queued_jobs=0, queue_seconds=0.0)

    def prepare(self, template: circuit_jobs.Template, backend: str, *, level: int, seed: int) -> circuit_jobs.Compiled:
        """Compile a template for Aer; parameters stay free. Raises `Rejected` for a faulty text or unknown backend."""
        self._engine_for(backend)
        return compile_template(template, level=level, seed=seed)

    def estimate(self, batch: Batch) -> circuit_jobs.Estimate:
        """Return a price of nothing."""
        self._engine_for(batch.backend)
        return circuit_jobs.Estimate(
            low_usd=0.0, high_usd=0.0, assumptions="runs on this machine", source="local simulator"
        )

    def _simulate(self, batch: circuit_jobs.CircuitBatch) -> SimulationResult:
        engine = choose_engine(self._engine_for(batch.backend), batch)
        started_at = datetime.now(UTC)
        mapper = chosen_mapper()
        try:
            run = map_chunks(batch, engine, mapper)
        except WorkersUnavailable as error:  # nothing is stored yet: it is asked for again, later
            raise Throttled(str(error)) from error
        details = {
            "engine": engine.name,
            "engine_version": engine.version(),
            "compile_seconds": run.compile_seconds,
            "execute_seconds": run.execute_seconds,
        }
        if run.chunks > 1:
            details |= {"mapper": mapper.name, "chunks": run.chunks}
        return SimulationResult(counts=run.counts, started_at=started_at, details=details)

    def _engine_for(self, backend: str) -> tuple[Engine, ...]:
        try:
            return self._engines[backend]
        except KeyError:
            known = ", ".join(self._engines)
            raise Rejected(f"no backend {backend!r}; there are {known}") from None
