"""From a parsed foreign circuit to a template: standard gates only, and no number in the text that comes from data.

A gate's angle may be a number or a sum of multiples of inputs. Multiples of a quarter of pi stay in the text, because
compilers know what to do with them; everything else becomes an input of the template, and its value a column of the
bindings in full float64, as for the built-in circuits. A global phase, which no measurement shows, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.openqasm import read_circuit
from qhybrid_pipelines.quantum.qasm import depth_and_two_qubit_gates, empty_circuit, write_circuit
from qhybrid_pipelines.quantum.user_circuits.limits import MAX_GATES
from qhybrid_pipelines.quantum.user_circuits.precheck import CheckedCircuit

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Operation

#: A gate and the indices of its qubits.
GateOnQubits = tuple["Operation", tuple[int, ...]]
#: An angle: its constant part, and (index of an input, factor) for each input it hangs on.
Affine = tuple[float, tuple[tuple[int, float], ...]]

#: Gates that OpenQASM 3 knows. The text defines all others, once for each name, so their angles must be inputs.
OPENQASM3_GATES = frozenset(("rx", "ry", "rz", "p", "u", "u1", "u2", "u3", "cp", "crx", "cry", "crz", "cu"))
#: Largest multiple of a quarter of pi that stays in the text.
MAX_QUARTERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalCircuit:
    """A circuit's template, and for each of its inputs the angle that it stands for."""

    text: str
    parameters: tuple[str, ...]
    angles: tuple[Affine, ...]
    depth: int
    two_qubit_gates: int


def to_canonical(checked: CheckedCircuit) -> CanonicalCircuit:
    """Parse a circuit and return its canonical form. To be called where a crash does no harm.

    Raises:
        InvalidInput: the parser refuses the text, or it is not a circuit of gates with measurements at the end.
    """
    parsed = _parse(checked)
    steps, bits = _expand_gates(parsed)
    return _assemble(steps, bits, {name: index for index, name in enumerate(checked.inputs)})


def _parse(checked: CheckedCircuit) -> QuantumCircuit:
    if checked.version == 3:
        from qiskit.transpiler.passes import UnrollForLoops

        return UnrollForLoops()(read_circuit(checked.text))
    from qiskit import qasm2

    try:
        return qasm2.loads(
            checked.text,
            include_path=(),
            custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS,
            custom_classical=qasm2.LEGACY_CUSTOM_CLASSICAL,
        )
    except qasm2.QASM2ParseError as error:
        raise InvalidInput(f"the circuit's text cannot be read: {error.message}", remedy="Correct it.") from None


def _expand_gates(circuit: QuantumCircuit) -> tuple[list[GateOnQubits], dict[int, int]]:
    """Return the circuit in standard gates and barriers, and the bit that each qubit is measured into.

    Every bit of one register is measured once, at the end, or nothing is measured at all and qubit ``i`` belongs to
    bit ``i``.
    """
    steps: list[GateOnQubits] = []
    bits: dict[int, int] = {}
    registers = set()
    for instruction in circuit.data:
        qubits = tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits)
        if not bits.keys().isdisjoint(qubits) and instruction.name != "barrier":
            raise _unsupported_error("a qubit is used after it was measured")
        if instruction.name == "measure":
            places = circuit.find_bit(instruction.clbits[0]).registers
            if len(places) != 1:
                raise _unsupported_error("a bit that is measured belongs to no register")
            register, index = places[0]
            registers.add((register.name, register.size))
            if len(registers) > 1:
                raise _unsupported_error("it is measured into more than one register")
            if index in bits.values():
                raise _unsupported_error("a bit is measured twice")
            bits[qubits[0]] = index
            continue
        for step in _standard_gates(instruction.operation, qubits):
            steps.append(step)
            if len(steps) > MAX_GATES:
                raise _unsupported_error(f"written out, the circuit has more than {MAX_GATES} gates")
    n = circuit.num_qubits
    if registers and (len(bits) != n or next(iter(registers))[1] != n):
        raise _unsupported_error(
            f"{len(bits)} of {n} qubits are measured, into a register of {next(iter(registers))[1]} bits"
        )
    return steps, bits or {qubit: qubit for qubit in range(n)}


