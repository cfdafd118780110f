"""A circuit written in PennyLane as a template for every backend, and back.

The gates are recorded with named inputs in place of numbers, so the PennyLane function stays the only place where the
circuit is written down. Qubit ``q`` of the template is wire ``q`` and is measured into bit ``q``; PennyLane orders basis
states with wire 0 first, Qiskit and our packed outcomes with it last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.learning.circuits.own_circuit import AnyCircuitShape, OwnCircuitShape
from qhybrid_pipelines.learning.circuits.reuploading_circuit import apply_layers
from qhybrid_pipelines.quantum.qasm import empty_circuit, make_template

#: PennyLane's gate, and the methods of a Qiskit circuit that do the same; Rot(a, b, c) is RZ(a), RY(b), RZ(c) in turn.
_QISKIT_METHODS: Mapping[str, tuple[str, ...]] = {
    "RX": ("rx",),
    "RY": ("ry",),
    "RZ": ("rz",),
    "Rot": ("rz", "ry", "rz"),
    "CNOT": ("cx",),
    "Hadamard": ("h",),
    "IsingZZ": ("rzz",),
}


def feature_name(feature: int) -> str:
    """Return the input of a feature."""
    return f"x_{feature}"


def weight_name(layer: int, qubit: int, angle: int) -> str:
    """Return the input of a weight; ``angle`` is 0, 1, 2 for the first, second and third angle of Rot."""
    return f"w_{layer}_{qubit}_{angle}"


@cache
def circuit_template(shape: AnyCircuitShape) -> Template:
    """Return the template of a circuit; features and weights are its inputs."""
    if isinstance(shape, OwnCircuitShape):
        return shape.template
    import pennylane as qml
    from qiskit.circuit import Parameter

    features = np.array([Parameter(feature_name(feature)) for feature in range(shape.n_features)], dtype=object)
    weights = np.empty(shape.weights_shape, dtype=object)
    for index in np.ndindex(*shape.weights_shape):
        weights[index] = Parameter(weight_name(*index))
    return template_from_gates(qml.tape.make_qscript(apply_layers)(features, weights, shape).operations, shape.n_qubits)


def template_from_gates(gates: Sequence[Any], n_qubits: int) -> Template:
    """Return the template of PennyLane's gates, every angle of which is a named input."""
    circuit = empty_circuit(n_qubits)
    for gate in gates:
        methods = _QISKIT_METHODS[gate.name]
        per_method = len(gate.parameters) // len(methods)
        for place, method in enumerate(methods):
            angles = gate.parameters[place * per_method : (place + 1) * per_method]
            # A feature is cut out of its row with an ellipsis, which leaves an array without axes around the symbol.
            symbols = [angle.item() if isinstance(angle, np.ndarray) else angle for angle in angles]
            getattr(circuit, method)(*symbols, *gate.wires.tolist())
    return make_template(circuit)


def make_bindings(shape: AnyCircuitShape, features: F64, weights: F64) -> F64:
    """Return the values of the template's inputs, shape ``(points, inputs)``, in the order of ``template.parameters``.

    Args:
        shape: the circuit.
        features: shape ``(points, n_features)``, radians.
        weights: shape ``weights_shape`` for all points alike, or ``(points, *weights_shape)``; radians.
    """
    if isinstance(shape, OwnCircuitShape):
        return shape.bindings(features, weights)
    points = len(features)
    per_point = np.broadcast_to(weights, (points, *shape.weights_shape)).reshape(points, -1)
    names = [feature_name(feature) for feature in range(shape.n_features)]
    names += [weight_name(*index) for index in np.ndindex(*shape.weights_shape)]
    column = {name: index for index, name in enumerate(names)}
    order = [column[name] for name in circuit_template(shape).parameters]
    return np.concatenate([features, per_point], axis=1)[:, order]


def pennylane_circuit(template: Template) -> Callable[[F64], None]:
    """Return a function that queues a template's gates in PennyLane, given one row of bindings.

    Wire ``q`` is qubit ``q``. The measurements at the template's end are left to the caller.
    """
    import pennylane as qml

    circuit = read_circuit(template.text).remove_final_measurements(inplace=False)
    queue = qml.from_qiskit(circuit)

    def apply(bindings: F64) -> None:
        values: dict[str, Any] = dict(zip(template.parameters, bindings.tolist(), strict=True))
        queue(**values, wires=range(template.n_qubits))

    return apply
