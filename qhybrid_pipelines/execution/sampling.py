"""From probabilities to counts: one generator per point and repetition, so nothing depends on how work is split."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qhybrid_pipelines.core.bits import U64
from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.execution.counts import counts_of_shots


def sample_point(
    probabilities: F64, seeds: U64, shots: int, *, point: int, outcomes: U64 | None = None
) -> pa.RecordBatch:
    """Return the counts of one point in `COUNTS_SCHEMA`, sorted by (repetition, bits).

    Each repetition draws ``shots`` uniforms from a PCG64 generator on its own seed and looks them up in the cumulated
    probabilities: the multinomial distribution, and the same counts whichever points are sampled beside it.

    Args:
        probabilities: shape ``(m,)``; need not be normalised to the last digit.
        seeds: shape ``(repetitions,)``.
        shots: per repetition.
        point: index that the counts are labelled with.
        outcomes: shape ``(m,)``, ascending: the packed outcome of each probability; 0, 1, 2, ... by default.
    """
    cumulated = np.cumsum(probabilities)
    uniforms = np.stack([np.random.Generator(np.random.PCG64(int(seed))).random(shots) for seed in seeds])
    uniforms.sort(axis=1)
    drawn = np.searchsorted(cumulated, uniforms * cumulated[-1], side="right")
    # A uniform next to 1 can round up to the total itself; it belongs to the last outcome that is possible at all.
    last = np.searchsorted(cumulated, cumulated[-1], side="left")
    drawn = np.minimum(drawn, last).astype(np.uint64)
    return counts_of_shots(drawn if outcomes is None else outcomes[drawn], point=point)


def shot_seed(seeds: npt.NDArray[np.uint64]) -> int:
    """Return one 31-bit seed out of many, for a simulator that takes one for all points of a run."""
    state = np.random.SeedSequence(seeds.tolist()).generate_state(1, np.uint32)
    return int(state[0] & 0x7FFF_FFFF)
