"""Gates written out: which steps, in which order, on which qubits, and how many are too many."""

from __future__ import annotations

import cmath
import math

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits import evaluation, limits, reader, writing_out
from qhybrid_pipelines.quantum.user_circuits.angles import Angle, add, divide, is_finite, scale, simplify, to_angle
from qhybrid_pipelines.quantum.user_circuits.canonical import to_canonical
from qhybrid_pipelines.quantum.user_circuits.definitions import gate_count
from qhybrid_pipelines.quantum.user_circuits.gates import LIBRARY
from qhybrid_pipelines.quantum.user_circuits.precheck import check_circuit
from qhybrid_pipelines.quantum.user_circuits.writing_out import GateWriter
from qhybrid_pipelines_tests.support.user_circuits import V2, V3

FOUR = f"{V3}input float a;\nqubit[4] q;\n"


def steps(text: str, *, max_gates: int = 100) -> list[tuple[str, tuple, tuple[int, ...]]]:
    writer = GateWriter(version=3, max_gates=max_gates)
    check_circuit(text, write=writer)
    return [tuple(step) for step in writer.steps]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("x q[2];", [("x", (), (2,))]),
        ("cx q[0:1], q[2:3];", [("cx", (), (0, 2)), ("cx", (), (1, 3))]),
        ("cx q[3], q[0:1];", [("cx", (), (3, 0)), ("cx", (), (3, 1))]),
        ("negctrl @ x q[1], q[0];", [("x", (), (1,)), ("cx", (), (1, 0)), ("x", (), (1,))]),
        (
            "ctrl @ negctrl @ x q[3], q[1], q[0];",
            [("x", (), (1,)), ("ccx", (), (3, 1, 0)), ("x", (), (1,))],
        ),
        (
            "negctrl(2) @ z q[3], q[1], q[0];",
            [("x", (), (3,)), ("x", (), (1,)), ("ccz", (), (3, 1, 0)), ("x", (), (3,)), ("x", (), (1,))],
        ),
        ("inv @ s q[1];", [("sdg", (), (1,))]),
        ("inv @ inv @ s q[1];", [("s", (), (1,))]),
        ("inv @ rx(0.5) q[1];", [("rx", (-0.5,), (1,))]),
        ("pow(3) @ rx(0.5) q[1];", [("rx", (1.5,), (1,))]),
        ("inv @ pow(2) @ p(0.25) q[1];", [("p", (-0.5,), (1,))]),
        ("pow(2) @ swap q[0], q[1];", []),
        ("id q;", []),
        ("gphase(0.4);", []),
        ("ctrl @ gphase(0.4) q[2];", [("p", (0.4,), (2,))]),
        ("ctrl @ ctrl @ gphase(0.4) q[2], q[1];", [("cp", (0.4,), (2, 1))]),
        ("barrier q[1], q[3], q[1];", [("barrier", (), (1, 3))]),
        ("barrier;", [("barrier", (), (0, 1, 2, 3))]),
        ("gate g p, r { x r; barrier; barrier r; cx r, p; }\ng q[2], q[0];",
         [("x", (), (0,)), ("barrier", (), (2, 0)), ("barrier", (), (0,)), ("cx", (), (0, 2))]),
        ("gate g(t) p { rx(t) p; s p; }\ninv @ g(0.25) q[3];", [("sdg", (), (3,)), ("rx", (-0.25,), (3,))]),
        ("gate g p { s p; }\ngate h2 p { x p; inv @ g p; }\ninv @ h2 q[3];", [("s", (), (3,)), ("x", (), (3,))]),
        ("gate g p { s p; }\ninv @ inv @ g q[3];", [("s", (), (3,))]),
        ("gate g p { x p; }\nctrl @ g q[3], q[1];", [("cx", (), (3, 1))]),
        ("gate g p, r { negctrl @ x p, r; }\nctrl @ g q[3], q[1], q[0];",
         [("x", (), (1,)), ("ccx", (), (3, 1, 0)), ("x", (), (1,))]),
        ("gate g(s, t) p { rx(s/2) p; rz(t - 2*s) p; }\ng(a, 1) q[0];",
         [("rx", (Angle(0.0, ((0, 0.5),)),), (0,)), ("rz", (Angle(1.0, ((0, -2.0),)),), (0,))]),
        ("gate rzz(t) p, r { cx p, r; rz(t) r; cx p, r; }\nrzz(a) q[3], q[1];",
         [("rzz", (Angle(0.0, ((0, 1.0),)),), (3, 1))]),
        ("gate rzz(t) p, r { cx p, r; rz(t) r; cx p, r; }\ninv @ rzz(a) q[3], q[1];",
         [("cx", (), (3, 1)), ("rz", (Angle(-0.0, ((0, -1.0),)),), (1,)), ("cx", (), (3, 1))]),
        ("gate rzz(t) p, r { cx p, r; rz(2*t) r; cx p, r; }\nrzz(0.3) q[3], q[1];",
         [("cx", (), (3, 1)), ("rz", (0.6,), (1,)), ("cx", (), (3, 1))]),
        ("gate sx(t) p { rx(t) p; }\nsx(0.3) q[3];", [("rx", (0.3,), (3,))]),
        ("gate sx p, r { cx p, r; }\nsx q[3], q[1];", [("cx", (), (3, 1))]),
        ("gate measure2 p { x p; }\nmeasure2 q[3];", [("x", (), (3,))]),
        ("gate global_phase(t) { gphase(t); }\nglobal_phase(0.3);", []),
        ("const float k = 0.5;\ngate g p { rx(k) p; }\ng q[1];", [("rx", (0.5,), (1,))]),
        ("const int k = 3;\nrx(k/2.0) q[k];", [("rx", (1.5,), (3,))]),
        ("const int k = 7.9;\nconst float f = 1;\nrx(k) q[1]; rx(f/2) q[1];", [("rx", (7,), (1,)), ("rx", (0.5,), (1,))]),
        ("const int i = 3;\nfor int i in [0:1] { x q[i]; }\nx q[i];", [("x", (), (0,)), ("x", (), (1,)), ("x", (), (3,))]),
        ("for int i in {2, 0} for int j in [i:i] { rz(j) q[i]; }", [("rz", (2,), (2,)), ("rz", (0,), (0,))]),
        ("gate h p { x p; }\nh q[1];", [("x", (), (1,))]),
        ("gate f p { h p; }\ngate h p { x p; }\nf q[1];", [("h", (), (1,))]),
    ],
)  # fmt: skip
def test_a_statement_is_written_out_as_these_steps(statement, expected):
    assert steps(FOUR + statement) == expected


