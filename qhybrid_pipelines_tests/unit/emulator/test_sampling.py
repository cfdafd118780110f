"""Simulation and sampling: exact on the ideal machine, noisy in the right amount, integer counts, same seed same shots."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from qhybrid_pipelines.emulator.circuits import Circuit
from qhybrid_pipelines.emulator.gates import probabilities
from qhybrid_pipelines.emulator.machines import Fidelity
from qhybrid_pipelines.emulator.sampling import draw, frequencies, histogram

FLIP = [{"gate": "x", "target": 0}]
GOOD = Fidelity(one_qubit=0.999, two_qubit=0.99, spam=0.995)

ONE = st.sampled_from(["x", "y", "z", "h", "s", "si", "t", "ti", "v", "vi", "rx", "ry", "rz"])
TWO = st.sampled_from(["xx", "yy", "zz", "swap", "cnot"])
ANGLE = st.floats(-7, 7)
QISKIT = {"si": "sdg", "ti": "tdg", "v": "sx", "vi": "sxdg", "xx": "rxx", "yy": "ryy", "zz": "rzz", "cnot": "cx"}


@st.composite
def gate_lists(draw_one: st.DrawFn) -> list[dict]:
    gates = []
    for _ in range(draw_one(st.integers(1, 12))):
        first, second = draw_one(st.permutations(range(4)))[:2]
        if draw_one(st.booleans()):
            name = draw_one(ONE)
            gate = {"gate": name, "target": first}
        else:
            name = draw_one(TWO)
            gate = (
                {"gate": name, "control": first, "target": second}
                if name == "cnot"
                else {"gate": name, "targets": [first, second]}
            )
        if name in ("rx", "ry", "rz", "xx", "yy", "zz"):
            gate["rotation"] = draw_one(ANGLE)
        gates.append(gate)
    return gates


def in_qiskit(gates: list[dict]) -> np.ndarray:
    circuit = QuantumCircuit(4)
    for gate in gates:
        name = QISKIT.get(gate["gate"], gate["gate"])
        qubits = (
            gate["targets"]
            if "targets" in gate
            else [*([gate["control"]] if "control" in gate else []), gate["target"]]
        )
        angles = [gate["rotation"]] if "rotation" in gate else []
        getattr(circuit, name)(*angles, *qubits)
    return Statevector(circuit).probabilities()


@settings(deadline=None, max_examples=60)
@given(gate_lists())
def test_the_state_vector_agrees_with_qiskit(gates: list[dict]) -> None:
    touched, found = probabilities(gates, "qis")
    spread = np.zeros(16)
    for state, probability in enumerate(found):
        spread[sum(((state >> place) & 1) << qubit for place, qubit in enumerate(touched))] = probability
    np.testing.assert_allclose(spread, in_qiskit(gates), atol=1e-12)


def test_qubit_zero_is_the_lowest_bit_and_untouched_qubits_are_zero() -> None:
    circuits = [Circuit(name=None, qubits=20, gateset="qis", gates=[{"gate": "x", "target": q}]) for q in (0, 5, 19)]
    assert [set(histogram(one)) for one in draw(circuits, shots=10, fidelity=None, seed="a")] == [
        {"1"},
        {"32"},
        {str(2**19)},
    ]


def test_an_empty_circuit_reads_zero() -> None:
    (states,) = draw([Circuit(name=None, qubits=3, gateset="qis", gates=[])], shots=5, fidelity=None, seed="a")
    assert histogram(states) == {"0": 5}


@settings(deadline=None, max_examples=40)
@given(shots=st.integers(1, 5000), seed=st.text(max_size=5), noisy=st.booleans())
def test_rounded_probabilities_are_the_integers_that_were_read(*, shots: int, seed: str, noisy: bool) -> None:
    gates = [{"gate": "h", "target": q} for q in range(4)]
    circuit = Circuit(name=None, qubits=4, gateset="qis", gates=gates)
    (states,) = draw([circuit], shots=shots, fidelity=GOOD if noisy else None, seed=seed)
    counts = {state: round(p * shots) for state, p in frequencies(states).items()}
    assert counts == histogram(states)
    assert sum(counts.values()) == shots


def test_same_seed_same_shots_and_equal_circuits_are_independent_runs() -> None:
    bell = Circuit(name="a", qubits=2, gateset="qis", gates=[{"gate": "h", "target": 0}])
    twin = Circuit(name="b", qubits=2, gateset="qis", gates=[{"gate": "h", "target": 0}])
    first, second = (draw([bell, twin], shots=200, fidelity=GOOD, seed="7/job") for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first[0] != first[1]).any()
    assert (draw([bell, twin], shots=200, fidelity=GOOD, seed="8/job")[0] != first[0]).any()


def test_equal_circuits_are_simulated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    simulated = []

    def counted(gates, gateset):
        simulated.append(gates)
        return probabilities(gates, gateset)

    monkeypatch.setattr("qhybrid_pipelines.emulator.sampling.probabilities", counted)
    bell = Circuit(name="a", qubits=2, gateset="qis", gates=[{"gate": "h", "target": 0}])
    flip = Circuit(name="a", qubits=2, gateset="qis", gates=FLIP)
    drawn = draw([bell, flip, bell, bell], shots=50, fidelity=None, seed="a")
    assert len(simulated) == 2
    assert [len(one) for one in drawn] == [50] * 4
    assert set(histogram(drawn[1])) == {"1"}


def test_readout_errors_have_the_stated_size() -> None:
    idle = Circuit(name=None, qubits=5, gateset="qis", gates=[])
    shots = 200_000
    (states,) = draw([idle], shots=shots, fidelity=Fidelity(one_qubit=1, two_qubit=1, spam=0.98), seed="a")
    for qubit in range(5):
        assert ((states >> qubit) & 1).mean() == pytest.approx(0.02, abs=5 * np.sqrt(0.02 / shots))


def test_gate_errors_have_the_stated_size() -> None:
    gates = [{"gate": "x", "target": 0}] * 2 + [{"gate": "cnot", "control": 0, "target": 1}] * 10
    shots = 200_000
    noise = Fidelity(one_qubit=0.99, two_qubit=0.98, spam=1.0)
    (states,) = draw([Circuit(name=None, qubits=2, gateset="qis", gates=gates)], shots=shots, fidelity=noise, seed="a")
    worked = 0.99**2 * 0.98**10
    assert (states == 0).mean() == pytest.approx(worked + (1 - worked) / 4, abs=0.005)
