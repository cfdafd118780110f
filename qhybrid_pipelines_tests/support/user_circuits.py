"""Circuits that somebody else might drop: attacks with what must be said about them, and random harmless ones."""

from __future__ import annotations

import math
from typing import NamedTuple

from hypothesis import strategies as st

V2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
V3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'


class Attack(NamedTuple):
    """A circuit that must be refused: its text, words of the message, and the line that it names."""

    text: str
    says: str
    line: int | None


def doubling_gates(levels: int) -> str:
    """A gate that is two of the one before, over and over."""
    gates = "".join(f"gate g{i} a{{g{i - 1} a;g{i - 1} a;}}\n" for i in range(1, levels + 1))
    return f"{V2}gate g0 a{{x a;}}\n{gates}qreg q[1];\ng{levels} q[0];\n"


ATTACKS = {
    "include of an absolute path": Attack('OPENQASM 2.0;\ninclude "/etc/passwd";\nqreg q[1];\n', "/etc/passwd", 2),
    "include through a parent folder": Attack('OPENQASM 2.0;\ninclude "../../x.inc";\n', "another file", 2),
    "include of a device": Attack('OPENQASM 2.0;\ninclude "/dev/zero";\n', "another file", 2),
    "include behind a comment": Attack('OPENQASM 3.0;\n/* \n */ include /**/ "/etc/passwd";\n', "another file", 3),
    "include of the other version": Attack('OPENQASM 3.0;\ninclude "qelib1.inc";\n', "another file", 2),
    "30,000 nested parentheses": Attack(
        f"{V2}qreg q[1];\nrx({'(' * 30_000}1{')' * 30_000}) q[0];\n", "nested more than 256 deep", 4
    ),
    "10^9 qubits, version 2": Attack(f"{V2}qreg a[1000000000];\n", "1000000000 qubits", 3),
    "10^9 qubits, version 3": Attack(f"{V3}qubit[1000000000] a;\n", "1000000000 qubits", 3),
    "10^7 qubits": Attack(f"{V2}qreg a[10000000];\n", "10000000 qubits", 3),
    "10^9 bits": Attack(f"{V3}qubit q;\nbit[1_000_000_000] c;\n", "1000000000 bits", 4),
    "a number of qubits with thousands of digits": Attack(f"{V2}qreg a[{'9' * 9000}];\n", "qubits", 3),
    "less than no qubits": Attack(f"{V3}qubit[-5] a;\nqubit[24] b;\n", "-5 qubits", 3),
    "many registers": Attack(V2 + "".join(f"qreg a{i}[1];\n" for i in range(30)), "21 qubits", 23),
    "a doubling gate, 2^18": Attack(doubling_gates(18), "more than 10000 gates", 17),
    "a doubling gate, 2^30": Attack(doubling_gates(30), "more than 10000 gates", 17),
    "a doubling gate that is never used": Attack(
        doubling_gates(30).replace("g30 q[0];", "x q[0];"), "more than 10000 gates", 17
    ),
    "a gate on whole registers": Attack(V3 + "qubit[20] q;\n" + "x q;\n" * 501, "more than 10000 gates", 504),
    "controls upon controls": Attack(f"{V3}qubit[20] q;\n{'ctrl @ ' * 10}x q[0];\n", "more than 10000 gates", 4),
    "10^9 controls": Attack(f"{V3}qubit q;\nctrl(1000000000) @ x q;\n", "1000000000 controls", 4),
    "a power of a defined gate": Attack(f"{V3}gate g a{{x a;}}\nqubit q;\npow(1e9) @ g q;\n", "a power is taken", 5),
    "a loop of 10^9 turns": Attack(f"{V3}qubit q;\nfor uint i in [0:999999999] {{ x q; }}\n", "1000000000 turns", 4),
    "loops within loops": Attack(f"{V3}qubit q;\n{'for int i in [1:100] { ' * 3}{'}' * 3}\n", "1000000 turns", 4),
    "a loop behind one of no turns": Attack(
        f"{V3}qubit q;\nfor int i in [1:0] {{}}\nfor int i in [1:99999] {{}}\n", "99999 turns", 5
    ),
    "many gates in many turns": Attack(
        f"{V3}qubit q;\nfor int i in [1:5000] {{ x q; y q; z q; }}\n", "more than 10000 gates", 4
    ),
    "a loop with step 0": Attack(f"{V3}qubit q;\nfor int i in [0:0:5] {{ x q; }}\n", "step 0", 4),
    "a loop while": Attack(f"{V3}qubit q;\nwhile (true) {{ x q; }}\n", "the same in every shot", 4),
    "a huge power": Attack(f"{V3}qubit q;\nrx(9**9**9**9) q;\n", "'**'", 4),
    "a number of a million digits": Attack(f"{V3}qubit q;\nrx({'9' * 900_000}) q;\n", "more than 40 digits", 4),
    "one byte more than a megabyte": Attack(V3 + "/" * (1_000_001 - len(V3)), "1000001 bytes", None),
    "comments that never close": Attack(V3 + "/*" * 400_000, "never closed", 3),
    "only semicolons": Attack(V3 + ";" * 900_000, "more than 250000", 3),
    "brackets that never close": Attack(f"{V3}qubit q;\nrx(((1) q;\n", "never closed", 4),
    "brackets that close nothing": Attack(f"{V3}qubit q;\nrx(1)) q;\n", "closes nothing", 4),
    "much work in many turns": Attack(
        f"{V3}qubit q;\nfor int i in [1:9000] {{ {'barrier q;' * 1000} }}\n", "more than 500000 words", 4
    ),
    "a long sum in many turns": Attack(
        f"{V3}qubit q;\nfor int i in [1:9000] {{ rx({'1+' * 5000}1) q; }}\n", "more than 500000 words", 4
    ),
    "a sum of all inputs": Attack(
        V3
        + "".join(f"input float a{i};" for i in range(900))
        + f"\nqubit q;\nrx({'+'.join(f'a{i % 900}' for i in range(40_000))}) q;\n",
        "depends on more than 64 inputs",
        5,
    ),
    "definitions within definitions, 300 deep": Attack(
        f"{V3}gate g0 a {{ x a; }}\n{''.join(f'gate g{i} a {{ g{i - 1} a; }}' + chr(10) for i in range(1, 300))}",
        "more than 256 deep",
        259,
    ),
    "loops within loops without braces": Attack(
        f"{V3}qubit q;\n{'for int i in [0:0] ' * 1000}x q;\n", "more than 16 loops", 4
    ),
    "a range to the end of the world": Attack(f"{V3}qubit[4] q;\nx q[0:999999999999];\n", "q[4] is out of range", 4),
    "forty thousand names": Attack(
        f"{V3}qubit q;\n{'// qhybrid: q is a' + chr(10)}" * 1 + "// qhybrid: q is a\n" * 40_000, "named twice", 5
    ),
    "whole numbers without end": Attack(f"{V3}qubit q;\nrx(9223372036854775807*9) q;\n", "more than 64 bits", 4),
    "an opaque gate": Attack(f"{V2}opaque magic a;\nqreg q[1];\nmagic q[0];\n", "without a body", 3),
    "a calibration": Attack(f"{V3}defcal x $0 {{ }}\n", "subroutines, calibrations", 3),
    "a calibration of a name": Attack(f"{V3}defcal x q {{ }}\n", "subroutines, calibrations", 3),
    "a pragma": Attack(f"{V3}pragma simulator noise\n", "instructions to other tools", 3),
    "a hash pragma": Attack(f"{V3}#pragma simulator noise\n", "'#'", 3),
    "an extern": Attack(f"{V3}extern f(int) -> int;\n", "subroutines", 3),
    "a subroutine": Attack(f"{V3}def f(qubit a) {{ x a; }}\n", "subroutines", 3),
    "an annotation": Attack(f"{V3}@secret\nqubit q;\n", "'@'", 3),
    "a condition": Attack(f"{V2}qreg q[1];\ncreg c[1];\nif(c==1) x q[0];\n", "the same in every shot (found `if`)", 5),
    "a reset": Attack(f"{V2}qreg q[1];\nx q[0];\nreset q[0];\n", "the same in every shot (found `reset`", 5),
    "a delay": Attack(f"{V3}qubit q;\ndelay[100ns] q;\n", "no timing", 4),
    "a classical variable": Attack(f"{V3}int n = 3;\nqubit[n] q;\n", "classical variables", 3),
    "an assignment": Attack(f'{V3}qubit q;\nbit c;\nc = "1";\n', "classical variables", 5),
    "an input that is not an angle": Attack(f"{V3}input int n;\nqubit q;\n", "'int'", 3),
    "qubits of a device that are not one block": Attack(f"{V3}x $0;\nx $1;\nx $3;\n", "initial_layout", 5),
    "qubits of a device beside a register": Attack(f"{V3}qubit q;\nx $0;\n", "Use one of the two", 4),
    "10^9 qubits of a device": Attack(f"{V3}{''.join(f'x ${i};' for i in range(30))}\n", "more than 20 qubits", 3),
    "another version": Attack("OPENQASM 4.0;\nqubit q;\n", "no OpenQASM 4.0", 1),
    "no qubits": Attack(V3, "declares no qubits", 2),
    "an end in the middle": Attack(f"{V3}qubit q", "in the middle of a statement", 3),
    "a character from elsewhere": Attack(f"{V3}qubit q;\nx q; \x00\n", "'\\x00'", 4),
}

