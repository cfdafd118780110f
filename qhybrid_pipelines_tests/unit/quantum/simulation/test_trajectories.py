"""The trajectory sampler against density matrices: brute force here, Qiskit Aer's in `unit/execution/ibm`."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.quantum.simulation import gate_fusion, trajectories
from qhybrid_pipelines.quantum.simulation.gate_fusion import bit_order, fuse
from qhybrid_pipelines.quantum.simulation.noisy_circuit import (
    Decay,
    Gate,
    NoisyCircuit,
    PauliErrors,
    Readout,
    WideGate,
    WidePaulis,
    one_qubit_paulis,
    relaxation,
    uniform_paulis,
)
from qhybrid_pipelines.quantum.simulation.trajectories import sample_noisy
from qhybrid_pipelines.quantum.simulation.trajectory_cost import expected_seconds

PAULIS = [np.eye(2), np.array([[0, 1], [1, 0]]), np.diag([1, -1]), np.array([[0, -1j], [1j, 0]])]  # by code


def random_unitary(rng, size):
    return np.linalg.qr(rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size)))[0]


def random_circuit(qubits, gates, seed, errors=1.0):
    """Gates on one and two qubits, each followed by errors; strong ones, so that many trajectories have several."""
    rng = np.random.default_rng(seed)
    steps = []
    for _ in range(gates):
        acting = tuple(rng.choice(qubits, size=min(qubits, rng.integers(1, 3)), replace=False).tolist())
        steps.append(Gate(acting, random_unitary(rng, 2 ** len(acting))))
        weights = rng.dirichlet(np.ones(4 ** len(acting) - 1))
        steps.append(PauliErrors(acting, 0.08 * errors * weights))
        for qubit in acting:
            if errors:
                steps += relaxation(qubit, 0.1 * errors, 1.0, rng.uniform(0.3, 2.0))
    readout = Readout(
        qubits=rng.permutation(qubits), zero_as_one=rng.uniform(0, 0.1, qubits), one_as_zero=rng.uniform(0, 0.1, qubits)
    )
    return NoisyCircuit(n_qubits=qubits, steps=steps, readout=readout)


def embedded(matrix, acting, qubits):
    """A matrix on all qubits, entry by entry; the first of those it acts on is its lowest bit."""
    whole = np.zeros((2**qubits, 2**qubits), dtype=complex)
    for column in range(2**qubits):
        inside = sum((column >> q & 1) << bit for bit, q in enumerate(acting))
        for row_inside in range(len(matrix)):
            row = column
            for bit, q in enumerate(acting):
                row = row & ~(1 << q) | (row_inside >> bit & 1) << q
            whole[row, column] += matrix[row_inside, inside]
    return whole


def kraus_operators(step, qubits):
    if isinstance(step, Gate):
        return [embedded(step.matrix, step.qubits, qubits)]
    if isinstance(step, Decay):
        p = step.probability
        operators = [np.diag([1, np.sqrt(1 - p)]), np.array([[0, np.sqrt(p)], [0, 0]])]
        return [embedded(operator, step.qubits, qubits) for operator in operators]
    operators = [np.sqrt(1 - step.probabilities.sum()) * np.eye(2**qubits)]
    for code, p in enumerate(step.probabilities, 1):
        string = np.eye(2**qubits)
        for position, qubit in enumerate(step.qubits):
            string = embedded(PAULIS[code >> 2 * position & 3], (qubit,), qubits) @ string
        operators.append(np.sqrt(p) * string)
    return operators


def exact_probabilities(circuit):
    """Probabilities of the bits read, by Kraus operators on the whole density matrix."""
    n = circuit.n_qubits
    density = np.zeros((2**n, 2**n), dtype=complex)
    density[0, 0] = 1
    for step in circuit.steps:
        density = sum(k @ density @ k.conj().T for k in kraus_operators(step, n))
    found = np.zeros(2 ** len(circuit.readout.qubits))
    for state, p in enumerate(density.diagonal().real):
        read = np.array([p])
        for bit, qubit in enumerate(circuit.readout.qubits):
            wrong = (circuit.readout.one_as_zero if state >> qubit & 1 else circuit.readout.zero_as_one)[bit]
            chance = [wrong, 1 - wrong] if state >> qubit & 1 else [1 - wrong, wrong]
            read = np.concatenate([read * chance[0], read * chance[1]])
        found += read
    return found


def chi_square(read, expected):
    """Pearson's statistic in standard deviations above its mean."""
    counts = np.bincount(read.ravel(), minlength=len(expected))
    means = expected * counts.sum()
    return (((counts - means) ** 2 / means).sum() - (len(means) - 1)) / np.sqrt(2 * (len(means) - 1))


