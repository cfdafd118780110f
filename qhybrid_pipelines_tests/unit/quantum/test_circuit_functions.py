"""QNodes and functions of several arguments are the circuits that they are, with inputs of their arguments' names."""

from __future__ import annotations

import re

import numpy as np
import pennylane as qml
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.circuit_functions import circuit_from_function, is_qnode


def probabilities(recorded, **values):
    """Return what the recorded circuit measures, qubit 0 first, with its inputs bound by name."""
    circuit = recorded.circuit.remove_final_measurements(inplace=False)
    bound = circuit.assign_parameters(values)
    return Statevector(bound).probabilities(range(bound.num_qubits)[::-1])


def two_layers(gammas, beta, shift=0.25):
    for wire in range(3):
        qml.Hadamard(wires=wire)
    for gamma in gammas:
        qml.IsingZZ(gamma, wires=(0, 1))
        qml.CRY(2 * gamma + beta, wires=(1, 2))
    qml.RX(beta, wires=0)
    qml.RZ(shift, wires=2)
    qml.RY(shift, wires=2)


def test_a_function_of_several_arguments():
    recorded = circuit_from_function(two_layers, angles={"gammas": 2})
    assert [str(parameter) for parameter in recorded.circuit.parameters] == ["beta", "gammas_0", "gammas_1"]

    @qml.qnode(qml.device("default.qubit", wires=3))
    def node(gammas, beta):
        two_layers(gammas, beta)
        return qml.probs(wires=range(3))

    expected = node(np.array([0.3, -0.8]), 0.9)
    assert np.allclose(probabilities(recorded, beta=0.9, gammas_0=0.3, gammas_1=-0.8), expected, atol=1e-12)


def test_a_qnode_has_the_wires_of_its_device_in_their_order():
    @qml.qnode(qml.device("default.qubit", wires=["eve", "ann", "bob"]))
    def node(theta):
        qml.RY(theta, wires="ann")
        qml.CNOT(wires=["ann", "eve"])
        return qml.probs(wires=["eve", "ann", "bob"])

    assert is_qnode(node)
    recorded = circuit_from_function(node)
    assert recorded.wires == ("eve", "ann", "bob")
    assert np.allclose(probabilities(recorded, theta=0.7), node(0.7), atol=1e-12)


def test_a_function_may_return_a_qiskit_circuit():
    def made(theta, phi):
        circuit = QuantumCircuit(2)
        circuit.ry(theta, 0)
        circuit.cp(phi, 0, 1)
        return circuit

    recorded = circuit_from_function(made)
    assert recorded.wires is None
    assert {str(parameter) for parameter in recorded.circuit.parameters} == {"theta", "phi"}


def queues(*wires):
    def circuit(theta):
        for wire in wires:
            qml.RX(theta, wires=wire)

    return circuit


@pytest.mark.parametrize(
    ("wires", "nodes", "order"),
    [
        ((2, 0, 1), [2, 0, 1], (2, 0, 1)),  # a wire that has a node's name is that node
        ((0, 1), ["ann", "bob", "eve"], (0, 1, 2)),  # else the i-th
        ((0, 1), [1, 2], (0, 1)),
        (("bob",), ["ann", "bob"], ("ann", "bob")),
        ((0, 2), None, (0, 1, 2)),
    ],
)
def test_which_wire_is_which_qubit(wires, nodes, order):
    recorded = circuit_from_function(queues(*wires), nodes=nodes)
    assert recorded.wires == order
    acted = {
        recorded.circuit.find_bit(step.qubits[0]).index for step in recorded.circuit.data if step.operation.name == "rx"
    }
    assert acted == {order.index(wire) for wire in wires}


@pytest.mark.parametrize(
    ("function", "options", "words"),
    [
        (lambda gammas: qml.RX(gammas[0], wires=0), {}, "for example angles={'gammas': 2}"),
        (lambda gammas: qml.RX(gammas[5], wires=0), {"angles": {"gammas": 2}}, "out of bounds"),
        (lambda gammas: qml.RX(gammas, wires=0), {"angles": {"gamas": 2}}, "no argument 'gamas'. Did you mean gammas?"),
        (lambda gammas: qml.RX(gammas, wires=0), {"angles": {"gammas": 0}}, "cannot hold 0 angles"),
        (lambda *gammas: qml.RX(gammas[0], wires=0), {}, "no fixed angles"),
        (lambda gamma: qml.RX(np.sqrt(gamma), wires=0), {}, "cannot be recorded"),
        (lambda gamma: qml.QFT(wires=[0, 1]), {}, "the gate QFT cannot be written down"),
        (lambda gamma: qml.RX(gamma, wires="ann"), {}, "in which order the wires ann are qubits"),
        (lambda gamma: qml.RX(gamma, wires=7), {"nodes": ["ann", "bob"]}, "the circuit has 0 to 1"),
        (lambda gamma: None, {}, "queues no gate"),
    ],
)
def test_what_cannot_be_recorded_is_named(function, options, words):
    with pytest.raises(InvalidInput, match=re.escape(words)):
        circuit_from_function(function, **options)


def test_what_a_qnode_measures_does_not_count():
    @qml.qnode(qml.device("default.qubit", wires=2))
    def node(theta):
        qml.RX(theta, wires=0)
        return qml.expval(qml.PauliZ(0))

    assert circuit_from_function(node).circuit.count_ops() == {"rx": 1, "measure": 2}