#: Refused because of what it means.
UNSUPPORTED = {
    "an unknown gate": Attack(f"{V3}qubit q;\nmagic q;\n", "'magic' is not defined", 4),
    "a gate whose include is missing": Attack("OPENQASM 3.0;\nqubit q;\nh q;\n", "'h' is not defined", 3),
    "a gate that is defined twice": Attack(f"{V3}gate g a {{ }}\ngate g a {{ }}\nqubit q;\n", "defined twice", 4),
    "a gate of its own body": Attack(f"{V3}gate g a {{ g a; }}\nqubit q;\n", "'g' is not defined", 3),
    "the ambiguous CX": Attack(f"{V3}qubit[2] q;\nCX q[0], q[1];\n", "tools differ", 4),
    "wrong syntax": Attack(f"{V3}qubit[2] q;\nx q[0] q[1];\n", "'q' is where ','", 4),
    "a qubit that is not there": Attack(f"{V2}qreg q[2];\nx q[2];\n", "q[2] is out of range", 4),
    "a register that is not there": Attack(f"{V2}qreg q[2];\nx r[0];\n", "'r' is not a declared qubit", 4),
    "an index of a single qubit": Attack(f"{V3}qubit q;\nx q[0];\n", "has no index", 4),
    "too few qubits": Attack(f"{V3}qubit[2] q;\ncx q[0];\n", "takes 2 qubits and is given 1", 4),
    "too many angles": Attack(f"{V3}qubit q;\nrx(1, 2) q;\n", "takes 1 angles and is given 2", 4),
    "the same qubit twice": Attack(f"{V3}qubit[2] q;\ncx q[1], q[1];\n", "the same qubit twice", 4),
    "the same qubit twice in a body": Attack(f"{V3}gate g a {{ cx a, a; }}\nqubit q;\n", "the same qubit twice", 3),
    "registers of different size": Attack(f"{V3}qubit[2] q;\nqubit[3] r;\ncx q, r;\n", "2 and 3 qubits", 5),
    "an angle that is not a sum": Attack(f"{V3}input float a;\nqubit q;\nrx(a*a) q;\n", "not a sum of multiples", 5),
    "an angle in a body that is not a sum": Attack(
        f"{V3}input float a;\ngate g(t) x {{\n rx(sin(t)) x;\n}}\nqubit q;\ng(0.1) q;\ng(a) q;\n", "not a sum", 5
    ),
    "an input in a body": Attack(
        f"{V3}input float a;\ngate g x {{\n rx(a) x;\n}}\nqubit q;\ng q;\n", "'a' is not defined", 5
    ),
    "a constant that hangs on an input": Attack(
        f"{V3}input float a;\nconst float b = 2*a;\nqubit q;\n", "depends on", 4
    ),
    "an infinite angle": Attack(f"{V2}qreg q[1];\nrx(1e400) q[0];\n", "finite", 4),
    "a division by nothing": Attack(f"{V2}qreg q[1];\nrx(1/0) q[0];\n", "no finite value", 4),
    "a root of a negative number": Attack(f"{V3}qubit q;\nrx(sqrt(-1)) q;\n", "no finite value", 4),
    "an unknown function": Attack(f"{V3}qubit q;\nrx(ln(2)) q;\n", "no function 'ln'", 4),
    "a half that is nothing": Attack(f"{V3}input float b;\nqubit q;\nrx(1/2*b) q;\n", "1/2 is 0 in OpenQASM 3", 5),
    "a half in an index": Attack(f"{V3}qubit[3] q;\nx q[1/2];\n", "1/2 is 0 in OpenQASM 3", 4),
    "a fraction for an index": Attack(f"{V3}qubit[3] q;\nx q[1.5];\n", "a whole number is expected here", 4),
    "a root of a symbolic gate": Attack(
        f"{V3}input float b;\nqubit q;\npow(0.5) @ rx(b) q;\n", "has no simple form", 5
    ),
    "a power that hangs on an input": Attack(f"{V3}input float b;\nqubit q;\npow(b) @ x q;\n", "depends on", 5),
    "a gate behind a measurement": Attack(
        f"{V3}qubit q;\nbit[1] c;\nc[0] = measure q;\nx q;\n", "after it was measured", 6
    ),
    "a reset behind a measurement": Attack(f"{V3}qubit q;\nbit c;\nc = measure q;\nreset q;\n", "reset", 6),
    "a measurement into nothing": Attack(f"{V3}qubit q;\nmeasure q;\n", "does not go into a bit", 4),
    "a measurement of more than there is room for": Attack(
        f"{V2}qreg q[3];\ncreg c[2];\nmeasure q -> c;\n", "3 qubits are measured into 2 bits", 5
    ),
    "a bit measured twice": Attack(
        f"{V2}qreg q[2];\ncreg c[2];\nmeasure q[0] -> c[0];\nmeasure q[1] -> c[0];\n", "bit is measured twice", 6
    ),
    "a qubit measured twice": Attack(
        f"{V2}qreg q[2];\ncreg c[2];\nmeasure q[0] -> c[0];\nmeasure q[0] -> c[1];\n", "qubit is measured twice", 6
    ),
    "a comment that cannot be read": Attack(f"{V3}qubit q;\n// qhybrid: q\n", "cannot be read", 4),
    "a name for what is not there": Attack(f"{V3}qubit[2] q;\n// qhybrid: q[2] is a\n", "whose outcome counts", 4),
    "a name for half of it": Attack(f"{V3}qubit[2] q;\n// qhybrid: q[0] is a\n", "and not q[1]", 4),
    "a name twice": Attack(f"{V3}qubit[2] q;\n// qhybrid: q[0] is a\n// qhybrid: q[1] is a\n", "'a' is named twice", 5),
}

