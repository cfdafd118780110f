"""Errors with a place, against the density matrix under the same channels, which Qiskit evolves."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from qhybrid_pipelines.emulator import trajectories
from qhybrid_pipelines.emulator.local_errors import BAD_FACTOR, local_errors
from qhybrid_pipelines.emulator.machines import MACHINES, Fidelity
from qhybrid_pipelines.emulator.trajectories import gate_error, gate_seconds, idle_probabilities, run_noisy

ARIA = MACHINES["qpu.aria-1"]
#: Worse than the machine, so that differences are seen with few shots.
ROUGH = Fidelity(one_qubit=0.995, two_qubit=0.97, spam=0.98)


def errors_of(qubits, fidelity=ROUGH, seed=5, number=0, **planted):
    return local_errors("qpu.aria-1", qubits, fidelity, seed=seed, number=number, **planted)


def ring(qubits, gamma=0.6, beta=0.4):
    """One layer of QAOA for the cut of a ring, in the interface's gates."""
    gates = [{"gate": "h", "target": qubit} for qubit in range(qubits)]
    gates += [{"gate": "zz", "targets": [q, (q + 1) % qubits], "rotation": gamma} for q in range(qubits)]
    return gates + [{"gate": "rx", "target": qubit, "rotation": 2 * beta} for qubit in range(qubits)]


def density_matrix_probabilities(gates, qubits, errors):
    """Probabilities of what is read, by Qiskit's density matrix and its channels."""
    from qiskit.circuit.library import HGate, RXGate, RZZGate
    from qiskit.quantum_info import DensityMatrix, Kraus, Operator, Pauli

    def channel(weights):
        kraus = [np.sqrt(p) * Pauli(word).to_matrix() for word, p in weights.items() if p > 0]
        return Kraus(kraus)

    made = {"h": lambda _: HGate(), "rx": lambda g: RXGate(g["rotation"]), "zz": lambda g: RZZGate(g["rotation"])}
    state = DensityMatrix.from_label("0" * qubits)
    for gate in gates:
        acting = gate.get("targets", [gate.get("target")])
        state = state.evolve(Operator(made[gate["gate"]](gate)), qargs=acting)
        words = ["".join(letters) for letters in itertools.product("IXYZ", repeat=len(acting))]
        share = gate_error(acting, errors)
        weights = dict.fromkeys(words, share / (len(words) - 1)) | {"I" * len(acting): 1 - share}
        state = state.evolve(channel(weights), qargs=acting)
        for qubit in set(range(qubits)) - set(acting):
            x, y, z = idle_probabilities(gate_seconds(acting), errors, qubit)
            state = state.evolve(channel({"I": 1 - x - y - z, "X": x, "Y": y, "Z": z}), qargs=[qubit])
    read = state.probabilities().reshape((2,) * qubits)
    for qubit in range(qubits):
        up, down = errors.read_zero_as_one[qubit], errors.read_one_as_zero[qubit]
        confusion = np.array([[1 - up, down], [up, 1 - down]])
        read = np.moveaxis(np.tensordot(confusion, read, axes=(1, qubits - 1 - qubit)), 0, qubits - 1 - qubit)
    return read.reshape(-1)