def test_a_number_for_an_angle_of_a_definition_is_no_whole_number():
    assert steps(f"{FOUR}gate g(t) p {{ rx(t/2) p; }}\ng(1) q[0];") == [("rx", (0.5,), (0,))]


def test_a_constant_of_a_loop_is_not_known_in_a_definition_and_one_of_the_file_is():
    known = "const float k = 0.25;\ngate g p { rx(k) p; }\n"
    assert steps(f"{FOUR}{known}g q[0];") == [("rx", (0.25,), (0,))]
    with pytest.raises(InvalidInput, match="'k' is not defined"):
        steps(f"{FOUR}for int i in [0:0] {{ const float k = 0.25; gate g p {{ rx(k) p; }} g q[0]; }}\n")


def test_as_many_steps_are_written_as_is_said():
    text = f"{V3}qubit q;\ngate g p, r {{ x p; negctrl @ x p, r; }}\nqubit r;\ng q, r;\nx q;\n"
    assert len(steps(text, max_gates=5)) == 5
    writer = GateWriter(version=3, max_gates=4)
    with pytest.raises(InvalidInput, match="more than 4 gates") as caught:
        check_circuit(text, write=writer)
    assert caught.value.line == 7


def test_as_many_words_of_bodies_are_written_out_as_is_said(monkeypatch):
    text = f"{V3}qubit q;\ngate g p {{ x p;\n rx(1) p; }}\ng q;\n"  # 3 words and 6
    monkeypatch.setattr(writing_out, "MAX_WORK", 9)
    assert len(steps(text)) == 2
    monkeypatch.setattr(writing_out, "MAX_WORK", 8)
    with pytest.raises(InvalidInput, match="more than 100 gates") as caught:
        steps(text)
    assert caught.value.line == 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x q;", 3 + 1),
        ("rx(1) q; ;", 6 + 1),
        ("ctrl @ x q, r;", 7 + 1),
        ("barrier q;", 2 + 1),  # behind its first word
        ("gate g p { x p; }", 7 + 1),  # behind its first word
        ("for int i in [0:1] { x q; }", (8 + 1) + 2 * (3 + 1)),
    ],
)
def test_the_words_of_a_statement_count_as_often_as_it_is_carried_out(text, words, monkeypatch):
    head = f"{V3}qubit q; qubit r;\n"  # three statements of no words, which count one each
    monkeypatch.setattr(evaluation, "MAX_WORK", 3 + words)
    check_circuit(head + text + " ;")
    monkeypatch.setattr(evaluation, "MAX_WORK", 3 + words - 1)
    with pytest.raises(InvalidInput, match=rf"has more than {2 + words} words\. Use fewer turns and layers") as caught:
        check_circuit(head + text + " ;")
    assert caught.value.line == 4


