"""What a circuit's statements say, as they were read and before anything is worked out."""

from __future__ import annotations

from dataclasses import dataclass

from qhybrid_pipelines.quantum.user_circuits.expressions import Expression

#: Words in front of a gate that change what it does.
MODIFIERS = ("ctrl", "negctrl", "inv", "pow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """A register, or the part of one that ``indices`` name; ``is_range`` tells ``[first:step:last]`` from a choice.

    One index is one qubit, several are a register again.
    """

    name: str
    line: int
    indices: tuple[Expression | None, ...] = ()
    is_range: bool = False
    is_set: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What all statements have: their line, and of how many words they are."""

    line: int
    words: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Include(Statement):
    """The library of standard gates becomes known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declare(Statement):
    """A register of qubits or bits; without a size it is a single one."""

    name: str
    quantum: bool
    size: Expression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Statement):
    """An angle that is given later."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(Statement):
    """A name for a number."""

    name: str
    whole: bool
    value: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Statement):
    """A gate on qubits; ``modifiers`` are words of :data:`MODIFIERS` with their argument, outermost first."""

    name: str
    modifiers: tuple[tuple[str, Expression | None], ...]
    angles: tuple[Expression, ...]
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Barrier(Statement):
    """A barrier; without operands over all qubits."""

    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Define(Statement):
    """A gate that the text defines."""

    name: str
    parameters: tuple[str, ...]
    qubits: tuple[str, ...]
    body: tuple[Call | Barrier, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure(Statement):
    """A measurement of qubits into bits."""

    source: Operand
    target: Operand


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Statement):
    """Qubits become 0."""

    operand: Operand


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop(Statement):
    """A body that is repeated for every value of a whole number; ``values`` as the indices of an operand."""

    variable: str
    values: tuple[Expression | None, ...]
    is_range: bool
    body: tuple[Statement, ...]
