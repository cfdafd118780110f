"""Statements of both languages: what they choose, against Python's own ranges, and how each that is refused is refused."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.canonical import to_canonical
from qhybrid_pipelines.quantum.user_circuits.precheck import check_circuit
from qhybrid_pipelines.quantum.user_circuits.registers import Chosen, Registers
from qhybrid_pipelines_tests.support.user_circuits import V2, V3

LINE = V3.count("\n") + 1
REASONS = {
    "a circuit must be the same in every shot": "if else while switch break continue end",
    "classical variables are not accepted": "int uint float angle bool complex array mutable readonly",
    "a circuit has gates only, no timing": "delay box stretch duration durationof nop",
    "subroutines, calibrations and calls of other programs are not accepted": "def extern return cal defcal defcalgrammar",
    "a gate without a body cannot be run": "opaque",
    "a register has one name only": "let",
    "measured bits are the only output": "output",
    "instructions to other tools are not accepted": "pragma",
    "the version is given once, before everything else": "OPENQASM",
}


def refusal(text: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        check_circuit(text)
    return caught.value


@pytest.mark.parametrize(
    ("word", "reason"), [(word, reason) for reason, words in REASONS.items() for word in words.split()]
)
def test_what_no_circuit_may_use_is_refused_by_name(word, reason):
    error = refusal(f"{V3}{word} x;\n")
    assert f"{reason} (found `{word}`)" in str(error)
    assert "Write gates, `barrier`, `input float` and measurements at the end." in str(error)
    assert error.line == LINE


def applied(operand: str, size: int = 5) -> list[int]:
    """Return on which qubits an x acts that is written for an operand, by the canonical text."""
    text = to_canonical(check_circuit(f"{V3}qubit[{size}] q;\nx {operand};\n")).text
    return [int(line[4:-2]) for line in text.splitlines() if line.startswith("x q[")]


@pytest.mark.parametrize("step", [None, 1, 2, -1, -2])
def test_a_range_chooses_what_a_slice_with_both_ends_would(step):
    for first, last in itertools.product((None, 0, 1, 4, -1, -5), repeat=2):
        down = step is not None and step < 0
        begin = (4 if down else 0) if first is None else first % 5
        end = (0 if down else 4) if last is None else last % 5
        expected = list(range(begin, end + (-1 if down else 1), step or 1))
        words = ["" if part is None else str(part) for part in (first, *([step] if step is not None else []), last)]
        assert applied(f"q[{':'.join(words)}]") == expected, words


def test_a_set_and_an_index_choose_what_they_name():
    assert applied("q[{0, 3, 1}]") == [0, 3, 1]
    assert applied("q[-1]") == [4]
    assert applied("q[::]") == applied("q[:]") == [0, 1, 2, 3, 4]
    assert applied("q[1::3]") == [1, 2, 3], "a step that is left out is 1"
    assert applied("q") == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("index", [5, -6, 50])
def test_an_index_beyond_the_register_is_named(index):
    error = refusal(f"{V3}qubit[5] q;\n\nx q[{index}];\n")
    assert f"q[{index}] is out of range. The register has 5 places, from 0." in str(error).replace("'", "")
    assert error.line == LINE + 2


@pytest.mark.parametrize(
    ("values", "expected"),
    [("[0:3]", range(4)), ("[1:2:6]", (1, 3, 5)), ("[3:-1:1]", (3, 2, 1)), ("{5, 2}", (5, 2)), ("[2:1]", ())],
)
@pytest.mark.parametrize("braces", [True, False])
@pytest.mark.parametrize("kind", ["int", "uint", "int[32]"])
def test_a_loop_takes_each_value_in_turn(values, expected, braces, kind):
    body = "rz(i*0.1 + 0.05) q;"
    text = f"{V3}qubit q;\nrx(0.7) q;\nfor {kind} i in {values} {'{ ' + body + ' }' if braces else body}\nry(0.9) q;\n"
    angles = [constant for constant, slopes in to_canonical(check_circuit(text)).angles]
    assert angles == pytest.approx(sorted([0.7, 0.9, *(value * 0.1 + 0.05 for value in expected)], key=angles.index))
    assert len(angles) == len(expected) + 2


def nested(depth: int) -> str:
    return "".join(f"for int i{at} in [0:0] {{ " for at in range(depth)) + "x q; " + "} " * depth


def test_sixteen_loops_may_be_nested_and_any_number_may_follow():
    following = f"{nested(16)}\n" * 3
    assert to_canonical(check_circuit(f"{V3}qubit q;\n{following}")).text.count("x q[0];") == 3
    error = refusal(f"{V3}qubit q;\n{following}{nested(17)}\n")
    assert "more than 16 loops are nested" in str(error)
    assert error.line == LINE + 4


@pytest.mark.parametrize("values", ["[3]", "[:3]", "[0:]", "[:]"])
def test_a_loop_needs_both_ends(values):
    assert "a range such as [0:3] should be" in str(refusal(f"{V3}qubit q;\nfor int i in {values} {{ x q; }}\n"))


@pytest.mark.parametrize("text", ["x q", "rx(0.3", "qubit[2", "cx q[0],\n\n", "measure q"])
def test_a_text_that_ends_too_early_says_in_which_line(text):
    error = refusal(f"{V3}qubit[3] q;\n{text}".rstrip())
    assert any(words in str(error) for words in ("ends in the middle of a statement", "is never closed"))
    assert error.line == LINE + 1


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("ctrl(0) @ x q[0];", "a gate has 0 controls"),
        ("ctrl(1000) @ x q[0];", "a gate has 1000 controls"),
        ("ctrl @ x q[0];", "'x' takes 2 qubits and is given 1"),
        ("rx q[0];", "'rx' takes 1 angles and is given 0"),
        ("rx(1, 2) q[0];", "'rx' takes 1 angles and is given 2"),
        ("cx q[0], q[0];", "'cx' acts on the same qubit twice"),
        ("pow @ x q[0];", "'@' is where '(' and a number should be"),
        ("x q[0:1:2:3];", "']' is where at most two colons should be"),
        ("x q[0:0:2];", "a range with step 0 never ends"),
        ("x r;", "'r' is not a declared qubit or register of qubits"),
        ("q[0] = 1;", "classical variables are not accepted (found an assignment)"),
        ("measure q;", "a measurement does not go into a bit"),
        ("bit[2] c; c = measure q;", "3 qubits are measured into 2 bits"),
        ("bit[3] c; c = measure q; x q[1];", "a qubit is used after it was measured"),
        ("bit[3] c; c = measure q; c[0] = measure q[0];", "a qubit is measured twice"),
        ("bit[3] c; c[0] = measure q[1]; c[0] = measure q[0];", "a bit is measured twice"),
        ("x q[0]; reset q[0];", "(found `reset` of a qubit that was used)"),
        ("qubit q;", "'q' is declared twice"),
        ("qubit[0] r;", "the circuit declares 0 qubits"),
        ("gate a(x, x) p { }", "'x' is named twice"),
        ("gate a p { for }", "'for' is where a gate of this gate's body should be"),
        ("gate a p { x r; } ", "'r' is not one of this gate's qubits"),
        ("gate a p { x p; } pow(2) @ a q[0];", "a power is taken of 'a', which the file defines"),
        ("3 q;", "'3' is where a statement should be"),
        ("x $0;", "registers and qubits of a device"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(statement, says):
    error = refusal(
        f"{V3}qubit[3] q;\nh q;\nh q;\n".replace("h q;\n", "" if "reset" in statement else "h q;\n") + statement
    )
    assert says in str(error)
    assert error.line == (LINE + 1 if "reset" in statement else LINE + 3)


def test_as_many_controls_as_are_said_are_put_in_front():
    three, two = (
        to_canonical(check_circuit(f"{V3}qubit[4] q;\n{word} q[0], q[1], q[2], q[3];\n")).pairs
        for word in ("ctrl(3) @ x", "ctrl @ ctrl(2) @ x")
    )
    assert three == two == tuple(itertools.combinations(range(4), 2))


def places_of_a_register():
    registers = Registers()
    registers.declare("a", None, quantum=True, line=1)
    registers.declare("q", 3, quantum=True, line=2)
    registers.declare("c", 3, quantum=False, line=3)
    registers.declare("d", None, quantum=False, line=4)
    registers.measure(Chosen(places=(1, 3), single=False), Chosen(places=(2, 0), single=False), 5)
    return registers


@pytest.mark.parametrize(
    ("place", "qubit"),
    [
        ("a", 0),
        ("a[0]", 0),
        ("q[0]", 1),
        ("q[2]", 3),
        ("q[3]", None),
        ("q", None),
        ("c[2]", 1),
        ("c[0]", 3),
        ("c[1]", None),
        ("c", None),
        ("d", None),
        ("nobody", None),
        ("$0", None),
    ],
)
def test_a_place_is_the_qubit_that_it_names_or_that_is_measured_into_it(place, qubit):
    assert places_of_a_register().qubit_at(place) == qubit


def test_a_place_is_a_whole_name() -> None:
    registers = Registers()
    registers.declare("X", None, quantum=True, line=1)
    registers.declare("aX", 2, quantum=True, line=2)
    assert [registers.qubit_at(place) for place in ("X", "aX[0]", "aX[1]", "a", "")] == [0, 1, 2, None, None]


def test_every_qubit_has_the_place_that_leads_back_to_it():
    registers = places_of_a_register()
    assert [registers.place(qubit) for qubit in range(4)] == ["a", "q[0]", "q[1]", "q[2]"]
    assert registers.variable_qubits() == ((3, 1), ())
    registers.use((0,), 6)
    assert registers.variable_qubits() == ((3, 1), (0,)), "what is touched and not measured is an ancilla"


def random_expression(rng: random.Random, version: int, depth: int) -> tuple[str, str]:
    """Return an expression, and the same in Python's words."""
    if depth == 0 or rng.random() < 0.15:
        number = rng.choice(["0.5", "1.25", "3.0", "2.", ".75"])
        return number, number
    kind = rng.choice(["binary", "binary", "binary", "sign", "call", "parentheses"])
    text, same = random_expression(rng, version, depth - 1)
    if kind == "sign":
        sign = rng.choice("+-")
        return f"{sign}{text}", f"{sign}{same}"
    if kind == "parentheses":
        return f"({text})", f"({same})"
    if kind == "call":
        name = rng.choice(["sin", "cos", "exp"])
        return f"{name}({text})", f"math.{name}({same})"
    other, also = random_expression(rng, version, depth - 1)
    symbol = rng.choice(["+", "-", "*", "/"])
    return f"{text}{symbol}{other}", f"{same}{symbol}{also}"


