"""Measured counts of one circuit, compared with the reference: pooled over its runs, and what tells whether runs agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.shot_means import design_effect
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.sampling.reference import Outcomes, Reference

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """Counts, and the probabilities that they should have.

    Attributes:
        reference: its outcomes come first.
        counts: of the reference's outcomes, then of those that it does not have, shape ``(outcomes,)``.
        probabilities: of the same outcomes in the reference.
        spread: variance between runs over that between shots, 1 where runs agree; so many shots are worth one.
    """

    reference: Reference
    counts: I64
    probabilities: F64
    spread: float

    @property
    def shots(self) -> int:
        """Shots of all runs."""
        return int(self.counts.sum())

    @property
    def effective_shots(self) -> float:
        """Shots that count as independent."""
        return self.shots / self.spread


def align_counts(reference: Reference, outcomes: Outcomes, runs: npt.NDArray[Any], counts: npt.NDArray[Any]) -> Aligned:
    """Return counts in the order of a reference.

    Args:
        reference: what should have come out.
        outcomes: measured ones, in any order and repeated where several runs have them.
        runs: of each row the run that it belongs to.
        counts: of each row.

    Raises:
        ValueError: the counts add up to zero.
    """
    counts = np.asarray(counts, dtype=np.int64)
    if not counts.sum():
        raise ValueError("no shots were given: the counts add up to zero")
    place, known = reference.places(outcomes)
    inside = np.bincount(place[known], weights=counts[known], minlength=len(reference.outcomes))
    _, other = np.unique(outcomes[~known], return_inverse=True)
    outside = np.bincount(other.ravel(), weights=counts[~known]) if len(other) else np.zeros(0)
    value = np.where(known, reference.probabilities[place], 0.0)
    return Aligned(
        reference=reference,
        counts=np.concatenate([inside, outside]).astype(np.int64),
        probabilities=np.concatenate([reference.probabilities, np.zeros(len(outside))]),
        spread=design_effect(value, counts, runs),
    )
