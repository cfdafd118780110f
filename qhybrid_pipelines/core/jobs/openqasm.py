"""Reading the text of a template into a circuit. Writing it is `quantum.qasm`; running it is `execution`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.core.errors import InvalidInput

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Gate, Parameter

REMEDY = "Use OpenQASM 3 with `input float[64]` parameters, the standard gates and one `bit` register."

#: Angles at which two gate definitions are compared; irrational, so that no identity holds by accident.
PROBE_ANGLES = (0.7390851332151607, 1.3247179572447460, 0.5671432904097838, 1.2020569031595942)


def read_circuit(text: str) -> QuantumCircuit:
    """Return the circuit of an OpenQASM 3 text of our own, with standard gates as their own classes.

    Texts of others are read by `quantum.user_circuits`: this importer takes the angles of a defined gate in the order of
    their names, which for templates is their order, and has other phases under controls than the language.

    The importer keeps gates that the text itself defines (``rzz``, ``rxx``, ``ryy`` are not part of
    ``stdgates.inc``) as opaque boxes, and a compiler then misses a device's native gate. A box is replaced when it has
    the name of a standard gate and also its matrix; a gate that merely borrows the name keeps its own body.

    Raises:
        InvalidInput: the text cannot be read. Names the line where the reader knows it.
    """
    if not text.lstrip().startswith("OPENQASM 3"):
        raise InvalidInput("the circuit's text does not start with OPENQASM 3", remedy=REMEDY, field="template")
    from openqasm3.parser import QASM3ParsingError
    from qiskit.qasm3 import QASM3ImporterError, loads

    try:
        circuit = loads(text)
    except (QASM3ParsingError, QASM3ImporterError) as error:
        raise InvalidInput(
            f"the circuit's text cannot be read: {_error_message(error)}", remedy=REMEDY, field="template"
        ) from None
    return _restore_standard_gates(circuit)


def bind_parameters(text: str, values: Mapping[str, float]) -> str:
    """Return a template's text with numbers in place of its inputs, to the last digit.

    Only what follows the registers is touched: a gate that the text defines before them may call its own angles alike.

    Args:
        text: of a template.
        values: value of every input, finite.
    """
    if not values:
        return text
    head, register, body = text.partition("\nbit[")
    lines = [line for line in head.splitlines() if not line.startswith("input ")]
    names = re.compile(rf"\b({'|'.join(map(re.escape, values))})\b")
    body = names.sub(lambda match: _literal(values[match.group()]), body)
    return "\n".join(lines) + register + body


def _literal(number: float) -> str:
    return f"({number!r})" if number < 0 else repr(number)


def _error_message(error: Exception) -> str:
    """Return a reader's message; where it has none, the place at which it gave up."""
    inner = error.__cause__.args[0] if error.__cause__ and error.__cause__.args else error.__cause__
    token = getattr(inner, "offendingToken", None)
    if not str(error) and token is not None:
        return f"L{token.line}:C{token.column}: {token.text!r} has no place there"
    return " ".join(str(error).split())


def _restore_standard_gates(circuit: QuantumCircuit) -> QuantumCircuit:
    from qiskit.circuit import Gate
    from qiskit.circuit.library import get_standard_gate_name_mapping

    standard = get_standard_gate_name_mapping()
    same: dict[tuple[str, tuple[float, ...]], bool] = {}
    relabelled = circuit.copy_empty_like()
    for instruction in circuit.data:
        gate = instruction.operation
        if type(gate) is Gate and gate.name in standard and (probe := _probe_angles(gate)) is not None:
            # Inputs are probed at the same angles in every gate, so one comparison decides for all of them; a number
            # decides for itself only, because gates may agree at some angles.
            case = (gate.name, tuple(_evaluate(value, probe) for value in gate.params))
            if case not in same:
                same[case] = _same_matrix(gate, type(standard[gate.name]), case[1], probe)
            if same[case]:
                instruction = instruction.replace(operation=type(standard[gate.name])(*gate.params))  # noqa: PLW2901
        relabelled.append(instruction)
    return relabelled


def _probe_angles(gate: Gate) -> dict[Parameter, float] | None:
    """Return an angle for every input that a gate hangs on; None where there are too many."""
    free = {free.name: free for value in gate.params for free in getattr(value, "parameters", ())}
    if len(free) > len(PROBE_ANGLES):
        return None
    return {free[name]: angle for name, angle in zip(sorted(free), PROBE_ANGLES, strict=False)}


def _evaluate(value: Any, probe: dict[Parameter, float]) -> float:
    """Return the value of a number, an input or a sum of inputs at the probe's angles."""
    if not hasattr(value, "parameters"):
        return float(value)
    found = value.bind({free: probe[free] for free in value.parameters}).numeric()
    return math.nan if isinstance(found, complex) else float(found)


def _same_matrix(opaque: Gate, standard: type[Gate], angles: tuple[float, ...], probe: dict[Parameter, float]) -> bool:
    """Tell whether a gate defined in a text does what the standard gate of its name does, up to a global phase.

    One comparison at irrational angles decides for all angles: both sides are analytic in them.
    """
    from qiskit.quantum_info import Operator

    body = opaque.definition
    if body is None or not all(math.isfinite(angle) for angle in angles):
        return False
    try:
        reference = standard(*angles)
    except TypeError:  # another number of angles than the standard gate has
        return False
    body = body.assign_parameters({free: probe[free] for free in body.parameters})
    return body.num_qubits == reference.num_qubits and bool(Operator(body).equiv(Operator(reference), atol=1e-12))
