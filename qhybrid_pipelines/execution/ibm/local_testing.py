"""Fake devices in the local testing mode of IBM's client: the vendor's sampler, a real device's noise, no queue.

Compiling and decoding are those of the vendor's stack; timestamps, prices and the absence of a queue are not: a job runs in
the caller's process and is done when it is acknowledged, see `execution.stored_jobs`.

Repetitions of a point are drawn in one run and cut into equal slices: shots are independent, and a noisy simulation
costs the same for one repetition as for ten. One seed made of all the batch's seeds decides every shot, so counts are
reproducible for the same batch, but not for the same points split over other batches.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qhybrid_pipelines.core import jobs
from qhybrid_pipelines.core.backend_declaration import THIS_MACHINE
from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines.execution.compile_cache import LEVEL, SEED, CompileCache
from qhybrid_pipelines.execution.engines.engine import check_well_formed
from qhybrid_pipelines.execution.ibm.bit_arrays import counts_from_bytes
from qhybrid_pipelines.execution.ibm.client import NAME
from qhybrid_pipelines.execution.ibm.compilation import compile_template, narrow_circuit, used_qubits
from qhybrid_pipelines.execution.ibm.declarations import FAKE_DEVICES
from qhybrid_pipelines.execution.ibm.devices import Device
from qhybrid_pipelines.execution.ibm.fakes import FAKES, fake_device, fake_limits
from qhybrid_pipelines.execution.ibm.noise import noise_model_for
from qhybrid_pipelines.execution.ibm.simulation import MAX_SIMULATED_QUBITS, method_for, sample
from qhybrid_pipelines.execution.stored_jobs import SimulationResult, StoredJobs
from qhybrid_pipelines.quantum.simulation.sampling import shot_seed


class LocalTesting(StoredJobs):
    """The backends ``ibm:fake_*``."""

    abilities: frozenset[Ability] = frozenset()

    def __init__(self, folder: Path) -> None:
        super().__init__(NAME, folder / "results")
        self.cache = CompileCache(folder / "compiled")

    def backends(self) -> tuple[str, ...]:
        """Return the full names of the backends; loads nothing."""
        return tuple(f"{NAME}:{name}" for name in FAKES)

    def capabilities(self, backend: str) -> jobs.Capabilities:
        """Return the limits that the device's configuration states, the width narrowed to what can be simulated."""
        device = fake_limits(_known(backend))
        return jobs.Capabilities(
            backend=backend,
            max_qubits=min(device.n_qubits, MAX_SIMULATED_QUBITS),
            max_shots=device.max_shots,
            max_circuits_per_job=device.max_circuits,
            native_gates=device.gates,
            parametric=True,
            simulator=True,
            noisy=True,
            listing_lag_seconds=0.0,
            mode="local-testing",
            immediate=True,
            region=THIS_MACHINE,
            **FAKE_DEVICES.capability_fields(),
        )

    def calibration(self, backend: str) -> jobs.Calibration:
        """Return the calibration that the snapshot carries, dated as the vendor dated it."""
        return replace(_device(backend).calibration, fetched_at=datetime.now(UTC))

    def status(self, backend: str) -> jobs.BackendStatus:
        """Return that it is here and has no queue."""
        _known(backend)
        return jobs.BackendStatus(online=True, queued_jobs=0, queue_seconds=0.0)

    def prepare(self, template: jobs.Template, backend: str, *, level: int, seed: int) -> jobs.Compiled:
        """Return a template compiled for the device, from the cache where it was compiled before."""
        device = _device(backend)
        return compile_template(
            self.cache,
            template,
            device,
            backend=backend,
            max_qubits=min(device.n_qubits, MAX_SIMULATED_QUBITS),
            level=level,
            seed=seed,
        )

    def estimate(self, batch: jobs.CircuitBatch) -> jobs.Estimate:
        """Return a price of nothing."""
        _known(batch.backend)
        return jobs.Estimate(low_usd=0.0, high_usd=0.0, assumptions="runs on this machine", source="local testing mode")

    def _simulate(self, batch: jobs.CircuitBatch) -> SimulationResult:
        device = _device(batch.backend)
        check_well_formed(batch)
        if batch.shots > device.max_shots or batch.seeds.size > device.max_circuits:
            problem = (
                f"{batch.seeds.size} circuits of {batch.shots} shots are more than the {device.max_circuits} circuits of "
                f"{device.max_shots} shots that {batch.backend} takes in one job"
            )
            raise Rejected(problem)
        begin = time.perf_counter()
        compiled = self.prepare(batch.template, batch.backend, level=LEVEL, seed=SEED)
        compile_seconds = time.perf_counter() - begin
        used = used_qubits(compiled.native)
        if len(used) > MAX_SIMULATED_QUBITS:
            problem = (
                f"placing {batch.template.n_qubits} qubits on {batch.backend} takes {len(used)}, "
                f"and noise is simulated for {MAX_SIMULATED_QUBITS}"
            )
            raise Rejected(problem)
        circuit = narrow_circuit(compiled.native, used)
        columns = [batch.template.parameters.index(parameter.name) for parameter in circuit.parameters]
        started_at, begin = datetime.now(UTC), time.perf_counter()
        shots = batch.shots * batch.repetitions
        method = method_for(len(used), shots)
        drawn = sample(
            circuit,
            batch.bindings[:, columns],
            shots=shots,
            seed=shot_seed(batch.seeds.ravel()),
            noise=_noise(batch.backend, used),
            method=method,
        )
        counts = counts_from_bytes(
            drawn.reshape(batch.points, batch.repetitions, batch.shots, -1), batch.template.n_qubits
        )
        details = {
            "engine": f"{batch.backend.removeprefix(f'{NAME}:')}, local testing",
            "engine_version": f"qiskit-ibm-runtime {version('qiskit-ibm-runtime')}, qiskit-aer {version('qiskit-aer')}",
            "compile_seconds": compile_seconds,
            "execute_seconds": time.perf_counter() - begin,
            "calibration_id": device.calibration.calibration_id,
            "calibration_measured_at": device.calibration.measured_at.isoformat(),
            "compiled_sha256": compiled.compiled_sha256,
            "depth": compiled.depth,
            "two_qubit_gates": compiled.two_qubit_gates,
            "physical_qubits": list(used),
            "method": method,
        }
        return SimulationResult(counts=counts, started_at=started_at, details=details)


@lru_cache(maxsize=64)
def _noise(backend: str, used: tuple[int, ...]) -> Any:
    """Return the noise of some qubits of a fake device; it has one calibration, which never changes in a process."""
    return noise_model_for(_device(backend).target, used)


def _known(backend: str) -> str:
    name = backend.removeprefix(f"{NAME}:")
    if name not in FAKES:
        known = ", ".join(f"{NAME}:{known}" for known in FAKES)
        raise Rejected(f"no backend {backend!r}; there are {known}")
    return name


def _device(backend: str) -> Device:
    return fake_device(_known(backend))
