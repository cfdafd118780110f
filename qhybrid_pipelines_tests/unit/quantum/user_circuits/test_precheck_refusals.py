"""What a circuit's author is told, in full: what is wrong, what to do, and the line; names that are long are cut to what a line holds."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.user_circuits.precheck import check_circuit
from qhybrid_pipelines_tests.support.user_circuits import V2, V3

LONG = "n" * 300
CUT = repr("n" * 80)
GATES_ONLY = "Write gates, `barrier`, `input float` and measurements at the end."
#: Behind three qubits in two lines, so that a line that is told cannot be right by accident.
HEAD = f"{V3}qubit[3] q;\nh q;\n"
LINE = HEAD.count("\n") + 1


class Refusal(NamedTuple):
    """A text behind the head, what is wrong with it, and the remedy."""

    text: str
    problem: str
    remedy: str = GATES_ONLY
    lines_down: int = 0


TOKENS = [
    Refusal("x q;\n/* never", "a comment is never closed", "Close it with */.", 1),
    Refusal(
        "/* one\n two */ ~",
        "the character '~' has no place here",
        "Write gates, registers, inputs and measurements in plain OpenQASM 2 or 3.",
        1,
    ),
    Refusal("x q;\nrx(1", "'(' is never closed", "Add what closes it.", 1),
    Refusal("x q;\n}", "'}' closes nothing", "Remove it, or add its partner.", 1),
    Refusal("x q[0);", "')' closes nothing", "Remove it, or add its partner."),
    Refusal("const float a = 2", "the text ends in the middle of a statement", "Complete it."),
    Refusal("x q;\nx q", "the text ends in the middle of a statement", "Complete it.", 1),
    Refusal(f"x q[0] {LONG};", f"{'n' * 40!r} is where ',' should be"),
]
STATEMENTS = [
    Refusal("3 q;", "'3' is where a statement should be"),
    Refusal("$0 q;", "'$0' is where a statement should be"),
    Refusal(
        'include "other.inc";',
        'the include of "other.inc" would read another file of this machine',
        "Only stdgates.inc can be included in OpenQASM 3; write other gates into the file itself.",
    ),
    Refusal(
        f'include "{LONG}";',
        f'the include of "{"n" * 79} would read another file of this machine',
        "Only stdgates.inc can be included in OpenQASM 3; write other gates into the file itself.",
    ),
    Refusal("input int a;", "'int' is where 'float' or 'angle' should be"),
    Refusal("input float 3;", "'3' is where a name should be"),
    Refusal("const bool a = 1;", "'bool' is where 'int' or 'uint' or 'float' or 'angle' should be"),
    Refusal("const int a;", "';' is where '=' should be"),
    Refusal("gate g p { 3; }", "'3' is where a gate of this gate's body should be"),
    Refusal("gate g p { measure p; }", "'measure' is where a gate of this gate's body should be"),
    Refusal("gate g p { gate h q {} }", "'gate' is where a gate of this gate's body should be"),
    Refusal('gate g p { include "stdgates.inc"; }', "'include' is where a gate of this gate's body should be"),
    Refusal("gate g p { delay p; }", "'delay' is where a gate of this gate's body should be"),
    Refusal("gate g p\nr { }", "'r' is where ',' should be", lines_down=1),
    Refusal(f"gate g {LONG}, {LONG} {{ }}", f"{CUT} is named twice", "Rename one."),
    Refusal("inv(2) @ x q;", "'(' is where '@' should be"),
    Refusal("ctrl x q;", "'x' is where '@' should be"),
    Refusal("ctrl @ 3 q;", "'3' is where a name should be"),
    Refusal("rx(1,) q;", "')' is where a number, a name or a function should be"),
    Refusal("rx(1 2) q;", "'2' is where ',' should be"),
    Refusal("x {0};", "'{' is where a qubit or bit should be"),
    Refusal("x q[0 1];", "'1' is where ']' should be"),
    Refusal("x q[{0 1}];", "'1' is where ',' should be"),
    Refusal("x q[0:1:2:0];", "']' is where at most two colons should be"),
    Refusal("bit c = 1;", "classical variables are not accepted (found an assignment)"),
    Refusal("bit[3] c;\nc = h q;", "classical variables are not accepted (found an assignment)", lines_down=1),
    Refusal("measure q;", "a measurement does not go into a bit", "Say which bit it goes into: `c = measure q;`."),
    Refusal("bit[3] c;\nmeasure q, c;", "',' is where '->' should be", lines_down=1),
    Refusal("for float i in [0:1] x q;", "'float' is where 'int' or 'uint' should be"),
    Refusal("for int i of [0:1] x q;", "'of' is where 'in' should be"),
    Refusal("for int i in 3 x q;", "'3' is where '[' should be"),
    Refusal("for int i in [3] x q;", "'[' is where a range such as [0:3] should be"),
    Refusal("x q;\n" + "for int i in [0:0] " * 17 + "x q;", "more than 16 loops are nested", "Write some out.", 1),
    Refusal("OPENQASM 3.0;", "the version is given once, before everything else (found `OPENQASM`)"),
]
MEANINGS = [
    Refusal("qubit[0] r;", "the circuit declares 0 qubits", "From 1 to 20 are accepted."),
    Refusal("qubit[18] r;", "the circuit declares 21 qubits", "From 1 to 20 are accepted."),
    Refusal("bit[1024] c; bit d;", "the circuit declares 1025 bits", "From 1 to 1024 are accepted."),
    Refusal(
        "qubit[999999999999999998] r;", "the circuit declares 1000000000000000001 qubits", "From 1 to 20 are accepted."
    ),
    Refusal(
        "qubit[9999999999999999999] r;", "the circuit declares 1000000000000000003 qubits", "From 1 to 20 are accepted."
    ),
    Refusal("bit q;", "'q' is declared twice", "Remove one."),
    Refusal(f"qubit {LONG}; bit {LONG};", f"{CUT} is declared twice", "Remove one."),
    Refusal(f"x {LONG};", f"{CUT} is not a declared qubit or register of qubits", "Declare it before it is used."),
    Refusal("measure q -> d;", "'d' is not a declared bit or register of bits", "Declare it before it is used."),
    Refusal(f"qubit {LONG}; x {LONG}[0];", f"{CUT} is a single qubit and has no index", "Remove the index."),
    Refusal("bit c;\nc[0] = measure q[0];", "'c' is a single bit and has no index", "Remove the index.", 1),
    Refusal("x q[3];", "q[3] is out of range", "The register has 3 places, from 0."),
    Refusal(f"qubit[2] {LONG}; x {LONG}[2];", f"{'n' * 80}[2] is out of range", "The register has 2 places, from 0."),
    Refusal("x q[0:0:2];", "a range with step 0 never ends", "Use another step."),
    Refusal("x $0;", "the circuit uses registers and qubits of a device ($0, $1, ...)", "Use one of the two."),
    Refusal(
        "bit[3] c = measure q;\nx q[2];",
        "a qubit is used after it was measured",
        "Measure every qubit once, at the end.",
        1,
    ),
    Refusal("bit[2] c = measure q;", "3 qubits are measured into 2 bits", "Name as many bits as qubits."),
    Refusal(
        "bit[3] c = measure q;\nc[0] = measure q[0];",
        "a qubit is measured twice",
        "Measure every qubit once, into a bit of its own.",
        1,
    ),
    Refusal(
        "bit[3] c;\nc[0] = measure q[1];\nc[0] = measure q[0];",
        "a bit is measured twice",
        "Measure every qubit once, into a bit of its own.",
        2,
    ),
    Refusal(
        "reset q[1];",
        "a circuit must be the same in every shot (found `reset` of a qubit that was used)",
        "A reset may be in front of the first gate only.",
    ),
    Refusal(f"const int {LONG} = 1; const int {LONG} = 2;", f"{CUT} is declared twice", "Remove one."),
    Refusal("input float a; const int a = 2;", "'a' is declared twice", "Remove one."),
    Refusal(
        "input float a;\nconst float b = a;", "a constant depends on an input", "Write the angle where it is used.", 1
    ),
    Refusal(f"gate {LONG} p {{ }}\ngate {LONG} p {{ }}", f"the gate {CUT} is defined twice", "Remove one.", 1),
    Refusal(f"{LONG} q;", f"the gate {CUT} is not defined", "Define it, or use a standard gate."),
    Refusal(
        "CX q[0], q[1];",
        "in OpenQASM 3 the library's CX is ctrl @ U(pi, 0, pi), which is cx with an s on the control, and tools differ",
        "Write `cx`, or define CX.",
    ),
    Refusal("ctrl(0) @ x q;", "a gate has 0 controls", "Use less than there are qubits."),
    Refusal("negctrl(1000) @ x q;", "a gate has 1000 controls", "Use less than there are qubits."),
    Refusal(
        "ctrl(999) @ x q;",
        "written out, the circuit has more than 10000 gates",
        "Use fewer layers; what is meant here grows with every definition, loop and register.",
    ),
    Refusal("ctrl(3) @ x q[0], q[1], q[2];", "'x' takes 4 qubits and is given 3", "Give as many as it takes."),
    Refusal("crx(1, 2) q[0], q[1];", "'crx' takes 1 angles and is given 2", "Give as many as it takes."),
    Refusal(
        f"gate {LONG} p {{ }}\n{LONG}(1) q;", f"{CUT} takes 0 angles and is given 1", "Give as many as it takes.", 1
    ),
    Refusal(
        f"gate {LONG} p {{ x p; }}\npow(2) @ {LONG} q;",
        f"a power is taken of {CUT}, which the file defines",
        "Write the gate out as often as it acts; powers of standard gates are accepted.",
        1,
    ),
    Refusal(
        f"gate {LONG} p, r {{ cx p, r; }}\n{LONG} q[1], q[1];",
        f"{CUT} acts on the same qubit twice",
        "Name different qubits.",
        1,
    ),
    Refusal(f"gate g {LONG} {{ x r; }}", "'r' is not one of this gate's qubits", f"They are {'n' * 200}."),
    Refusal("gate g p, r {\n x p[0]; }", "'p' is not one of this gate's qubits", "They are p, r.", 1),
    Refusal("gate g p, r {\n x p[{}]; }", "'p' is not one of this gate's qubits", "They are p, r.", 1),
    Refusal(f"gate g p {{\n x {LONG}; }}", f"{CUT} is not one of this gate's qubits", "They are p.", 1),
    Refusal(
        f"gate {LONG} p, r {{ }}\nqubit[2] r; {LONG} q, r;",
        f"{CUT} acts on registers of 2 and 3 qubits at once",
        "Use registers of one size.",
        1,
    ),
    Refusal(
        "for int i in [1:101] for int j in [1:100] x q;",
        "the nested loops make 10100 turns",
        "At most 10000 turns are accepted.",
    ),
    Refusal("input float a;\npow(2*a) @ x q;", "a power depends on an input", "Use numbers.", 1),
]
EXPRESSIONS = [
    Refusal(f"rx({LONG}) q;", f"{CUT} is not defined", "Declare it as `input float` or `const float`."),
    Refusal(
        f"rx({LONG}(1)) q;",
        f"there is no function {CUT}",
        "Functions of OpenQASM 3 are angle, arccos, arcsin, arctan, ceiling, cos, exp, float, floor, int, log, mod, "
        "pow, sin, sqrt, tan, uint.",
    ),
    Refusal("rx(sin(1, 2, 3)) q;", "sin has 3 arguments", "It takes 1."),
    Refusal("rx(pow(1)) q;", "pow has 1 arguments", "It takes 2."),
    Refusal("rx(mod(1, 2, 3)) q;", "mod has 3 arguments", "It takes 2."),
    Refusal("rx((1, 2)) q;", "',' is where ')' should be"),
    Refusal("rx(1 + *) q;", "'*' is where a number, a name or a function should be"),
    Refusal(f"rx({'9' * 41}) q;", "a number has more than 40 digits", "17 digits are enough."),
    Refusal("rx(1e300*1e300) q;", "an angle or constant has no finite value (at '*')", "Correct it."),
    Refusal("rx(1.0/0) q;", "an angle or constant has no finite value (at '/')", "Correct it."),
    Refusal("rx(5 % 0) q;", "an angle or constant has no finite value (at '%')", "Correct it."),
    Refusal("rx((-1.0)**0.5) q;", "an angle or constant has no finite value (at '**')", "Correct it."),
    Refusal("rx(log(-1)) q;", "an angle or constant has no finite value (at 'log')", "Correct it."),
    Refusal("rx(9223372036854775807 + 1) q;", "a whole number has more than 64 bits (at '+')", "Write 1e30."),
    Refusal("rx(-9223372036854775807 - 1) q;", "a whole number has more than 64 bits (at '-')", "Write 1e30."),
    Refusal(
        "rx(9223372036854775808) q;", "a whole number has more than 64 bits (at 9223372036854775808)", "Write 1e30."
    ),
    Refusal(
        "rx(7/2) q;",
        "7/2 is 3 in OpenQASM 3, where whole numbers are divided without a remainder",
        "Write 7.0/2 if that is what is meant.",
    ),
    Refusal(
        "rx(-7/2) q;",
        "-7/2 is -3 in OpenQASM 3, where whole numbers are divided without a remainder",
        "Write -7.0/2 if that is what is meant.",
    ),
    Refusal(
        "rx(2**-1) q;",
        "the power '**' of whole numbers has more than 64 bits, or is a fraction",
        "Write one of them with a decimal point.",
    ),
    Refusal(
        "rx(2**4096) q;",
        "the power '**' of whole numbers has more than 64 bits, or is a fraction",
        "Write one of them with a decimal point.",
    ),
    Refusal("rx(2**64) q;", "a whole number has more than 64 bits (at '**')", "Write 1e30."),
    Refusal("x q[1.5];", "a whole number is expected here, which no input changes", "Use whole numbers and constants."),
    Refusal(
        "input float a;\nx q[a];",
        "a whole number is expected here, which no input changes",
        "Use whole numbers and constants.",
        1,
    ),
    Refusal(
        "input float a;\nrx(a*a) q;",
        "an angle is not a sum of multiples of inputs",
        "Use angles such as 2*gamma + 0.5.",
        1,
    ),
    Refusal(
        "input float a;\nrx(cos(a)) q;",
        "an angle is not a sum of multiples of inputs",
        "Use angles such as 2*gamma + 0.5.",
        1,
    ),
]
NOTE = "Write one comment for each qubit that is measured: `// qhybrid: q[0] is NAME`."
NOTES = [
    Refusal(f"// qhybrid: q[0] {LONG}", repr(f"// qhybrid: q[0] {LONG}"[:80]) + " cannot be read", NOTE),
    Refusal("qubit[2] r;\n// qhybrid: r is a", "'r' is not a qubit whose outcome counts", NOTE, 1),
    Refusal("// qhybrid: q[3] is a", "'q[3]' is not a qubit whose outcome counts", NOTE),
    Refusal("// qhybrid: q[0] is a\n// qhybrid: q[0] is b", "'q[0]' is named twice", NOTE, 1),
    Refusal(f"// qhybrid: q[0] is {LONG}\n// qhybrid: q[1] is {LONG}", f"{CUT} is named twice", NOTE, 1),
    Refusal("// qhybrid: q[1] is a\n\n", "comments name some qubits and not q[0], q[2]", NOTE),
    Refusal(
        "bit[2] c;\nc[0] = measure q[0];\nc[1] = measure q[1];\n// qhybrid: q[2] is a",
        "'q[2]' is not a qubit whose outcome counts",
        NOTE,
        3,
    ),
]
ALL = [*TOKENS, *STATEMENTS, *MEANINGS, *EXPRESSIONS, *NOTES]


@pytest.mark.parametrize("refusal", ALL, ids=[f"{at} {case.problem[:40]}" for at, case in enumerate(ALL)])
def test_a_refusal_says_what_is_wrong_what_to_do_and_where(refusal):
    with pytest.raises(InvalidInput) as caught:
        check_circuit(HEAD + refusal.text)
    error = caught.value
    assert (error.problem, error.remedy) == (refusal.problem, refusal.remedy)
    assert error.line == LINE + refusal.lines_down


EXPORT = (
    "Export it before it is compiled for a device, or compile it with "
    "`transpile(circuit, initial_layout=range(circuit.num_qubits), ...)`."
)


@pytest.mark.parametrize(
    ("text", "problem", "remedy", "line"),
    [
        ("OPENQASM 4.0;\nqubit q;", "there is no OpenQASM 4.0 here", "Use OpenQASM 2.0 or 3.0.", 1),
        (f"\nOPENQASM {LONG};", f"there is no OpenQASM {'n' * 40} here", "Use OpenQASM 2.0 or 3.0.", 2),
        ("OPENQASM 3.0\nqubit q;", "'qubit' is where ';' should be", GATES_ONLY, 2),
        (
            "OPENQASM 3;\nqubit q;\nh q;",
            "the gate 'h' is not defined",
            'Put include "stdgates.inc"; in front of it.',
            3,
        ),
        (
            "OPENQASM 2;\nqreg q[1];\nh q;",
            "the gate 'h' is not defined",
            'Put include "qelib1.inc"; in front of it.',
            3,
        ),
        (
            "OPENQASM 3.1;\nqubit q;\nnobody q;",
            "the gate 'nobody' is not defined",
            "Define it, or use a standard gate.",
            3,
        ),
        ("OPENQASM 3.0;\n\nx $0;", "the gate 'x' is not defined", 'Put include "stdgates.inc"; in front of it.', 3),
        (
            'OPENQASM 2.0;\ninclude "stdgates.inc";',
            'the include of "stdgates.inc" would read another file of this machine',
            "Only qelib1.inc can be included in OpenQASM 2; write other gates into the file itself.",
            2,
        ),
        (
            f"{V2}qreg q[1];\nrx(log(2)) q;",
            "there is no function 'log'",
            "Functions of OpenQASM 2 are acos, asin, atan, cos, exp, ln, sin, sqrt, tan.",
            4,
        ),
        (
            f"{V2}qreg q[1.5];",
            "a whole number is expected here, which no input changes",
            "Use whole numbers and constants.",
            3,
        ),
        (f"{V3}\n", "the circuit declares no qubits", "Declare a register, for example `qubit[4] q;`.", 2),
        ("", "the circuit declares no qubits", "Declare a register, for example `qubit[4] q;`.", 1),
        (
            f"{V3}U(1, 2, 3) $0;\n{''.join(f'x ${at};' for at in range(1, 20))}\nx $20;",
            "the circuit uses more than 20 qubits of a device",
            "From 1 to 20 are accepted.",
            5,
        ),
        (
            f"{V3}x $0;\nqubit q;",
            "the circuit uses registers and qubits of a device ($0, $1, ...)",
            "Use one of the two.",
            4,
        ),
        (
            f"{V3}x $1;\nx $2;\nx $4;\n",
            "the circuit uses the qubits $2 and $4 of a device and not all between them, so they are not one block",
            EXPORT,
            5,
        ),
    ],
)
def test_a_refusal_of_a_whole_text_says_the_same(text, problem, remedy, line):
    with pytest.raises(InvalidInput) as caught:
        check_circuit(text)
    assert (caught.value.problem, caught.value.remedy, caught.value.line) == (problem, remedy, line)


@pytest.mark.parametrize(
    "text",
    [
        "gate g(a, b,) p, r, { }",
        "gate g() p { barrier; barrier p; }",
        "x() q;",
        "barrier;",
        ";;",
        "ctrl(2) @ x q[0], q[1], q[2];",
        "input angle[32] a; input float[64] b; const angle[8] c = 1; const uint[8] d = 2;",
        "qubit[17] r; bit[1024] c;",
        "bit[3] c; measure q -> c;",
        "bit[3] c = measure q; barrier q;",
        "for uint[8] i in {0, 2} { x q[i]; }",
        "for int i in [1:100] for int j in [1:100] {}",
        "for int i in [1:9997] x q[0];",
        "rx(9223372036854775807*1.0) q; rx(2**62/2**61) q;",
        "reset q[{}];",
        "rx(1_000.5) q;",
        f"rx({'9' * 18}.{'9' * 21}) q;",
        "// qhybrid: q[0] is a\n//qhybrid:q[1]  is\tb c\n//  qhybrid: q[2] is 'd'",
    ],
)
def test_what_is_just_within_bounds_is_accepted(text):
    assert check_circuit(HEAD + text).n_qubits >= 3