@pytest.mark.parametrize(
    ("statement", "count"),
    [
        ("x q;", 4),
        ("x q[0:2];", 3),
        ("ctrl @ x q[0], q[1];", 4),
        ("negctrl(2) @ x q[0], q[1], q[2];", 16),
        ("inv @ pow(3) @ x q[0];", 1),
        ("gate g p { }\ng q;", 4),
        ("gate g p, r { x p; ctrl @ x p, r; }\nctrl @ g q[0], q[1], q[2];", 20),
        ("for int i in [1:5] x q[0];", 5),
    ],
)
def test_gates_are_counted_through_definitions_controls_loops_and_registers(statement, count):
    assert check_circuit(FOUR + statement).gates == count
    assert check_circuit(FOUR + statement, max_gates=max(count, 5)).gates == count
    with pytest.raises(InvalidInput, match=r"more than|turns"):
        check_circuit(FOUR + statement, max_gates=count - 1)


def test_a_count_stops_where_it_is_too_many():
    gate = LIBRARY[3]["x"]
    assert gate_count(gate, (("ctrl", 5, None),), most=2_000) == 1_024
    assert gate_count(gate, (("ctrl", 5, None),), most=1_023) == 1_024
    assert gate_count(gate, (("ctrl", 20, None), ("negctrl", 900, None)), most=1_023) == 1_024
    assert gate_count(gate, (("ctrl", 900, None),), most=10**15) == 4**20


def test_as_many_inputs_are_declared_as_is_said():
    text = f"{V3}qubit q;\ninput float a;\ninput float b;\n"
    assert check_circuit(text, max_inputs=2).inputs == ("a", "b")
    with pytest.raises(InvalidInput, match=r"there are too many inputs\. Use at most 1") as caught:
        check_circuit(text, max_inputs=1)
    assert caught.value.line == 5


CALLED = "gate g(s, t) p { rx(s) p; rz(t) p; }\ninput float s; input float t;\nqubit q;\n"


@pytest.mark.parametrize(
    ("calls", "lines"),
    [
        ("g(s, t) q;", []),
        ("g(t, s) q;", [6]),
        ("g(t, s) q; g(t, s) q;", [6]),
        ("g(s, t) q;\ng(t, s) q;", [7]),
        ("g(t, t) q;", []),
        ("g(2*t, s) q;", []),
        ("g(t, 1) q;", []),
        ("gate h2(s, t) p { }\ng(t, s) q; h2(t, s) q;", [7, 7]),
    ],
)
def test_names_in_another_order_are_warned_of_once_a_gate(calls, lines):
    warnings = check_circuit(V3 + CALLED + calls).warnings
    assert [int(warning.split(":")[0].removeprefix("line ")) for warning in warnings] == lines
    assert all("given angles of its own names in another order; they go by place" in warning for warning in warnings)


def test_a_long_name_is_cut_in_a_warning():
    text = (V3 + CALLED + "g(t, s) q;").replace("gate g", f"gate {'n' * 300}").replace("g(t, s)", f"{'n' * 300}(t, s)")
    assert check_circuit(text).warnings[0] == (
        f"line 6: {'n' * 80!r} is given angles of its own names in another order; they go by place. Qiskit exports gates "
        "with mapped parameters so: name the angles otherwise if names are meant"
    )


VALUES = [2, -3, 0.5, Angle(0.25), Angle(1.0, ((0, 2.0), (2, -1.0))), Angle(-0.5, ((0, -2.0), (1, 0.5)))]
INPUTS = (0.7, -1.9, 2.3)


def at(value) -> float:
    """Return what a value is at some inputs."""
    if not isinstance(value, Angle):
        return value
    assert list(value.slopes) == sorted(value.slopes), "slopes are in the order of the inputs"
    assert all(factor for _, factor in value.slopes), "an input that moves nothing is none of its slopes"
    return value.constant + sum(factor * INPUTS[index] for index, factor in value.slopes)


@pytest.mark.parametrize("left", VALUES, ids=str)
@pytest.mark.parametrize("right", VALUES, ids=str)
def test_sums_are_worth_at_every_input_what_their_parts_are(left, right):
    assert at(add(left, right)) == pytest.approx(at(left) + at(right))
    assert isinstance(add(left, right), Angle) == (isinstance(left, Angle) or isinstance(right, Angle))


@pytest.mark.parametrize("value", VALUES, ids=str)
@pytest.mark.parametrize("factor", [3, -0.25, 0])
def test_multiples_are_worth_at_every_input_what_they_say(value, factor):
    assert at(scale(value, factor)) == pytest.approx(at(value) * factor)
    if factor:
        assert at(divide(value, factor)) == pytest.approx(at(value) / factor)


def test_an_angle_that_nothing_moves_is_its_number():
    assert simplify(Angle(0.3)) == 0.3
    assert simplify(2) == 2
    assert simplify(Angle(0.3, ((0, 1.0),))) == Angle(0.3, ((0, 1.0),))
    assert to_angle(2) == Angle(2.0)
    for number, finite in ((1.0, True), (math.inf, False), (math.nan, False)):
        assert is_finite(number) is finite
        assert is_finite(Angle(0.0, ((0, 1.0), (1, number)))) is finite
        assert is_finite(Angle(number, ((0, 1.0),))) is finite


