"""What a family of circuits gives, and the template that is made of it: no number of it is in the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.circuit_jobs import Template
from qhybrid_pipelines.quantum.qasm import make_template

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


@dataclass(frozen=True, kw_only=True)
class BuiltCircuit:
    """A circuit of a family.

    Attributes:
        circuit: gates on the registers of `quantum.qasm.empty_circuit`, with numbers for angles.
        measured: how many of its qubits count, from qubit 0; those above are ancillas, whatever is measured on them.
        known: probabilities of its outcomes where they are known without simulation, by packed outcome; None elsewhere.
    """

    circuit: QuantumCircuit
    measured: int
    known: dict[int, float] | None = None


class CircuitFamily(Protocol):
    """What a module of `sampling.families` exports as ``FAMILY``.

    Attributes:
        name: as specifications write it.
        title: what it is, and its source, in a few words.
        least_width: fewest qubits.
        width_step: widths are multiples of it.
        has_depth: whether ``depths`` means something; the circuit of a width is one where it does not.
        is_random: whether ``instances`` of one size differ.
    """

    name: str
    title: str
    least_width: int
    width_step: int
    has_depth: bool
    is_random: bool

    def default_depth(self, width: int) -> int:
        """Return the depth where a specification names none."""

    def build(self, width: int, depth: int, random: np.random.Generator) -> BuiltCircuit:
        """Return a circuit of ``width`` qubits, ancillas included."""


def template_and_binding(circuit: QuantumCircuit) -> tuple[Template, F64]:
    """Return a circuit's template and the numbers that were taken out of it, shape ``(inputs,)``, in radians."""
    from qiskit.circuit import Parameter

    lifted, numbers = circuit.copy_empty_like(), []
    digits = len(str(sum(len(step.operation.params) for step in circuit.data)))

    def taken(value: Any) -> Parameter:
        numbers.append(float(value))
        return Parameter(f"a_{len(numbers) - 1:0{digits}d}")

    for step in circuit.data:
        operation = step.operation.to_mutable()
        operation.params = [taken(value) for value in operation.params]
        lifted.append(operation, step.qubits)
    return make_template(lifted), np.array(numbers, dtype=np.float64)
