"""Circuits with more noise: themselves, then pairs of their inverse and themselves (global unitary folding).

Source: T. Giurgica-Tiron et al., IEEE QCE 2020, 306 (arXiv:2005.10921), section II-A.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.quantum.circuits import PlannedBatch
from qhybrid_pipelines.quantum.qasm import depth_and_two_qubit_gates, empty_circuit, make_template

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


def without_measurements(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the gates of a circuit on the registers of a template."""
    plain = empty_circuit(circuit.num_qubits)
    for step in circuit.data:
        if step.operation.name not in ("measure", "barrier"):
            plain.append(step.operation, [circuit.find_bit(qubit).index for qubit in step.qubits])
    return plain


def fold(circuit: QuantumCircuit, factor: int) -> QuantumCircuit:
    """Return a circuit that does the same with so many times the gates, barriers in between, over which no compiler here takes anything out.

    Args:
        circuit: without measurements.
        factor: odd.
    """
    folded = circuit.copy()
    for repeat in range(1, factor):
        folded.barrier()
        folded.compose(circuit.inverse() if repeat % 2 else circuit, inplace=True)
    if factor > 1:
        folded.barrier()
    return folded


def fold_batch(planned: PlannedBatch, factor: int) -> PlannedBatch:
    """Return a batch whose circuits do the same with so many times the gates; its inputs are those of the batch and their negatives.

    Raises:
        InvalidInput: a gate's inverse has other angles than those of the gate or their negatives.
    """
    batch = planned.batch
    folded, signs = _with_negatives(fold(without_measurements(read_circuit(batch.template.text)), factor))
    template = make_template(folded)
    places = {name: index for index, name in enumerate(batch.template.parameters)}
    columns = [signs.get(name, (name, 1.0)) for name in template.parameters]
    bindings = np.stack([sign * batch.bindings[:, places[name]] for name, sign in columns], axis=1)
    depth, two_qubit_gates = depth_and_two_qubit_gates(folded)
    more_noise = replace(batch, template=template, bindings=bindings, structure=None)
    return replace(planned, batch=more_noise, depth=depth, two_qubit_gates=two_qubit_gates)


def _with_negatives(circuit: QuantumCircuit) -> tuple[QuantumCircuit, dict[str, tuple[str, float]]]:
    """Return a circuit with an input in place of every negative of one, and of which input each is the negative."""
    from qiskit.circuit import Gate, Parameter

    named = empty_circuit(circuit.num_qubits)
    negatives: dict[Parameter, Parameter] = {}
    for step in circuit.data:
        operation, angles = step.operation, []
        for angle in step.operation.params:
            own = next(iter(getattr(angle, "parameters", ())), None)
            if own is None or angle not in (own, -own) or type(operation) is Gate:
                raise InvalidInput(
                    f"the inverse of a gate {operation.name} has an angle that is neither the gate's nor its negative",
                    remedy="Leave mitigation out, or write the circuit with rotations such as rx, rz and rzz.",
                    field="mitigation.estimation",
                )
            angles.append(own if angle == own else negatives.setdefault(own, Parameter(f"{own.name}_negative")))
        if angles:
            operation = operation.to_mutable()
            operation.params = angles
        named.append(operation, [circuit.find_bit(qubit).index for qubit in step.qubits])
    return named, {negative.name: (own.name, -1.0) for own, negative in negatives.items()}
