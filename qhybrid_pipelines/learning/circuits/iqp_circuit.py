"""The re-uploading circuit with the features encoded as the quantum kernel encodes them.

Each layer begins with H on every qubit, RZ by each feature and ZZ by the product of each pair of features (V. Havlíček et al., Nature 567, 209
(2019)); rotations by the weights and the ring of CNOTs follow as in `reuploading_circuit`. The control without entanglement has neither ZZ
nor CNOT.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

from qhybrid_pipelines.learning.circuits.own_circuit import OwnCircuitShape, Terms, input_names, template_text
from qhybrid_pipelines.learning.circuits.reuploading_circuit import CircuitShape


@cache
def iqp_circuit_shape(n_features: int, *, layers: int, entangled: bool) -> OwnCircuitShape:
    """Return the circuit for so many features, one qubit each.

    Args:
        n_features: angles of a sample, radians.
        layers: how often the features are uploaded.
        entangled: False leaves out ZZ and CNOT.
    """
    from qiskit.circuit import Gate, Parameter
    from qiskit.circuit.library import CXGate, HGate, RYGate, RZGate, RZZGate

    ring = CircuitShape(n_features=n_features, n_qubits=n_features, layers=layers, entangled=entangled).cnot_pairs()
    pairs = list(enumerate(combinations(range(n_features), 2), start=n_features)) if entangled else []
    gates: list[tuple[Gate, tuple[int, ...]]] = []
    terms: list[tuple[Terms, Terms]] = []
    names = input_names(layers * (4 * n_features + len(pairs)))
    weights = 0

    def turn(gate: type[Gate], qubits: tuple[int, ...], of_features: Terms, of_weights: Terms) -> None:
        gates.append((gate(Parameter(names[len(terms)])), qubits))
        terms.append((of_features, of_weights))

    for _ in range(layers):
        gates += [(HGate(), (qubit,)) for qubit in range(n_features)]
        for qubit in range(n_features):
            turn(RZGate, (qubit,), ((qubit, 1.0),), ())
        for place, pair in pairs:
            turn(RZZGate, pair, ((place, 1.0),), ())
        for qubit in range(n_features):
            for gate in (RZGate, RYGate, RZGate):
                turn(gate, (qubit,), (), ((weights, 1.0),))
                weights += 1
        gates += [(CXGate(), pair) for pair in ring]
    return OwnCircuitShape(
        text=template_text(gates, n_features),
        inputs=names,
        n_qubits=n_features,
        constants=(0.0,) * len(terms),
        feature_terms=tuple(of_features for of_features, _ in terms),
        weight_terms=tuple(of_weights for _, of_weights in terms),
        features=tuple(f"x_{feature}" for feature in range(n_features)),
        weights=tuple(f"w_{number}" for number in range(weights)),
        pairs=True,
    )
