"""Pairs of executions of which it is known what changed: exact distributions of a small QAOA circuit, and shots from them.

The circuit is simulated here, with nothing from the package: the cut of a ring with chords, one layer, noise as a share of
uniform outcomes that grows with the number of two-qubit gates.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qhybrid_pipelines.classical.count_comparison import CountDifference, PointCounts, compare_counts
from qhybrid_pipelines.problems.execution_differences import Cause, ChangedFact, changed_facts, describe_difference

QUBITS = 8
EDGES = [(i, (i + 1) % QUBITS) for i in range(QUBITS)] + [(0, 4), (2, 6)]
OUTCOMES = np.array(list(itertools.product([0, 1], repeat=QUBITS)))
#: To be minimised: edges that are not cut, less those that are.
ENERGIES = np.array([sum(1 - 2 * (row[i] ^ row[j]) for i, j in EDGES) for row in OUTCOMES], dtype=np.float64)
POINTS, SHOTS = 3, 4000


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How an execution was made; each field is one thing that a person may change."""

    gamma: float = 0.4
    beta: float = 0.35
    two_qubit_error: float = 0.006
    two_qubit_gates: int = 2 * len(EDGES)
    readout_error: float = 0.01
    calibration_id: str = "2026-05-01"
    backend: str = "ionq:qpu.aria-1"
    shots: int = SHOTS
    seed: int = 7

    def distribution(self, point: int) -> np.ndarray:
        """Return the probability of each outcome at one of the points, whose angles differ a little."""
        gamma, beta = self.gamma * (1 + 0.1 * point), self.beta * (1 - 0.1 * point)
        state = np.exp(-1j * gamma * ENERGIES) / np.sqrt(len(ENERGIES))
        state = state.reshape([2] * QUBITS)
        rotation = np.array([[np.cos(beta), -1j * np.sin(beta)], [-1j * np.sin(beta), np.cos(beta)]])
        for qubit in range(QUBITS):
            state = np.moveaxis(np.tensordot(rotation, state, axes=(1, qubit)), 0, qubit)
        probabilities = np.abs(state) ** 2
        kept = (1 - self.two_qubit_error) ** self.two_qubit_gates
        probabilities = kept * probabilities + (1 - kept) / 2**QUBITS
        flips = np.array([[1 - self.readout_error, self.readout_error], [self.readout_error, 1 - self.readout_error]])
        for qubit in range(QUBITS):
            probabilities = np.moveaxis(np.tensordot(flips, probabilities, axes=(1, qubit)), 0, qubit)
        flat = probabilities.ravel()
        return flat / flat.sum()

    def facts(self) -> dict[str, Any]:
        """Return what the lake would have recorded."""
        return {
            "specification": {
                "name": "known",
                "sweep": {"center": [self.gamma, self.beta]},
                "shots": self.shots,
                "seed": self.seed,
            },
            "backend": self.backend,
            "provenance": {
                "template_id": "t",
                "calibration_id": self.calibration_id,
                "compiled_sha256": f"circuit with {self.two_qubit_gates}",
                "compiled_two_qubit_gates": self.two_qubit_gates,
                "compiled_depth": self.two_qubit_gates,
                "packages": "{}",
            },
        }


BEFORE = Setting()
#: One change each, of the size that people ask about.
KNOWN = {
    Cause.SPECIFICATION: replace(BEFORE, gamma=0.46),
    Cause.CALIBRATION: replace(BEFORE, two_qubit_error=0.012, calibration_id="2026-05-02"),
    Cause.CODE_OR_COMPILER: replace(BEFORE, two_qubit_gates=40),
    Cause.BACKEND: replace(BEFORE, two_qubit_error=0.01, readout_error=0.02, backend="ionq:qpu.forte-1"),
}


def compare_settings(before: Setting, after: Setting, *, seed: int) -> tuple[CountDifference, list[ChangedFact], str]:
    """Measure both, compare, and return what was found, what changed, and the conclusion."""
    random = np.random.default_rng(seed)
    points = []
    for point in range(POINTS):
        old = random.multinomial(before.shots, before.distribution(point))
        new = random.multinomial(after.shots, after.distribution(point))
        seen = (old + new) > 0
        points.append(PointCounts(before=old[seen], after=new[seen], energies=ENERGIES[seen]))
    difference = compare_counts(points, resamples=400)
    changes = changed_facts(before.facts(), after.facts(), angles_differ=False)
    conclusion = describe_difference(
        changes,
        beyond_shot_noise=difference.is_beyond_shot_noise,
        identical=difference.identical,
        p_value=difference.p_value,
    )
    return difference, changes, conclusion
