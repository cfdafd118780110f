"""Uniform random outcomes: what any sampler has to beat."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.classical.exhaustive import MAX_VARIABLES, all_outcomes
from qhybrid_pipelines.core.binary_models.bits import U8, U64, pack


def random_counts(
    rng: np.random.Generator, width: int, samples: int, cardinality: int | None = None
) -> tuple[U64, npt.NDArray[np.int64]]:
    """Return the distinct outcomes among ``samples`` uniform random ones, ascending, and how often each occurred.

    Up to 20 bits drawn as one multinomial over all outcomes, so that any number of samples costs the same; above that one by
    one.

    Args:
        rng: source of the draw.
        width: bits of an outcome.
        samples: how many are drawn.
        cardinality: draw among outcomes with that many ones only: a sampler that never leaves the feasible subspace
            has to be compared with one that does not leave it either.
    """
    if width > MAX_VARIABLES:
        drawn = pack(random_rows(rng, width, samples, cardinality))
        if drawn.ndim == 1:
            return np.unique(drawn, return_counts=True)
        found, often = np.unique(drawn[:, ::-1], axis=0, return_counts=True)  # ascending from the highest word down
        return np.ascontiguousarray(found[:, ::-1]), often
    words = all_outcomes(width, cardinality)
    counts = rng.multinomial(samples, np.full(len(words), 1.0 / len(words)))
    seen = counts > 0
    return words[seen], counts[seen]


def random_rows(rng: np.random.Generator, width: int, samples: int, cardinality: int | None = None) -> U8:
    """Return ``samples`` uniform random assignments of any width, shape ``(samples, width)``."""
    if cardinality is None:
        return rng.integers(0, 2, size=(samples, width), dtype=np.uint8)
    row = np.zeros((samples, width), dtype=np.uint8)
    row[:, :cardinality] = 1
    return rng.permuted(row, axis=1)
