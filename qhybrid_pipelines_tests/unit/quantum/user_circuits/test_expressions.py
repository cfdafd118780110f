"""Arithmetic of both languages, one expression at a time, against the same sum in Python."""

from __future__ import annotations

import math

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.canonical import to_canonical
from qhybrid_pipelines.quantum.user_circuits.precheck import check_circuit
from qhybrid_pipelines_tests.support.user_circuits import V2, V3

#: Added to every angle, so that none is a quarter turn, which would stay in the text.
OFFSET = 0.123
QUBIT = {2: f"{V2}qreg q[1];\n", 3: f"{V3}qubit[1] q;\n"}


def value(expression, version):
    found = to_canonical(check_circuit(f"{QUBIT[version]}rz({expression}+{OFFSET}) q[0];\n"))
    [(constant, slopes)] = found.angles
    assert not slopes
    return constant - OFFSET


SHARED = {
    "pi": math.pi,
    "2+3*4": 14,
    "(2+3)*4": 20,
    "10-4-3": 3,
    "-2*3": -6,
    "2*-3": -6,
    "8/2*2": 8,
    "sin(0.3)": math.sin(0.3),
    "cos(0.3)": math.cos(0.3),
    "tan(0.3)": math.tan(0.3),
    "exp(0.3)": math.exp(0.3),
    "sqrt(0.3)": math.sqrt(0.3),
    "1.5e-1": 0.15,
    ".25": 0.25,
}
BY_VERSION = {
    2: {
        "1/2": 0.5,
        "2^3": 8,
        "-2^2": -4,
        "ln(0.3)": math.log(0.3),
        "asin(0.3)": math.asin(0.3),
        "acos(0.3)": math.acos(0.3),
        "atan(0.3)": math.atan(0.3),
    },
    3: {
        "π": math.pi,
        "tau": math.tau,
        "τ": math.tau,
        "euler": math.e,
        "ℇ": math.e,
        "1/2.0": 0.5,
        "2**3": 8,
        "-2**2": -4,
        "pow(2, 3)": 8,
        "mod(7, 4)": 3,
        "7%4": 3,
        "log(0.3)": math.log(0.3),
        "arcsin(0.3)": math.asin(0.3),
        "arccos(0.3)": math.acos(0.3),
        "arctan(0.3)": math.atan(0.3),
        "ceiling(1.2)": 2,
        "floor(1.7)": 1,
        "int(2.9)": 2,
        "uint(2.9)": 2,
        "float(3)/2": 1.5,
        "angle(0.3)": 0.3,
    },
}
EXPRESSIONS = [(version, text) for version in (2, 3) for text in {**SHARED, **BY_VERSION[version]}]


@pytest.mark.parametrize(("version", "text"), EXPRESSIONS)
def test_an_expression_is_worth_what_python_says(version, text):
    assert value(text, version) == pytest.approx({**SHARED, **BY_VERSION[version]}[text], abs=1e-12)


@pytest.mark.parametrize(
    ("version", "text", "words"),
    [
        (3, "1/2", "1/2 is 0 in OpenQASM 3"),
        (3, "2**100", "more than 64 bits"),
        (3, "9223372036854775807+1", "more than 64 bits"),
        (3, "1/0", "no finite value"),
        (2, "ln(0)", "no finite value"),
        (2, "tau", "'tau' is not defined"),
        (2, "log(2)", "there is no function 'log'"),
        (3, "ln(2)", "there is no function 'ln'"),
        (3, "sin(1, 2)", "sin has 2 arguments. It takes 1."),
        (3, "pow(1)", "pow has 1 arguments. It takes 2."),
        (3, "pow(1, 2, 3)", "pow has 3 arguments. It takes 2."),
        (2, f"{'f' * 90}(1)", f"there is no function '{'f' * 80}'"),
        (2, "1" * 41 + ".0", "more than 40 digits"),
    ],
)
def test_what_has_no_value_is_refused_with_its_line(version, text, words):
    with pytest.raises(InvalidInput) as refused:
        value(text, version)
    assert words in str(refused.value)
    assert refused.value.line == QUBIT[version].count("\n") + 1


def test_the_largest_whole_number_is_one():
    assert value("9223372036854775807*0", 3) == pytest.approx(0, abs=1e-12)
