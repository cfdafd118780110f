"""Every gate and every angle of the engines that take any circuit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qhybrid_pipelines.execution.engines import lightning
from qhybrid_pipelines.execution.engines.aer import NATIVE_GATES, PreparedCircuit, prepare_circuit
from qhybrid_pipelines_tests.unit.execution.test_engines import (
    MEASURE,
    by_lightning,
    circuit,
    make_batch,
    truth,
)


@pytest.mark.parametrize("name", lightning.GATES)
def test_every_gate_of_lightning(name):
    """Each gate on qubits in both orders, inside a circuit that makes its phases and its direction visible."""
    from qiskit.circuit import QuantumCircuit
    from qiskit.circuit.library import get_standard_gate_name_mapping
    from qiskit.quantum_info import Statevector

    gate = get_standard_gate_name_mapping()[name]
    operation = type(gate)(*(0.7 + i for i in range(len(gate.params))))
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        qiskit = QuantumCircuit(3)
        for _ in range(2):
            for qubit in range(3):
                qiskit.ry(0.3 + qubit, qubit)
                qiskit.rz(0.9 - qubit, qubit)
            qiskit.append(operation, order[: gate.num_qubits])
        batch = circuit("h q[0];", *(f"c[{i}] = measure q[{i}];" for i in range(3)), n=3)
        prepared = PreparedCircuit(circuit=qiskit, columns=())
        [row] = lightning.exact_probabilities(batch, prepared)
        assert np.abs(row - Statevector(qiskit).probabilities()).max() < 1e-14


def test_rotations_that_meet_on_a_qubit_become_one():
    from qiskit.circuit import QuantumCircuit
    from qiskit.quantum_info import Statevector

    rng = np.random.default_rng(5)
    qiskit = QuantumCircuit(3)
    for _ in range(60):
        name, qubit = rng.choice(["ry", "rz", "rx", "h", "cx"], p=[0.35, 0.35, 0.1, 0.1, 0.1]), int(rng.integers(3))
        match name:
            case "cx":
                qiskit.cx(qubit, (qubit + 1) % 3)
            case "h":
                qiskit.h(qubit)
            case _:
                getattr(qiskit, name)(rng.uniform(-3, 3), qubit)
    batch = circuit("h q[0];", *(f"c[{i}] = measure q[{i}];" for i in range(3)), n=3)
    [row] = lightning.exact_probabilities(batch, PreparedCircuit(circuit=qiskit, columns=()))
    assert np.abs(row - Statevector(qiskit).probabilities()).max() < 1e-14
    assert len(lightning._gates(qiskit)) < 50


@pytest.mark.parametrize(
    "angle", ["a", "2*a - b/3", "a*b", "a/(b + 10)", "0.5"], ids=["input", "affine", "product", "quotient", "number"]
)
def test_lightning_evaluates_expressions(angle):
    batch = circuit(f"rx({angle}) q[0];", "ry(b) q[1];", "cx q[0], q[1];", "u3(a, 1, b) q[1];", *MEASURE, inputs="ab")
    batch = replace(
        batch, bindings=np.random.default_rng(1).uniform(-3, 3, size=(300, 2)), seeds=np.ones((300, 1), dtype=np.uint64)
    )
    together = by_lightning(batch)
    assert np.abs(together[::50] - truth(replace(batch, bindings=batch.bindings[::50]))).max() < 1e-13
    alone = by_lightning(replace(batch, bindings=batch.bindings[270:], seeds=batch.seeds[270:]))
    assert np.array_equal(alone, together[270:])


def test_native_gates_are_those_of_aer():
    from qiskit_aer import AerSimulator

    assert set(NATIVE_GATES) <= set(AerSimulator(method="statevector").target.operation_names)
    for batch in (make_batch(), make_batch(cardinality=2), make_batch(kind="hardware_efficient")):
        prepared, _ = prepare_circuit(batch.template, keep_measurements=False)
        assert set(prepared.circuit.count_ops()) <= set(NATIVE_GATES)