def chi_square(states, expected):
    """Return Pearson's statistic in standard deviations above its mean, outcomes with few counts taken together."""
    counts = np.bincount(states, minlength=len(expected))
    order = np.argsort(expected)
    wanted = expected[order] * counts.sum()
    groups = np.unique((np.cumsum(wanted) // 20).astype(int), return_inverse=True)[1]
    seen, means = np.bincount(groups, counts[order]), np.bincount(groups, wanted)
    return (((seen - means) ** 2 / means).sum() - (len(means) - 1)) / np.sqrt(2 * (len(means) - 1))


@pytest.mark.parametrize("qubits", [2, 5, 8])
def test_the_distribution_is_that_of_the_density_matrix(qubits):
    errors = errors_of(qubits)
    slow = errors.t2_seconds * 2e-3  # milliseconds, so that waiting is seen
    errors = type(errors)(
        **{name: getattr(errors, name) for name in errors.__slots__}
        | {"t1_seconds": errors.t1_seconds * 1e-4, "t2_seconds": np.minimum(slow, errors.t1_seconds * 2e-4)}
    )
    gates, shots = ring(qubits), 8_000
    expected = density_matrix_probabilities(gates, qubits, errors)
    states = run_noisy(gates, "qis", qubits=qubits, shots=shots, errors=errors, generator=np.random.default_rng(1))
    assert chi_square(states, expected) < 4
    # the same test tells these errors from those of another qubit, and from none
    none = density_matrix_probabilities(gates, qubits, errors_of(qubits, Fidelity(one_qubit=1, two_qubit=1, spam=1)))
    assert chi_square(states, none) > 10


def test_edges_are_damped_differently():
    qubits, shots = 8, 40_000
    errors = errors_of(qubits, seed=3)
    gates = ring(qubits)
    read = [
        run_noisy(gates, "qis", qubits=qubits, shots=shots, errors=one, generator=np.random.default_rng(2))
        for one in (errors, errors_of(qubits, Fidelity(one_qubit=1, two_qubit=1, spam=1)))
    ]
    means, deviations = [], []
    for states in read:
        spins = 1 - 2 * ((states[:, None] >> np.arange(qubits)) & 1)
        edges = spins * np.roll(spins, -1, axis=1)
        means.append(edges.mean(axis=0))
        deviations.append(edges.std(axis=0) / np.sqrt(shots))
    damping = means[0] / means[1]
    error = np.abs(damping) * np.hypot(deviations[0] / means[0], deviations[1] / means[1])
    worst, best = np.argmin(damping), np.argmax(damping)
    assert (damping[best] - damping[worst]) / np.hypot(error[best], error[worst]) > 3
    assert errors.bad_qubit in (worst, (worst + 1) % qubits)


def test_wide_circuits_share_errors_and_keep_the_distribution(monkeypatch):
    qubits, errors = 5, errors_of(5)
    monkeypatch.setattr(trajectories, "WIDEST_UNSHARED", qubits - 3)  # eight shots with errors share them
    states = run_noisy(
        ring(qubits), "qis", qubits=qubits, shots=20_000, errors=errors, generator=np.random.default_rng(4)
    )
    expected = density_matrix_probabilities(ring(qubits), qubits, errors)
    found = np.bincount(states, minlength=2**qubits) / len(states)
    assert np.abs(found - expected).sum() / 2 < 0.03
    none = density_matrix_probabilities(ring(qubits), qubits, errors_of(5, Fidelity(one_qubit=1, two_qubit=1, spam=1)))
    assert np.abs(found - none).sum() / 2 > 0.05


def test_gates_of_any_width_and_kind_keep_the_distribution():
    """Controls, Pauli strings, and a gate on more qubits than are taken together, with what the density matrix gives."""
    from qiskit.circuit.library import MCXGate
    from qiskit.quantum_info import DensityMatrix, Kraus, Operator, Pauli

    qubits = 5
    errors = errors_of(qubits)
    gates = [{"gate": "h", "target": q} for q in range(4)]
    gates += [
        {"gate": "x", "target": 4, "controls": [0, 1, 2, 3]},
        {"gate": "pauliexp", "targets": [1, 3], "terms": ["XY"], "coefficients": [0.4], "time": 1.0},
        {"gate": "cnot", "control": 4, "target": 0},
    ]
    acting = [[0], [1], [2], [3], [4, 0, 1, 2, 3], [1, 3], [0, 4]]
    operators = [Operator.from_label("H")] * 4
    x_last = Operator(MCXGate(4))  # its target is its last qubit
    pauli = Operator(np.cos(0.4) * np.eye(4) - 1j * np.sin(0.4) * Pauli("XY").to_matrix())
    state = DensityMatrix.from_label("0" * qubits)
    for gate, touched, operator, where in zip(
        gates,
        acting,
        [*operators, x_last, pauli, Operator(MCXGate(1))],
        [[0], [1], [2], [3], [0, 1, 2, 3, 4], [1, 3], [4, 0]],
        strict=True,
    ):
        state = state.evolve(operator, qargs=where)
        share, size = gate_error(touched, errors), 4 ** len(touched)
        mixed = state.data * (1 - share * size / (size - 1))
        # all strings alike, the identity too, leave nothing of these qubits
        left = DensityMatrix(state.data)
        for qubit in touched:
            quarter = [0.5 * Pauli(letter).to_matrix() for letter in "IXYZ"]
            left = left.evolve(Kraus(quarter), qargs=[qubit])
        state = DensityMatrix(mixed + share * size / (size - 1) * left.data)
        for qubit in set(range(qubits)) - set(touched):
            x, y, z = idle_probabilities(gate_seconds(touched), errors, qubit)
            weights = {"I": 1 - x - y - z, "X": x, "Y": y, "Z": z}
            state = state.evolve(Kraus([np.sqrt(p) * Pauli(w).to_matrix() for w, p in weights.items()]), qargs=[qubit])
        assert gate["gate"]
    read = state.probabilities().reshape((2,) * qubits)
    for qubit in range(qubits):
        up, down = errors.read_zero_as_one[qubit], errors.read_one_as_zero[qubit]
        confusion = np.array([[1 - up, down], [up, 1 - down]])
        read = np.moveaxis(np.tensordot(confusion, read, axes=(1, qubits - 1 - qubit)), 0, qubits - 1 - qubit)
    states = run_noisy(gates, "qis", qubits=qubits, shots=40_000, errors=errors, generator=np.random.default_rng(6))
    assert chi_square(states, read.reshape(-1)) < 4
    quiet = errors_of(qubits, Fidelity(one_qubit=1, two_qubit=1, spam=0.98))
    clean = run_noisy(gates, "qis", qubits=qubits, shots=40_000, errors=quiet, generator=np.random.default_rng(6))
    assert chi_square(clean, read.reshape(-1)) > 8


def test_medians_are_those_of_the_day_one_qubit_is_bad_and_each_drifts():
    for number in range(3):
        day = errors_of(25, ARIA.average_fidelity, number=number)
        pairs = day.two_qubit[np.triu_indices(25, k=1)]
        reading = (day.read_zero_as_one + day.read_one_as_zero) / 2
        assert np.median(day.one_qubit) == pytest.approx(1 - ARIA.average_fidelity.one_qubit)
        assert np.median(pairs) == pytest.approx(1 - ARIA.average_fidelity.two_qubit)
        assert np.median(reading) == pytest.approx(1 - ARIA.average_fidelity.spam)
        others = np.delete(np.arange(25), day.bad_qubit)
        assert np.median(day.two_qubit[day.bad_qubit, others]) > BAD_FACTOR / 2 * np.median(pairs)
        assert (day.read_one_as_zero > day.read_zero_as_one).all()
        assert (day.t2_seconds <= 2 * day.t1_seconds).all()
        np.testing.assert_array_equal(day.two_qubit, day.two_qubit.T)
    one, other = (errors_of(25, ARIA.average_fidelity, number=number) for number in (0, 1))
    assert one.bad_qubit == other.bad_qubit
    ratio = other.one_qubit / one.one_qubit
    assert 0 < np.std(np.log(ratio)) < 0.6
    again = errors_of(25, ARIA.average_fidelity, number=1)
    np.testing.assert_array_equal(other.two_qubit, again.two_qubit)


def test_a_planted_qubit_is_the_bad_one_and_the_others_keep_their_factors():
    drawn = errors_of(25, ARIA.average_fidelity)
    wanted = (drawn.bad_qubit + 3) % 25
    planted = errors_of(25, ARIA.average_fidelity, bad_qubit=wanted)
    others = np.delete(np.arange(25), [drawn.bad_qubit, wanted])
    assert planted.bad_qubit == wanted
    for figure in ("one_qubit", "read_one_as_zero"):
        before, after = (getattr(day, figure) / np.median(getattr(day, figure)) for day in (drawn, planted))
        moved = after / before / np.median(after[others] / before[others])
        np.testing.assert_allclose(moved[others], 1.0)
        assert moved[wanted] == pytest.approx(BAD_FACTOR)
        assert moved[drawn.bad_qubit] == pytest.approx(1 / BAD_FACTOR)
    assert errors_of(4, ARIA.average_fidelity, bad_qubit=4).bad_qubit == errors_of(4, ARIA.average_fidelity).bad_qubit


def test_without_errors_it_is_the_ideal_circuit():
    none = errors_of(3, Fidelity(one_qubit=1, two_qubit=1, spam=1))
    gates = [{"gate": "x", "target": 2}, {"gate": "cnot", "control": 2, "target": 0}]
    states = run_noisy(gates, "qis", qubits=3, shots=50, errors=none, generator=np.random.default_rng(0))
    assert np.mean(states == 0b101) > 0.95  # but for waiting
    idle = run_noisy([], "qis", qubits=3, shots=50, errors=none, generator=np.random.default_rng(0))
    assert set(idle.tolist()) == {0}
