"""Errors of IBM's devices by trajectories, against Qiskit Aer's noise model and its density matrix."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit

from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.ibm.device_errors import can_follow_trajectories, gate_errors, noisy_circuit
from qhybrid_pipelines.execution.ibm.fakes import fake_device
from qhybrid_pipelines.execution.ibm.noise import noise_model_for
from qhybrid_pipelines.execution.ibm.trajectory_runs import in_words, trajectory_seconds
from qhybrid_pipelines.execution.providers.ibm import IbmProvider
from qhybrid_pipelines.quantum.simulation.noisy_circuit import Decay
from qhybrid_pipelines.quantum.simulation.trajectories import sample_noisy


def channel_of(steps, width):
    """What some errors do, as Qiskit's matrix on density matrices."""
    from qiskit.quantum_info import Kraus, Operator, Pauli, SuperOp

    whole = SuperOp(np.eye(4**width))
    letters = "IXZY"
    for step in steps:
        if isinstance(step, Decay):
            p = step.probability
            operators = [np.diag([1, np.sqrt(1 - p)]), np.array([[0, np.sqrt(p)], [0, 0]])]
        else:
            operators = [np.sqrt(1 - step.probabilities.sum()) * np.eye(2 ** len(step.qubits))]
            for code, p in enumerate(step.probabilities, 1):
                word = "".join(letters[code >> 2 * position & 3] for position in reversed(range(len(step.qubits))))
                operators.append(np.sqrt(p) * Pauli(word).to_matrix())
        whole = whole.compose(SuperOp(Kraus([Operator(o) for o in operators])), qargs=list(step.qubits))
    return whole.data


@pytest.mark.parametrize("name", ["fake_manila", "fake_torino", "fake_sherbrooke"])
def test_errors_of_every_gate_are_those_of_aers_model(name):
    from qiskit.quantum_info import SuperOp

    target = fake_device(name).target
    used = tuple(range(5))
    slow = {index for index in used if target.qubit_properties[index].t2 > target.qubit_properties[index].t1}
    model = noise_model_for(target, used)._local_quantum_errors
    compared = 0
    for gate, by_qubits in model.items():
        for qubits, error in by_qubits.items():
            if gate != "reset":
                ours = channel_of(
                    gate_errors(target, gate, tuple(range(len(qubits))), [used[q] for q in qubits]), len(qubits)
                )
                np.testing.assert_allclose(ours, SuperOp(error).data, atol=1e-7)  # Aer drops what is smaller
                compared += 1
    assert compared > 15
    assert slow or name == "fake_manila"  # of both kinds: T2 longer than T1, and not


def layered(width):
    """One layer of a cost function on a line, and a turn that no device has as a gate."""
    circuit = QuantumCircuit(width, width)
    circuit.sx(range(width))
    for layer in range(4):
        for first in (0, 1):
            for qubit in range(first, width - 1, 2):
                circuit.cx(qubit, qubit + 1)
                circuit.rz(0.3 + 0.2 * layer, qubit + 1)
                circuit.cx(qubit, qubit + 1)
        circuit.sx(range(width))
    circuit.measure(range(width), range(width)[::-1])
    return circuit


def aers_probabilities(circuit, target, used, readout):
    from qiskit_aer import AerSimulator

    model = noise_model_for(target, used)
    asked = QuantumCircuit(circuit.num_qubits)
    for instruction in circuit.data:
        if instruction.name not in ("measure", "barrier"):
            asked.append(instruction.operation, [circuit.find_bit(qubit).index for qubit in instruction.qubits])
    asked.save_probabilities(readout.qubits.tolist())
    outcome = AerSimulator(method="density_matrix", noise_model=model).run(asked, shots=1).result()
    found = np.asarray(outcome.data(0)["probabilities"])
    for bit, qubit in enumerate(readout.qubits.tolist()):
        confusion = model._local_readout_errors[(qubit,)].probabilities  # rows: what is true
        shaped = found.reshape(-1, 2, 2**bit)
        found = np.einsum("atb,tr->arb", shaped, confusion).ravel()
    return found