ONE_QUBIT = ("x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "id")
ROTATIONS = ("rx", "ry", "rz", "p")
TWO_QUBITS = ("cx", "cz", "cy", "ch", "swap", "iswap", "ecr")
TWO_QUBIT_ROTATIONS = ("rxx", "ryy", "rzz", "crx", "cp", "rzx")
ANGLES = st.one_of(
    st.floats(-7, 7, allow_nan=False), st.sampled_from([0.0, math.pi, -math.pi / 2, math.pi / 3, 1e-17, 0.1 + 0.2])
)


@st.composite
def circuits(draw: st.DrawFn, *, inputs: int):  # noqa: C901  one case per kind of gate
    """A random circuit of standard and composed gates; angles are numbers, or sums of multiples of inputs."""
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

    n = draw(st.integers(2, 4))
    circuit, free = QuantumCircuit(n), [Parameter(f"a{i}") for i in range(inputs)]

    def angle():
        value = draw(ANGLES)
        for parameter in free:
            factor = draw(st.sampled_from([0, 0, 1, -2, 0.7]))
            value = value + factor * parameter if factor else value
        return value

    for _ in range(draw(st.integers(1, 12))):
        a, b, *_ = draw(st.permutations(range(n)))
        match draw(st.integers(0, 6)):
            case 0:
                getattr(circuit, draw(st.sampled_from(ONE_QUBIT)))(a)
            case 1:
                getattr(circuit, draw(st.sampled_from(ROTATIONS)))(angle(), a)
            case 2:
                getattr(circuit, draw(st.sampled_from(TWO_QUBITS)))(a, b)
            case 3:
                getattr(circuit, draw(st.sampled_from(TWO_QUBIT_ROTATIONS)))(angle(), a, b)
            case 4:
                circuit.u(angle(), angle(), angle(), a)
            case 5:
                circuit.barrier(a, b)
            case 6:
                part = QuantumCircuit(2, name="part")
                part.rx(draw(ANGLES), 0)
                part.cx(0, 1)
                circuit.append(part.to_gate(), [a, b])
    for parameter in free:
        circuit.rz(parameter, 0)
    return circuit
