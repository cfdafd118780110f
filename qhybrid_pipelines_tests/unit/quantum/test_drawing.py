from qhybrid_pipelines.quantum.drawing import draw_from_text
from qhybrid_pipelines.quantum.qasm import draw_circuit, empty_circuit, make_template

TEXT = """OPENQASM 3.0;
include "stdgates.inc";
input float[64] a;
gate rzz(p0) _gate_q_0, _gate_q_1 {
  cx _gate_q_0, _gate_q_1;
}
bit[3] c;
qubit[3] q;
h q[0];
h q[2];
rzz(a) q[2], q[0];
rx(a) q[1];
c[0] = measure q[0];
"""


def test_a_step_stands_where_its_wires_are_free():
    assert draw_from_text(TEXT, columns=120) == (
        "q[0]: ─[h]────●───────[M]──\n"
        "q[1]: ────────┼─────[rx(a)]\n"
        "q[2]: ─[h]─[rzz(a)]────────"
    )  # fmt: skip


def test_a_long_circuit_is_folded():
    parts = draw_from_text(TEXT + "h q[1];\n" * 40, columns=60).split("\n\n")
    assert len(parts) > 2
    assert all(len(line) <= 60 and line.startswith("q[") for part in parts for line in part.splitlines())
    assert sum(part.count("[h]") for part in parts) == 42


def test_what_is_more_than_gates_is_drawn_by_qiskit():
    text = TEXT + "if (c[0]) {\n  x q[1];\n}\n"
    assert draw_from_text(text, columns=120) is None
    assert "If-0" in draw_circuit(text)


def test_every_step_of_a_template_is_in_its_drawing():
    circuit = empty_circuit(4)
    for qubit in range(4):
        circuit.h(qubit)
    circuit.cx(3, 1)
    circuit.cx(0, 2)
    drawing = draw_circuit(make_template(circuit).text)
    assert [drawing.count(mark) for mark in ("[h]", "[cx]", "●", "┼", "[M]")] == [4, 2, 2, 2, 4]