@pytest.mark.parametrize(("name", "width"), [("fake_manila", 3), ("fake_manila", 5), ("fake_sherbrooke", 4)])
def test_shots_have_the_distribution_of_aers_density_matrix(name, width):
    from qiskit.transpiler import generate_preset_pass_manager

    from qhybrid_pipelines.execution.ibm.noise import narrow_target

    used = tuple(range(width))
    target = fake_device(name).target
    circuit = generate_preset_pass_manager(0, target=narrow_target(target, used), seed_transpiler=1).run(layered(width))
    assert can_follow_trajectories(circuit)
    noisy = noisy_circuit(circuit, target, used)
    expected = aers_probabilities(circuit, target, used, noisy.readout)
    read = sample_noisy(noisy, np.arange(40, dtype=np.uint64), 10_000)
    counts = np.bincount(read.ravel(), minlength=2**width)
    means = expected * counts.sum()
    statistic = ((counts - means) ** 2 / means).sum()
    assert (statistic - (len(means) - 1)) / np.sqrt(2 * (len(means) - 1)) < 4.5
    ideal = np.bincount(read.ravel(), minlength=2**width) / read.size
    quiet = noisy_circuit(circuit, target, used)
    quiet.steps[:] = [step for step in quiet.steps if hasattr(step, "matrix")]
    without = (
        np.bincount(sample_noisy(quiet, np.arange(40, dtype=np.uint64), 10_000).ravel(), minlength=2**width) / read.size
    )
    assert np.abs(ideal - without).sum() / 2 > 10 * np.sqrt(2**width / read.size)  # errors of gates are seen


def test_only_gates_and_one_reading_of_each_bit_are_followed():
    circuit = QuantumCircuit(2, 2)
    circuit.sx(0)
    assert not can_follow_trajectories(circuit)  # nothing is read
    circuit.measure([0, 1], [1, 0])
    assert can_follow_trajectories(circuit)
    circuit.x(0)
    assert not can_follow_trajectories(circuit)  # it goes on after reading
    reset = QuantumCircuit(1, 1)
    reset.reset(0)
    reset.measure(0, 0)
    assert not can_follow_trajectories(reset)


def test_a_point_is_the_same_in_any_batch_and_says_what_sampled_it(tmp_path):
    from dataclasses import replace

    provider = IbmProvider(tmp_path)
    batch, _ = canary_batch("batch", width=3, qubit=0, backend="ibm:fake_manila", shots=300, repetitions=2)
    whole = provider.fetch(provider.submit(batch, "whole"))
    rows = provider.decode(whole, batch).to_pylist()
    part = replace(batch, bindings=batch.bindings[1:2], seeds=batch.seeds[1:2])
    alone = provider.decode(provider.fetch(provider.submit(part, "part")), part).to_pylist()
    assert [row | {"point": 0} for row in rows if row["point"] == 1] == alone
    details = provider.details(whole)
    assert details["method"] == "trajectories"
    assert "trajectories 1, numpy" in details["engine_version"]
    assert "processor time" in provider.estimate(batch).assumptions
    wide, _ = canary_batch("single", width=6, qubit=0, backend="ibm:fake_manila")
    assert provider.estimate(wide).assumptions == "runs on this machine"  # it is refused when it is submitted


def test_of_many_circuits_the_first_are_timed(tmp_path, monkeypatch):
    from qhybrid_pipelines.execution.ibm import local_testing

    monkeypatch.setattr(local_testing, "MOST_TIMED", 1)
    provider = IbmProvider(tmp_path)
    first, second = (canary_batch("batch", width=w, qubit=0, backend="ibm:fake_manila")[0] for w in (2, 3))
    for _ in range(2):
        assert "processor time" in provider.estimate(first).assumptions
        assert "of the first 1 circuits only" in provider.estimate(second).assumptions


def test_long_runs_are_said_with_a_remedy():
    target = fake_device("fake_manila").target
    circuit = layered(5)
    basis = QuantumCircuit(5, 5)
    basis.sx(range(5))
    basis.measure(range(5), range(5))
    assert trajectory_seconds(basis, 1000, target=target, used=tuple(range(5))) < trajectory_seconds(
        circuit, 10_000, target=target, used=tuple(range(5))
    )
    assert in_words(0.2) == "less than a second of processor time"
    assert in_words(41.3) == "about 41 s of processor time"
    assert in_words(1234) == (
        "about 1200 s of processor time: lower shots, repetitions or sweep.points if that is too long"
    )
