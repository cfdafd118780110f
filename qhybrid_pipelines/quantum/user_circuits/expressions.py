"""Arithmetic of both languages: read without recursion into postfix order, and worked out on a stack.

Version 2 knows real numbers only. Version 3 divides whole numbers without a remainder, so that `1/2*beta` moves
nothing; a division that loses its remainder is refused, because nobody writes it on purpose in an angle.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.angles import Angle, Value, add, divide, is_finite, scale, simplify
from qhybrid_pipelines.quantum.user_circuits.limits import MAX_SLOPES
from qhybrid_pipelines.quantum.user_circuits.tokens import Cursor, Token, unexpected_token_error

MAX_DIGITS = 40
#: Whole numbers of version 3 have at most 64 bits.
MAX_INTEGER = 1 << 63

CONSTANTS = {
    2: {"pi": math.pi},
    3: dict.fromkeys(("pi", "π"), math.pi)
    | dict.fromkeys(("tau", "τ"), math.tau)
    | dict.fromkeys(("euler", "ℇ"), math.e),
}
_SAME = {"sin": math.sin, "cos": math.cos, "tan": math.tan, "exp": math.exp, "sqrt": math.sqrt}
FUNCTIONS: dict[int, dict[str, Callable[..., float]]] = {
    2: _SAME | {"ln": math.log, "acos": math.acos, "asin": math.asin, "atan": math.atan},
    3: _SAME
    | {"log": math.log, "arccos": math.acos, "arcsin": math.asin, "arctan": math.atan}
    | {"ceiling": math.ceil, "floor": math.floor, "float": float, "int": int, "uint": int, "angle": float},
}
#: Functions of two numbers, as the operators that mean the same.
PAIRS = {2: {}, 3: {"pow": "**", "mod": "%"}}
#: How tightly operators bind; the sign in front of a number binds more than a product and less than a power.
PRECEDENCE = {2: {"+": 1, "-": 1, "*": 2, "/": 2, "^": 4}, 3: {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "**": 4}}
SIGN = 3


class Operation(NamedTuple):
    """One step of an expression: ``value``, ``name``, ``binary``, ``negate`` or ``call``."""

    kind: str
    what: int | float | str
    line: int
    arguments: int = 0


Expression = tuple[Operation, ...]


class ExpressionCursor(Cursor):
    """Reads expressions; the tokens that follow one are left alone."""

    version = 3

    def expression(self) -> Expression:
        """Return the expression that comes next."""
        found: list[Operation] = []
        waiting: list[Operation] = []
        operand_expected = True
        while True:
            if not self.left:
                self.take()
            token = self.left[-1]
            if operand_expected:
                operand_expected = self._operand(found, waiting)
            elif token.text in PRECEDENCE[self.version]:
                self.take()
                strength = PRECEDENCE[self.version][token.text]
                while waiting and _strength(waiting[-1], self.version) >= strength + (strength == 4):
                    found.append(waiting.pop())
                waiting.append(Operation("binary", token.text, token.line))
                operand_expected = True
            elif token.text in (")", ",") and any(step.kind in ("open", "call") for step in waiting):
                operand_expected = self._close(found, waiting)
            else:
                break
        return (*found, *reversed(waiting))

    def _operand(self, found: list[Operation], waiting: list[Operation]) -> bool:
        """Read a number, a name, or what may be in front of them; tell whether an operand is still expected."""
        token = self.take()
        if token.kind == "number":
            found.append(Operation("value", self._number(token), token.line))
            return False
        if token.text in ("-", "+"):
            if token.text == "-":
                waiting.append(Operation("negate", "-", token.line))
            return True
        if token.text == "(":
            waiting.append(Operation("open", "(", token.line))
            return True
        if token.kind != "word":
            raise unexpected_token_error(token, expected="a number, a name or a function")
        if self.peek() == "(":
            self.take()
            waiting.append(Operation("call", token.text, token.line, 1))
            return True
        found.append(Operation("name", token.text, token.line))
        return False

    def _close(self, found: list[Operation], waiting: list[Operation]) -> bool:
        """Read the end of an argument or of what is in parentheses; tell whether an operand is expected next."""
        token = self.take()
        while waiting[-1].kind not in ("open", "call"):
            found.append(waiting.pop())
        opened = waiting.pop()
        if token.text == ")":
            if opened.kind == "call":
                found.append(opened)
            return False
        if opened.kind == "open":
            raise unexpected_token_error(token, expected="')'")
        waiting.append(opened._replace(arguments=opened.arguments + 1))
        return True

    def _number(self, token: Token) -> int | float:
        digits = token.text.replace("_", "")
        if len(digits) > MAX_DIGITS:
            raise InvalidInput(
                f"a number has more than {MAX_DIGITS} digits", remedy="17 digits are enough.", line=token.line
            )
        return int(digits) if digits.isdecimal() and self.version == 3 else float(digits)


def _strength(step: Operation, version: int) -> int:
    if step.kind == "binary":
        return PRECEDENCE[version][str(step.what)]
    return SIGN if step.kind == "negate" else 0


def evaluate(expression: Expression, scopes: Sequence[Mapping[str, Value]], version: int) -> Value:
    """Return what an expression is worth.

    Args:
        expression: as it was read.
        scopes: values of names, the innermost scope first.
        version: of the language.

    Raises:
        InvalidInput: a name or function is unknown, or there is no finite value; names the line.
    """
    stack: list[Value] = []
    for step in expression:
        try:
            if step.kind == "value":
                stack.append(step.what)  # type: ignore[arg-type]  # a number
            elif step.kind == "name":
                stack.append(_value_of(step, scopes, version))
            elif step.kind == "negate":
                stack.append(scale(stack.pop(), -1))
            elif step.kind == "binary":
                right = stack.pop()
                stack.append(_binary(str(step.what), stack.pop(), right, step.line))
            else:
                arguments = [stack.pop() for _ in range(step.arguments)][::-1]
                stack.append(_call(step, arguments, version))
        except (ArithmeticError, ValueError):
            raise _no_value_error(step) from None
        if not is_finite(stack[-1]):
            raise _no_value_error(step)
        if isinstance(stack[-1], Angle) and len(stack[-1].slopes) > MAX_SLOPES:
            raise InvalidInput(
                f"an angle depends on more than {MAX_SLOPES} inputs", remedy="Use fewer inputs in it.", line=step.line
            )
        if isinstance(stack[-1], int) and abs(stack[-1]) >= MAX_INTEGER:
            raise InvalidInput(
                f"a whole number has more than 64 bits (at {step.what!r})", remedy="Write 1e30.", line=step.line
            )
    return simplify(stack[-1])


def evaluate_integer(expression: Expression, scopes: Sequence[Mapping[str, Value]], version: int) -> int:
    """Return what an expression is worth, which must be a whole number.

    Raises:
        InvalidInput: as :func:`evaluate`, or it is worth something else.
    """
    value = evaluate(expression, scopes, version)
    if isinstance(value, float) and version == 2 and value.is_integer():
        return int(value)
    if not isinstance(value, int):
        raise InvalidInput(
            "a whole number is expected here, which no input changes",
            remedy="Use whole numbers and constants.",
            line=expression[-1].line,
        )
    return value


def _value_of(step: Operation, scopes: Sequence[Mapping[str, Value]], version: int) -> Value:
    name = str(step.what)
    for scope in (*scopes, CONSTANTS[version]):
        if name in scope:
            return scope[name]
    raise InvalidInput(
        f"{name[:80]!r} is not defined", remedy="Declare it as `input float` or `const float`.", line=step.line
    )


def _call(step: Operation, arguments: list[Value], version: int) -> Value:
    name = str(step.what)
    pair, function = PAIRS[version].get(name), FUNCTIONS[version].get(name)
    if pair is None and function is None:
        raise InvalidInput(
            f"there is no function {name[:80]!r}",
            remedy=f"Functions of OpenQASM {version} are {', '.join(sorted({**PAIRS[version], **FUNCTIONS[version]}))}.",
            line=step.line,
        )
    if len(arguments) != (2 if pair else 1):
        raise InvalidInput(
            f"{name} has {len(arguments)} arguments", remedy=f"It takes {2 if pair else 1}.", line=step.line
        )
    if pair:
        return _binary(pair, arguments[0], arguments[1], step.line)
    assert function is not None
    if isinstance(arguments[0], Angle) and name not in ("float", "angle"):
        raise _not_a_sum_error(step.line)
    return arguments[0] if isinstance(arguments[0], Angle) else function(arguments[0])


def _binary(symbol: str, left: Value, right: Value, line: int) -> Value:
    if symbol in ("+", "-"):
        return add(left, right if symbol == "+" else scale(right, -1))
    if symbol == "*" and not isinstance(right, Angle):
        return scale(left, right)
    if symbol == "*" and not isinstance(left, Angle):
        return scale(right, left)
    if isinstance(right, Angle) or (isinstance(left, Angle) and symbol != "/"):
        raise _not_a_sum_error(line)
    if symbol == "/":
        return _divide(left, right, line)
    assert not isinstance(left, Angle)
    return operator.mod(left, right) if symbol == "%" else _power(left, right, symbol, line)


def _divide(left: Value, right: float, line: int) -> Value:
    if not isinstance(left, int) or not isinstance(right, int):
        return divide(left, right)
    quotient, remainder = divmod(left, right)
    if remainder:
        truncated = int(left / right)
        raise InvalidInput(
            f"{left}/{right} is {truncated} in OpenQASM 3, where whole numbers are divided without a remainder",
            remedy=f"Write {float(left)}/{right} if that is what is meant.",
            line=line,
        )
    return quotient


def _power(left: float, right: float, symbol: str, line: int) -> float:
    if isinstance(left, int) and isinstance(right, int):
        if right >= 0 and left.bit_length() * right <= 64 * 64:
            return int(left**right)
        raise InvalidInput(
            f"the power {symbol!r} of whole numbers has more than 64 bits, or is a fraction",
            remedy="Write one of them with a decimal point.",
            line=line,
        )
    found = left**right
    if isinstance(found, complex):
        raise ArithmeticError("a root of a negative number")  # noqa: TRY004  it is about the value
    return float(found)


def _not_a_sum_error(line: int) -> InvalidInput:
    return InvalidInput(
        "an angle is not a sum of multiples of inputs", remedy="Use angles such as 2*gamma + 0.5.", line=line
    )


def _no_value_error(step: Operation) -> InvalidInput:
    return InvalidInput(
        f"an angle or constant has no finite value (at {str(step.what)[:40]!r})", remedy="Correct it.", line=step.line
    )
