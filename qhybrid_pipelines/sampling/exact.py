"""The exact distribution of a circuit's outcomes, from its state vector."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.sampling.reference import Reference, reference_from_vector

#: Widest circuit whose state is computed: 16 MiB, ancillas included.
MAX_EXACT_QUBITS = 20


def exact_reference(template: Template, binding: F64, measured: int) -> Reference:
    """Return the distribution of the first ``measured`` qubits.

    Args:
        template: of at most `MAX_EXACT_QUBITS` qubits.
        binding: its numbers, shape ``(inputs,)``, in radians.
        measured: qubits that count; the outcomes of the others are summed out.

    Raises:
        ValueError: it is too wide.
    """
    probabilities = np.abs(exact_state(template, binding)) ** 2
    return reference_from_vector(probabilities.reshape(-1, 2**measured).sum(axis=0))


def exact_state(template: Template, binding: F64) -> npt.NDArray[np.complex128]:
    """Return the state before the measurement, shape ``(2 ** qubits,)``, qubit 0 least significant. Arguments and errors as `exact_reference`."""
    if template.n_qubits > MAX_EXACT_QUBITS:
        raise ValueError(f"{template.n_qubits} qubits are more than {MAX_EXACT_QUBITS}")
    from qiskit.quantum_info import Statevector
    from qiskit.transpiler import PassManager
    from qiskit.transpiler.passes import Collect2qBlocks, ConsolidateBlocks

    circuit = read_circuit(template.text).remove_final_measurements(inplace=False)
    assert circuit is not None
    values = dict(zip(template.parameters, binding.tolist(), strict=True))
    circuit = circuit.assign_parameters({p: values[p.name] for p in circuit.parameters})
    # Gates on the same pair become one matrix, which passes over the state once.
    fused = PassManager([Collect2qBlocks(), ConsolidateBlocks(force_consolidate=True)]).run(circuit)
    return np.asarray(Statevector(fused).data, dtype=np.complex128)
