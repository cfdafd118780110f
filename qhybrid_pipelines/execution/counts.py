"""Counts in the form of `port.COUNTS_SCHEMA`: made from sorted shots, and checked against the batch they answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qhybrid_pipelines.core.binary_models.bits import U64, WORD, high_bits, low_word, pack
from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.execution.port import COUNTS_SCHEMA


def counts_from_shots(shots: U64, *, point: int) -> pa.RecordBatch:
    """Return the counts of one point.

    Args:
        shots: shape ``(repetitions, shots)``, packed outcomes, each row ascending.
        point: index that the counts are labelled with.
    """
    return counts_from_points(shots[None], first_point=point)


def counts_from_points(shots: U64, *, first_point: int) -> pa.RecordBatch:
    """Return the counts of neighbouring points.

    Args:
        shots: shape ``(points, repetitions, shots)``, packed outcomes, ascending along the last axis.
        first_point: index of the first point, that its counts are labelled with.
    """
    _, repetitions, per_repetition = shots.shape
    flat = shots.ravel()
    begins = np.ones(len(flat), dtype=bool)
    np.not_equal(flat[1:], flat[:-1], out=begins[1:])
    begins[::per_repetition] = True
    starts = np.flatnonzero(begins)
    run = starts // per_repetition
    return counts_batch(
        first_point + run // repetitions, run % repetitions, flat[starts], np.diff(starts, append=len(flat))
    )


def counts_batch(
    point: npt.NDArray[np.intp], repetition: npt.NDArray[np.intp], bits: U64, count: npt.NDArray[np.int64]
) -> pa.RecordBatch:
    """Return rows in `COUNTS_SCHEMA`, for circuits of up to 64 qubits."""
    return pa.record_batch(
        [
            pa.array(point.astype(np.int32)),
            pa.array(repetition.astype(np.int32)),
            pa.array(bits),
            pa.nulls(len(bits), pa.binary()),
            pa.array(count),
        ],
        schema=COUNTS_SCHEMA,
    )


def counts_of_one_circuit(
    rows: npt.NDArray[np.integer[Any]],
    occurrences: npt.NDArray[np.integer[Any]],
    *,
    point: int = 0,
    repetition: int = 0,
) -> pa.Table:
    """Return the counts of one circuit of a batch, of any width.

    Args:
        rows: shape ``(m, n)`` of 0 and 1, bit ``i`` of an outcome in column ``i``; equal rows may occur.
        occurrences: how often each row came, shape ``(m,)``.
        point: index that the counts are labelled with.
        repetition: as well.
    """
    distinct, place = np.unique(rows[:, ::-1], axis=0, return_inverse=True)
    bits = pack(np.ascontiguousarray(distinct[:, ::-1]))
    count = np.bincount(place.ravel(), weights=occurrences, minlength=len(distinct)).astype(np.int64)
    labels = [np.full(len(distinct), index, dtype=np.int32) for index in (point, repetition)]
    columns = [*labels, low_word(bits), pa.array(high_bits(bits), pa.binary()), count]
    return pa.table([pa.array(column) for column in columns], schema=COUNTS_SCHEMA)


def counts_table(points: Iterable[pa.RecordBatch]) -> pa.Table:
    """Return the counts of many points, given in order, as one table."""
    return pa.Table.from_batches(points, schema=COUNTS_SCHEMA).combine_chunks()


def verify_counts(counts: pa.Table, batch: Batch, *, without: Collection[int] = ()) -> None:
    """Check that counts can be the answer to a batch.

    Args:
        counts: in `COUNTS_SCHEMA`.
        batch: what was asked for.
        without: circuits that failed one by one and have no counts, as ``point * repetitions + repetition``.

    Raises:
        CorruptResult: columns, points, repetitions, width, order or number of shots are not those of the batch.
    """
    if not counts.schema.equals(COUNTS_SCHEMA):
        raise CorruptResult(f"the result's columns are {counts.schema.names}, not counts")
    if any(counts.column(name).null_count for name in ("point", "repetition", "bits", "count")):
        raise CorruptResult("the result holds nulls")
    width = batch.width
    if width > WORD and counts.column("high_bits").null_count:
        raise CorruptResult(f"outcomes of {width} qubits lack their bits above {WORD - 1}")
    point, repetition, bits, count = (
        counts.column(name).to_numpy() for name in ("point", "repetition", "bits", "count")
    )
    if len(bits) and width < WORD and int(bits.max()) >> width:
        raise CorruptResult(f"an outcome is wider than the circuit's {width} qubits")
    run = point.astype(np.int64) * batch.repetitions + repetition
    if np.any((point < 0) | (point >= batch.points) | (repetition < 0) | (repetition >= batch.repetitions)):
        raise CorruptResult("the result has points or repetitions that were not asked for")
    if width <= WORD and np.any((np.diff(run) < 0) | ((np.diff(run) == 0) & (bits[1:] <= bits[:-1]))):
        raise CorruptResult("the result's rows are not in the order of point, repetition and outcome, or repeat one")
    if np.any(count < 1):
        raise CorruptResult("the result holds outcomes with a count below 1")
    shots = np.bincount(run, weights=count, minlength=batch.points * batch.repetitions)
    expected = np.full(len(shots), batch.shots)
    expected[list(without)] = 0
    wrong = np.flatnonzero(shots != expected)
    if len(wrong):
        p, r = divmod(int(wrong[0]), batch.repetitions)
        raise CorruptResult(
            f"point {p}, repetition {r} has {int(shots[wrong[0]])} shots, expected {expected[wrong[0]]}"
            f" ({len(wrong)} of {len(shots)} differ)"
        )
