"""The best outcome of a reduced model: its exact optimum where every outcome can be looked at, else the best that is found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.classical.exhaustive import MAX_VARIABLES, find_minimum
from qhybrid_pipelines.classical.local_search import descend
from qhybrid_pipelines.classical.solvers.annealing import anneal, annealing_schedule
from qhybrid_pipelines.core.binary_models.bits import U64, ones, pack
from qhybrid_pipelines.core.binary_models.reduced_model import ReducedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class LowestOutcome:
    """An outcome, packed, with its energy in cost units.

    Attributes:
        bits: shape ``(1,)``, or ``(1, w)`` above 64 variables.
        proved: nothing is lower; otherwise the minimum lies at or below this energy.
    """

    bits: U64
    energy: float
    proved: bool


def lowest_outcome(reduced_model: ReducedModel, *, seed: int) -> LowestOutcome:
    """Return the lowest outcome: by enumeration up to 20 variables, above that by simulated annealing and a descent.

    Args:
        reduced_model: where the number of ones is fixed, outcomes with that number are preferred.
        seed: of the annealing; the same seed finds the same outcome.
    """
    model, cardinality = reduced_model.model, reduced_model.cardinality
    if model.size <= MAX_VARIABLES:
        word, energy = find_minimum(model, cardinality)
        return LowestOutcome(bits=np.array([word], dtype=np.uint64), energy=energy, proved=True)
    reads, sweeps = annealing_schedule(model)
    rows = anneal(model, reads=reads, sweeps=sweeps, seed=seed)
    rows = descend(model, rows, keep_cardinality=cardinality is not None)
    bits, energies = pack(rows), model.assignment_energies(rows)
    kept = np.ones(len(rows), dtype=np.bool_) if cardinality is None else ones(bits) == cardinality
    best = int(np.lexsort((energies, ~kept))[0])
    return LowestOutcome(bits=bits[best : best + 1], energy=float(energies[best]), proved=False)