SEEDS = np.arange(20, dtype=np.uint64) + np.uint64(3)


@pytest.mark.parametrize("seed", range(8))
def test_shots_have_the_distribution_of_the_density_matrix(seed):
    circuit = random_circuit(qubits=2 + seed % 4, gates=8, seed=seed)
    read = sample_noisy(circuit, SEEDS, 2_000)
    assert chi_square(read, exact_probabilities(circuit)) < 4.5
    assert (
        chi_square(read, exact_probabilities(random_circuit(2 + seed % 4, 8, seed, errors=0.7))) > 6
    )  # others are told apart


def test_sharing_strikes_keeps_the_distribution_and_makes_shots_depend_on_each_other():
    circuit = random_circuit(qubits=3, gates=6, seed=11)
    seeds = np.arange(400, dtype=np.uint64)
    expected = exact_probabilities(circuit)
    single = sample_noisy(circuit, seeds, 100)
    shared = sample_noisy(circuit, seeds, 100, shots_per_trajectory=8)
    outcomes = np.arange(8)
    spread = []
    for read in (single, shared):
        shares = (read[:, :, None] == outcomes).mean(axis=1)
        error = shares.std(axis=0, ddof=1) / np.sqrt(len(seeds))
        assert np.abs((shares.mean(axis=0) - expected) / error).max() < 4.5
        spread.append((shares.var(axis=0, ddof=1) / (expected * (1 - expected) / 100)).mean())
    assert spread[0] == pytest.approx(1, abs=0.15)
    assert spread[1] > spread[0] + 0.15  # six standard errors


def test_a_repetition_is_the_same_alone_and_in_any_blocks(monkeypatch):
    circuit = random_circuit(qubits=5, gates=12, seed=4)
    together = sample_noisy(circuit, SEEDS, 300, shots_per_trajectory=3)
    assert (together[0] != together[1]).any()
    for row, seed in enumerate(SEEDS[:5]):
        np.testing.assert_array_equal(
            sample_noisy(circuit, np.array([seed]), 300, shots_per_trajectory=3)[0], together[row]
        )
    monkeypatch.setattr(trajectories, "BLOCK_AMPLITUDES", 1)  # one state at a time
    np.testing.assert_array_equal(sample_noisy(circuit, SEEDS, 300, shots_per_trajectory=3), together)


def test_steps_on_many_qubits_stand_alone_and_keep_the_distribution():
    rng = np.random.default_rng(5)
    around = random_circuit(qubits=5, gates=5, seed=21, errors=0.3), random_circuit(qubits=5, gates=1, seed=22)
    matrix = np.eye(32)
    for step in around[0].steps:
        if isinstance(step, Gate):
            matrix = embedded(step.matrix, step.qubits, 5) @ matrix
    matrix = np.kron(random_unitary(rng, 2), np.eye(16)) @ matrix.conj().T  # back to all zeros but for one qubit
    wide = WideGate((0, 1, 2, 3, 4), lambda states: states @ matrix.T)
    struck = uniform_paulis((4, 2, 0, 1, 3), 0.3)
    assert isinstance(struck, WidePaulis)
    steps = [*around[0].steps, wide, struck, *around[1].steps]
    circuit = NoisyCircuit(n_qubits=5, steps=steps, readout=around[0].readout)
    read = sample_noisy(circuit, SEEDS, 2_000)
    spelled = [Gate((0, 1, 2, 3, 4), matrix), PauliErrors(struck.qubits, np.full(1023, 0.3 / 1023))]
    same = NoisyCircuit(n_qubits=5, steps=[*around[0].steps, *spelled, *around[1].steps], readout=around[0].readout)
    assert chi_square(read, exact_probabilities(same)) < 4.5
    spelled[1] = PauliErrors(struck.qubits, np.full(1023, 0.2 / 1023))
    other = NoisyCircuit(n_qubits=5, steps=[*around[0].steps, *spelled, *around[1].steps], readout=around[0].readout)
    assert chi_square(read, exact_probabilities(other)) > 6


