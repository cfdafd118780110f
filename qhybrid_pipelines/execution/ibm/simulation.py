"""The sampler that the vendor's local testing mode runs, on a simulator that carries a device's noise: for what measures in between.

The vendor's own ``SamplerV2`` hands such a run to Qiskit's `BackendSamplerV2` and does nothing else; it is deprecated since
0.50, so that one is called here. A test holds the two to the same shots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.parallel.cores import usable_cores

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

#: Widest density matrix: 256 MiB for each of the circuits that run at once.
MAX_DENSITY_QUBITS = 12
#: Widest circuit that is simulated at all. For one that Aer simulates this holds after placement on the device too: shot by shot, a tenth of
#: a second for each.
MAX_SIMULATED_QUBITS = 16
#: Most of the device's qubits that such a circuit may touch where trajectories are followed.
MAX_PLACED_QUBITS = 20

#: Width from which gates are merged before they run. Shot by shot this costs a millisecond and saves, at 13 qubits,
#: six sevenths of the time; Aer's default of 14 is meant for circuits without noise.
FUSION_QUBITS = 7

Method = Literal["density_matrix", "statevector"]


def method_for(width: int, shots: int) -> Method:
    """Return how a noisy circuit is simulated.

    A density matrix has the cost of ``4**width`` once, and shots are free; state vectors cost ``2**width`` per shot.
    They break even at about ``2**width`` shots. The rule does not ask for the machine's memory or cores, because the
    two methods draw different shots from one seed.
    """
    return "density_matrix" if width <= MAX_DENSITY_QUBITS and shots >= 2**width else "statevector"


def sample(circuit: QuantumCircuit, values: F64, *, shots: int, seed: int, noise: Any, method: Method) -> U8:
    """Return the shots of one circuit at many bindings, shape ``(points, shots, bytes)``, outcomes big-endian.

    The same arguments give the same shots on any number of cores: a circuit is never spread over threads.

    Args:
        circuit: narrowed to the qubits that ``noise`` is about; one classical register ``c``.
        values: shape ``(points, inputs)``, in the circuit's own order of inputs.
        shots: per point.
        seed: of the whole run, 31 bits; the simulator derives one per point from it.
        noise: Aer's noise model.
        method: of simulation.
    """
    from qiskit.primitives import BackendSamplerV2
    from qiskit_aer import AerSimulator

    simulator = AerSimulator(
        noise_model=noise,
        method=method,
        fusion_threshold=FUSION_QUBITS,
        max_parallel_experiments=usable_cores(),
        max_parallel_shots=1,
        statevector_parallel_threshold=2 * MAX_SIMULATED_QUBITS + 1,
    )
    options = {"default_shots": shots, "seed_simulator": seed}
    [answer] = BackendSamplerV2(backend=simulator, options=options).run([(circuit, values)]).result()
    return np.asarray(answer.data.c.array)
