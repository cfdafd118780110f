"""What every ansatz gives: a template, and the linear map from its angles to the template's inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.quantum.qasm import depth_and_two_qubit_gates, make_template

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


@dataclass(frozen=True, slots=True, kw_only=True)
class Ansatz:
    """A template whose inputs are ``bindings = offset + angles @ matrix``.

    Attributes:
        offset: shape ``(inputs,)``, radians; the part that no angle moves, for example state preparation.
        matrix: shape ``(angles, inputs)``; for QAOA it carries the coefficients of the cost.
        depth: layers of gates before compilation.
        two_qubit_gates: before compilation.
    """

    template: Template
    offset: F64
    matrix: F64
    depth: int
    two_qubit_gates: int

    def bindings(self, angles: F64) -> F64:
        """Return the ``(points, inputs)`` bindings of ``(points, angles)`` angles, in radians.

        An input hangs on few angles, mostly on one, so each entry is a short sum in a fixed order: the result is the
        same for any number of points at once, which a matrix product does not promise.
        """
        columns = np.arange(self.matrix.shape[1])
        terms = int((self.matrix != 0).sum(axis=0).max(initial=0))
        values = np.broadcast_to(self.offset, (len(angles), len(columns)))
        for source in np.argsort(self.matrix == 0, axis=0, kind="stable")[:terms]:
            values = values + angles[:, source] * self.matrix[source, columns]
        return np.array(values, dtype=np.float64)


def make_ansatz(circuit: QuantumCircuit, inputs: dict[str, tuple[int | None, float]], n_angles: int) -> Ansatz:
    """Return the ansatz of a circuit.

    Args:
        circuit: as `qasm.make_template` demands it.
        inputs: for each input's name ``(angle, factor)``: the value is ``angle * factor``, or ``factor`` itself where
            the angle is None.
        n_angles: columns of an angle table.
    """
    template = make_template(circuit)
    offset = np.zeros(len(template.parameters))
    matrix = np.zeros((n_angles, len(template.parameters)))
    for column, name in enumerate(template.parameters):
        angle, factor = inputs[name]
        if angle is None:
            offset[column] = factor
        else:
            matrix[angle, column] = factor
    depth, two_qubit_gates = depth_and_two_qubit_gates(circuit)
    return Ansatz(template=template, offset=offset, matrix=matrix, depth=depth, two_qubit_gates=two_qubit_gates)
