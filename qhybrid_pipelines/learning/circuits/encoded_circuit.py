"""Circuits with trained weights whose features are encoded as the quantum kernel encodes them, or in amplitudes.

``iqp``: each layer begins with H on every qubit, RZ by each feature and ZZ by the product of each pair of features (V. Havlíček et al., Nature 567, 209
(2019)). ``amplitude``: the state that the circuit begins with is the sample, see `amplitude_encoding`. Rotations by the weights and the ring of CNOTs follow as in
`reuploading_circuit`. The control without entanglement has no gate on two qubits.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations, count
from typing import Literal

from qhybrid_pipelines.learning.circuits.amplitude_encoding import amplitude_qubits, preparation_steps
from qhybrid_pipelines.learning.circuits.own_circuit import OwnCircuitShape, input_names, named_gates, template_text
from qhybrid_pipelines.learning.circuits.reuploading_circuit import CircuitShape

Encoding = Literal["iqp", "amplitude"]

#: A gate by its name in Qiskit, its qubits, and the feature or the weight that turns it.
Step = tuple[str, tuple[int, ...], int | None, int | None]


@cache
def encoded_circuit_shape(encoding: Encoding, n_features: int, *, layers: int, entangled: bool) -> OwnCircuitShape:
    """Return the circuit for so many features.

    Args:
        encoding: see the module.
        n_features: angles of a sample, radians.
        layers: of weights; how often the features are uploaded, but for amplitudes.
        entangled: False leaves out the gates on two qubits.

    Raises:
        UnusableInput: they are too many or too few for amplitudes.
    """
    n_qubits = amplitude_qubits(n_features) if encoding == "amplitude" else n_features
    ring = CircuitShape(n_features=n_qubits, n_qubits=n_qubits, layers=layers, entangled=entangled).cnot_pairs()
    uploaded = _iqp_steps(n_qubits) if encoding == "iqp" else []
    steps = [] if uploaded else _amplitude_steps(n_qubits)
    for layer in range(layers):
        rotations = [(name, (qubit,)) for qubit in range(n_qubits) for name in ("rz", "ry", "rz")]
        steps += uploaded
        steps += [(*step, None, layer * len(rotations) + number) for number, step in enumerate(rotations)]
        steps += [("cx", pair, None, None) for pair in ring]
    kept = [step for step in steps if entangled or len(step[1]) == 1]
    turned = [step for step in kept if step[2:] != (None, None)]
    names = input_names(len(turned))
    return OwnCircuitShape(
        text=template_text(named_gates([step[:2] for step in kept], names), n_qubits),
        inputs=names,
        n_qubits=n_qubits,
        constants=(0.0,) * len(turned),
        feature_terms=tuple(() if feature is None else ((feature, 1.0),) for _, _, feature, _ in turned),
        weight_terms=tuple(() if weight is None else ((weight, 1.0),) for _, _, _, weight in turned),
        features=tuple(f"x_{feature}" for feature in range(n_features)),
        weights=tuple(f"w_{number}" for number in range(3 * n_qubits * layers)),
        pairs=encoding == "iqp",
        amplitudes=encoding == "amplitude",
    )


def _iqp_steps(n_qubits: int) -> list[Step]:
    pairs = enumerate(combinations(range(n_qubits), 2), start=n_qubits)
    return [
        *(("h", (qubit,), None, None) for qubit in range(n_qubits)),
        *(("rz", (qubit,), qubit, None) for qubit in range(n_qubits)),
        *(("rzz", pair, place, None) for place, pair in pairs),
    ]


def _amplitude_steps(n_qubits: int) -> list[Step]:
    places = count()
    return [
        ("ry", step, next(places), None) if len(step) == 1 else ("cx", step, None, None)
        for qubit in range(n_qubits)
        for step in preparation_steps(qubit)
    ]
