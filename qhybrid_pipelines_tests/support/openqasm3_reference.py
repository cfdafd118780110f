"""A second opinion about OpenQASM 3: the syntax tree of the package `openqasm3`, worked out with matrices.

It shares no code with the reader of the project. Nothing is known here but ``U``, ``gphase``, the modifiers and
arithmetic: the standard gates come from the library file that the language's authors publish and Qiskit ships. A gate is
its matrix, a program a state vector of all qubits.
"""

from __future__ import annotations

import math
from functools import lru_cache
from importlib.resources import files

import numpy as np
import openqasm3
from openqasm3 import ast
from scipy.linalg import block_diag, schur

CONSTANTS = {"pi": math.pi, "π": math.pi, "tau": math.tau, "τ": math.tau, "euler": math.e, "ℇ": math.e}
FUNCTIONS = {
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
    "arccos": math.acos,
    "arcsin": math.asin,
    "arctan": math.atan,
    "floor": math.floor,
    "ceiling": math.ceil,
    "pow": lambda a, b: a**b,
    "mod": lambda a, b: a % b,
}


def u_matrix(theta: float, phi: float, lamda: float) -> np.ndarray:
    """Return U as the specification of version 3 writes it down."""
    e = np.exp(1j * theta)
    return 0.5 * np.array(
        [
            [1 + e, -1j * np.exp(1j * lamda) * (1 - e)],
            [1j * np.exp(1j * phi) * (1 - e), np.exp(1j * (phi + lamda)) * (1 + e)],
        ]
    )


def power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    if float(exponent).is_integer():
        return np.linalg.matrix_power(matrix, int(exponent))
    values, vectors = schur(matrix, output="complex")
    phases = np.angle(np.diag(values))
    phases[phases <= -math.pi + 1e-9] = math.pi  # the principal branch
    return vectors @ np.diag(np.exp(1j * exponent * phases)) @ vectors.conj().T


def spread(matrix: np.ndarray, places: list[int], n: int) -> np.ndarray:
    """Return the matrix on n qubits of a gate on some of them; qubit 0 is the first factor."""
    return apply(np.eye(2**n).reshape([2] * n + [2**n]), matrix, places).reshape(2**n, 2**n)


def apply(state: np.ndarray, matrix: np.ndarray, places: list[int]) -> np.ndarray:
    k = len(places)
    if not k:
        return state * matrix[0, 0]
    moved = np.tensordot(matrix.reshape([2] * 2 * k), state, axes=(range(k, 2 * k), places))
    return np.moveaxis(moved, range(k), places)


class Gate:
    def __init__(self, node: ast.QuantumGateDefinition, known: dict, values: dict) -> None:
        self.parameters = [parameter.name for parameter in node.arguments]
        self.qubits = [qubit.name for qubit in node.qubits]
        # What the names mean where the gate is defined; later definitions do not reach in.
        self.body, self.known, self.values = node.body, dict(known), dict(values)

    def matrix(self, angles: list[float]) -> np.ndarray:
        assert len(angles) == len(self.parameters)
        # Parameters of gates are angles, whatever is given for them: a half of 1 is not 0.
        values = self.values | dict(zip(self.parameters, map(float, angles), strict=True))
        n = len(self.qubits)
        total = np.eye(2**n, dtype=complex)
        for node in self.body:
            if isinstance(node, ast.QuantumBarrier):
                continue
            places = [self.qubits.index(qubit.name) for qubit in node.qubits]
            total = spread(call_matrix(node, self.known, values), places, n) @ total
        return total


def call_matrix(node: ast.QuantumGate | ast.QuantumPhase, known: dict, values: dict) -> np.ndarray:
    if isinstance(node, ast.QuantumPhase):
        matrix = np.array([[np.exp(1j * value(node.argument, values))]])
    else:
        angles = [value(argument, values) for argument in node.arguments]
        matrix = u_matrix(*angles) if node.name.name == "U" else known[node.name.name].matrix(angles)
    for modifier in reversed(node.modifiers):
        argument = None if modifier.argument is None else value(modifier.argument, values)
        match modifier.modifier:
            case ast.GateModifierName.inv:
                matrix = matrix.conj().T
            case ast.GateModifierName.pow:
                matrix = power(matrix, argument)
            case ast.GateModifierName.ctrl:
                for _ in range(argument or 1):
                    matrix = block_diag(np.eye(len(matrix)), matrix)
            case ast.GateModifierName.negctrl:
                for _ in range(argument or 1):
                    matrix = block_diag(matrix, np.eye(len(matrix)))
    return matrix


def value(node: ast.Expression, values: dict) -> float:  # noqa: C901, PLR0911  one case per kind of expression
    match node:
        case ast.IntegerLiteral() | ast.FloatLiteral():
            return node.value
        case ast.Identifier():
            return values[node.name] if node.name in values else CONSTANTS[node.name]
        case ast.UnaryExpression():
            assert node.op.name == "-"
            return -value(node.expression, values)
        case ast.FunctionCall():
            return FUNCTIONS[node.name.name](*(value(argument, values) for argument in node.arguments))
        case ast.BinaryExpression():
            left, right = value(node.lhs, values), value(node.rhs, values)
            match node.op.name:
                case "+":
                    return left + right
                case "-":
                    return left - right
                case "*":
                    return left * right
                case "/" if isinstance(left, int) and isinstance(right, int):
                    return int(left / right)
                case "/":
                    return left / right
                case "%":
                    return left % right
                case "**":
                    return left**right
    raise NotImplementedError(type(node))


