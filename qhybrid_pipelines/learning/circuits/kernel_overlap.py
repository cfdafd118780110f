"""Circuits whose share of zeros is an entry of the quantum kernel: the embedding of one sample, then the inverse of another's.

They come back to all zeros with probability ``|<phi(y)|phi(x)>|^2`` (V. Havlíček et al., Nature 567, 209 (2019)). Where the two meet, the diagonal gates of
one and the inverse ones of the other are a single gate each, with the difference of their angles.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.core.specifications.features_specification import EncodingName
from qhybrid_pipelines.learning.circuits.kernel_feature_map import embedding_angles
from qhybrid_pipelines.learning.circuits.own_circuit import input_names, template_text


@cache
def overlap_template(n_features: int, *, encoding: EncodingName, layers: int) -> Template:
    """Return the circuit of all pairs of samples, one qubit for each feature; its inputs are the columns of :func:`overlap_angles`."""
    from qiskit.circuit import Gate, Parameter
    from qiskit.circuit.library import HGate, RXGate, RZGate, RZZGate

    qubits = [(qubit,) for qubit in range(n_features)]
    places = qubits if encoding == "angle" else [*qubits, *combinations(range(n_features), 2)]
    alone = encoding == "angle" or layers == 1
    names = input_names(len(places) * (1 if alone else 3))
    inputs = [Parameter(name) for name in names]
    gates: list[tuple[Gate, tuple[int, ...]]] = []

    hadamards = [(HGate(), qubit) for qubit in qubits if encoding == "iqp"]
    one = RXGate if encoding == "angle" else RZGate
    # The layers of one embedding, that where both meet, the inverse ones of the other.
    for part in [0] if alone else [0] * (layers - 1) + [1] + [2] * (layers - 1):
        gates += hadamards
        angles = inputs[part * len(places) : (part + 1) * len(places)]
        gates += [((one if len(at) == 1 else RZZGate)(angle), at) for angle, at in zip(angles, places, strict=True)]
    gates += hadamards
    return Template(text=template_text(gates, n_features), parameters=names, n_qubits=n_features)


def overlap_angles(features: F64, others: F64, *, encoding: EncodingName, layers: int, bandwidth: float) -> F64:
    """Return the angles of pairs, shape ``(pairs, inputs)``, radians.

    Args:
        features: of the first sample of each pair, shape ``(pairs, n_features)``, radians.
        others: of the second.
        encoding: as in `embedded_states`, and so are the others.
        layers: repetitions.
        bandwidth: factor of every feature.
    """
    if encoding == "angle":
        return bandwidth * (features - others)
    one, other = (embedding_angles(angles, bandwidth=bandwidth) for angles in (features, others))
    return one - other if layers == 1 else np.concatenate([one, one - other, -other], axis=1)