@pytest.mark.parametrize("version", [2, 3])
def test_operators_bind_as_they_do_in_python(version):
    rng = random.Random(7)
    header = {2: f"{V2}qreg q[1];\n", 3: f"{V3}qubit[1] q;\n"}[version]
    compared = 0
    while compared < 40:
        text, same = random_expression(rng, version, 4)
        try:
            expected = eval(same, {"math": math})
        except (ArithmeticError, ValueError):
            continue
        if not math.isfinite(expected) or abs(expected) > 1e6:
            continue
        [(constant, _)] = to_canonical(check_circuit(f"{header}rz(({text})*1e-3+0.1234567) q[0];\n")).angles
        assert constant == pytest.approx(expected * 1e-3 + 0.1234567, rel=1e-9, abs=1e-12), text
        compared += 1


@pytest.mark.parametrize(
    ("angle", "expected"),
    [
        ("2*a", (0.0, ((0, 2.0),))),
        ("a*2", (0.0, ((0, 2.0),))),
        ("a/4", (0.0, ((0, 0.25),))),
        ("-a + b", (0.0, ((0, -1.0), (1, 1.0)))),
        ("a - 2*(b - 0.5)", (1.0, ((0, 1.0), (1, -2.0)))),
        ("float(a)", (0.0, ((0, 1.0),))),
        ("+a", (0.0, ((0, 1.0),))),
    ],
)
def test_an_angle_is_a_sum_of_inputs(angle, expected):
    found = to_canonical(check_circuit(f"{V3}input float a;\ninput float b;\nqubit q;\nrx({angle}) q;\n"))
    assert found.angles == (expected,)


@pytest.mark.parametrize("angle", ["a*b", "1/a", "2.0/b", "a % 2", "a**2", "2**a", "sin(a)", "pow(a, 2)"])
def test_what_is_no_sum_of_inputs_is_refused(angle):
    error = refusal(f"{V3}input float a;\ninput float b;\nqubit q;\nrx({angle}) q;\n")
    assert error.line == LINE + 3
    assert "sum" in str(error)
