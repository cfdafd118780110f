"""Carrying out the statements of a circuit: what it declares and measures, and on request every gate written out.

A file of 900 bytes can define a gate by two of the one before, thirty times over. So gates are counted through the
definitions before any of them is written out, and everything that is carried out is counted: the turns of loops, the
gates, and the words of every statement as often as it is met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.angles import Angle, Value
from qhybrid_pipelines.quantum.user_circuits.definitions import (
    DefinedGate,
    Gate,
    Modifier,
    check_fit,
    define_gate,
    gate_count,
    same_qubit_error,
    too_many_gates_error,
)
from qhybrid_pipelines.quantum.user_circuits.expressions import Expression, evaluate, evaluate_integer
from qhybrid_pipelines.quantum.user_circuits.gates import AMBIGUOUS, BUILTIN, LIBRARY
from qhybrid_pipelines.quantum.user_circuits.limits import INCLUDES, MAX_GATES, MAX_INPUTS, MAX_WORK
from qhybrid_pipelines.quantum.user_circuits.registers import Registers, range_values
from qhybrid_pipelines.quantum.user_circuits.statements import (
    Barrier,
    Call,
    Constant,
    Declare,
    Define,
    Include,
    Input,
    Loop,
    Measure,
    Operand,
    Reset,
    Statement,
)
from qhybrid_pipelines.quantum.user_circuits.syntax import Syntax

#: Gets every gate (None for a barrier) that acts on qubits: modifiers, angles, qubits with controls first, and line.
Writer = Callable[[Gate | None, tuple[tuple[Modifier, float], ...], tuple[Value, ...], tuple[int, ...], int], None]


class Evaluation:
    """Carries out the statements of one text, in their order."""

    def __init__(
        self, syntax: Syntax, *, max_gates: int = MAX_GATES, max_inputs: int = MAX_INPUTS, write: Writer | None = None
    ) -> None:
        self.syntax, self.version = syntax, syntax.version
        self.max_gates, self.max_inputs, self.write = max_gates, max_inputs, write
        self.registers = Registers()
        self.inputs: list[str] = []
        self.gates = 0
        self.warnings: list[str] = []
        self._noted: set[str] = set()
        #: Values of names, the innermost scope first.
        self._scopes: list[dict[str, Value]] = [{}]
        #: Those that are known in the bodies of gates too.
        self._constants: dict[str, Value] = {}
        self._defined: dict[str, Gate] = {}
        self._library: Mapping[str, Gate] = BUILTIN[self.version]
        self._turns = [1]
        self._work = 0
        self._actions: dict[type[Statement], Callable[[Any], None]] = {
            Include: self._include,
            Declare: self._declare,
            Input: self._input,
            Constant: self._constant,
            Define: self._define,
            Call: self._call,
            Barrier: self._barrier,
            Measure: self._measure,
            Reset: self._reset,
            Loop: self._loop,
        }

    def run(self) -> None:
        """Carry out every statement.

        Raises:
            InvalidInput: names the line.
        """
        for statement in self.syntax.statements():
            self._carry_out(statement)

    def whole_number(self, expression: Expression) -> int:
        """Return the whole number that an expression is worth here."""
        return evaluate_integer(expression, self._scopes, self.version)

    def _carry_out(self, statement: Statement) -> None:
        self._count_work(statement.words + 1, statement.line)
        self._actions[type(statement)](statement)

    def _count_work(self, words: int, line: int) -> None:
        self._work += words
        if self._work > MAX_WORK:
            raise InvalidInput(
                f"written out, the circuit has more than {MAX_WORK} words",
                remedy="Use fewer turns and layers.",
                line=line,
            )

    def _name_value(self, name: str, value: Value, line: int) -> None:
        if name in self._scopes[0]:
            raise InvalidInput(f"{name[:80]!r} is declared twice", remedy="Remove one.", line=line)
        self._scopes[0][name] = value

    def _include(self, _: Include) -> None:
        self._library = {**BUILTIN[self.version], **LIBRARY[self.version]}

    def _declare(self, statement: Declare) -> None:
        size = None if statement.size is None else self.whole_number(statement.size)
        self.registers.declare(statement.name, size, quantum=statement.quantum, line=statement.line)

    def _measure(self, statement: Measure) -> None:
        source = self.registers.choose(statement.source, self.whole_number, quantum=True)
        target = self.registers.choose(statement.target, self.whole_number, quantum=False)
        self.registers.measure(source, target, statement.line)

    def _reset(self, statement: Reset) -> None:
        qubits = self.registers.choose(statement.operand, self.whole_number, quantum=True).places
        self.registers.reset(qubits, statement.line)

    def _constant(self, statement: Constant) -> None:
        value = evaluate(statement.value, self._scopes, self.version)
        if isinstance(value, Angle):
            raise InvalidInput(
                "a constant depends on an input", remedy="Write the angle where it is used.", line=statement.line
            )
        number = int(value) if statement.whole else float(value)
        self._name_value(statement.name, number, statement.line)
        if len(self._scopes) == 1:
            self._constants[statement.name] = number

    def _input(self, statement: Input) -> None:
        if len(self.inputs) == self.max_inputs:
            raise InvalidInput(
                "there are too many inputs", remedy=f"Use at most {self.max_inputs}.", line=statement.line
            )
        self._name_value(statement.name, Angle(0.0, ((len(self.inputs), 1.0),)), statement.line)
        self.inputs.append(statement.name)

    def _define(self, statement: Define) -> None:
        if statement.name in self._defined:
            raise InvalidInput(
                f"the gate {statement.name[:80]!r} is defined twice", remedy="Remove one.", line=statement.line
            )
        self._defined[statement.name] = define_gate(
            statement, self._find_gate, self._modifiers, constants=self._constants, max_gates=self.max_gates
        )

    def _find_gate(self, name: str, line: int) -> Gate:
        """Return the gate of a name; the text's own definition wins over any library's."""
        gate = self._defined.get(name) or self._library.get(name)
        if gate is not None:
            return gate
        remedy = "Define it, or use a standard gate."
        if name in LIBRARY[self.version] and name not in self._library:
            remedy = f'Put include "{INCLUDES[self.version]}"; in front of it.'
        if name in AMBIGUOUS.get(self.version, {}):
            raise InvalidInput(AMBIGUOUS[self.version][name], remedy="Write `cx`, or define CX.", line=line)
        raise InvalidInput(f"the gate {name[:80]!r} is not defined", remedy=remedy, line=line)

    def _modifiers(self, call: Call) -> tuple[Modifier, ...]:
        """Return the modifiers of a call with the numbers of their controls."""
        found: list[Modifier] = []
        for word, argument in call.modifiers:
            controls = 0
            if word in ("ctrl", "negctrl"):
                controls = 1 if argument is None else self.whole_number(argument)
                if not 0 < controls < 1_000:
                    raise InvalidInput(
                        f"a gate has {controls} controls", remedy="Use less than there are qubits.", line=call.line
                    )
            found.append((word, controls, argument))
        return tuple(found)

    def _call(self, call: Call) -> None:
        gate, modifiers = self._find_gate(call.name, call.line), self._modifiers(call)
        chosen = [self.registers.choose(operand, self.whole_number, quantum=True) for operand in call.operands]
        repeats = self._repeats(call, [len(operand.places) for operand in chosen if not operand.single])
        self.gates += gate_count(gate, modifiers, most=self.max_gates) * repeats
        if self.gates > self.max_gates:
            raise too_many_gates_error(self.max_gates, call.line)
        check_fit(call.name, gate, modifiers, angles=len(call.angles), operands=len(chosen), line=call.line)
        self._compare_names(call, gate)
        angles = tuple(evaluate(angle, self._scopes, self.version) for angle in call.angles)
        valued = tuple((modifier, exponent_value(modifier, self._scopes, self.version)) for modifier in modifiers)
        for turn in range(repeats):
            qubits = tuple(operand.places[0 if operand.single else turn] for operand in chosen)
            if len(set(qubits)) < len(qubits):
                raise same_qubit_error(call.name, call.line)
            self.registers.use(qubits, call.line)
            if self.write:
                self.write(gate, valued, angles, qubits, call.line)

    def _compare_names(self, call: Call, gate: Gate) -> None:
        """Note a call whose angles have the names of the gate's own in another order, which Qiskit may export."""
        if not isinstance(gate, DefinedGate) or gate.name in self._noted:
            return
        given = [str(angle[0].what) for angle in call.angles if len(angle) == 1 and angle[0].kind == "name"]
        if sorted(given) == sorted(gate.parameters) and given != list(gate.parameters):
            self._noted.add(gate.name)
            self.warnings.append(
                f"line {call.line}: {gate.name[:80]!r} is given angles of its own names in another order; they go by place. "
                "Qiskit exports gates with mapped parameters so: name the angles otherwise if names are meant"
            )

    def _repeats(self, call: Call, sizes: list[int]) -> int:
        if len(set(sizes)) > 1:
            raise InvalidInput(
                f"{call.name[:80]!r} acts on registers of {' and '.join(map(str, sorted(set(sizes))))} qubits at once",
                remedy="Use registers of one size.",
                line=call.line,
            )
        return sizes[0] if sizes else 1

    def _barrier(self, statement: Barrier) -> None:
        operands: Iterable[Operand] = statement.operands or (
            Operand(name=name, line=statement.line) for name in self.registers.qubits
        )
        places = [self.registers.choose(operand, self.whole_number, quantum=True).places for operand in operands]
        if self.write:
            qubits = tuple(dict.fromkeys(qubit for register in places for qubit in register))
            self.write(None, (), (), qubits, statement.line)

    def _loop(self, loop: Loop) -> None:
        given = [None if value is None else self.whole_number(value) for value in loop.values]
        values: Iterable[int | None] = range_values(given, None, loop.line) if loop.is_range else given
        turns = max(len(range_values(given, None, loop.line)) if loop.is_range else len(given), 1) * self._turns[-1]
        if turns > self.max_gates:
            raise InvalidInput(
                f"the nested loops make {turns} turns",
                remedy=f"At most {self.max_gates} turns are accepted.",
                line=loop.line,
            )
        self._turns.append(turns)
        for value in values:
            assert value is not None
            self._scopes.insert(0, {loop.variable: value})
            for statement in loop.body:
                self._carry_out(statement)
            self._scopes.pop(0)
        self._turns.pop()


def exponent_value(modifier: Modifier, scopes: Sequence[Mapping[str, Value]], version: int) -> float:
    """Return the exponent of a power; 1 for other modifiers.

    Raises:
        InvalidInput: it hangs on an input.
    """
    word, _, argument = modifier
    if word != "pow" or argument is None:
        return 1.0
    value = evaluate(argument, scopes, version)
    if isinstance(value, Angle):
        raise InvalidInput("a power depends on an input", remedy="Use numbers.", line=argument[-1].line)
    return value
