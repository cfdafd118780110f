"""Statements of OpenQASM 2 and 3 as far as a circuit needs them, read one by one from the words of a text.

What a language has beyond a circuit that is the same in every shot is refused by name. Nothing is worked out here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.expressions import Expression, ExpressionCursor, Operation
from qhybrid_pipelines.quantum.user_circuits.limits import (
    INCLUDES,
    MAX_LOOPS,
    REFUSED,
    REMEDY,
    VARIABLES,
)
from qhybrid_pipelines.quantum.user_circuits.statements import (
    MODIFIERS,
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
from qhybrid_pipelines.quantum.user_circuits.tokens import Token, unexpected_token_error

NUMBER_TYPES = ("int", "uint", "float", "angle")


class Syntax(ExpressionCursor):
    """Reads the statements of a text in their order; every method takes the tokens of its own part."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__([token for token in tokens if token.kind != "note"])
        self.loops = 0
        self.version = self._version()

    def statements(self) -> Iterator[Statement]:
        """Yield the statements."""
        while self.left:
            yield from self.statement()

    def statement(self) -> list[Statement]:
        """Return the statement that comes next; a declaration that measures is two of them."""
        before, token = len(self.left), self.take()
        if token.text in REFUSED:
            raise InvalidInput(f"{REFUSED[token.text]} (found `{token.text}`)", remedy=REMEDY, line=token.line)
        special: dict[str, Callable[[Token], list[Statement]]] = {
            "include": self._include,
            "qubit": self._declare,
            "bit": self._declare,
            "qreg": self._declare_old,
            "creg": self._declare_old,
            "input": self._input,
            "const": self._constant,
            "gate": self._define,
            "for": self._loop,
            "barrier": lambda token: [self._barrier(token)],
            "measure": self._measure_arrow,
            "reset": lambda token: [Reset(line=token.line, operand=self._last_operand())],
            ";": lambda _: [],
        }
        if token.text in special:
            return special[token.text](token)
        if token.kind != "word" or token.text.startswith("$"):
            raise unexpected_token_error(token, expected="a statement")
        if self.peek() in ("=", "["):
            return [self._assignment(token)]
        return [self._call(token, before)]

    def _version(self) -> int:
        """Read `OPENQASM 3.0;`, which version 3 may omit."""
        if self.peek() != "OPENQASM":
            return 3
        self.take()
        token = self.take()
        if token.text not in ("2", "2.0", "3", "3.0", "3.1"):
            raise InvalidInput(
                f"there is no OpenQASM {token.text[:40]} here", remedy="Use OpenQASM 2.0 or 3.0.", line=token.line
            )
        self.expect(";")
        return int(token.text[0])

    def _include(self, word: Token) -> list[Statement]:
        token = self.take()
        if token.text.strip("\"'") != INCLUDES[self.version]:
            raise InvalidInput(
                f"the include of {token.text[:80]} would read another file of this machine",
                remedy=f"Only {INCLUDES[self.version]} can be included in OpenQASM {self.version}; write other gates "
                "into the file itself.",
                line=token.line,
            )
        self.expect(";")
        return [Include(line=word.line)]

    def _declare(self, word: Token) -> list[Statement]:
        """Read ``qubit[3] q;``, ``bit c;`` or ``bit[3] c = measure q;`` behind its first word."""
        size = self._size() if self.peek() == "[" else None
        return self._declared(word, size, self.name())

    def _declare_old(self, word: Token) -> list[Statement]:
        name = self.name()
        return self._declared(word, self._size() if self.peek() == "[" else None, name)

    def _declared(self, word: Token, size: Expression | None, name: Token) -> list[Statement]:
        quantum = word.text in ("qubit", "qreg")
        declared: list[Statement] = [Declare(line=name.line, name=name.text, quantum=quantum, size=size)]
        if not quantum and self.peek() == "=":
            declared.append(self._measured(Operand(name=name.text, line=name.line)))
        else:
            self.expect(";")
        return declared

    def _size(self) -> Expression:
        self.expect("[")
        if self.left and len(self.left[-1].text) > 18 and self.left[-1].text.isdecimal():
            token = self.take()
            size: Expression = (Operation("value", 10**18, token.line),)
        else:
            size = self.expression()
        self.expect("]")
        return size

    def _input(self, word: Token) -> list[Statement]:
        self.expect("float", "angle")
        if self.peek() == "[":
            self._size()
        name = self.name()
        self.expect(";")
        return [Input(line=word.line, name=name.text)]

    def _constant(self, word: Token) -> list[Statement]:
        kind = self.expect(*NUMBER_TYPES)
        if self.peek() == "[":
            self._size()
        name = self.name()
        self.expect("=")
        value = self.expression()
        self.expect(";")
        return [Constant(line=word.line, name=name.text, whole=kind.text in ("int", "uint"), value=value)]

    def _define(self, word: Token) -> list[Statement]:
        before = len(self.left)
        name = self.name()
        parameters: tuple[str, ...] = ()
        if self.peek() == "(":
            self.take()
            parameters = self._names(")")
        qubits = self._names("{")
        body: list[Call | Barrier] = []
        while self.peek() != "}":
            start, token = len(self.left), self.take()
            if token.text == "barrier":
                body.append(self._barrier(token))
            elif token.kind != "word" or token.text in REFUSED or token.text in ("for", "measure", "gate", "include"):
                raise unexpected_token_error(token, expected="a gate of this gate's body")
            else:
                body.append(self._call(token, start))
        self.take()
        words = before - len(self.left)
        return [
            Define(line=word.line, words=words, name=name.text, parameters=parameters, qubits=qubits, body=tuple(body))
        ]

    def _names(self, end: str) -> tuple[str, ...]:
        """Read names with commas between them, and what ends them."""
        names: dict[str, None] = {}
        while self.peek() != end:
            if names:
                self.expect(",")
                if self.peek() == end:
                    break
            token = self.name()
            if token.text in names:
                raise InvalidInput(f"{token.text[:80]!r} is named twice", remedy="Rename one.", line=token.line)
            names[token.text] = None
        self.expect(end)
        return tuple(names)

    def _call(self, token: Token, before: int) -> Call:
        """Read a gate with its modifiers, angles and operands; ``before`` tokens were left in front of it."""
        line = token.line
        modifiers: list[tuple[str, Expression | None]] = []
        while token.text in MODIFIERS:
            argument = None
            if self.peek() == "(" and token.text != "inv":
                self.take()
                argument = self.expression()
                self.expect(")")
            if token.text == "pow" and argument is None:
                raise unexpected_token_error(self.take(), expected="'(' and a number")
            modifiers.append((token.text, argument))
            self.expect("@")
            token = self.name()
        angles: list[Expression] = []
        if self.peek() == "(":
            self.take()
            while self.peek() != ")":
                if angles:
                    self.expect(",")
                angles.append(self.expression())
            self.take()
        operands = self._operands()
        return Call(
            line=line,
            words=before - len(self.left),
            name=token.text,
            modifiers=tuple(modifiers),
            angles=tuple(angles),
            operands=operands,
        )

    def _barrier(self, token: Token) -> Barrier:
        before = len(self.left)
        operands = self._operands()
        return Barrier(line=token.line, words=before - len(self.left), operands=operands)

    def _operands(self) -> tuple[Operand, ...]:
        """Read operands with commas between them, and the semicolon."""
        operands: list[Operand] = []
        while self.peek() != ";":
            if operands:
                self.expect(",")
            operands.append(self._operand_with_index())
        self.take()
        return tuple(operands)

    def _last_operand(self) -> Operand:
        operand = self._operand_with_index()
        self.expect(";")
        return operand

    def _operand_with_index(self, name: Token | None = None) -> Operand:
        """Read ``q``, ``q[0]``, ``q[0:2:6]`` or ``q[{0, 5}]``."""
        name = name or self.take()
        if name.kind != "word":
            raise unexpected_token_error(name, expected="a qubit or bit")
        if self.peek() != "[":
            return Operand(name=name.text, line=name.line)
        self.take()
        is_set = self.peek() == "{"
        if is_set:
            indices, is_range = self._choice(), False
        else:
            indices, is_range = self._range()
        self.expect("]")
        return Operand(name=name.text, line=name.line, indices=indices, is_range=is_range, is_set=is_set)

    def _choice(self) -> tuple[Expression | None, ...]:
        """Read ``{1, 2, 5}``."""
        self.expect("{")
        found: list[Expression | None] = []
        while self.peek() != "}":
            if found:
                self.expect(",")
            found.append(self.expression())
        self.take()
        return tuple(found)

    def _range(self) -> tuple[tuple[Expression | None, ...], bool]:
        """Read an index, ``first:last`` or ``first:step:last``, all of which may be omitted in a range."""
        parts: list[Expression | None] = [None if self.peek() == ":" else self.expression()]
        while self.peek() == ":":
            self.take()
            parts.append(None if self.peek() in ("]", ":") else self.expression())
        if len(parts) > 3:
            raise unexpected_token_error(self.take(), expected="at most two colons")
        return tuple(parts), len(parts) > 1

    def _assignment(self, name: Token) -> Measure:
        target = self._operand_with_index(name)
        return self._measured(target)

    def _measured(self, target: Operand) -> Measure:
        """Read ``= measure q[0];`` behind a bit."""
        self.expect("=")
        word = self.take()
        if word.text != "measure":
            raise InvalidInput(f"{VARIABLES} (found an assignment)", remedy=REMEDY, line=word.line)
        return Measure(line=word.line, source=self._last_operand(), target=target)

    def _measure_arrow(self, word: Token) -> list[Statement]:
        """Read ``q[0] -> c[0];`` behind `measure`."""
        source = self._operand_with_index()
        if self.peek() == ";":
            raise InvalidInput(
                "a measurement does not go into a bit",
                remedy="Say which bit it goes into: `c = measure q;`.",
                line=word.line,
            )
        self.expect("->")
        return [Measure(line=word.line, source=source, target=self._last_operand())]

    def _loop(self, word: Token) -> list[Statement]:
        """Read ``for uint i in [0:3] { ... }`` behind its first word."""
        self.loops += 1
        if self.loops > MAX_LOOPS:
            raise InvalidInput(f"more than {MAX_LOOPS} loops are nested", remedy="Write some out.", line=word.line)
        before = len(self.left)
        self.expect("int", "uint")
        if self.peek() == "[":
            self._size()
        variable = self.name()
        self.expect("in")
        if self.peek() == "{":
            values, is_range = self._choice(), False
        else:
            opened = self.expect("[")
            values, is_range = self._range()
            if not is_range or values[0] is None or values[-1] is None:
                raise unexpected_token_error(opened, expected="a range such as [0:3]")
            self.expect("]")
        words = before - len(self.left)
        body: list[Statement] = []
        if self.peek() == "{":
            self.take()
            while self.peek() != "}":
                body += self.statement()
            self.take()
        else:
            body += self.statement()
        self.loops -= 1
        return [
            Loop(
                line=word.line, words=words, variable=variable.text, values=values, is_range=is_range, body=tuple(body)
            )
        ]
