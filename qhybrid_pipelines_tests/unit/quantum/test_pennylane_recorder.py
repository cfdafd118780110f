"""A PennyLane function and its recorded text give the same probabilities; what cannot be recorded is named."""

import numpy as np
import pennylane as qml
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.quantum.pennylane_recorder import record_circuit
from qhybrid_pipelines.quantum.user_circuits.reader import read_user_circuit
from qhybrid_pipelines.steps.on_demand.notebook import register_circuit_function
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications


def ladder(angles):
    for wire in range(3):
        qml.Hadamard(wires=wire)
    qml.IsingZZ(2 * angles[0], wires=(0, 1))
    qml.CNOT(wires=(1, 2))
    qml.Rot(angles[1], angles[2], angles[0] + angles[1], wires=2)
    qml.CRY(angles[3], wires=(2, 0))


def test_the_text_is_the_function():
    from qiskit.quantum_info import Statevector

    from qhybrid_pipelines.core.jobs.openqasm import read_circuit

    values = np.array([0.3, -1.1, 0.7, 2.2])

    @qml.qnode(qml.device("default.qubit", wires=3))
    def node(angles):
        ladder(angles)
        return qml.probs(wires=[2, 1, 0])  # Qiskit writes qubit 0 last

    circuit = read_circuit(record_circuit(ladder, angles=4, qubits=3)).remove_final_measurements(inplace=False)
    bound = circuit.assign_parameters({f"t_{number}": value for number, value in enumerate(values)})
    assert np.allclose(Statevector(bound).probabilities(), node(values), atol=1e-12)


def test_one_call_makes_an_experiment_of_it(tmp_path):
    problem = {"family": "maxcut", "source": "networkx:petersen"}

    def chain(angles):
        for wire in range(9):
            qml.RY(angles[wire], wires=wire)
        for wire in range(8):
            qml.CZ(wires=(wire, wire + 1))

    terms = {"angles": 9, "qubits": 9, "problem": problem, "home": tmp_path, "shots": 64}
    key = register_circuit_function(chain, **terms)
    assert register_circuit_function(chain, **terms) == key
    registered = Specifications(Home(tmp_path))
    spec = registered.load(key)
    assert (spec.name, spec.shots, spec.sweep.strategy) == ("chain", 64, "random")
    kept = read_user_circuit(registered.read_source_file(spec.problem.circuit), file="chain.qasm")
    assert (kept.n_qubits, len(kept.inputs)) == (9, 9)


def deaf(angles):
    qml.RX(np.sqrt(angles[0]), wires=0)


def wide(angles):
    qml.RX(angles[0], wires=5)


def strange(angles):
    qml.QubitUnitary(np.eye(2), wires=0)


@pytest.mark.parametrize(("circuit", "words"), [(deaf, "recorded"), (wide, "wires"), (strange, "QubitUnitary")])
def test_what_cannot_be_recorded_is_named(circuit, words):
    with pytest.raises(InvalidInput, match=words):
        record_circuit(circuit, angles=1, qubits=2)
