"""Reading circuit text: standard gates come back as themselves, impostors keep their body, wrong text is named."""

from __future__ import annotations

import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.openqasm import bind_parameters, read_circuit

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


TEXT = (
    HEAD + "input float[64] ab;\n" + RZZ + "bit[2] c;\nqubit[2] q;\nrzz(a) q[0], q[1];\nrx(ab) q[0];\nry(2*a) q[1];\n"
)


def test_numbers_stand_in_the_place_of_inputs_to_the_last_digit():
    bound = bind_parameters(TEXT, {"a": -0.1234567890123456789, "ab": 1e-17})
    assert bound == (
        'OPENQASM 3.0;\ninclude "stdgates.inc";\n' + RZZ + "bit[2] c;\nqubit[2] q;\n"
        "rzz((-0.12345678901234568)) q[0], q[1];\nrx(1e-17) q[0];\nry(2*(-0.12345678901234568)) q[1];\n"
    )
    free = read_circuit(TEXT)
    values = {"a": -0.12345678901234568, "ab": 1e-17}
    again = free.assign_parameters({parameter: values[parameter.name] for parameter in free.parameters})
    assert read_circuit(bound) == again


def test_zero_is_a_number_like_any_other_and_angles_of_definitions_keep_their_names():
    own = TEXT.replace("p0", "a")
    assert "rz(a) x1;" in bind_parameters(own, {"a": 0.0, "ab": -0.0})
    assert "rzz(0.0) q[0]" in bind_parameters(own, {"a": 0.0, "ab": -0.0})
    assert "rx(-0.0) q[0]" in bind_parameters(own, {"a": 0.0, "ab": -0.0})
    assert bind_parameters(own, {}) == own


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("OPENQASM 2.0;", "the circuit's text does not start with OPENQASM 3"),
        (HEAD + "qubit[2] q;\nx q[0] q[1];\n", "the circuit's text cannot be read: L5:C7: 'q' has no place there"),
    ],
)
def test_wrong_text_is_told_with_its_place_and_the_remedy(text, problem):
    with pytest.raises(InvalidInput) as caught:
        read_circuit(text)
    assert caught.value.problem == problem
    assert caught.value.field == "template"
    assert caught.value.remedy == (
        "Use OpenQASM 3 with `input float[64]` parameters, the standard gates and one `bit` register."
    )


def test_white_space_in_front_is_no_other_language():
    assert read_circuit("\n  " + HEAD + "qubit[1] q;\nrx(a) q[0];\n").num_qubits == 1


def test_each_input_has_an_angle_of_its_own_where_gates_are_compared():
    """A gate that agrees with the standard one only where both of its angles are equal is not that gate."""
    from qiskit.circuit.library import RGate

    swapped = "gate r(p0, p1) x {\n  U(p1, p0 - pi/2, pi/2 - p0) x;\n}\n"
    text = HEAD + "input float[64] b;\n%sbit[1] c;\nqubit[1] q;\nr(a, b) q[0];\nr(a, a) q[0];\n"
    first, second = read_circuit(text % swapped).data
    assert not isinstance(first.operation, RGate)
    assert isinstance(second.operation, RGate), "at equal angles it is"
    straight = "gate r(p0, p1) x {\n  U(p0, p1 - pi/2, pi/2 - p1) x;\n}\n"
    assert all(isinstance(step.operation, RGate) for step in read_circuit(text % straight).data)
