"""Circuits in a device's own gates mean what Qiskit says they mean, wherever on the device they are; others are refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from qhybrid_pipelines.emulator.circuits import BadRequest
from qhybrid_pipelines.emulator.gates import probabilities
from qhybrid_pipelines.emulator.ibm.circuits import layout_of, simulated
from qhybrid_pipelines.emulator.ibm.devices import snapshot

ROW = {"ibm_manila": (0, 1, 2, 3, 4), "ibm_fez": (4, 5, 6, 7, 8)}


def random_circuit(draw: np.random.Generator, device: str) -> tuple[QuantumCircuit, QuantumCircuit]:
    """Return a circuit on a row of a device's qubits, and the same on five qubits alone; all five are measured."""
    row = ROW[device]
    placed, alone = QuantumCircuit(max(row) + 1, 5), QuantumCircuit(5)
    pair = "cx" if device == "ibm_manila" else "cz"
    for _ in range(60):
        name = str(draw.choice(["sx", "x", "rz", pair, *(["rx", "rzz"] if pair == "cz" else [])]))
        first = int(draw.integers(4))
        acting = [first, first + 1][:: int(draw.choice([1, -1]))] if name in (pair, "rzz") else [first]
        angles = [float(draw.uniform(-7, 7))] if name.startswith("r") else []
        getattr(placed, name)(*angles, *(row[qubit] for qubit in acting))
        getattr(alone, name)(*angles, *acting)
    placed.barrier()
    placed.measure(row, range(5))
    return placed, alone


@pytest.mark.parametrize("device", ROW)
def test_the_distribution_is_qiskits(device):
    draw = np.random.default_rng(7)
    for _ in range(5):
        placed, alone = random_circuit(draw, device)
        layout = layout_of(placed, snapshot(device), "pubs[0]")
        assert layout.used == ROW[device]
        assert layout.measured == {bit: bit for bit in range(5)}
        circuit = simulated(placed, layout)
        touched, found = probabilities(circuit.gates, circuit.gateset)
        whole = np.zeros(32)
        for local, share in enumerate(found):
            whole[sum(((local >> place) & 1) << qubit for place, qubit in enumerate(touched))] += share
        assert whole == pytest.approx(Statevector(alone).probabilities(), abs=1e-9)


def refused(*steps: tuple, qubits: int = 5) -> str:
    circuit = QuantumCircuit(qubits, 2)
    for name, *acting in steps:
        getattr(circuit, name)(*acting)
    with pytest.raises(BadRequest) as caught:
        layout_of(circuit, snapshot("ibm_manila"), "pubs[0]")
    return str(caught.value)


def test_what_the_device_does_not_take_is_refused_by_name():
    assert "h is not a gate of the device" in refused(("h", 0))
    assert "cz is not a gate of the device" in refused(("cz", 0, 1))
    assert "cx acts on qubits [0, 4], which are not coupled" in refused(("cx", 0, 4))
    assert "x acts on qubit 1, which was measured before" in refused(("measure", 1, 0), ("x", 1))
    assert "has 6 qubits, the device 5" in refused(("x", 0), qubits=6)
    assert "reset" in refused(("reset", 0))
