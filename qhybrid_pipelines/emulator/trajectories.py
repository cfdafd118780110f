"""Shots of a circuit whose gates err where they act: the machine's errors, given to the trajectory sampler.

After every gate an error strikes its qubits with their probability, each Pauli string other than the identity alike; every other touched
qubit waits for the gate's time and relaxes and dephases meanwhile, as a Pauli channel (the Pauli twirl of both: Ghosh, Fowler, Geller,
Phys. Rev. A 86, 062318, 2012). What a qubit waits between two of its gates is one channel. The distribution of a shot is that of the
density matrix under the same channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from qhybrid_pipelines.emulator.gates import Matrix, apply_gate, gate_qubits, is_virtual, touched_qubits
from qhybrid_pipelines.emulator.local_errors import LocalErrors
from qhybrid_pipelines.emulator.machines import TIMING
from qhybrid_pipelines.quantum.simulation.noisy_circuit import (
    MOST_FUSED_QUBITS,
    Gate,
    NoisyCircuit,
    Readout,
    Step,
    WideGate,
    one_qubit_paulis,
    uniform_paulis,
)
from qhybrid_pipelines.quantum.simulation.trajectories import sample_noisy

Shots = NDArray[np.int64]

WIDEST_UNSHARED = 14
"""On more qubits than this, two shots with errors share what strikes them, on one more four, and so on: they then depend on each other."""


def run_noisy(
    gates: Sequence[Mapping[str, Any]],
    gateset: str,
    *,
    qubits: int,
    shots: int,
    errors: LocalErrors,
    generator: np.random.Generator,
) -> Shots:
    """Return the states read, shape ``(shots,)``, qubit 0 the least significant bit.

    Args:
        gates: in the interface's form.
        gateset: of those gates.
        qubits: that are read; those that no gate touches are 0 but for readout errors.
        shots: how many.
        errors: of the day.
        generator: of everything that is drawn.
    """
    touched = touched_qubits(gates)
    found = np.zeros(shots, dtype=np.int64)
    if touched:
        readout = Readout(
            qubits=np.arange(len(touched)), zero_as_one=np.zeros(len(touched)), one_as_zero=np.zeros(len(touched))
        )
        steps = list(noisy_steps(gates, gateset, touched, errors))
        circuit = NoisyCircuit(n_qubits=len(touched), steps=steps, readout=readout)
        seed = generator.integers(2**63, size=1, dtype=np.uint64)
        shared = 2 ** max(0, len(touched) - WIDEST_UNSHARED)
        with threadpool_limits(1, user_api="blas"):  # products are too small to be shared
            [local] = sample_noisy(circuit, seed, shots, shots_per_trajectory=shared)
        for position, qubit in enumerate(touched):
            found |= ((local >> position) & 1) << qubit
    for qubit in range(qubits):
        one = (found >> qubit) & 1 == 1
        flip = np.where(one, errors.read_one_as_zero[qubit], errors.read_zero_as_one[qubit])
        found ^= (generator.random(shots) < flip).astype(np.int64) << qubit
    return found


def idle_probabilities(seconds: float, errors: LocalErrors, qubit: int) -> tuple[float, float, float]:
    """Return the probabilities of X, Y and Z while a qubit waits; of X and Y they are equal."""
    relaxed = (1 - float(np.exp(-seconds / errors.t1_seconds[qubit]))) / 4
    dephased = (1 - float(np.exp(-seconds / errors.t2_seconds[qubit]))) / 2
    return relaxed, relaxed, max(0.0, dephased - relaxed)


def gate_error(acting: Sequence[int], errors: LocalErrors) -> float:
    """Return how probable an error after a gate is: of its qubit, or of the worst of its pairs."""
    if len(acting) < 2:
        return float(errors.one_qubit[acting[0]]) if acting else 0.0
    return float(max(errors.two_qubit[a, b] for i, a in enumerate(acting) for b in acting[:i]))


def gate_seconds(acting: Sequence[int]) -> float:
    """Return how long a gate takes, and all others wait."""
    return TIMING["1q"] if len(acting) < 2 else TIMING["2q"]


def noisy_steps(
    gates: Sequence[Mapping[str, Any]], gateset: str, touched: Sequence[int], errors: LocalErrors
) -> Iterator[Step]:
    """Yield gates and errors in their order, qubits numbered by their place in ``touched``."""
    place = {qubit: index for index, qubit in enumerate(touched)}
    # A Pauli channel multiplies X, Y and Z by factors; those of channels in a row are multiplied.
    waited = {qubit: np.ones(3) for qubit in touched}
    for gate in gates:
        acting = [qubit for side in gate_qubits(gate) for qubit in side]
        if is_virtual(gate, gateset):
            # A change of frame commutes with what a waiting qubit suffers, X and Y having one probability.
            yield _step(gate, gateset, acting, place)
            continue
        for qubit in acting:
            yield from _waiting(place[qubit], waited.pop(qubit))
        if acting:
            yield _step(gate, gateset, acting, place)
            yield uniform_paulis([place[qubit] for qubit in acting], gate_error(acting, errors))
        for qubit in waited:
            x, y, z = idle_probabilities(gate_seconds(acting), errors, qubit)
            waited[qubit] *= 1 - 2 * np.array([y + z, x + z, x + y])
        waited |= {qubit: np.ones(3) for qubit in acting}
    for qubit, factors in waited.items():
        yield from _waiting(place[qubit], factors)


def _waiting(qubit: int, factors: NDArray[np.float64]) -> Iterator[Step]:
    """Yield the Pauli channel that multiplies X, Y and Z by some factors, unless it does nothing."""
    if (factors < 1).any():
        x, y, z = factors.tolist()
        strikes = (1 + x - y - z) / 4, (1 - x + y - z) / 4, (1 - x - y + z) / 4
        yield one_qubit_paulis(qubit, *(max(0.0, strike) for strike in strikes))  # rounding may leave less than none


def _step(gate: Mapping[str, Any], gateset: str, acting: Sequence[int], place: Mapping[int, int]) -> Step:
    """Return a gate as a matrix on its own qubits, or one that is too wide for that as what it does to states."""
    qubits = tuple(place[qubit] for qubit in acting)
    if len(qubits) > MOST_FUSED_QUBITS:
        width = len(place)

        def applied(states: Matrix) -> Matrix:
            return apply_gate(states.reshape((-1,) + (2,) * width), gate, gateset, place).reshape(len(states), -1)

        return WideGate(qubits, applied)
    size = 2 ** len(qubits)
    basis = np.eye(size, dtype=complex).reshape((size,) + (2,) * len(qubits))
    columns = apply_gate(basis, gate, gateset, {qubit: index for index, qubit in enumerate(acting)})
    return Gate(qubits, columns.reshape(size, size).T.copy())
