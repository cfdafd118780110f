"""Units under controls: the matrix written out by its formula, and a standard gate where Qiskit has one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator
from scipy.linalg import block_diag, expm

from qhybrid_pipelines.quantum.user_circuits.controls import controlled_steps
from qhybrid_pipelines.quantum.user_circuits.gates import Unit, invert

ANGLES = (0.7, -1.3, 0.45, 0.2)
PAULI = {"x": [[0, 1], [1, 0]], "y": [[0, -1j], [1j, 0]], "z": [[1, 0], [0, -1]]}


def phase(angle):
    return np.diag([1, np.exp(1j * angle)])


def rotation(axis, angle):
    return expm(-0.5j * angle * np.array(PAULI[axis]))


def general(theta, phi, lamda, gamma):
    return np.exp(1j * gamma) * phase(phi) @ rotation("y", theta) @ phase(lamda)


ROOT_OF_X = 0.5 * np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]])
MATRICES = {
    **{Unit(name): np.array(matrix) for name, matrix in PAULI.items()},
    Unit("h"): np.array([[1, 1], [1, -1]]) / math.sqrt(2),
    Unit("s"): phase(math.pi / 2),
    Unit("sdg"): phase(-math.pi / 2),
    Unit("t"): phase(math.pi / 4),
    Unit("tdg"): phase(-math.pi / 4),
    Unit("sx"): ROOT_OF_X,
    Unit("sxdg"): ROOT_OF_X.conj().T,
    Unit("p", ANGLES[:1]): phase(ANGLES[0]),
    **{Unit(f"r{axis}", ANGLES[:1]): rotation(axis, ANGLES[0]) for axis in PAULI},
    Unit("u", ANGLES): general(*ANGLES),
    Unit("swap"): np.eye(4)[[0, 2, 1, 3]],
    Unit("gphase", ANGLES[:1]): np.array([[np.exp(1j * ANGLES[0])]]),
    Unit("id"): np.eye(2),
}


def circuit_of(steps, width):
    circuit = QuantumCircuit(width)
    for step in steps:
        getattr(circuit, step.name)(*step.angles, *step.qubits)
    return circuit


@pytest.mark.parametrize("controls", range(5))
@pytest.mark.parametrize("unit", MATRICES, ids=lambda unit: unit.name)
def test_a_unit_acts_where_all_controls_are_1(unit, controls):
    matrix = MATRICES[unit]
    targets = int(math.log2(len(matrix)))
    # The qubits of a circuit are the bits of a row from the lowest: targets first, so that controls select the last block.
    width = targets + controls
    steps = controlled_steps(unit, range(targets, width), range(targets))
    expected = block_diag(np.eye(2**width - len(matrix)), matrix)
    assert Operator(circuit_of(steps, width)).equiv(Operator(expected), atol=1e-9)


@pytest.mark.parametrize("unit", MATRICES, ids=lambda unit: unit.name)
def test_the_inverse_under_controls_undoes_it_with_its_phase(unit):
    targets = int(math.log2(len(MATRICES[unit])))
    width = targets + 1
    steps = [step for one in (unit, invert(unit)) for step in controlled_steps(one, [targets], range(targets))]
    assert Operator(circuit_of(steps, width)).equiv(Operator(np.eye(2**width)), atol=1e-9)


@pytest.mark.parametrize("unit", MATRICES, ids=lambda unit: unit.name)
def test_qiskits_own_gate_stands_for_one_control_where_there_is_one(unit):
    targets = int(math.log2(len(MATRICES[unit])))
    steps = list(controlled_steps(unit, [targets], range(targets)))
    name = f"c{unit.name}"
    if hasattr(QuantumCircuit, name):
        assert [step.name for step in steps] == [name]
        assert steps[0].qubits == (targets, *range(targets))


def test_qiskits_own_gates_stand_for_two_controls():
    for unit, name in ((Unit("x"), "ccx"), (Unit("z"), "ccz")):
        assert [(step.name, step.qubits) for step in controlled_steps(unit, [1, 2], [0])] == [(name, (1, 2, 0))]


def test_what_does_nothing_is_no_step():
    assert list(controlled_steps(Unit("id"), [1, 2], [0])) == []
    assert list(controlled_steps(Unit("gphase", (0.3,)), [], [])) == []


@pytest.mark.parametrize("controls", range(3, 8))
def test_more_controls_are_written_in_gates_of_one_and_two_qubits(controls):
    steps = list(controlled_steps(Unit("x"), range(1, controls + 1), [0]))
    assert max(len(step.qubits) for step in steps) == 2
