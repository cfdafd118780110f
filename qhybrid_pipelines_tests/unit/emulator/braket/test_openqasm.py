"""Programs are read as they are meant, or refused in words."""

from __future__ import annotations

import math

import pytest

from qhybrid_pipelines.emulator.braket.openqasm import Program, ProgramError

HEAD = "OPENQASM 3.0;\nqubit[3] q;\nbit[3] b;\n"


def test_inputs_expressions_and_measurements():
    source = "OPENQASM 3.0; input float[64] theta; qubit[2] a; qubit b; bit[2] c;".replace("qubit b;", "qubit[1] b;")
    program = Program(
        f"{source} rx(-2*theta/3 + pi) a[1]; cnot a[1], b[0]; c[1] = measure b[0]; c[0] = measure a[0];", {"theta": 0.3}
    )
    turn, flip = program.circuit.gates
    assert turn == {"gate": "rx", "targets": [1], "rotation": pytest.approx(math.pi - 0.2)}
    assert flip == {"gate": "x", "targets": [2], "controls": [1]}
    assert program.measured == [2, 0]


@pytest.mark.parametrize("measure", ["", "b = measure q;", "measure q[0], q[1], q[2];"])
def test_without_a_word_all_qubits_are_measured(measure):
    assert Program(f"{HEAD} h q[0]; {measure}", {}).measured == [0, 1, 2]


def test_physical_qubits_need_no_declaration():
    program = Program("OPENQASM 3.0; h $0; cnot $0, $2;", {})
    assert (program.circuit.qubits, program.measured) == (3, [0, 1, 2])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("for int i in [0:2] { h q[i]; }", "does not know"),
        ("u3(1, 2, 3) q[0];", "does not know"),
        ("rx(__import__('os')) q[0];", "is not an angle"),
        ("rx(9**9**9) q[0];", "is not an angle"),
        ("rx(1/0) q[0];", "is not an angle"),
        ("rx(theta) q[0];", "is not an angle"),
        ("rx q[0];", "number of angles"),
        ("h(1) q[0];", "number of angles"),
        ("h q[3];", "no qubit q"),
        ("h r[0];", "no qubit r"),
        ("h $900;", "no qubit"),
        ("measure q[0]; measure q[0];", "measured twice"),
        ("measure q[0]; measure q;", "measured twice"),
        ("b[0] = measure q[0]; h q[0];", "follows a measurement"),
        ("input float x;", "no input 'x'"),
        ("qubit[2] q;", "declared twice"),
        ("qubit[900] r;", "does not run"),
        ("#pragma braket verbatim\nh q[0];", "no pragmas"),
        ("OPENQASM 2.0;", "not OpenQASM 3"),
    ],
)
def test_what_is_not_known_is_refused_in_words(body, why):
    with pytest.raises(ProgramError, match=why):
        Program(HEAD + body, {})