@lru_cache(maxsize=1)
def library() -> dict[str, Gate]:
    known: dict[str, Gate] = {}
    text = (files("qiskit") / "qasm" / "libs" / "stdgates.inc").read_text()
    for node in openqasm3.parse(text).statements:
        known[node.name.name] = Gate(node, known, {})
    return known


class Program:
    """A program that is carried out with numbers for its inputs."""

    def __init__(self, text: str, inputs: dict[str, float]) -> None:
        self.inputs, self.known, self.values = inputs, {}, {}
        self.qubits: dict[str, list[int] | int] = {}
        self.bits: dict[str, list[int] | int] = {}
        self.device: dict[int, int] = {}
        self.measured: dict[int, int] = {}
        self.n_qubits = self.n_bits = 0
        self.state = np.ones(())
        self.run(openqasm3.parse(text).statements)

    def distribution(self) -> np.ndarray:
        """Return the probabilities of the outcomes; bit i of an index is the i-th measured bit that was declared."""
        if self.measured:
            order = [qubit for _, qubit in sorted((bit, qubit) for qubit, bit in self.measured.items())]
        elif self.device:
            order = [qubit for _, qubit in sorted(self.device.items())]
        else:
            order = list(range(self.n_qubits))
        rest = [qubit for qubit in range(self.n_qubits) if qubit not in order]
        probabilities = np.abs(np.transpose(self.state, [*order[::-1], *rest])) ** 2
        return probabilities.reshape(2 ** len(order), -1).sum(axis=1)

    def run(self, statements: list) -> None:
        for node in statements:
            self.step(node)

    def add_qubits(self, count: int) -> list[int]:
        first, self.n_qubits = self.n_qubits, self.n_qubits + count
        zero = np.zeros([2] * count)
        zero[(0,) * count] = 1.0
        self.state = np.multiply.outer(self.state, zero)
        return list(range(first, self.n_qubits))

    def step(self, node: ast.Statement) -> None:  # noqa: C901, PLR0912  one case per kind of statement
        match node:
            case ast.Include():
                self.known = library() | self.known
            case ast.QubitDeclaration():
                found = self.add_qubits(1 if node.size is None else value(node.size, self.values))
                self.qubits[node.qubit.name] = found[0] if node.size is None else found
            case ast.ClassicalDeclaration():
                size = node.type.size
                count = 1 if size is None else value(size, self.values)
                found = list(range(self.n_bits, self.n_bits + count))
                self.n_bits += count
                self.bits[node.identifier.name] = found[0] if size is None else found
                if node.init_expression is not None:
                    self.measure(node.init_expression.qubit, node.identifier)
            case ast.ConstantDeclaration():
                number = value(node.init_expression, self.values)
                whole = isinstance(node.type, ast.IntType | ast.UintType)
                self.values[node.identifier.name] = number if whole else float(number)
            case ast.IODeclaration():
                self.values[node.identifier.name] = self.inputs[node.identifier.name]
            case ast.QuantumGateDefinition():
                self.known[node.name.name] = Gate(node, self.known, self.values)
            case ast.QuantumGate() | ast.QuantumPhase():
                matrix = call_matrix(node, self.known, self.values)
                named = [self.places(qubit, self.qubits) for qubit in node.qubits]
                sizes = [len(places) for places in named if isinstance(places, list)]
                for turn in range(sizes[0] if sizes else 1):
                    places = [chosen[turn] if isinstance(chosen, list) else chosen for chosen in named]
                    self.state = apply(self.state, matrix, places)
            case ast.QuantumMeasurementStatement():
                self.measure(node.measure.qubit, node.target)
            case ast.ForInLoop():
                self.loop(node)
            case ast.QuantumBarrier() | ast.QuantumReset():
                pass  # the generated programs reset at the beginning only
            case _:
                raise NotImplementedError(type(node))

    def measure(self, source: ast.Expression, target: ast.Expression) -> None:
        qubits, bits = self.places(source, self.qubits), self.places(target, self.bits)
        qubits, bits = (chosen if isinstance(chosen, list) else [chosen] for chosen in (qubits, bits))
        self.measured |= dict(zip(qubits, bits, strict=True))

    def loop(self, node: ast.ForInLoop) -> None:
        if isinstance(node.set_declaration, ast.DiscreteSet):
            numbers = [value(item, self.values) for item in node.set_declaration.values]
        else:
            numbers = self.numbers(node.set_declaration, None)
        outside = dict(self.values)
        for number in numbers:
            self.values = outside | {node.identifier.name: number}
            self.run(node.block)
        self.values = outside

    def numbers(self, node: ast.RangeDefinition, size: int | None) -> list[int]:
        step = 1 if node.step is None else value(node.step, self.values)
        first = 0 if node.start is None else value(node.start, self.values)
        last = size - 1 if node.end is None else value(node.end, self.values)
        return list(range(first, last + (1 if step > 0 else -1), step))

    def places(self, node: ast.Expression, registers: dict) -> list[int] | int:
        if isinstance(node, ast.Identifier):
            if node.name.startswith("$"):
                if int(node.name[1:]) not in self.device:
                    (self.device[int(node.name[1:])],) = self.add_qubits(1)
                return self.device[int(node.name[1:])]
            return registers[node.name]
        if isinstance(node, ast.IndexExpression):
            name, index = node.collection.name, node.index
        else:
            name, (index,) = node.name.name, node.indices
        register = registers[name]
        if isinstance(index, ast.DiscreteSet):
            return [register[value(item, self.values)] for item in index.values]
        (chosen,) = index
        if isinstance(chosen, ast.RangeDefinition):
            return [register[place] for place in self.numbers(chosen, len(register))]
        return register[value(chosen, self.values)]
