r"""A compiled circuit with the errors of its device, for the trajectory sampler.

The errors of a gate are those of `noise_model_for`, taken apart: depolarisation, and then thermal relaxation of each of its qubits for as long as
the gate takes. Depolarisation is what is left of the gate's reported error :math:`1 - F` once relaxation alone has
the average fidelity :math:`F_r`: :math:`p = d (F_r - F) / (d F_r - 1)` in dimension :math:`d`, as in Qiskit Aer's basic device model.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.quantum.simulation.noisy_circuit import (
    Gate,
    NoisyCircuit,
    Readout,
    Step,
    relaxation,
    uniform_paulis,
)

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.transpiler import Target


def can_follow_trajectories(circuit: QuantumCircuit) -> bool:
    """Tell whether a circuit is made of gates and then reads each of its bits once."""
    from qiskit.circuit import Gate as QiskitGate

    read: set[int] = set()
    bits: set[int] = set()
    for instruction in circuit.data:
        qubits = {circuit.find_bit(qubit).index for qubit in instruction.qubits}
        if instruction.name == "barrier":
            continue
        if qubits & read:
            return False
        if instruction.name == "measure":
            read |= qubits
            bits |= {circuit.find_bit(bit).index for bit in instruction.clbits}
        elif not isinstance(instruction.operation, QiskitGate):
            return False
    return len(bits) == len(read) == int(circuit.num_clbits)


def noisy_circuit(circuit: QuantumCircuit, target: Target, used: Sequence[int]) -> NoisyCircuit:
    """Return a circuit with the errors of a device.

    Args:
        circuit: narrowed to its used qubits, without free inputs; `can_follow_trajectories`.
        target: the device with its calibration.
        used: indices of the device's qubits, in the circuit's order.
    """
    steps: list[Step] = []
    for instruction in circuit.data:
        qubits = tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits)
        if instruction.name not in ("measure", "barrier"):
            steps.append(Gate(qubits, np.asarray(instruction.operation.to_matrix(), dtype=np.complex128)))
            steps += gate_errors(target, instruction.name, qubits, used)
    wrong = measured_errors(circuit, target, used)
    return NoisyCircuit(
        n_qubits=len(used),
        steps=steps,
        readout=Readout(qubits=measured_qubits(circuit), zero_as_one=wrong, one_as_zero=wrong),
    )


def measured_qubits(circuit: QuantumCircuit) -> npt.NDArray[np.intp]:
    """Return the qubit that each bit is read from last, shape ``(bits,)``."""
    read = np.zeros(circuit.num_clbits, dtype=np.intp)
    for instruction in circuit.data:
        if instruction.name == "measure":
            read[circuit.find_bit(instruction.clbits[0]).index] = circuit.find_bit(instruction.qubits[0]).index
    return read


def measured_errors(circuit: QuantumCircuit, target: Target, used: Sequence[int]) -> F64:
    """Return the probability that each bit is read wrongly, the same for both states, shape ``(bits,)``.

    Args:
        circuit: narrowed to its used qubits.
        target: the device with its calibration.
        used: indices of the device's qubits, in the circuit's order.
    """
    figures = target["measure"]
    return np.array([figures[(used[qubit],)].error or 0.0 for qubit in measured_qubits(circuit).tolist()])


def gate_errors(target: Target, name: str, qubits: tuple[int, ...], used: Sequence[int]) -> list[Step]:
    """Return what follows a gate of a device: depolarisation, then relaxation of each of its qubits."""
    from qiskit.circuit import Gate as QiskitGate

    place = tuple(used[qubit] for qubit in qubits)
    figures = (target[name] if name in target.operation_names else {}).get(place)
    if figures is None:
        return []
    steps: list[Step] = []
    entanglement_fidelity = 1.0
    if figures.duration:
        for qubit, index in zip(qubits, place, strict=True):
            reported = target.qubit_properties[index]
            t1 = inf if reported.t1 is None else reported.t1
            t2 = min(inf if reported.t2 is None else reported.t2, 2 * t1)
            steps += relaxation(qubit, figures.duration, t1, t2)
            entanglement_fidelity *= (1 + 2 * exp(-figures.duration / t2) + exp(-figures.duration / t1)) / 4
    if figures.error and isinstance(target.operation_from_name(name), QiskitGate):
        size = 2 ** len(qubits)
        fidelity = (size * entanglement_fidelity + 1) / (size + 1)
        if figures.error > 1 - fidelity:
            error = min(figures.error, size / (size + 1))
            depolarised = min(size * (error - 1 + fidelity) / (size * fidelity - 1), size**2 / (size**2 - 1))
            steps.insert(0, uniform_paulis(qubits, depolarised * (1 - 1 / size**2)))
    return steps
