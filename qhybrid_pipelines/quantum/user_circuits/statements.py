"""Going through the statements of a circuit by their tokens, and counting the gates that they stand for."""

from __future__ import annotations

from collections.abc import Callable

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specification import HARD_MAX_QUBITS
from qhybrid_pipelines.quantum.user_circuits.limits import (
    CONTROL_COST,
    INCLUDES,
    MAX_LOOPS,
    REFUSED,
    REMEDY,
    VARIABLES,
)
from qhybrid_pipelines.quantum.user_circuits.tokens import MAX_DEPTH, Cursor, Token, unexpected_token_error


class Statements(Cursor):
    """Goes through the statements once; every method takes the tokens of its own part."""

    def __init__(self, tokens: list[Token], *, max_gates: int, max_inputs: int) -> None:
        super().__init__(tokens)
        self.max_gates, self.max_inputs = max_gates, max_inputs
        self.gates = 0
        self.qubits: dict[str, int] = {}
        self.bits: dict[str, int] = {}
        self.inputs: dict[str, None] = {}
        #: Gates that a defined gate stands for, and how many definitions deep it goes.
        self.defined: dict[str, tuple[int, int]] = {}
        #: Turns of each loop that is open.
        self.loops: list[int] = []
        self.version = self._version()

    def read(self) -> None:
        """Read all statements."""
        while self.left:
            line = self.left[-1].line
            self.gates = self._limited(self.gates + self.statement(), line)

    def statement(self) -> int:
        """Read one statement and return how many gates it stands for, loops and registers written out."""
        token = self.take()
        if token.text in REFUSED:
            raise InvalidInput(f"{REFUSED[token.text]} (found `{token.text}`)", remedy=REMEDY, line=token.line)
        special: dict[str, Callable[[], int]] = {
            "include": self._include,
            "qubit": lambda: self._declare(self.qubits),
            "bit": lambda: self._declare(self.bits),
            "qreg": lambda: self._declare_old(self.qubits),
            "creg": lambda: self._declare_old(self.bits),
            "input": self._input,
            "gate": self._define,
            "for": self._loop,
            "barrier": self._operands,
            "measure": self._measurement,
            ";": lambda: 0,
        }
        if token.text in special:
            return special[token.text]()
        if token.kind != "word":
            raise unexpected_token_error(token, expected="a statement")
        return self._measured() if token.text in self.bits else self._call(token)[0]

    def _limited(self, gates: int, line: int) -> int:
        """Return a number of gates that is not too large; ``line`` is where it was reached."""
        if gates > self.max_gates:
            raise InvalidInput(
                f"written out, the circuit has more than {self.max_gates} gates",
                remedy="Use fewer layers; what is meant here grows with every definition, loop and register.",
                line=line,
            )
        return gates

    def _version(self) -> int:
        if self.peek() != "OPENQASM":
            raise InvalidInput(
                "the text does not start with the version of OpenQASM",
                remedy="Start with `OPENQASM 3.0;` or `OPENQASM 2.0;`.",
                line=1,
            )
        self.take()
        number = self.take()
        self.expect(";")
        if number.text not in ("2", "2.0", "3", "3.0", "3.1"):
            raise InvalidInput(f"there is no OpenQASM {number.text}", remedy="Use 2.0 or 3.0.", line=number.line)
        return int(number.text[0])

    def _include(self) -> int:
        token = self.take()
        if token.text.strip("\"'") != INCLUDES[self.version]:
            raise InvalidInput(
                f"the include of {token.text[:80]} would read another file of this machine",
                remedy=f"Only {INCLUDES[self.version]} can be included; write other gates into the file itself.",
                line=token.line,
            )
        return self._end()

    def _declare(self, registers: dict[str, int]) -> int:
        """Read ``qubit[3] q;``, ``bit c;`` or ``bit[3] c = measure q;`` behind its first word."""
        size = self._size() if self.peek() == "[" else 1
        self._register(registers, self.name(), size)
        return self._measured() if registers is self.bits and self.peek() == "=" else self._end()

    def _declare_old(self, registers: dict[str, int]) -> int:
        name = self.name()
        self._register(registers, name, self._size() if self.peek() == "[" else 1)
        return self._end()

    def _register(self, registers: dict[str, int], name: Token, size: int) -> None:
        quantum = registers is self.qubits
        total = size + (sum(registers.values()) if quantum else 0)
        if size < 1 or total > HARD_MAX_QUBITS:
            raise InvalidInput(
                f"the circuit declares {total} {'qubits' if quantum else 'bits in one register'}",
                remedy=f"From 1 to {HARD_MAX_QUBITS} are accepted.",
                line=name.line,
            )
        if name.text in self.qubits or name.text in self.bits:
            raise InvalidInput(f"{name.text!r} is declared twice", remedy="Remove one.", line=name.line)
        registers[name.text] = size

    def _size(self) -> int:
        self.expect("[")
        size = self.integer()
        self.expect("]")
        return size

    def _input(self) -> int:
        self.expect("float", "angle")
        if self.peek() == "[":
            self._size()
        name = self.name()
        if name.text in self.inputs or len(self.inputs) == self.max_inputs:
            problem = f"{name.text!r} is declared twice" if name.text in self.inputs else "there are too many inputs"
            raise InvalidInput(problem, remedy=f"Use at most {self.max_inputs}, each once.", line=name.line)
        self.inputs[name.text] = None
        return self._end()

    def _define(self) -> int:
        name = self.name()
        while self.peek() != "{":
            self.take()
        self.take()
        gates, depth = 0, 1
        while self.peek() != "}":
            token = self.take()
            if token.text == "barrier":
                self._operands()
                continue
            if token.kind != "word" or token.text in REFUSED or token.text in ("for", "measure", "gate", "include"):
                raise unexpected_token_error(token, expected="a gate of this gate's body")
            more, inner = self._call(token)
            gates, depth = self._limited(gates + more, token.line), max(depth, inner + 1)
        self.take()
        if depth > MAX_DEPTH:
            raise InvalidInput(
                f"gates are defined by gates more than {MAX_DEPTH} deep", remedy="Write some out.", line=name.line
            )
        self.defined[name.text] = (gates, depth)
        return 0

    def _call(self, token: Token) -> tuple[int, int]:
        """Read a gate with its modifiers, angles and operands; return its gates and the depth of its definition."""
        cost, powers = 1, 0
        while token.text in ("ctrl", "negctrl", "inv", "pow"):
            if token.text in ("ctrl", "negctrl"):
                cost = min(cost * CONTROL_COST ** self._controls(), self.max_gates + 1)
            elif self.peek() == "(":
                self._angles()
            powers += token.text == "pow"
            self.expect("@")
            token = self.name()
        if powers and token.text in self.defined:
            raise InvalidInput(
                f"a power is taken of {token.text!r}, which the file defines",
                remedy="Write the gate out as often as it acts; powers of standard gates are accepted.",
                line=token.line,
            )
        if self.peek() == "(":
            self._angles()
        gates, depth = self.defined.get(token.text, (1, 0))
        return max(gates, 1) * cost * max(self._operands(), 1), depth

    def _controls(self) -> int:
        if self.peek() != "(":
            return 1
        self.take()
        controls = self.integer()
        closing = self.expect(")")
        if not 0 < controls < HARD_MAX_QUBITS:
            raise InvalidInput(
                f"a gate has {controls} controls", remedy="Use less than there are qubits.", line=closing.line
            )
        return controls

    def _angles(self) -> None:
        """Read what stands in parentheses: sums, products and functions, whose value takes no time to find."""
        # In version 3 powers work on whole numbers, which may grow without bound.
        allowed = "()+-*/,^" if self.version == 2 else "()+-*/,"
        depth = 0
        while True:
            token = self.take()
            depth += (token.text == "(") - (token.text == ")")
            if token.kind == "text" or (token.kind == "symbol" and token.text not in allowed):
                raise unexpected_token_error(token, expected="a sum, a product or a function")
            if token.kind == "number" and len(token.text) > 40:
                raise InvalidInput("a number has more than 40 digits", remedy="17 say all.", line=token.line)
            if depth == 0:
                return

    def _operands(self) -> int:
        """Read up to the semicolon and return how often the statement acts, over the registers that it names."""
        widest = 0
        while (token := self.take()).text != ";":
            if token.text in "{}" or token.kind == "text":
                raise unexpected_token_error(token, expected="a qubit")
            if token.kind == "word":
                widest = max(widest, self._reach(token))
        return widest

    def _measurement(self) -> int:
        """Read up to the semicolon; a measurement is not a gate."""
        self._operands()
        return 0

    def _reach(self, register: Token) -> int:
        """Return how many qubits or bits an operand names at most; one of them is named by a plain index."""
        whole = self.qubits.get(register.text, 1)
        if self.peek() != "[":
            return whole
        self.take()
        inside = 0
        while (token := self.take()).text != "]":
            if token.text == ";":
                raise unexpected_token_error(token, expected="an index")
            inside += 1
        return 1 if inside == 1 else whole

    def _measured(self) -> int:
        """Read ``[0] = measure q[0];`` behind the name of a register of bits."""
        if self.peek() == "[":
            while self.take().text != "]":
                pass
        self.expect("=")
        word = self.take()
        if word.text != "measure":
            raise InvalidInput(f"{VARIABLES} (found an assignment)", remedy=REMEDY, line=word.line)
        return self._measurement()

    def _loop(self) -> int:
        """Read ``for uint i in [0:3] { ... }`` behind its first word; return the gates of all its turns."""
        line = self.expect("int", "uint").line
        if self.peek() == "[":
            self._size()
        self.name()
        self.expect("in")
        self.loops.append(self._loop_turns())
        turns = 1
        for loop in self.loops:
            turns *= max(loop, 1)
        if turns > self.max_gates or len(self.loops) > MAX_LOOPS:
            raise InvalidInput(
                f"the loops that stand within each other make {turns} turns",
                remedy=f"At most {self.max_gates} turns and {MAX_LOOPS} loops within each other are accepted.",
                line=line,
            )
        self.expect("{")
        gates = 0
        while self.peek() != "}":
            gates = self._limited(gates + self.statement(), line)
        self.take()
        return self._limited(gates * self.loops.pop(), line)

    def _loop_turns(self) -> int:
        """Read ``[first:last]``, ``[first:step:last]`` or ``{1, 2, 5}``; both ends of a range belong to it."""
        if self.expect("[", "{").text == "{":
            turns = 1
            while (token := self.take()).text != "}":
                turns += token.text == ","
            return turns
        first = self.integer()
        self.expect(":")
        second = self.integer()
        closing = self.expect(":", "]")
        step, last = (1, second) if closing.text == "]" else (second, self.integer())
        if closing.text == ":":
            self.expect("]")
        if step == 0:
            raise InvalidInput("a loop with step 0 never ends", remedy="Use another step.", line=closing.line)
        return max(0, (last - first) // step + 1)

    def _end(self) -> int:
        self.expect(";")
        return 0
