"""Shots of a circuit whose gates err where they act, by Pauli trajectories on state vectors.

After every gate an error strikes its qubits with their probability, each Pauli string other than the identity alike; every other touched
qubit waits for the gate's time and relaxes and dephases meanwhile, as a Pauli channel (the Pauli twirl of both: Ghosh, Fowler, Geller,
Phys. Rev. A 86, 062318, 2012). Each shot draws its errors by itself, and shots with the same errors share one state vector. So the distribution of
a shot is that of the density matrix under the same channels, whatever the number of state vectors.

Where more different errors were drawn than `MOST_AMPLITUDES` allow state vectors, some of them, drawn alike, stand for the others: the distribution of a
shot is the same, but shots depend on each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhybrid_pipelines.emulator.gates import apply_gate, gate_qubits, touched_qubits
from qhybrid_pipelines.emulator.local_errors import LocalErrors
from qhybrid_pipelines.emulator.machines import TIMING

Shots = NDArray[np.int64]
Masks = NDArray[np.int64]

MOST_AMPLITUDES = 2**22
"""Of all state vectors that are simulated together; 4,096 vectors of 10 qubits, 64 of 16."""
FEWEST_TRAJECTORIES = 8
"""However wide the circuit is."""
CHUNK_SHOTS = 10_000
"""Shots whose errors are drawn together."""


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
    for begin in range(0, shots, CHUNK_SHOTS):
        size = min(CHUNK_SHOTS, shots - begin)
        local = _run_chunk(gates, gateset, touched, shots=size, errors=errors, generator=generator)
        for position, qubit in enumerate(touched):
            found[begin : begin + size] |= ((local >> position) & 1) << qubit
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


def _run_chunk(
    gates: Sequence[Mapping[str, Any]],
    gateset: str,
    touched: Sequence[int],
    *,
    shots: int,
    errors: LocalErrors,
    generator: np.random.Generator,
) -> Shots:
    """Return the states of the touched qubits, the first of them the least significant bit; without readout errors."""
    masks = _draw_errors(gates, touched, shots=shots, errors=errors, generator=generator)
    patterns, owner = np.unique(masks, axis=0, return_inverse=True)
    owner = owner.reshape(-1)
    most = max(FEWEST_TRAJECTORIES, MOST_AMPLITUDES >> len(touched))
    if len(patterns) > most:
        patterns, owner = _fewer(patterns, owner, most, generator)
    weights = _simulate(patterns, gates, gateset, touched)
    cumulated = np.cumsum(weights, axis=1)
    uniform = generator.random(shots)
    states = np.zeros(shots, dtype=np.int64)
    order = np.argsort(owner, kind="stable")
    edges = np.searchsorted(owner[order], np.arange(len(patterns) + 1))
    for pattern in range(len(patterns)):  # one step per state vector, not per shot
        mine = order[edges[pattern] : edges[pattern + 1]]
        scaled = uniform[mine] * cumulated[pattern, -1]
        states[mine] = np.minimum(np.searchsorted(cumulated[pattern], scaled, side="right"), weights.shape[1] - 1)
    return states


def _draw_errors(
    gates: Sequence[Mapping[str, Any]],
    touched: Sequence[int],
    *,
    shots: int,
    errors: LocalErrors,
    generator: np.random.Generator,
) -> Masks:
    """Return for every shot and gate the Paulis that strike after it: bits of X, then bits of Z, shape ``(shots, 2 gates)``."""
    place = {qubit: index for index, qubit in enumerate(touched)}
    masks = np.zeros((shots, 2 * len(gates)), dtype=np.int64)
    for number, gate in enumerate(gates):
        acting = [qubit for side in gate_qubits(gate) for qubit in side]
        struck = np.flatnonzero(generator.random(shots) < gate_error(acting, errors))
        if len(struck):
            letters = generator.integers(1, 4 ** len(acting), size=len(struck))  # two bits for each qubit, not all 0
            for position, qubit in enumerate(acting):
                masks[struck, 2 * number] ^= ((letters >> (2 * position)) & 1) << place[qubit]
                masks[struck, 2 * number + 1] ^= ((letters >> (2 * position + 1)) & 1) << place[qubit]
        for qubit in set(touched) - set(acting):
            x, y, z = idle_probabilities(gate_seconds(acting), errors, qubit)
            drawn = generator.random(shots)
            masks[:, 2 * number] ^= (drawn < x + y).astype(np.int64) << place[qubit]
            masks[:, 2 * number + 1] ^= ((drawn >= x) & (drawn < x + y + z)).astype(np.int64) << place[qubit]
    return masks


def _fewer(
    patterns: Masks, owner: NDArray[np.intp], most: int, generator: np.random.Generator
) -> tuple[Masks, NDArray[np.intp]]:
    """Return at most so many patterns; those shots without an error keep theirs, the others get one of some shots with errors."""
    clean: NDArray[np.bool_] = np.logical_not(np.any(patterns, axis=1))
    with_errors = np.flatnonzero(~clean[owner])
    chosen = owner[generator.choice(with_errors, size=most - 1, replace=False)]
    kept, first = np.unique(np.concatenate([np.flatnonzero(clean), chosen]), return_inverse=True)
    assigned = np.empty(len(owner), dtype=np.intp)
    if clean.any():
        assigned[clean[owner]] = first[0]
    assigned[with_errors] = first[len(first) - len(chosen) :][generator.integers(0, len(chosen), size=len(with_errors))]
    return patterns[kept], assigned


def _simulate(
    patterns: Masks, gates: Sequence[Mapping[str, Any]], gateset: str, touched: Sequence[int]
) -> NDArray[np.float64]:
    """Return the probabilities of every state for each pattern of errors, shape ``(patterns, 2**len(touched))``."""
    width = len(touched)
    place = {qubit: index for index, qubit in enumerate(touched)}
    state = np.zeros((len(patterns), 2**width), dtype=complex)
    state[:, 0] = 1.0
    numbers = np.arange(2**width)
    for number, gate in enumerate(gates):
        shaped = state.reshape((len(patterns),) + (2,) * width)
        state = apply_gate(shaped, gate, gateset, place).reshape(len(patterns), -1)
        found = patterns[:, 2 * number : 2 * number + 2]
        for x, z in np.unique(found[found.any(axis=1)], axis=0).tolist():
            struck = np.flatnonzero((found[:, 0] == x) & (found[:, 1] == z))
            sign = 1.0 - 2.0 * (np.bitwise_count(numbers & z) & 1)
            state[struck] = (state[struck] * sign)[:, numbers ^ x]
    weights: NDArray[np.float64] = np.abs(state) ** 2
    return weights
