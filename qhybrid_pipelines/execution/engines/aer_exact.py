"""Any unitary circuit through Aer's probabilities, sampled with our own seeds.

Aer's own shots cost about 2 microseconds each and one seed covers a whole run; probabilities are cheaper for narrow circuits,
exact, and sampled per point, so results do not depend on chunking or threads.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import JobFailed
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.execution.counts import counts_table
from qhybrid_pipelines.execution.engines.aer import (
    PreparedCircuit,
    aer_version,
    exact_simulation_problem,
    measured_qubits,
    prepare_circuit,
)
from qhybrid_pipelines.execution.engines.engine import Engine, EngineRun
from qhybrid_pipelines.execution.sampling import sample_rows
from qhybrid_pipelines.parallel.cores import usable_cores

#: Probabilities that Aer returns at once: 32 MiB.
BLOCK_PROBABILITIES = 1 << 22


class AerExact:
    """Aer state vectors with bound parameters; terminal measurements only, no noise."""

    name = "aer-exact"
    max_qubits = 20
    preference = 30
    pointwise = True

    def version(self) -> str:
        """Return the version of Aer."""
        return aer_version()

    def unsupported_reason(self, batch: CircuitBatch) -> str | None:
        """Return why the engine cannot run a batch, or None if it can."""
        return exact_simulation_problem(batch.template)

    def run(self, batch: CircuitBatch) -> EngineRun:
        """Simulate a batch."""
        prepared, compile_seconds = prepare_circuit(batch.template, keep_measurements=False)
        begin = time.perf_counter()
        counts = counts_table(sample_rows(exact_probabilities(batch, prepared), batch.seeds, batch.shots))
        return EngineRun(counts=counts, compile_seconds=compile_seconds, execute_seconds=time.perf_counter() - begin)


def exact_probabilities(batch: CircuitBatch, prepared: PreparedCircuit) -> Iterator[F64]:
    """Yield the ``(2**n,)`` probabilities of every point, indexed by the packed outcome.

    Raises:
        JobFailed: Aer could not simulate the circuit; carries its message.
    """
    from qiskit_aer import AerSimulator

    simulator = AerSimulator(method="statevector", max_parallel_experiments=usable_cores())
    circuit = prepared.circuit.copy()
    circuit.save_probabilities(list(measured_qubits(batch.template.text) or ()))
    block = max(1, BLOCK_PROBABILITIES >> batch.template.n_qubits)
    for first in range(0, batch.points, block):
        values = prepared.values(batch.bindings[first : first + block])
        # Without inputs all points are the same circuit: Aer runs it once.
        binds = [{parameter: values[:, i].tolist() for i, parameter in enumerate(circuit.parameters)}]
        outcome: Any = simulator.run([circuit], shots=1, parameter_binds=binds if circuit.parameters else None).result()
        if not outcome.success:
            raise JobFailed(f"Aer failed: {outcome.status}")
        for index in range(len(values)):
            yield np.asarray(outcome.data(index if circuit.parameters else 0)["probabilities"], dtype=np.float64)


ENGINE: Engine = AerExact()
