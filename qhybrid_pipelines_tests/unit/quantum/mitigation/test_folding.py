"""Folded circuits do what the circuit does, and with depolarising noise their energies lead back to the one without."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import DensityMatrix, Kraus, Pauli, Statevector

from qhybrid_pipelines.classical.shot_means import mean_over_shots
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.jobs.openqasm import read_circuit
from qhybrid_pipelines.quantum.circuits import PlannedBatch
from qhybrid_pipelines.quantum.mitigation.extrapolation import extrapolate
from qhybrid_pipelines.quantum.mitigation.folding import fold_batch
from qhybrid_pipelines.quantum.qasm import empty_circuit, make_template

ANGLES = np.array([[0.37, 0.81, -0.4], [-1.2, 0.25, 2.0]])
FACTORS = (1, 3, 5)
#: Of a ring of four: minus the number of cut edges is (sum of ZZ - 4) / 2.
EDGES = ((0, 1), (1, 2), (2, 3), (3, 0))
BITS = (np.arange(16)[:, None] >> np.arange(4)) & 1
ENERGIES = sum((1 - 2 * BITS[:, a]) * (1 - 2 * BITS[:, b]) for a, b in EDGES).astype(float)


def planned(circuit: QuantumCircuit, bindings: np.ndarray) -> PlannedBatch:
    seeds = np.zeros((len(bindings), 1), dtype=np.uint64)
    batch = CircuitBatch(
        experiment="e", backend="b", template=make_template(circuit), bindings=bindings, shots=10, seeds=seeds
    )
    return PlannedBatch(batch=batch, ansatz="file", mixer="", depth=1, two_qubit_gates=1)


def of_every_kind() -> QuantumCircuit:
    circuit, (a, b, c) = empty_circuit(3), (Parameter(name) for name in "abc")
    circuit.h(0)
    circuit.rzz(a, 0, 1)
    circuit.s(2)
    circuit.u(a, b, c, 2)
    circuit.cx(2, 0)
    circuit.crx(b, 0, 1)
    circuit.ryy(c, 1, 2)
    circuit.p(a, 1)
    circuit.sx(0)
    return circuit


@pytest.mark.parametrize("factor", FACTORS)
def test_a_folded_circuit_does_the_same_with_so_many_times_the_gates(factor):
    circuit = of_every_kind()
    own = planned(circuit, ANGLES)
    folded = fold_batch(own, factor)
    text = read_circuit(folded.batch.template.text)
    gates = [step for step in text.data if step.operation.name not in ("barrier", "measure")]
    assert len(gates) == factor * len(circuit.data)
    assert folded.two_qubit_gates == factor * 4
    assert (folded.batch.shots, folded.batch.points) == (own.batch.shots, own.batch.points)
    for point in range(len(ANGLES)):
        states = []
        for batch in (own.batch, folded.batch):
            bound = read_circuit(batch.template.text).assign_parameters(
                dict(zip(batch.template.parameters, batch.bindings[point], strict=True))
            )
            states.append(Statevector(bound.remove_final_measurements(inplace=False)))
        assert states[0].equiv(states[1])


def test_a_gate_whose_inverse_has_other_angles_is_refused():
    circuit, a = empty_circuit(1), Parameter("a")
    circuit.u(a, a, a, 0)
    fold_batch(planned(circuit, np.array([[0.3]])), 3)
    from qiskit.circuit.library import U2Gate

    odd = empty_circuit(1)
    odd.append(U2Gate(a, Parameter("b")), [0])
    with pytest.raises(InvalidInput, match="the inverse of a gate u2 has an angle") as refused:
        fold_batch(planned(odd, np.array([[0.3, 0.4]])), 3)
    assert refused.value.field == "mitigation.estimation"


def ring() -> QuantumCircuit:
    """One layer of QAOA."""
    circuit, gamma, beta = empty_circuit(4), Parameter("gamma"), Parameter("beta")
    circuit.h(range(4))
    for a, b in EDGES:
        circuit.rzz(gamma, a, b)
    circuit.rx(beta, range(4))
    return circuit


def depolarising(probability: float, qubits: int) -> Kraus:
    """Return what replaces the state of some qubits by the uniform mixture with a probability; M. Nielsen and I. Chuang, section 8.3.4."""
    labels = ["".join(letters) for letters in product("IXYZ", repeat=qubits)]
    rest = probability / 4**qubits
    weights = [1 - probability + rest if set(label) == {"I"} else rest for label in labels]
    return Kraus([np.sqrt(weight) * Pauli(label).to_matrix() for weight, label in zip(weights, labels, strict=True)])


def shares(batch: CircuitBatch, errors: dict[int, float], readout: float = 0.0) -> np.ndarray:
    """Return the outcomes' probabilities with an error after every gate, by its number of qubits, and a wrong bit at the end."""
    bound = read_circuit(batch.template.text).assign_parameters(
        dict(zip(batch.template.parameters, batch.bindings[0], strict=True))
    )
    state = DensityMatrix.from_label("0000")
    for step in bound.data:
        if step.operation.name in ("barrier", "measure"):
            continue
        qubits = [bound.find_bit(qubit).index for qubit in step.qubits]
        state = state.evolve(step.operation, qubits)
        if errors.get(len(qubits)):
            state = state.evolve(depolarising(errors[len(qubits)], len(qubits)), qubits)
    found = state.probabilities()
    flip = np.array([[1 - readout, readout], [readout, 1 - readout]])
    for qubit in range(4):
        found = np.moveaxis(np.tensordot(flip, found.reshape([2] * 4), axes=(1, 3 - qubit)), 0, 3 - qubit)
    return found.ravel()


def measured(errors: dict[int, float], readout: float = 0.0, shots: int = 200_000):
    """Return the energy as measured, the one without noise, and the one carried on from three strengths, by each law."""
    own = planned(ring(), np.array([[0.6, -0.8]]))
    generator, means = np.random.default_rng(7), []
    for factor in FACTORS:
        probabilities = shares(fold_batch(own, factor).batch, errors, readout)
        counts = generator.multinomial(shots, probabilities / probabilities.sum())
        means.append(mean_over_shots(ENERGIES, counts, np.zeros(16, dtype=int), widest=8.0))
    exact = float(ENERGIES @ shares(own.batch, {}))
    return means[0], exact, {law: extrapolate(means, FACTORS, law) for law in ("linear", "richardson")}


@pytest.mark.parametrize("law", ["linear", "richardson"])
def test_depolarising_noise_is_taken_out_beyond_the_errors_of_shots(law):
    raw, exact, found = measured({1: 0.001, 2: 0.02})
    assert exact < -1.8  # the angles are good ones
    bias, left = abs(raw.mean - exact), abs(found[law].mean - exact)
    assert bias > 5 * raw.standard_error
    assert left + 2 * np.hypot(raw.standard_error, found[law].standard_error) < bias
    assert left < 4 * found[law].standard_error
    assert found[law].standard_error > raw.standard_error


def test_without_noise_nothing_moves_and_readout_errors_stay():
    raw, exact, found = measured({})
    for one in (raw, *found.values()):
        assert abs(one.mean - exact) < 4 * one.standard_error
    raw, exact, found = measured({}, readout=0.05)  # negative control: folding does not amplify it
    assert abs(raw.mean - exact) > 10 * raw.standard_error
    for one in found.values():
        assert abs(one.mean - raw.mean) < 5 * one.standard_error
        assert abs(one.mean - exact) > 5 * one.standard_error
