"""Reduced models and specifications that several tests of the quantum side share, and a second way to the same states."""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import IsingModel
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel
from qhybrid_pipelines.core.specifications.experiment_specification import (
    AnsatzSpec,
    ExperimentSpec,
    ProblemSpec,
    SweepSpec,
)
from qhybrid_pipelines.quantum.simulation.warm_start import warm_start_turns

X = np.array([[0, 1], [1, 0]], dtype=complex)
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1])


def ising(linear, edges) -> IsingModel:
    """An Ising model from fields and a mapping of pairs to couplings."""
    pairs = sorted(edges)
    return IsingModel(
        linear=np.array(linear, dtype=float),
        pairs=np.array(pairs, dtype=np.int32).reshape(-1, 2),
        couplings=np.array([edges[pair] for pair in pairs], dtype=float),
        offset=0.25,
    )


def maxcut(n: int, edges, weight: float = 1.0) -> IsingModel:
    """MaxCut as minimisation: minus the cut weight."""
    edges = sorted({(min(e), max(e)) for e in edges})
    return IsingModel(
        linear=np.zeros(n),
        pairs=np.array(edges, dtype=np.int32).reshape(-1, 2),
        couplings=np.full(len(edges), weight / 2),
        offset=-weight * len(edges) / 2,
    )


def read_maxcut(path) -> IsingModel:
    """A 0-based edge list with a line for the number of nodes."""
    rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    [n] = [int(row[0]) for row in rows if len(row) == 1]
    return maxcut(n, [(int(a), int(b)) for a, b in (row for row in rows if len(row) == 2)])


def make_reduced_model(model: IsingModel, cardinality: int | None = None) -> ReducedModel:
    n = model.size
    return ReducedModel(
        model=model,
        root=np.arange(n, dtype=np.int32),
        value=np.zeros(n, dtype=np.uint8),
        cardinality=cardinality,
        exact=True,
    )


def make_spec(*, kind="qaoa", layers=2, mixer="auto", seed=7, shots=100, repetitions=3, **sweep) -> ExperimentSpec:
    return ExperimentSpec(
        name="case",
        problem=ProblemSpec(family="maxcut", source="networkx:karate_club"),
        ansatz=AnsatzSpec(kind=kind, layers=layers, mixer=mixer),
        sweep=SweepSpec(**sweep),
        seed=seed,
        shots=shots,
        repetitions=repetitions,
    )


def on_qubits(operators: dict[int, np.ndarray], n: int) -> np.ndarray:
    """The ``2**n`` matrix of one-qubit operators; qubit 0 is the least significant."""
    matrix = np.eye(1)
    for qubit in range(n):
        matrix = np.kron(operators.get(qubit, np.eye(2)), matrix)
    return matrix


def exponential(hermitian: np.ndarray, angle: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(hermitian)
    return (vectors * np.exp(-1j * angle * values)) @ vectors.conj().T


def dense_qaoa(model: IsingModel, angles, mixer: str, ones: int | None) -> np.ndarray:
    """Probabilities by dense matrices, straight from the words of `core.jobs.circuit_jobs.QaoaStructure`."""
    n, layers = model.size, len(angles) // 2
    words = np.arange(1 << n)
    spins = 1 - 2 * ((words[:, None] >> np.arange(n)) & 1)
    energy = spins @ model.linear
    for (i, j), coupling in zip(model.pairs, model.couplings, strict=True):
        energy = energy + coupling * spins[:, i] * spins[:, j]
    axes = (
        [np.sin(turn) * X + np.cos(turn) * Z for turn in warm_start_turns(model)] if mixer == "warm_start" else [X] * n
    )
    if mixer == "xy":
        start = (spins == -1).sum(axis=1) == ones
    elif mixer == "x":
        start = np.ones(1 << n)
    else:  # the highest level
        start = np.linalg.eigh(sum(on_qubits({qubit: axis}, n) for qubit, axis in enumerate(axes)))[1][:, -1]
    state = start / np.linalg.norm(start) + 0j
    ring = [(i, i + 1) for i in range(0, n - 1, 2)] + [(i, i + 1) for i in range(1, n - 1, 2)]
    ring += [(n - 1, 0)] if n > 2 else []
    for layer in range(layers):
        state = np.exp(-1j * angles[layer] * energy) * state
        beta = angles[layers + layer]
        if mixer != "xy":
            for qubit, axis in enumerate(axes):
                state = on_qubits({qubit: exponential(axis, beta)}, n) @ state
        else:
            for i, j in ring:
                flip = on_qubits({i: X, j: X}, n) + on_qubits({i: Y, j: Y}, n)
                state = exponential(flip / 2, beta) @ state
    return np.abs(state) ** 2


def circuit_probabilities(template, bindings) -> np.ndarray:
    """Probabilities of one binding by qiskit's own state vector, from the template's text."""
    from qiskit.quantum_info import Statevector

    from qhybrid_pipelines.core.jobs.openqasm import read_circuit

    circuit = read_circuit(template.text).remove_final_measurements(inplace=False)
    values = dict(zip(template.parameters, bindings, strict=True))
    return Statevector(circuit.assign_parameters(values)).probabilities()
