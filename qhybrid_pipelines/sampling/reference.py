"""What a circuit's outcomes should be: a distribution over bit strings, kept where it is not zero."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64

#: Probabilities below are rounding errors of a simulation.
NEGLIGIBLE = 1e-12
#: Widest outcome that fits into one packed integer.
PACKED_WIDTH = 64

#: Packed outcomes, bit 0 least significant: ``uint64`` up to `PACKED_WIDTH` bits, Python's integers above.
Outcomes = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The distribution of a circuit's outcomes.

    Attributes:
        width: measured bits.
        outcomes: those with a probability above zero, ascending.
        probabilities: of each, shape ``(outcomes,)``, in sum 1.
    """

    width: int
    outcomes: Outcomes
    probabilities: F64

    @cached_property
    def size(self) -> float:
        """How many outcomes there could be, ``2 ** width``."""
        return 2.0**self.width

    @cached_property
    def is_certain(self) -> bool:
        """Whether there is one outcome only."""
        return len(self.outcomes) == 1

    @cached_property
    def purity(self) -> float:
        """Sum of squared probabilities: the chance that two shots agree."""
        return float(np.sum(self.probabilities**2))

    @cached_property
    def is_uniform(self) -> bool:
        """Whether every outcome is as likely as every other, so that nothing can be told from uniform ones."""
        return self.purity * self.size < 1 + 1e-9

    @cached_property
    def is_flat(self) -> bool:
        """Whether all outcomes that occur are equally likely."""
        return bool(np.ptp(self.probabilities) < NEGLIGIBLE)

    @cached_property
    def heavy(self) -> npt.NDArray[np.bool_]:
        """Which outcomes are heavy: more likely than the median of all ``2 ** width``.

        Source: S. Aaronson and L. Chen, arXiv:1612.05903.
        """
        return self.probabilities > self._median

    @property
    def _median(self) -> float:
        present, half = len(self.probabilities), 2 ** (self.width - 1)
        if present < half:
            return 0.0
        zeros = 2**self.width - present
        ordered = np.sort(self.probabilities)
        below = ordered[half - 1 - zeros] if half - 1 >= zeros else 0.0
        return float(below + ordered[half - zeros]) / 2

    def places(self, outcomes: Outcomes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Return the place of each given outcome among the reference's, and whether it is there."""
        place = np.minimum(np.searchsorted(self.outcomes, outcomes), len(self.outcomes) - 1)
        return place, np.asarray(self.outcomes[place] == outcomes, dtype=np.bool_)


def reference_from_vector(probabilities: F64) -> Reference:
    """Return the reference of a vector of ``2 ** width`` probabilities, by packed outcome."""
    width = len(probabilities).bit_length() - 1
    kept = np.flatnonzero(probabilities > NEGLIGIBLE)
    values = probabilities[kept]
    return Reference(width=width, outcomes=kept.astype(np.uint64), probabilities=values / values.sum())


def reference_from_pairs(pairs: dict[int, float], width: int) -> Reference:
    """Return the reference of a few outcomes with their probabilities; those of zero are left out.

    Raises:
        ValueError: there are none, or their sum is not positive.
    """
    kept = sorted(outcome for outcome, probability in pairs.items() if probability > 0)
    values = np.array([pairs[outcome] for outcome in kept], dtype=np.float64)
    if not values.sum() > 0:
        raise ValueError("a reference needs an outcome")
    return Reference(width=width, outcomes=packed(kept, width), probabilities=values / values.sum())


def packed(outcomes: list[int], width: int) -> Outcomes:
    """Return outcomes as an array of the kind that a width needs."""
    return np.array(outcomes, dtype=np.uint64 if width <= PACKED_WIDTH else object)


def product_of_marginals(reference: Reference) -> F64:
    """Return, for each outcome of a reference, its probability if all bits were independent with the same means.

    Source: the product distribution with the reference's marginals, which of all product distributions is nearest in relative
    entropy (T. M. Cover and J. A. Thomas, Elements of Information Theory, problem 2.31 of the second edition).
    """
    found = np.ones(len(reference.outcomes))
    one = np.uint64(1) if reference.width <= PACKED_WIDTH else 1
    for bit in range(reference.width):
        place = np.uint64(bit) if reference.width <= PACKED_WIDTH else bit
        is_one = ((reference.outcomes >> place) & one).astype(np.float64)
        mean = float(reference.probabilities @ is_one)
        found *= is_one * mean + (1 - is_one) * (1 - mean)
    return found
