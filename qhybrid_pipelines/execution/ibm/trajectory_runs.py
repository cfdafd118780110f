"""A batch on a fake device by trajectories: its counts, and how long they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.bits import U64
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.execution.counts import counts_from_shots, counts_table
from qhybrid_pipelines.execution.engines.threads import map_in_order
from qhybrid_pipelines.execution.ibm.device_errors import noisy_circuit
from qhybrid_pipelines.parallel.cores import usable_cores
from qhybrid_pipelines.quantum.simulation.gate_fusion import fuse
from qhybrid_pipelines.quantum.simulation.trajectories import VERSION, sample_noisy
from qhybrid_pipelines.quantum.simulation.trajectory_cost import expected_seconds

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.transpiler import Target

TRAJECTORIES = "trajectories"
#: From here on an estimate says what to do about it.
LONG_SECONDS = 300.0


def trajectories_version() -> str:
    """Return the version of the sampler and of what it computes with."""
    return f"trajectories {VERSION}, numpy {np.__version__}"


def trajectory_counts(
    circuit: QuantumCircuit, values: F64, batch: CircuitBatch, *, target: Target, used: tuple[int, ...]
) -> pa.Table:
    """Return counts in `COUNTS_SCHEMA`, the same for any number of cores.

    Args:
        circuit: narrowed to its used qubits; `can_follow_trajectories`.
        values: shape ``(points, inputs)``, in the circuit's own order of inputs.
        batch: whose shots and seeds are taken.
        target: the device with its calibration.
        used: indices of the device's qubits.
    """
    from threadpoolctl import threadpool_limits

    def make_worker() -> Callable[[int], U64]:
        def sampled(point: int) -> U64:
            noisy = noisy_circuit(circuit.assign_parameters(values[point].tolist()), target, used)
            shots = sample_noisy(noisy, batch.seeds[point], batch.shots).astype(np.uint64)
            shots.sort(axis=1)
            return shots

        return sampled

    threads = min(usable_cores(), batch.points)
    with threadpool_limits(1, user_api="blas"):  # cores work on points; products are too small to be shared
        drawn = map_in_order(make_worker, range(batch.points), threads=threads)
        return counts_table(counts_from_shots(shots, point=point) for point, shots in enumerate(drawn))


def trajectory_seconds(circuit: QuantumCircuit, shots: int, *, target: Target, used: tuple[int, ...]) -> float:
    """Return the processor seconds that one point takes, estimated; the circuit has no free inputs."""
    return expected_seconds(fuse(noisy_circuit(circuit, target, used)), shots)


def in_words(seconds: float) -> str:
    """Return a sentence's end about how long a run takes, with a remedy where that is long."""
    if seconds < 1:
        return "less than a second of processor time"
    said = f"about {float(f'{seconds:.2g}'):.0f} s of processor time"
    return said if seconds < LONG_SECONDS else f"{said}: lower shots, repetitions or sweep.points if that is too long"
