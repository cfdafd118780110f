"""Shots from probabilities: one generator per point and repetition, so nothing depends on how work is split."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U64
from qhybrid_pipelines.core.binary_models.ising import F64

Index = npt.NDArray[np.intp]
OutcomesFromUniforms = Callable[[F64, F64], Index]


def outcomes_from_uniforms(probabilities: F64, uniforms: F64) -> Index:
    """Return which outcome each shot is, shape of ``uniforms``: the first whose cumulated probability is above it.

    Args:
        probabilities: shape ``(points, m)``; rows need not be normalised to the last digit.
        uniforms: shape ``(points, repetitions, shots)``, below 1, ascending along the last axis.
    """
    found = np.empty(uniforms.shape, dtype=np.intp)
    for row, uniform, place in zip(np.cumsum(probabilities, axis=1), uniforms, found, strict=True):
        place[:] = np.searchsorted(row, uniform * row[-1], side="right")
        # A uniform next to 1 can round up to the total itself; it belongs to the last outcome that is possible at all.
        if place[:, -1].max() == len(row):
            np.minimum(place, np.searchsorted(row, row[-1], side="left"), out=place)
    return found


def draw_shots(
    probabilities: F64,
    seeds: U64,
    shots: int,
    *,
    outcomes: U64 | None = None,
    outcomes_from_uniforms: OutcomesFromUniforms = outcomes_from_uniforms,
) -> U64:
    """Return the packed outcome of every shot, shape ``(points, repetitions, shots)``, ascending along the last axis.

    Each repetition draws ``shots`` uniforms from a PCG64 generator on its own seed and looks them up in the cumulated
    probabilities: the multinomial distribution, and the same shots whichever points are sampled with it.

    Args:
        probabilities: shape ``(points, m)``; rows need not be normalised to the last digit.
        seeds: shape ``(points, repetitions)``.
        shots: per repetition.
        outcomes: shape ``(m,)``, ascending: the packed outcome of each probability; 0, 1, 2, ... by default.
        outcomes_from_uniforms: does what :func:`outcomes_from_uniforms` does.
    """
    drawn = outcomes_from_uniforms(probabilities, sorted_uniforms(seeds, shots))
    return drawn.astype(np.uint64) if outcomes is None else outcomes[drawn]


def sorted_uniforms(seeds: U64, shots: int) -> F64:
    """Return uniforms below 1, shape ``(*seeds.shape, shots)``, ascending for each seed."""
    uniforms = np.empty((seeds.size, shots))
    for seed, row in zip(seeds.ravel().tolist(), uniforms, strict=True):
        np.random.Generator(np.random.PCG64(seed)).random(out=row)
    uniforms.sort(axis=1)
    return uniforms.reshape(*seeds.shape, shots)


def shot_seed(seeds: npt.NDArray[np.uint64]) -> int:
    """Return one 31-bit seed out of many, for a simulator that takes one for all points of a run."""
    state = np.random.SeedSequence(seeds.tolist()).generate_state(1, np.uint32)
    return int(state[0] & 0x7FFF_FFFF)
