"""From a foreign circuit to a template: standard gates only, and no number in the text that comes from data.

A gate's angle may be a number or a sum of multiples of inputs. Multiples of a quarter of pi stay in the text, because
compilers know what to do with them; everything else becomes an input of the template, and its value a column of the
bindings in full float64, as for the built-in circuits. A global phase, which no measurement shows, is left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.quantum.qasm import depth_and_two_qubit_gates, write_circuit
from qhybrid_pipelines.quantum.user_circuits.angles import Angle, Value, to_angle
from qhybrid_pipelines.quantum.user_circuits.gates import Step
from qhybrid_pipelines.quantum.user_circuits.limits import MAX_GATES
from qhybrid_pipelines.quantum.user_circuits.precheck import CheckedCircuit, check_circuit
from qhybrid_pipelines.quantum.user_circuits.standard_names import circuit_from_steps
from qhybrid_pipelines.quantum.user_circuits.writing_out import GateWriter

#: Gates that OpenQASM 3 knows. The text defines all others, once for each name, so their angles must be inputs.
OPENQASM3_GATES = frozenset(("rx", "ry", "rz", "p", "u", "u1", "u2", "u3", "cp", "crx", "cry", "crz", "cu"))
#: Largest multiple of a quarter of pi that stays in the text.
MAX_QUARTERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalCircuit:
    """A circuit's template, and for each of its inputs the angle that it stands for.

    ``pairs`` are the qubits of the template on which one gate acts together, the smaller one first.
    """

    text: str
    parameters: tuple[str, ...]
    angles: tuple[Angle, ...]
    depth: int
    two_qubit_gates: int
    pairs: tuple[tuple[int, int], ...]


def to_canonical(checked: CheckedCircuit, order: Sequence[int] = ()) -> CanonicalCircuit:
    """Write a circuit out and return its canonical form. To be called where a crash does no harm.

    Args:
        checked: the circuit.
        order: for each of its outcomes the variable that it belongs to; without it they are in the order of their bits.

    Raises:
        InvalidInput: it cannot be written out in standard gates; names the line.
    """
    writer = GateWriter(version=checked.version, max_gates=MAX_GATES)
    check_circuit(checked.text, write=writer)
    n = len(checked.variables)
    bits = dict(zip(checked.variables, order or range(n), strict=True))
    bits |= {qubit: n + index for index, qubit in enumerate(checked.ancillas)}
    return _assemble([step for step in (_moved(step, bits) for step in writer.steps) if step.qubits], len(bits))


def _moved(step: Step, bits: Mapping[int, int]) -> Step:
    """Return a step on the qubits of the template; a barrier may name qubits that it does not have."""
    return step._replace(qubits=tuple(bits[qubit] for qubit in step.qubits if qubit in bits))


def _assemble(steps: list[Step], n_qubits: int) -> CanonicalCircuit:
    from qiskit.circuit import Parameter

    angles = [tuple(_angle(value, step.name) for value in step.angles) for step in steps]
    distinct = dict.fromkeys(angle for row in angles for angle in row if isinstance(angle, Angle))
    digits = len(str(len(distinct)))
    names = {angle: Parameter(f"t_{index:0{digits}d}") for index, angle in enumerate(distinct)}
    circuit = circuit_from_steps(
        [
            step._replace(angles=tuple(names[angle] if isinstance(angle, Angle) else angle for angle in row))
            for step, row in zip(steps, angles, strict=True)
        ],
        n_qubits,
    )
    depth, two_qubit_gates = depth_and_two_qubit_gates(circuit)
    circuit.measure(range(n_qubits), range(n_qubits))
    text = write_circuit(circuit)
    if write_circuit(read_circuit(text)) != text:
        raise InvalidInput("the circuit does not read back as it was written", remedy="Use standard gates.")
    return CanonicalCircuit(
        text=text,
        # Numbered with leading zeros, so that qiskit's order by name is the order here.
        parameters=tuple(parameter.name for parameter in names.values()),
        angles=tuple(distinct),
        depth=depth,
        two_qubit_gates=two_qubit_gates,
        pairs=tuple(sorted({pair for step in steps if step.name != "barrier" for pair in _pairs(step.qubits)})),
    )


def _pairs(qubits: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return itertools.combinations(sorted(qubits), 2)


def _angle(value: Value, gate: str) -> Angle | float:
    """Return what an angle of a gate hangs on, or its value where that stays in the text."""
    constant, slopes = to_angle(value)
    quarters = round(constant / (math.pi / 4))
    plain = abs(quarters) <= MAX_QUARTERS and math.isclose(constant, quarters * math.pi / 4, rel_tol=4e-16)
    return constant if plain and not slopes and gate in OPENQASM3_GATES else Angle(constant, slopes)