def _standard_gates(operation: Operation, qubits: tuple[int, ...]) -> Iterator[GateOnQubits]:
    """Yield the standard gates that a gate stands for."""
    from qiskit.circuit import Gate
    from qiskit.circuit.library import get_standard_gate_name_mapping

    standard = get_standard_gate_name_mapping()
    waiting: list[GateOnQubits] = [(operation, qubits)]
    while waiting:
        operation, qubits = waiting.pop()
        known = standard.get(operation.name)
        if operation.name in ("id", "global_phase"):
            continue
        if operation.name == "barrier" or (known is not None and operation.base_class is known.base_class):
            yield operation, qubits
            continue
        body = operation.definition if isinstance(operation, Gate) else None
        if body is None:
            raise _unsupported_error(f"{operation.name!r} is not a gate that can be run")
        waiting += [
            (inner.operation, tuple(qubits[body.find_bit(qubit).index] for qubit in inner.qubits))
            for inner in reversed(body.data)
        ]
        if len(waiting) > 2 * MAX_GATES:
            raise _unsupported_error(f"written out, the circuit has more than {MAX_GATES} gates")


def _assemble(steps: list[GateOnQubits], bits: dict[int, int], inputs: Mapping[str, int]) -> CanonicalCircuit:
    """Return the canonical circuit; the qubit that is measured into bit ``i`` becomes qubit ``i``."""
    from qiskit.circuit import Parameter
    from qiskit.circuit.library import Barrier, get_standard_gate_name_mapping

    standard = get_standard_gate_name_mapping()
    angles = [[_angle(value, operation.name, inputs) for value in operation.params] for operation, _ in steps]
    distinct = dict.fromkeys(angle for row in angles for angle in row if isinstance(angle, tuple))
    digits = len(str(len(distinct)))
    names = {angle: Parameter(f"t_{index:0{digits}d}") for index, angle in enumerate(distinct)}
    circuit = empty_circuit(len(bits))
    for (operation, qubits), row in zip(steps, angles, strict=True):
        values = [names[angle] if isinstance(angle, tuple) else angle for angle in row]
        gate = Barrier(len(qubits)) if operation.name == "barrier" else standard[operation.name].base_class(*values)
        circuit.append(gate, [bits[qubit] for qubit in qubits])
    depth, two_qubit_gates = depth_and_two_qubit_gates(circuit)
    circuit.measure(range(len(bits)), range(len(bits)))
    text = write_circuit(circuit)
    if write_circuit(read_circuit(text)) != text:
        raise _unsupported_error("it does not read back as it was written")
    return CanonicalCircuit(
        text=text,
        # Numbered with leading zeros, so that qiskit's order by name is the order here.
        parameters=tuple(parameter.name for parameter in names.values()),
        angles=tuple(distinct),
        depth=depth,
        two_qubit_gates=two_qubit_gates,
    )


def _angle(value: Any, gate: str, inputs: Mapping[str, int]) -> Affine | float:
    """Return what an angle of a gate hangs on, or its value where that stays in the text."""
    constant, slopes = _to_affine(value, inputs)
    quarters = round(constant / (math.pi / 4))
    plain = abs(quarters) <= MAX_QUARTERS and math.isclose(constant, quarters * math.pi / 4, rel_tol=4e-16)
    return constant if plain and not slopes and gate in OPENQASM3_GATES else (constant, slopes)


def _to_affine(value: Any, inputs: Mapping[str, int]) -> Affine:
    """Return a gate's angle as a constant and multiples of inputs."""
    from qiskit.circuit import ParameterExpression

    if not isinstance(value, ParameterExpression):
        return _finite(value), ()
    slopes = []
    for parameter in sorted(value.parameters, key=lambda parameter: inputs[parameter.name]):
        slope = value.gradient(parameter)
        if isinstance(slope, ParameterExpression):
            raise _unsupported_error(f"the angle {str(value)[:80]} is not a sum of multiples of inputs")
        if slope:
            slopes.append((inputs[parameter.name], _finite(slope)))
    return _finite(value.bind(dict.fromkeys(value.parameters, 0.0)).numeric()), tuple(slopes)


def _finite(value: Any) -> float:
    if isinstance(value, complex) or not math.isfinite(value):
        raise _unsupported_error("an angle is not a finite number")
    return float(value)


def _unsupported_error(problem: str) -> InvalidInput:
    return InvalidInput(
        problem, remedy="Use standard gates, angles such as 2*gamma + 0.5, and measure every qubit once or none."
    )
