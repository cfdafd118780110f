"""Reading programs as Braket takes them: declarations, gates on single qubits of registers, measurements.

What devices of Braket take and this does not know (loops, subroutines, pulses, result types) is refused by name.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from qhybrid_pipelines.emulator.circuits import Circuit, read_circuits

MOST_QUBITS = 62
"""Of a program, as an outcome is a word; fewer of them may have gates."""

GATES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        **{name: {"gate": name} for name in ("h", "x", "y", "z", "s", "si", "t", "ti", "v", "vi", "swap")},
        **{name: {"gate": name, "angle": True} for name in ("rx", "ry", "rz", "xx", "yy", "zz")},
        "cnot": {"gate": "x", "controls": 1},
        "cy": {"gate": "y", "controls": 1},
        "cz": {"gate": "z", "controls": 1},
        "phaseshift": {"gate": "z", "angle": True},
        "cphaseshift": {"gate": "z", "angle": True, "controls": 1},
    }
)
"""By Braket's name: the simulator's gate, whether it has an angle, and how many of its qubits are controls."""

_STATEMENT = re.compile(r"([A-Za-z_]\w*)\s*(?:\((.*)\))?\s+(.+)", re.DOTALL)
_QUBIT = re.compile(r"(?:([A-Za-z_]\w*)\s*\[\s*(\d{1,6})\s*\]|\$(\d{1,6}))")
_REGISTER = re.compile(r"(qubit|bit)\s*\[\s*(\d{1,6})\s*\]\s+([A-Za-z_]\w*)")
_INPUT = re.compile(r"input\s+(?:float|angle)(?:\s*\[\s*\d+\s*\])?\s+([A-Za-z_]\w*)")
_MEASURE = re.compile(r"(?:[A-Za-z_]\w*(?:\s*\[\s*\d{1,6}\s*\])?\s*=\s*)?measure\s+(.+)", re.DOTALL)


class ProgramError(Exception):
    """The program cannot be run; the message is one sentence."""


class Program:
    """One program.

    Attributes:
        circuit: its gates, numbers for inputs; qubits are numbered as they were declared.
        measured: qubits in the order in which they are measured; all of them where nothing is.
    """

    def __init__(self, source: str, inputs: Mapping[str, Any]) -> None:
        self._inputs = inputs
        self._first: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._width = 0
        self._gates: list[dict[str, Any]] = []
        self.measured: list[int] = []
        text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", source, flags=re.DOTALL)
        if "#pragma" in text:
            raise ProgramError("this emulator knows no pragmas: neither verbatim boxes nor result types.")
        for statement in (part.strip() for part in text.split(";")):
            if statement:
                self._read(statement)
        if not self._width:
            raise ProgramError("the program declares no qubits.")
        self.measured = self.measured or list(range(self._width))
        block = {"qubits": self._width, "gateset": "qis", "circuit": self._gates}
        (self.circuit,) = read_circuits(block, multi=False)

    circuit: Circuit

    def _read(self, statement: str) -> None:
        if statement.startswith("OPENQASM"):
            if not re.fullmatch(r"OPENQASM\s+3(\.\d)?", statement):
                raise ProgramError("this is not OpenQASM 3.")
        elif declared := _REGISTER.fullmatch(statement):
            self._declare(declared[1], int(declared[2]), declared[3])
        elif wanted := _INPUT.fullmatch(statement):
            if wanted[1] not in self._inputs:
                raise ProgramError(f"there is no input {wanted[1]!r}.")
        elif measured := _MEASURE.fullmatch(statement):
            self._measure(measured[1].strip())
        else:
            self._gate(statement)

    def _declare(self, kind: str, size: int, name: str) -> None:
        if kind == "qubit":
            if name in self._first or self._width + size > MOST_QUBITS:
                raise ProgramError(
                    f"the register {name!r} is declared twice, or this emulator does not run its more than {MOST_QUBITS} qubits."
                )
            self._first[name], self._sizes[name] = self._width, size
            self._width += size

    def _measure(self, target: str) -> None:
        if target in self._first:
            self.measured += range(self._first[target], self._first[target] + self._sizes[target])
        else:
            self.measured += [self._qubit(one) for one in target.split(",")]
        if len(set(self.measured)) != len(self.measured):
            raise ProgramError("a qubit is measured twice.")

    def _qubit(self, text: str) -> int:
        named = _QUBIT.fullmatch(text.strip())
        if named is None:
            raise ProgramError(f"{text.strip()[:60]!r} is not a qubit.")
        if named[3] is not None:  # a physical qubit, which needs no declaration
            if int(named[3]) >= MOST_QUBITS:
                raise ProgramError(f"there is no qubit ${named[3]}.")
            self._width = max(self._width, int(named[3]) + 1)
            return int(named[3])
        if named[1] not in self._first or int(named[2]) >= self._sizes[named[1]]:
            raise ProgramError(f"there is no qubit {text.strip()}.")
        return self._first[named[1]] + int(named[2])

    def _gate(self, statement: str) -> None:
        found = _STATEMENT.fullmatch(statement)
        known = GATES.get(found[1]) if found else None
        if found is None or known is None:
            raise ProgramError(f"this emulator does not know {statement[:60]!r}.")
        if self.measured:
            raise ProgramError("a gate follows a measurement.")
        qubits = [self._qubit(one) for one in found[3].split(",")]
        controls = known.get("controls", 0)
        gate: dict[str, Any] = {"gate": known["gate"], "targets": qubits[controls:]}
        if controls:
            gate["controls"] = qubits[:controls]
        if bool(known.get("angle")) != (found[2] is not None):
            raise ProgramError(f"{found[1]} has another number of angles.")
        if found[2] is not None:
            gate["rotation"] = self._number(found[2])
        self._gates.append(gate)

    def _number(self, text: str) -> float:
        try:
            value = _value(ast.parse(text.strip(), mode="eval").body, self._inputs)
        except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
            raise ProgramError(f"{text.strip()[:60]!r} is not an angle.") from None
        if not math.isfinite(value):
            raise ProgramError(f"{text.strip()[:60]!r} is not finite.")
        return value


_OPERATIONS: Mapping[type, Callable[[float, float], float]] = MappingProxyType(
    {
        ast.Add: lambda a, b: a + b,
        ast.Sub: lambda a, b: a - b,
        ast.Mult: lambda a, b: a * b,
        ast.Div: lambda a, b: a / b,
    }
)


def _value(node: ast.expr, inputs: Mapping[str, Any]) -> float:
    """Return the value of an expression of numbers, inputs and the four operations. Raises `ValueError` for any other."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        given = math.pi if node.id in ("pi", "π") else inputs.get(node.id)
        if isinstance(given, int | float) and not isinstance(given, bool):
            return float(given)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        value = _value(node.operand, inputs)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return _OPERATIONS[type(node.op)](_value(node.left, inputs), _value(node.right, inputs))
    raise ValueError("not a number")