QUARTERS = [
    *((f"{name}(%s) q[0];", name, 1) for name in ("rx", "ry", "rz", "p")),
    *((f"{name}(%s) q[0], q[1];", name, 1) for name in ("cp", "crx", "cry", "crz")),
    ("U(%s, %s, %s) q[0];", "U", 3),
    ("ctrl @ U(%s, %s, %s) q[0], q[1];", "cu", 3),
    ("gate u1(a) p { U(0, 0, a) p; }\nu1(%s) q[0];", "u1", 1),
    ("gate u2(a, b) p { U(pi/2, a, b) p; }\nu2(%s, %s) q[0];", "u2", 2),
    ("gate u3(a, b, c) p { U(a, b, c) p; }\nu3(%s, %s, %s) q[0];", "u3", 3),
]


@pytest.mark.parametrize(("statement", "name", "angles"), QUARTERS, ids=[case[1] for case in QUARTERS])
def test_quarter_turns_stay_in_the_text_of_a_gate_that_the_language_knows(statement, name, angles):
    head = f"{V3}qubit[2] q;\n"
    stay = to_canonical(check_circuit(head + statement.replace("%s", "-3*pi/2")))
    assert (stay.parameters, stay.angles) == ((), ())
    assert f"{name}(" in stay.text
    moved = to_canonical(check_circuit(head + statement.replace("%s", "-3*pi/2 + 1e-12")))
    assert len(moved.parameters) == (2 if name == "cu" else 1), "equal angles are one input"


@pytest.mark.parametrize(
    ("angle", "stays"),
    [("0", True), ("4*pi", True), ("-4*pi", True), ("17*pi/4", False), ("-17*pi/4", False), ("pi/8", False), ("1e-17", False)],
)  # fmt: skip
def test_quarter_turns_stay_up_to_two_whole_ones(angle, stays):
    assert (to_canonical(check_circuit(f"{V3}qubit q;\nrz({angle}) q;")).parameters == ()) is stays


def test_a_quarter_turn_of_a_gate_that_the_text_defines_is_an_input():
    found = to_canonical(check_circuit(f"{V2}qreg q[2];\nrzz(pi/2) q[0],q[1];\n"))
    assert found.angles == (Angle(math.pi / 2),)


@pytest.mark.parametrize("count", [1, 9, 10, 11, 100])
def test_inputs_are_numbered_so_that_their_order_by_name_is_theirs(count):
    text = f"{V3}qubit q;\n" + "".join(f"rz(0.{at:03d}1) q;\n" for at in range(count))
    found = to_canonical(check_circuit(text))
    assert list(found.parameters) == sorted(found.parameters)
    assert {len(name) for name in found.parameters} == {2 + len(str(count))}
    assert [constant for constant, _ in found.angles] == [float(f"0.{at:03d}1") for at in range(count)]


def test_the_phase_of_a_root_is_kept_under_a_control():
    """The square of the root of a phase is the phase."""
    (_, (angle,), _), *_ = steps(f"{FOUR}ctrl @ pow(0.5) @ gphase(0.8) q[1];")
    assert cmath.exp(2j * angle) == pytest.approx(cmath.exp(0.8j))


def test_a_thousand_inputs_are_declared_and_sixty_four_move_one_angle():
    def text(inputs: int, moving: int) -> str:
        declared = "".join(f"input float a{at}; " for at in range(inputs))
        return f"{V3}{declared}\nqubit q;\nrx({'+'.join(f'a{at}' for at in range(moving))}) q;\n"

    checked = check_circuit(text(1_000, 64))
    assert len(checked.inputs) == 1_000
    with pytest.raises(InvalidInput, match=r"there are too many inputs\. Use at most 1000"):
        check_circuit(text(1_001, 1))
    with pytest.raises(InvalidInput, match=r"an angle depends on more than 64 inputs\. Use fewer inputs in it"):
        check_circuit(text(65, 65))


def test_a_circuit_is_checked_with_the_limits_that_are_written_down():
    assert (limits.MAX_BYTES, limits.MAX_GATES, limits.MAX_INPUTS, limits.MAX_BITS) == (10**6, 10**4, 10**3, 2**10)
    assert (limits.MAX_WORK, limits.MAX_SLOPES, limits.MAX_LOOPS, limits.CONTROL_COST) == (500_000, 64, 16, 4)
    assert limits.INCLUDES == {2: "qelib1.inc", 3: "stdgates.inc"}
    assert (reader.MAX_SECONDS, reader.MAX_OUTPUT_BYTES, reader.MAX_CANONICAL_GATES) == (300, 16_000_000, 10**6)
