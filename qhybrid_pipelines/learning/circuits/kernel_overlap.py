"""Circuits whose share of zeros is an entry of the quantum kernel: the embedding of one sample, then the inverse of another's.

They come back to all zeros with probability ``|<phi(y)|phi(x)>|^2`` (V. Havlíček et al., Nature 567, 209 (2019)). Where the two meet, the last rotations of
one and the first inverse ones of the other are a single gate each, with the difference of their angles.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.core.specifications.features_specification import EncodingName
from qhybrid_pipelines.learning.circuits.amplitude_encoding import (
    amplitude_qubits,
    preparation_angles,
    preparation_steps,
)
from qhybrid_pipelines.learning.circuits.kernel_feature_map import embedding_angles
from qhybrid_pipelines.learning.circuits.own_circuit import input_names, named_gates, template_text

#: A gate by its name in Qiskit, and its qubits.
Step = tuple[str, tuple[int, ...]]


@cache
def overlap_template(n_features: int, *, encoding: EncodingName, layers: int) -> Template:
    """Return the circuit of all pairs of samples; its inputs are the columns of :func:`overlap_angles`."""
    n_qubits = amplitude_qubits(n_features) if encoding == "amplitude" else n_features
    # One step of the embedding after the other, that where both meet, the inverse ones of the other back to the first.
    steps, inputs = _steps(n_qubits, encoding=encoding, layers=layers)
    names = input_names(max(inputs) + 1)
    written = named_gates(steps, [names[place] for place in inputs])
    return Template(text=template_text(written, n_qubits), parameters=names, n_qubits=n_qubits)


def _steps(n_qubits: int, *, encoding: EncodingName, layers: int) -> tuple[list[Step], list[int]]:
    """Return the gates in their order, and which input turns each of those that have an angle."""
    qubits = [(qubit,) for qubit in range(n_qubits)]
    if encoding == "angle":
        return [("rx", qubit) for qubit in qubits], list(range(n_qubits))
    if encoding == "amplitude":
        levels = [
            [("ry" if len(step) == 1 else "cx", step) for step in preparation_steps(qubit)] for qubit in range(n_qubits)
        ]
        # A qubit's rotations are turned back by the same gates with the negative angles.
        order = [*range(n_qubits), *reversed(range(n_qubits - 1))]
        first = 2 ** (n_qubits - 1) - 1
        back = [
            2**n_qubits - 1 + place
            for qubit in reversed(range(n_qubits - 1))
            for place in range(2**qubit - 1, 2 ** (qubit + 1) - 1)
        ]
        return [step for qubit in order for step in levels[qubit]], [*range(first + 2 ** (n_qubits - 1)), *back]
    hadamards: list[Step] = [("h", qubit) for qubit in qubits]
    turns: list[Step] = [("rz", qubit) for qubit in qubits]
    turns += [("rzz", pair) for pair in combinations(range(n_qubits), 2)]
    parts = [0] * (layers - 1) + [1] + [2] * (layers - 1) if layers > 1 else [0]
    inputs = [part * len(turns) + place for part in parts for place in range(len(turns))]
    return [*(hadamards + turns) * len(parts), *hadamards], inputs


def overlap_angles(features: F64, others: F64, *, encoding: EncodingName, layers: int, bandwidth: float) -> F64:
    """Return the angles of pairs, shape ``(pairs, inputs)``, radians.

    Args:
        features: of the first sample of each pair, shape ``(pairs, n_features)``, radians.
        others: of the second.
        encoding: as in `embedded_states`, and so are the others.
        layers: repetitions.
        bandwidth: factor of every feature.

    Raises:
        UnusableInput: a sample is all zeros, which has no amplitudes.
    """
    if encoding == "angle":
        return bandwidth * (features - others)
    if encoding == "amplitude":
        one, other = preparation_angles(features), preparation_angles(others)
        before = one.shape[1] // 2
        return np.concatenate([one[:, :before], (one - other)[:, before:], -other[:, :before]], axis=1)
    one, other = (embedding_angles(angles, bandwidth=bandwidth) for angles in (features, others))
    return one - other if layers == 1 else np.concatenate([one, one - other, -other], axis=1)
