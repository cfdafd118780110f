"""Gates that a text defines: each is bound to what its body names when it is defined, and counted once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.angles import Value
from qhybrid_pipelines.quantum.user_circuits.expressions import Expression
from qhybrid_pipelines.quantum.user_circuits.gates import StandardGate
from qhybrid_pipelines.quantum.user_circuits.limits import CONTROL_COST
from qhybrid_pipelines.quantum.user_circuits.statements import Barrier, Define, Operand
from qhybrid_pipelines.quantum.user_circuits.tokens import MAX_DEPTH

#: Word of a modifier, how many controls it adds, and the argument in its parentheses.
Modifier = tuple[str, int, Expression | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyStep:
    """A gate of a definition's body on places among its qubits; a barrier where there is no gate."""

    gate: Gate | None
    modifiers: tuple[Modifier, ...] = ()
    angles: tuple[Expression, ...] = ()
    places: tuple[int, ...]
    line: int
    words: int


@dataclass(frozen=True, kw_only=True, eq=False)
class DefinedGate:
    """A gate with a body.

    Attributes:
        name: as the text gives it.
        parameters: names of its angles, in the order in which they are given.
        n_qubits: width.
        body: its gates.
        gates: about so many when everything is written out.
        depth: how many definitions deep it goes.
        constants: values of the names that its angles may use in addition to its parameters.
    """

    name: str
    parameters: tuple[str, ...]
    n_qubits: int
    body: tuple[BodyStep, ...]
    gates: int
    depth: int
    constants: Mapping[str, Value] = field(repr=False)

    @property
    def n_angles(self) -> int:
        """Number of its angles."""
        return len(self.parameters)


Gate = StandardGate | DefinedGate


def gate_count(gate: Gate, modifiers: tuple[Modifier, ...], *, most: int) -> int:
    """Return about how many gates a gate stands for, at most ``most + 1``."""
    count = max(gate.gates, 1) if isinstance(gate, DefinedGate) else 1
    for word, controls, _ in modifiers:
        if word in ("ctrl", "negctrl"):
            count = min(count * CONTROL_COST ** min(controls, 20), most + 1)
    return count


def check_fit(name: str, gate: Gate, modifiers: tuple[Modifier, ...], *, angles: int, operands: int, line: int) -> None:
    """Check that a gate gets as many angles and operands as it takes, and is not raised where that is not possible.

    Raises:
        InvalidInput: names the line.
    """
    expected = gate.n_qubits + sum(controls for _, controls, _ in modifiers)
    for got, wanted, what in ((angles, gate.n_angles, "angles"), (operands, expected, "qubits")):
        if got != wanted:
            raise InvalidInput(
                f"{name[:80]!r} takes {wanted} {what} and is given {got}", remedy="Give as many as it takes.", line=line
            )
    if isinstance(gate, DefinedGate) and any(word == "pow" for word, _, _ in modifiers):
        raise InvalidInput(
            f"a power is taken of {name[:80]!r}, which the file defines",
            remedy="Write the gate out as often as it acts; powers of standard gates are accepted.",
            line=line,
        )


def define_gate(
    statement: Define,
    find_gate: Callable[[str, int], Gate],
    read_modifiers: Callable[..., tuple[Modifier, ...]],
    *,
    constants: Mapping[str, Value],
    max_gates: int,
) -> DefinedGate:
    """Return the gate of a definition.

    Args:
        statement: the definition.
        find_gate: gives the gate of a name, which must be known already; also gets the line.
        read_modifiers: gives the modifiers of a call.
        constants: that its angles may use.
        max_gates: that it may stand for.

    Raises:
        InvalidInput: the body does not fit, or stands for too many gates; names the line.
    """
    places = {name: place for place, name in enumerate(statement.qubits)}
    body: list[BodyStep] = []
    gates = depth = 0
    for call in statement.body:
        operands = tuple(_place(operand, places) for operand in call.operands)
        if isinstance(call, Barrier):
            chosen = operands or tuple(places.values())
            body.append(BodyStep(gate=None, places=chosen, line=call.line, words=call.words))
            continue
        gate, modifiers = find_gate(call.name, call.line), read_modifiers(call)
        check_fit(call.name, gate, modifiers, angles=len(call.angles), operands=len(operands), line=call.line)
        if len(set(operands)) < len(operands):
            raise same_qubit_error(call.name, call.line)
        gates += gate_count(gate, modifiers, most=max_gates)
        if gates > max_gates:
            raise too_many_gates_error(max_gates, call.line)
        depth = max(depth, gate.depth if isinstance(gate, DefinedGate) else 0)
        body.append(
            BodyStep(
                gate=gate,
                modifiers=modifiers,
                angles=call.angles,
                places=operands,
                line=call.line,
                words=call.words,
            )
        )
    if depth >= MAX_DEPTH:
        raise InvalidInput(
            f"gates are defined by gates more than {MAX_DEPTH} deep", remedy="Write some out.", line=statement.line
        )
    return DefinedGate(
        name=statement.name,
        parameters=statement.parameters,
        n_qubits=len(statement.qubits),
        body=tuple(body),
        gates=gates,
        depth=depth + 1,
        constants=constants,
    )


def _place(operand: Operand, places: dict[str, int]) -> int:
    if operand.indices or operand.is_set or operand.name not in places:
        raise InvalidInput(
            f"{operand.name[:80]!r} is not one of this gate's qubits",
            remedy=f"They are {', '.join(places)[:200]}.",
            line=operand.line,
        )
    return places[operand.name]


def too_many_gates_error(max_gates: int, line: int) -> InvalidInput:
    """Return the error for a circuit that is too large when everything is written out."""
    return InvalidInput(
        f"written out, the circuit has more than {max_gates} gates",
        remedy="Use fewer layers; what is meant here grows with every definition, loop and register.",
        line=line,
    )


def same_qubit_error(name: str, line: int) -> InvalidInput:
    """Return the error for a gate that acts twice on one qubit."""
    return InvalidInput(f"{name[:80]!r} acts on the same qubit twice", remedy="Name different qubits.", line=line)
