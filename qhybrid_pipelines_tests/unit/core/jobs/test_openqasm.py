"""Reading circuit text: standard gates come back as themselves, impostors keep their body, wrong text is named."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.openqasm import read_circuit

HEAD = 'OPENQASM 3.0;\ninclude "stdgates.inc";\ninput float[64] a;\n'
RZZ = "gate rzz(p0) x0, x1 {\n  cx x0, x1;\n  rz(p0) x1;\n  cx x0, x1;\n}\n"
BODY = "bit[2] c;\nqubit[2] q;\nrzz(a) q[0], q[1];\nc[0] = measure q[0];\nc[1] = measure q[1];\n"


def test_a_defined_gate_with_the_standard_matrix_becomes_the_standard_gate():
    from qiskit.circuit.library import RZZGate

    operation = read_circuit(HEAD + RZZ + BODY).data[0].operation
    assert isinstance(operation, RZZGate)
    assert operation.params[0].name == "a"


@pytest.mark.parametrize(
    "definition",
    [
        RZZ.replace("rz(p0) x1", "rz(2*p0) x1"),
        RZZ.replace("  rz(p0) x1;\n", "  rx(p0) x1;\n"),
        "gate rzz(p0) x0, x1 {\n}\n",
    ],
)
def test_a_gate_that_borrows_a_standard_name_keeps_its_body(definition):
    from qiskit.circuit.library import RZZGate

    assert not isinstance(read_circuit(HEAD + definition + BODY).data[0].operation, RZZGate)


def test_a_borrowed_name_with_another_number_of_angles_or_qubits_is_kept():
    text = HEAD + "gate rzz x0, x1 {\n  cx x0, x1;\n}\n" + BODY.replace("rzz(a)", "rzz")
    assert read_circuit(text).data[0].operation.params == []
    wide = "gate rzz(p0) x0, x1, x2 {\n  rz(p0) x2;\n}\n"
    text = HEAD + wide + BODY.replace("qubit[2]", "qubit[3]").replace("q[0], q[1];", "q[0], q[1], q[2];", 1)
    assert read_circuit(text).data[0].operation.num_qubits == 3


@pytest.mark.parametrize(
    "text",
    ["", "garbage", "OPENQASM 2.0;\n", HEAD + "qubit[2] q;\nnonsense q[0];\n", HEAD + 'include "other.inc";\n'],
)
def test_wrong_text_is_a_wrong_input(text):
    with pytest.raises(InvalidInput, match="circuit's text"):
        read_circuit(text)
