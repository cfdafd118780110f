"""Shots: what a machine would have read, drawn once per job and the same after every restart.

The noise ``uniform`` is deliberately cheap. With the probability that no gate failed, ``(1 - e1)**n1 * (1 - e2)**n2``, a shot is
drawn from the ideal distribution; otherwise its touched qubits are all random. Then each measured bit flips with the
probability ``1 - spam``. So errors have the right size and depend on depth and on the day's characterization, but they
know no place: no crosstalk, no bad qubit, no coherent error. The noise ``local`` has errors where gates act and qubits wait, see
`emulator.trajectories`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qhybrid_pipelines.emulator.circuits import Circuit
from qhybrid_pipelines.emulator.gates import gate_qubits, is_virtual, probabilities
from qhybrid_pipelines.emulator.local_errors import LocalErrors
from qhybrid_pipelines.emulator.machines import Fidelity
from qhybrid_pipelines.emulator.trajectories import run_noisy

Shots = NDArray[np.int64]


def draw(
    circuits: Sequence[Circuit], *, shots: int, fidelity: Fidelity | None, seed: str, errors: LocalErrors | None = None
) -> list[Shots]:
    """Run all circuits of a job.

    Circuits that are equal, gate by gate, are simulated once; what was drawn for all of them is then cut in pieces.

    Args:
        circuits: in the order of the job.
        shots: per circuit.
        fidelity: the day's medians; None runs without noise.
        seed: any text; the same text gives the same shots.
        errors: of each qubit and pair, in place of the medians; None for errors without a place.

    Returns:
        Per circuit the states read, in the order of the shots, qubit 0 the least significant bit.
    """
    alike: dict[str, list[int]] = {}
    for index, circuit in enumerate(circuits):
        alike.setdefault(_digest(circuit), []).append(index)
    drawn: list[Shots] = [np.zeros(0, dtype=np.int64)] * len(circuits)
    for digest, members in alike.items():
        key = hashlib.sha256(f"{seed}/{digest}".encode()).digest()
        generator = np.random.default_rng(int.from_bytes(key[:16]))
        circuit, total = circuits[members[0]], shots * len(members)
        if errors is None:
            together = _run(circuit, total, fidelity, generator)
        else:
            together = run_noisy(
                circuit.gates, circuit.gateset, qubits=circuit.qubits, shots=total, errors=errors, generator=generator
            )
        for position, index in enumerate(members):
            drawn[index] = together[position * shots : (position + 1) * shots]
    return drawn


def exact_probabilities(circuit: Circuit) -> dict[str, float]:
    """Return the probabilities of a circuit without noise, keyed as the interface writes states; those of 0 are left out."""
    touched, ideal = probabilities(circuit.gates, circuit.gateset)
    found: dict[str, float] = {}
    for local, share in enumerate(ideal.tolist()):
        if share > _LEAST_PROBABILITY:
            found[str(sum(((local >> position) & 1) << qubit for position, qubit in enumerate(touched)))] = share
    return found


_LEAST_PROBABILITY = 1e-12


def histogram(states: Shots) -> dict[str, int]:
    """Count the states read, keyed by their decimal number as the interface writes it."""
    values, counts = np.unique(states, return_counts=True)
    return {str(value): int(count) for value, count in zip(values, counts, strict=True)}


def frequencies(states: Shots) -> dict[str, float]:
    """Relative frequencies ``k / shots``: rounding ``p * shots`` gives back the integers that were read."""
    return {state: count / len(states) for state, count in histogram(states).items()}


def _digest(circuit: Circuit) -> str:
    """Hash of what a circuit does."""
    content = json.dumps([circuit.qubits, circuit.gateset, circuit.gates], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _run(circuit: Circuit, shots: int, fidelity: Fidelity | None, generator: np.random.Generator) -> Shots:
    """Draw the shots of one circuit."""
    touched, ideal = probabilities(circuit.gates, circuit.gateset)
    # a uniform number falls into one interval of the cumulated probabilities: one shot
    local = np.searchsorted(np.cumsum(ideal)[:-1], generator.random(shots), side="right").astype(np.int64)
    if fidelity is not None:
        failed = generator.random(shots) >= _no_gate_failed(circuit, fidelity)
        local[failed] = generator.integers(0, len(ideal), size=int(failed.sum()))
    states = np.zeros(shots, dtype=np.int64)
    for position, qubit in enumerate(touched):
        states |= ((local >> position) & 1) << qubit
    if fidelity is not None:
        for qubit in range(circuit.qubits):
            states ^= (generator.random(shots) >= fidelity.spam).astype(np.int64) << qubit
    return states


def _no_gate_failed(circuit: Circuit, fidelity: Fidelity) -> float:
    """Probability that every gate of a circuit worked."""
    gates = (gate for gate in circuit.gates if not is_virtual(gate, circuit.gateset))
    sizes = [sum(len(side) for side in gate_qubits(gate)) for gate in gates]
    ones = sum(size == 1 for size in sizes)
    return float(fidelity.one_qubit**ones * fidelity.two_qubit ** (len(sizes) - ones))
