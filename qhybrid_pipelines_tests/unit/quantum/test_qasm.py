"""Template text: one text per circuit, unchanged by reading, the same in every process, and free of numbers."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.quantum.qasm import draw_circuit, empty_circuit, make_template, write_circuit

GATES = {
    **dict.fromkeys(("h", "x", "y", "z", "s", "t", "sx"), (1, 0)),
    **dict.fromkeys(("rx", "ry", "rz", "p"), (1, 1)),
    **dict.fromkeys(("cx", "cz", "swap"), (2, 0)),
    **dict.fromkeys(("rzz", "rxx", "ryy", "crx", "cry", "crz", "cp"), (2, 1)),
}


@st.composite
def circuits(draw):
    from qiskit.circuit import Parameter

    n = draw(st.integers(2, 5))
    circuit = empty_circuit(n)
    inputs = {name: Parameter(name) for name in ("gamma_0", "gamma_10", "gamma_2", "beta_0", "a")}
    for name in draw(st.lists(st.sampled_from(sorted(GATES)), max_size=12)):
        qubits, angles = GATES[name]
        where = draw(st.permutations(range(n)))[:qubits]
        getattr(circuit, name)(*[inputs[draw(st.sampled_from(sorted(inputs)))] for _ in range(angles)], *where)
    return circuit


def describe_instruction(instruction):
    # By class and names: a Parameter that was read again has another identity.
    operation = instruction.operation
    qubits = [qubit._index for qubit in instruction.qubits]
    return operation.base_class, operation.name, [str(value) for value in operation.params], qubits


@settings(max_examples=30, deadline=None)
@given(circuits())
def test_write_read_write_is_a_fixpoint(circuit):
    template = make_template(circuit)
    again = read_circuit(template.text)
    assert write_circuit(again) == template.text
    assert [gate for gate in map(describe_instruction, again.data) if gate[1] != "measure"] == list(
        map(describe_instruction, circuit.data)
    )
    assert tuple(p.name for p in again.parameters) == template.parameters
    assert tuple(re.findall(r"^input float\[64\] (\w+);$", template.text, re.MULTILINE)) == template.parameters


SCRIPT = """
import numpy as np
from qhybrid_pipelines_tests.support.reduced_models import ising
from qhybrid_pipelines.quantum.qaoa import qaoa_ansatz
model = ising([0.3, 0, -0.1, 0.2], {(0, 2): 1.0, (0, 1): 0.5, (2, 3): 1.0})
for mixer, ones in (("x", None), ("xy", 2), ("warm_start", None)):
    print(qaoa_ansatz(model, 12, mixer=mixer, cardinality=ones).template.template_id)
"""


def test_the_same_bytes_in_every_process(pytestconfig):
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(pytestconfig.rootpath)},
            stdout=subprocess.PIPE,
        )
        for seed in ("0", "12345")
    ]
    first, second = (process.communicate()[0] for process in running)
    assert first == second
    assert len(first.split()) == 3


def test_numbers_expressions_and_early_measurements_are_refused():
    from qiskit.circuit import Parameter

    for angle in (0.5, 2 * Parameter("a"), Parameter("Angle with spaces")):
        circuit = empty_circuit(1)
        circuit.rx(angle, 0)
        with pytest.raises(ValueError, match="not a named input"):
            make_template(circuit)
    circuit = empty_circuit(1)
    circuit.measure(0, 0)
    with pytest.raises(ValueError, match="classical bits"):
        make_template(circuit)


def test_the_drawing_names_the_inputs():
    circuit = empty_circuit(2)
    from qiskit.circuit import Parameter

    circuit.rzz(Parameter("cost_0_0"), 0, 1)
    drawing = draw_circuit(make_template(circuit).text)
    assert "cost_0_0" in drawing
    assert "q[1]" in drawing
