"""From the vendor's arrays of shots to counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.bits import U8, U64, WORD
from qhybrid_pipelines.execution.counts import counts_from_shots, counts_table
from qhybrid_pipelines.execution.port import COUNTS_SCHEMA


def counts_from_bytes(shots: U8, width: int) -> pa.Table:
    """Return counts in `COUNTS_SCHEMA` of packed shots.

    Args:
        shots: shape ``(points, repetitions, shots, bytes)``, each outcome big-endian as in qiskit's ``BitArray``.
        width: number of bits of an outcome.
    """
    if width <= WORD:
        words = _words(shots)
        words.sort(axis=2)
        return counts_table(counts_from_shots(rows, point=point) for point, rows in enumerate(words))
    return counts_table(
        _counts_from_wide_run(run, point=point, repetition=repetition)
        for point, repetitions in enumerate(shots)
        for repetition, run in enumerate(repetitions)
    )


def _words(shots: U8) -> U64:
    padded = np.zeros((*shots.shape[:-1], 8), dtype=np.uint8)
    low = shots[..., -8:]
    padded[..., 8 - low.shape[-1] :] = low
    return np.asarray(padded.view(">u8")[..., 0], dtype=np.uint64)


def _counts_from_wide_run(run: U8, *, point: int, repetition: int) -> Any:
    """Return the counts of one run of more than 64 bits, sorted by the lower word, then by what is above it."""
    little = np.ascontiguousarray(run[:, ::-1])
    low, high = little[:, :8].copy().view("<u8")[:, 0], np.ascontiguousarray(little[:, 8:])
    order = np.lexsort((*high.T, low))
    low, high = low[order], high[order]
    begins = np.ones(len(low), dtype=bool)
    begins[1:] = (low[1:] != low[:-1]) | np.any(high[1:] != high[:-1], axis=1)
    starts = np.flatnonzero(begins)
    return pa.record_batch(
        [
            pa.array(np.full(len(starts), point, dtype=np.int32)),
            pa.array(np.full(len(starts), repetition, dtype=np.int32)),
            pa.array(low[starts].astype(np.uint64)),
            pa.array([row.tobytes() for row in high[starts]], pa.binary()),
            pa.array(np.diff(starts, append=len(low))),
        ],
        schema=COUNTS_SCHEMA,
    )
