"""Fake devices in the local testing mode of IBM's client: the vendor's sampler, a real device's noise, no queue.

Compiling and decoding are those of the vendor's stack; timestamps, prices and the absence of a queue are not: a job runs in
the caller's process and is done when it is acknowledged, see `execution.stored_jobs`.

A circuit of gates that is read once at its end is followed by trajectories, see `quantum.simulation.trajectories`: each repetition has its
own seed, so counts are the same for the same points in any other batch. What measures in between goes to Aer: there
repetitions of a point are drawn in one run and cut into equal slices, and one seed made of all the batch's seeds decides every shot.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.core.binary_models.readout_errors import ReadoutErrors
from qhybrid_pipelines.core.errors import Rejected
from qhybrid_pipelines.core.jobs import circuit_jobs
from qhybrid_pipelines.core.jobs.backend_declaration import THIS_MACHINE
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines.execution.compile_cache import LEVEL, SEED, CompileCache
from qhybrid_pipelines.execution.engines.engine import check_well_formed
from qhybrid_pipelines.execution.ibm.bit_arrays import counts_from_bytes
from qhybrid_pipelines.execution.ibm.client import NAME
from qhybrid_pipelines.execution.ibm.compilation import compile_template, narrow_circuit, used_qubits
from qhybrid_pipelines.execution.ibm.declarations import FAKE_DEVICES
from qhybrid_pipelines.execution.ibm.device_errors import can_follow_trajectories, measured_errors
from qhybrid_pipelines.execution.ibm.devices import Device
from qhybrid_pipelines.execution.ibm.fakes import FAKES, fake_device, fake_limits
from qhybrid_pipelines.execution.ibm.noise import noise_model_for
from qhybrid_pipelines.execution.ibm.simulation import MAX_PLACED_QUBITS, MAX_SIMULATED_QUBITS, method_for, sample
from qhybrid_pipelines.execution.ibm.trajectory_runs import (
    TRAJECTORIES,
    in_words,
    trajectories_version,
    trajectory_counts,
    trajectory_seconds,
)
from qhybrid_pipelines.execution.stored_jobs import SimulationResult, StoredJobs
from qhybrid_pipelines.quantum.simulation.sampling import shot_seed

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

#: Circuits that are compiled to say how long they take, in one process: each takes a second, and thousands of variations would take an hour.
MOST_TIMED = 20


class LocalTesting(StoredJobs):
    """The backends ``ibm:fake_*``."""

    abilities: frozenset[Ability] = frozenset()

    def __init__(self, folder: Path) -> None:
        super().__init__(NAME, folder / "results")
        self.cache = CompileCache(folder / "compiled")
        self._timed: set[tuple[str, str]] = set()

    def backends(self) -> tuple[str, ...]:
        """Return the full names of the backends; loads nothing."""
        return tuple(f"{NAME}:{name}" for name in FAKES)

    def capabilities(self, backend: str) -> circuit_jobs.Capabilities:
        """Return the limits that the device's configuration states, the width narrowed to what can be simulated."""
        device = fake_limits(_known(backend))
        return circuit_jobs.Capabilities(
            backend=backend,
            max_qubits=min(device.n_qubits, MAX_SIMULATED_QUBITS),
            max_shots=device.max_shots,
            max_circuits_per_job=device.max_circuits,
            native_gates=device.gates,
            parametric=True,
            simulator=True,
            noisy=True,
            readout_calibrated=True,
            runs_as_compiled=True,
            listing_lag_seconds=0.0,
            mode="local-testing",
            immediate=True,
            region=THIS_MACHINE,
            **FAKE_DEVICES.capability_fields(),
        )

    def calibration(self, backend: str) -> circuit_jobs.Calibration:
        """Return the calibration that the snapshot carries, dated as the vendor dated it."""
        return replace(_device(backend).calibration, fetched_at=datetime.now(UTC))

    def status(self, backend: str) -> circuit_jobs.BackendStatus:
        """Return that it is here and has no queue."""
        _known(backend)
        return circuit_jobs.BackendStatus(online=True, queued_jobs=0, queue_seconds=0.0)

    def prepare(self, template: circuit_jobs.Template, backend: str, *, level: int, seed: int) -> circuit_jobs.Compiled:
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

    def estimate(self, batch: circuit_jobs.CircuitBatch) -> circuit_jobs.Estimate:
        """Return a price of nothing, and how long it takes; that is left out for a batch that is refused when it is submitted.

        The time needs the compiled circuit, so it is left out too once `MOST_TIMED` circuits were compiled for it.
        """
        _known(batch.backend)
        assumptions = "runs on this machine"
        asked = (batch.backend, batch.template.template_id)
        if asked not in self._timed and len(self._timed) >= MOST_TIMED:
            assumptions += f", its time is said of the first {MOST_TIMED} circuits only"
            return circuit_jobs.Estimate(
                low_usd=0.0, high_usd=0.0, assumptions=assumptions, source="local testing mode"
            )
        self._timed.add(asked)
        try:
            circuit, used, _ = self.placed(batch)
        except Rejected:
            circuit = None
        if circuit is not None and can_follow_trajectories(circuit):
            columns = [batch.template.parameters.index(parameter.name) for parameter in circuit.parameters]
            bound = circuit.assign_parameters(batch.bindings[0, columns].tolist())
            seconds = batch.points * trajectory_seconds(
                bound, batch.shots * batch.repetitions, target=_device(batch.backend).target, used=used
            )
            assumptions += f", {in_words(seconds)}"
        return circuit_jobs.Estimate(low_usd=0.0, high_usd=0.0, assumptions=assumptions, source="local testing mode")

    def readout_errors(self, raw: circuit_jobs.RawResult, batch: circuit_jobs.CircuitBatch) -> ReadoutErrors | None:
        """Return the readout errors of the qubits that were behind a result's bits; None where it was compiled otherwise then."""
        head, device = self.details(raw), _device(batch.backend)
        circuit, used, compiled = self.placed(batch)
        if head.get("compiled_sha256") != compiled.compiled_sha256:
            return None
        wrong = measured_errors(circuit, device.target, used)
        return ReadoutErrors(
            zero_as_one=wrong,
            one_as_zero=wrong,
            calibration_id=device.calibration.calibration_id,
            measured_at=device.calibration.measured_at,
        )

    def _simulate(self, batch: circuit_jobs.CircuitBatch) -> SimulationResult:
        device = _device(batch.backend)
        check_well_formed(batch)
        if batch.shots > device.max_shots or batch.seeds.size > device.max_circuits:
            problem = (
                f"{batch.seeds.size} circuits of {batch.shots} shots are more than the {device.max_circuits} circuits of "
                f"{device.max_shots} shots that {batch.backend} takes in one job"
            )
            raise Rejected(problem)
        begin = time.perf_counter()
        circuit, used, compiled = self.placed(batch)
        compile_seconds = time.perf_counter() - begin
        columns = [batch.template.parameters.index(parameter.name) for parameter in circuit.parameters]
        started_at, begin = datetime.now(UTC), time.perf_counter()
        values = batch.bindings[:, columns]
        method: str
        if can_follow_trajectories(circuit):
            method, simulator = TRAJECTORIES, trajectories_version()
            counts = trajectory_counts(circuit, values, batch, target=device.target, used=used)
        else:
            shots = batch.shots * batch.repetitions
            simulator = f"qiskit-aer {version('qiskit-aer')}"
            method = found = method_for(len(used), shots)
            seed = shot_seed(batch.seeds.ravel())
            drawn = sample(circuit, values, shots=shots, seed=seed, noise=_noise(batch.backend, used), method=found)
            counts = counts_from_bytes(
                drawn.reshape(batch.points, batch.repetitions, batch.shots, -1), batch.template.n_qubits
            )
        details = {
            "engine": f"{batch.backend.removeprefix(f'{NAME}:')}, local testing",
            "engine_version": f"qiskit-ibm-runtime {version('qiskit-ibm-runtime')}, {simulator}",
            "compile_seconds": compile_seconds,
            "execute_seconds": time.perf_counter() - begin,
            **device.calibration.noted,
            "compiled_sha256": compiled.compiled_sha256,
            "depth": compiled.depth,
            "two_qubit_gates": compiled.two_qubit_gates,
            "physical_qubits": list(used),
            "method": method,
        }
        return SimulationResult(counts=counts, started_at=started_at, details=details)

    def placed(self, batch: circuit_jobs.CircuitBatch) -> tuple[QuantumCircuit, tuple[int, ...], circuit_jobs.Compiled]:
        """Return a batch's circuit on the few qubits that it uses, their indices, and what it was compiled to."""
        compiled = self.prepare(batch.template, batch.backend, level=LEVEL, seed=SEED)
        used = used_qubits(compiled.native)
        circuit = narrow_circuit(compiled.native, used)
        most = MAX_PLACED_QUBITS if can_follow_trajectories(circuit) else MAX_SIMULATED_QUBITS
        if len(used) > most:
            problem = (
                f"placing {batch.template.n_qubits} qubits on {batch.backend} takes {len(used)}, "
                f"and noise is simulated for {most}"
            )
            raise Rejected(problem)
        return circuit, used, compiled


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