def test_a_decay_leaves_zero_alone_and_empties_one():
    readout = Readout(qubits=np.arange(1), zero_as_one=np.zeros(1), one_as_zero=np.zeros(1))
    down = NoisyCircuit(n_qubits=1, steps=[Decay((0,), 0.9)] * 3, readout=readout)
    assert not sample_noisy(down, SEEDS, 100).any()
    up = NoisyCircuit(n_qubits=1, steps=[Gate((0,), PAULIS[1].astype(complex)), Decay((0,), 1.0)], readout=readout)
    assert not sample_noisy(up, SEEDS, 100).any()
    half = NoisyCircuit(n_qubits=1, steps=[Gate((0,), PAULIS[1].astype(complex)), Decay((0,), 0.5)], readout=readout)
    assert sample_noisy(half, SEEDS, 1000).mean() == pytest.approx(0.5, abs=0.02)


def test_nothing_happens_where_there_is_nothing():
    readout = Readout(qubits=np.arange(2), zero_as_one=np.zeros(2), one_as_zero=np.zeros(2))
    empty = NoisyCircuit(n_qubits=2, steps=[], readout=readout)
    assert not sample_noisy(empty, SEEDS, 10).any()
    quiet = NoisyCircuit(n_qubits=2, steps=[Gate((1,), PAULIS[1].astype(complex))], readout=readout)
    assert set(sample_noisy(quiet, SEEDS, 10).ravel().tolist()) == {2}


@pytest.mark.parametrize("widths", [(1,), (2,), (3, 4), (5,)])
def test_groups_are_the_circuit(monkeypatch, widths):
    monkeypatch.setattr(gate_fusion, "GROUP_QUBITS", widths)
    gate_fusion._cheapest_plan.cache_clear()
    circuit = random_circuit(qubits=6, gates=20, seed=2, errors=0.0)
    fused = fuse(circuit)
    gate_fusion._cheapest_plan.cache_clear()
    assert sum(len(group.before) for group in fused.groups) == sum(isinstance(s, PauliErrors) for s in circuit.steps)
    assert max(len(group.qubits) for group in fused.groups) <= max(2, *widths)
    state = np.zeros(64, dtype=complex)
    state[0] = 1
    moves, place = bit_order(fused)
    for group, move in zip(fused.groups, moves, strict=True):
        state = (state[move].reshape(-1, len(group.matrix)) @ group.matrix.T).ravel()
    want = np.zeros(64, dtype=complex)
    want[0] = 1
    for step in circuit.steps:
        if isinstance(step, Gate):
            want = embedded(step.matrix, step.qubits, 6) @ want
    numbers = np.arange(64)
    moved = sum(((numbers >> q) & 1) << place[q] for q in range(6))
    np.testing.assert_allclose(state[moved], want, atol=1e-12)


def test_expected_seconds_grow_with_shots_and_errors():
    quiet, loud = (fuse(random_circuit(qubits=6, gates=20, seed=2, errors=errors)) for errors in (0.1, 1.0))
    assert expected_seconds(quiet, 1000) < expected_seconds(loud, 1000) < expected_seconds(loud, 10_000)
    assert expected_seconds(fuse(random_circuit(qubits=6, gates=20, seed=2, errors=0.0)), 10) > 0


def test_errors_are_what_their_makers_say():
    assert uniform_paulis((0, 1), 0.3).probabilities.sum() == pytest.approx(0.3)
    np.testing.assert_array_equal(one_qubit_paulis(4, 0.1, 0.2, 0.3).probabilities, [0.1, 0.3, 0.2])  # X, Z, Y
    decay, dephasing = relaxation(0, 1.0, 2.0, 3.0)
    plus = np.full((2, 2), 0.5, dtype=complex)
    for step in (decay, dephasing):
        plus = sum(k @ plus @ k.conj().T for k in kraus_operators(step, 1))
    assert plus[0, 1].real == pytest.approx(0.5 * np.exp(-1 / 3))
    assert plus[1, 1].real == pytest.approx(0.5 * np.exp(-1 / 2))
    assert len(relaxation(0, 1.0, 2.0, 4.0)) == 1
    assert relaxation(0, 1.0, np.inf, np.inf) == []
