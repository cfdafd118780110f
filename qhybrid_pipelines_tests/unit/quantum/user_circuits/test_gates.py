"""The standard gates of both languages, against the libraries that Qiskit's own readers bring."""

from __future__ import annotations

import math

import pytest
from qiskit import QuantumCircuit, qasm2, qasm3
from qiskit.quantum_info import Operator

from qhybrid_pipelines.quantum.user_circuits.controls import controlled_steps
from qhybrid_pipelines.quantum.user_circuits.gates import AMBIGUOUS, BUILTIN, LIBRARY

ANGLES = (0.7, -1.3, 0.45, 0.2)
#: `u0` is a wait, and `gphase` acts on no qubit.
WITHOUT_A_MATRIX = {"u0", "gphase"}
GATES = [
    (version, name)
    for version in (2, 3)
    for name in {**LIBRARY[version], **BUILTIN[version]}
    if name not in WITHOUT_A_MATRIX
]


def their_circuit(version, name, gate):
    angles = f"({', '.join(map(repr, ANGLES[: gate.n_angles]))})" if gate.n_angles else ""
    qubits = ", ".join(f"q[{index}]" for index in range(gate.n_qubits))
    if version == 2:
        text = f'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[{gate.n_qubits}];\n{name}{angles} {qubits};\n'
        return qasm2.loads(text, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
    return qasm3.loads(f'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[{gate.n_qubits}] q;\n{name}{angles} {qubits};\n')


@pytest.mark.parametrize(("version", "name"), GATES)
def test_a_gate_is_the_one_of_the_library(version, name):
    gate = {**LIBRARY[version], **BUILTIN[version]}[name]
    places = list(range(gate.n_qubits))
    circuit = QuantumCircuit(gate.n_qubits)
    unit = gate.unit(*ANGLES[: gate.n_angles])
    for step in controlled_steps(unit, places[: gate.n_controls], places[gate.n_controls :]):
        getattr(circuit, step.name)(*step.angles, *step.qubits)
    assert Operator(circuit).equiv(Operator(their_circuit(version, name, gate)), atol=1e-9)


def test_names_that_mean_several_things_are_not_in_the_library():
    assert not set(AMBIGUOUS[3]) & set(LIBRARY[3])


@pytest.mark.parametrize(("name", "gamma"), [("u3", -0.5 * (ANGLES[1] + ANGLES[2])), ("U", 0.5 * ANGLES[0])])
def test_the_phase_of_a_general_gate_in_version_3(name, gamma):
    unit = {**LIBRARY[3], **BUILTIN[3]}[name].unit(*ANGLES[:3])
    assert unit.angles == pytest.approx((*ANGLES[:3], gamma))


def test_the_phase_of_u2_in_version_3():
    assert LIBRARY[3]["u2"].unit(*ANGLES[:2]).angles == pytest.approx(
        (math.pi / 2, *ANGLES[:2], -0.5 * sum(ANGLES[:2]))
    )
