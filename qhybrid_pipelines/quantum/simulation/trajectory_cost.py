"""How long the trajectories of a circuit take, before one is followed."""

from __future__ import annotations

import numpy as np

from qhybrid_pipelines.quantum.simulation.gate_fusion import MOVE_COST, PRODUCT_COST, FusedCircuit
from qhybrid_pipelines.quantum.simulation.noisy_circuit import Decay

READ_COST = 3.0
"""Nanoseconds per amplitude for reading a state; as the costs of groups, measured on one core with AVX-512."""
SHOT_COST = 2e-6
"""Seconds for each shot, whatever the circuit."""
STATE_COST = 3e-5
"""Seconds for each state, whatever its size."""
BUSY = 2.0
"""How much longer it takes than the parts alone: on a busy machine, whose cache others use too."""


def expected_seconds(fused: FusedCircuit, shots: int) -> float:
    """Return the processor seconds that ``shots`` of one circuit take, within a factor of about two on other machines.

    Shots whose first strike is the same share a branch; how many branches that makes is what falling into so many boxes gives. Later
    strikes hardly ever meet, and each is a branch of its own.
    """
    amplitudes = 2**fused.n_qubits * 1e-9
    steps = np.array([MOVE_COST + PRODUCT_COST * len(group.matrix) for group in fused.groups]) * amplitudes
    rest = np.cumsum(steps[::-1])[::-1] + READ_COST * amplitudes + STATE_COST
    group_of = np.repeat(np.arange(len(fused.groups)), [len(group.before) for group in fused.groups])
    if not len(group_of):
        return shots * SHOT_COST
    strings = np.array([float(error.strings) for error in fused.errors])
    rates = np.array([error.total / 2 if isinstance(error, Decay) else error.total for error in fused.errors])
    clean_before = np.exp(-(np.cumsum(rates) - rates))
    first = shots * rates * clean_before
    branches = strings * -np.expm1(-first / strings) + shots * rates * (1 - clean_before)
    return BUSY * float(rest[0] + branches @ rest[group_of]) + shots * SHOT_COST
