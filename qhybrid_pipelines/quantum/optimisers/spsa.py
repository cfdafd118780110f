"""SPSA: the slope along random directions, from pairs of points on both sides.

Gain sequences and their constants as in J. C. Spall, IEEE Trans. Aerosp. Electron. Syst. 34, 817 (1998): exponents 0.602 and 0.101,
a stability constant of a tenth of the steps, and a first gain that makes the first move as long as is wanted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.seeds import generator
from qhybrid_pipelines.quantum.optimisers.search import MeasuredStep, Search

#: How far the first pairs are from their middle in each coordinate, and how far the first move goes; in units of the angles.
FIRST_DISTANCE, FIRST_MOVE = 0.1, 0.3
#: Decay of the gain and of the distance, and the stability constant as a share of the steps.
GAIN_DECAY, DISTANCE_DECAY, STABILITY = 0.602, 0.101, 0.1
#: No move is longer than this many first moves: one unlucky slope shall not throw the loop out of its region.
LONGEST_MOVE = 2.0


def ask(search: Search, history: Sequence[MeasuredStep]) -> F64:
    """Return the next pairs, shape ``(points, angles)``, radians: all points on one side, then all on the other."""
    middle, gain = np.zeros(search.size), 0.0
    for number, step in enumerate(history):
        slope = _slope(search, step)
        length = float(np.linalg.norm(slope))
        if not gain and length:
            gain = FIRST_MOVE * (1 + STABILITY * search.steps) ** GAIN_DECAY / length
        move = gain / (number + 1 + STABILITY * search.steps) ** GAIN_DECAY * slope
        longest = LONGEST_MOVE * FIRST_MOVE
        middle = middle - move * min(1.0, longest / max(float(np.linalg.norm(move)), longest))
    draws = generator(search.seed, "optimiser", "spsa", len(history)).integers(
        0, 2, size=(search.points // 2, search.size)
    )
    distance = FIRST_DISTANCE / (len(history) + 1) ** DISTANCE_DECAY
    offsets = distance * (2.0 * draws - 1.0)
    return search.to_angles(np.concatenate([middle + offsets, middle - offsets]))


def _slope(search: Search, step: MeasuredStep) -> F64:
    """Return the mean slope over the pairs of a step, shape ``(angles,)``."""
    points, half = search.to_coordinates(step.angles), len(step.values) // 2
    offsets = (points[:half] - points[half:]) / 2
    differences = (step.values[:half] - step.values[half:]) / 2
    return np.asarray(np.mean(differences[:, None] / offsets, axis=0), dtype=np.float64)
