"""Measurement counts as arrays, in the form in which scoring sums over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U64, WORD
from qhybrid_pipelines.core.binary_models.energy_tables import as_words
from qhybrid_pipelines.core.errors import CorruptResult

I64 = npt.NDArray[np.int64]
#: Indices of points or repetitions, in the type in which they came; wider ones would cost memory in long sweeps.
Labels = npt.NDArray[np.signedinteger[Any]]

#: Up to this many variables all outcomes are numbered by a table, which is quicker than sorting and needs 9 MB.
_MAX_TABLE_QUBITS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCounts:
    """Rows of counts, sorted by point, repetition and outcome.

    Attributes:
        point: shape ``(m,)``.
        repetition: shape ``(m,)``.
        count: how often the outcome was measured there, in shots.
        outcome: index into ``distinct_outcomes``.
        distinct_outcomes: the distinct outcomes over all rows, packed, ascending; shape ``(k,)``, above 64 variables ``(k, w)``.
    """

    point: Labels
    repetition: Labels
    count: I64
    outcome: I64
    distinct_outcomes: U64


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcomes:
    """The distinct outcomes of each run, all its points together, sorted by repetition and outcome.

    Attributes:
        repetition: shape ``(r,)``.
        outcome: index into the distinct words.
        count: how often the outcome was measured in that run, in shots.
        point: where it was measured most often; the first of several such points.
    """

    repetition: Labels
    outcome: I64
    count: I64
    point: Labels


def read_counts(counts: Mapping[str, npt.NDArray[Any]], *, width: int) -> MeasuredCounts:
    """Return the arrays ``point, repetition, bits, count`` of counts, which may be in any order, sorted.

    Above 64 variables there is an array ``high_bits`` of little-endian bytes too.

    Raises:
        CorruptResult: an outcome has a bit set that the reduced model of ``width`` variables does not have.
    """
    point, repetition = counts["point"], counts["repetition"]
    count = counts["count"].astype(np.int64, copy=False)
    bits = counts["bits"].astype(np.uint64, copy=False)
    if width > WORD:
        bits = as_words(bits, counts["high_bits"], width)
    top_word = bits if bits.ndim == 1 else bits[:, -1]
    highest = int(top_word.max(initial=0)).bit_length() - 1
    if bits.ndim == 2:
        highest += WORD * (bits.shape[1] - 1)
    if highest >= width:
        raise CorruptResult(f"bit {highest} is set in a measured outcome of {width} qubits")
    distinct_outcomes, outcome = _index_outcomes(bits, width)
    if not _is_sorted(point, repetition, outcome):
        order = np.lexsort((outcome, repetition, point))
        point, repetition, count, outcome = point[order], repetition[order], count[order], outcome[order]
    return MeasuredCounts(
        point=point, repetition=repetition, count=count, outcome=outcome, distinct_outcomes=distinct_outcomes
    )


def sum_out_ancillas(counts: Mapping[str, npt.NDArray[Any]], *, width: int) -> Mapping[str, npt.NDArray[Any]]:
    """Return counts of the first ``width`` qubits, whatever was measured on the ancillas above them.

    Args:
        counts: arrays ``point, repetition, bits, count`` of equal length.
        width: variables of the reduced model.
    """
    bits = counts["bits"].astype(np.uint64, copy=False)
    if int(bits.max(initial=0)) >> width == 0:
        return counts
    data_bits = bits & np.uint64((1 << width) - 1)
    order = np.lexsort((data_bits, counts["repetition"], counts["point"]))
    keys = (counts["point"][order], counts["repetition"][order], data_bits[order])
    _, first = group_sorted_rows(*keys)
    total = np.add.reduceat(counts["count"][order].astype(np.int64, copy=False), first)
    return {**dict(zip(("point", "repetition", "bits"), (key[first] for key in keys), strict=True)), "count": total}


def _index_outcomes(bits: U64, width: int) -> tuple[U64, I64]:
    """Return the distinct outcomes in ascending order, and the place of each outcome among them."""
    if bits.ndim == 2:  # compared from the highest word down
        words, place = np.unique(bits[:, ::-1], axis=0, return_inverse=True)
        return np.ascontiguousarray(words[:, ::-1]), place.ravel()
    if width > _MAX_TABLE_QUBITS:
        return np.unique(bits, return_inverse=True)
    present = np.zeros(1 << width, dtype=np.bool_)
    present[bits] = True
    place = np.cumsum(present) - 1
    return np.flatnonzero(present).astype(np.uint64), place[bits]


def _is_sorted(*keys: npt.NDArray[Any]) -> bool:
    """Tell whether rows ascend by the keys, the first one first."""
    tied = np.ones(max(len(keys[0]) - 1, 0), dtype=np.bool_)
    for key in keys:
        if np.any(tied & (key[1:] < key[:-1])):
            return False
        tied &= key[1:] == key[:-1]
    return True


def outcomes_by_run(measured: MeasuredCounts) -> RunOutcomes:
    """Return the outcomes of each run over all its points."""
    # Rows of one run and outcome stay in the order of their points, and each point's rows ascend already: a stable sort
    # of one number merges them, where sorting by four keys starts from nothing.
    place = measured.repetition * np.int64(len(measured.distinct_outcomes)) + measured.outcome
    order = np.argsort(place, kind="stable")
    group, starts = group_sorted_rows(place[order])
    count = measured.count[order]
    most = np.flatnonzero(count == np.maximum.reduceat(count, starts)[group]) if len(starts) else starts
    _, first = group_sorted_rows(group[most])
    return RunOutcomes(
        repetition=measured.repetition[order[starts]],
        outcome=measured.outcome[order[starts]],
        count=group_sums(group, len(starts), count).astype(np.int64),
        point=measured.point[order[most[first]]],
    )


def group_sorted_rows(*keys: npt.NDArray[Any]) -> tuple[I64, I64]:
    """Return the group of each row, and the first row of each group; rows must be sorted by the keys."""
    begins = np.zeros(len(keys[0]), dtype=np.bool_)
    begins[:1] = True
    for key in keys:
        begins[1:] |= key[1:] != key[:-1]
    return np.cumsum(begins) - 1, np.flatnonzero(begins)


def group_sums(group: I64, groups: int, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the sum of ``values`` in each group, shape ``(groups,)``; exact for counts below ``2**53``."""
    return np.asarray(np.bincount(group, weights=values, minlength=groups), dtype=np.float64)
