"""Replaying a job: its stored result through today's decoder, compared with the counts in the lake."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.core.errors import CorruptResult
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines.steps.on_demand.stored_batches import find_sub_batch
from qhybrid_pipelines.steps.values_from_rows import Row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.specifications import Specifications

_OUTCOME = ("point", "repetition", "bits", "high_bits", "count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of a replay.

    Attributes:
        equal: outcome for outcome as the lake has it.
        decoded: rows that today's decoder finds, or None where it refuses the result.
        stored: rows that the lake has, or None where it has none of this job.
        points: per point of the sweep, the total variation distance between both, over all repetitions.
        sentence: all of it in words.
    """

    job_id: str
    equal: bool
    decoded: int | None
    stored: int | None
    points: list[Row]
    sentence: str

    def details(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def replay(job: JobRecord, dispatcher: Dispatcher, lake: Lake, specifications: Specifications) -> Replay:
    """Decode the stored result of a job again and compare it with what the lake has.

    Raises:
        InvalidInput: no result was ever received, or the lake has other circuits.
        MissingUpstream: the lake does not have the circuits.
        CorruptFile: the stored bytes are gone or changed.
    """
    sub_batch = find_sub_batch(job, dispatcher, lake, specifications)
    stored = _stored(lake, job)
    try:
        decoded = dispatcher.decode_stored(job, replace(sub_batch.batch, backend=job.backend))
    except CorruptResult as error:
        sentence = f"Today's decoder refuses the kept result of {job.job_id}: {error}"
        return Replay(job_id=job.job_id, equal=False, decoded=None, stored=_rows(stored), points=[], sentence=sentence)
    decoded = _shift_indices(decoded, sub_batch)
    if stored is None:
        sentence = (
            f"The kept result of {job.job_id} decodes to {decoded.num_rows} outcomes; the lake has no counts of it."
        )
        return Replay(
            job_id=job.job_id, equal=False, decoded=decoded.num_rows, stored=None, points=[], sentence=sentence
        )
    equal = _has_equal_rows(decoded, stored)
    points = total_variation(stored, decoded)
    worst = max((row["total_variation"] for row in points), default=0.0)
    sentence = (
        f"The kept result of {job.job_id} decodes to the {stored.num_rows} outcomes that the lake has."
        if equal
        else f"The kept result of {job.job_id} decodes to other counts than the lake has; total variation distance "
        f"up to {worst:.4g}."
    )
    return Replay(
        job_id=job.job_id,
        equal=equal,
        decoded=decoded.num_rows,
        stored=stored.num_rows,
        points=points,
        sentence=sentence,
    )


def total_variation(one: pa.Table, other: pa.Table) -> list[Row]:
    """Return, for each point, half the sum of absolute differences between the relative counts of both tables.

    0 says the same distribution, 1 says that no outcome is common. A point that only one table has counts as 1.
    """
    keys = ["point", "bits", "high_bits"]
    sides = [
        table.select([*keys, "count"]).append_column("side", pa.repeat(pa.scalar(side, pa.int8()), table.num_rows))
        for side, table in enumerate((one, other))
    ]
    both = pa.concat_tables(sides).group_by([*keys, "side"]).aggregate([("count", "sum")])
    point, side = both.column("point").to_numpy(), both.column("side").to_numpy()
    count = both.column("count_sum").to_numpy().astype(np.float64)
    points, index = np.unique(point, return_inverse=True)
    totals = np.zeros((len(points), 2))
    np.add.at(totals, (index, side), count)
    signed = np.where(side == 0, 1.0, -1.0) * count / totals[index, side]
    outcomes = both.append_column("share", pa.array(signed)).group_by(keys).aggregate([("share", "sum")])
    distance = np.zeros(len(points))
    which = np.searchsorted(points, outcomes.column("point").to_numpy())
    np.add.at(distance, which, np.abs(outcomes.column("share_sum").to_numpy()) / 2)
    distance[(totals == 0).any(axis=1)] = 1.0
    return [
        {"point": int(p), "shots_stored": int(a), "shots_decoded": int(b), "total_variation": float(d)}
        for p, (a, b), d in zip(points, totals, distance, strict=True)
    ]


def _stored(lake: Lake, job: JobRecord) -> pa.Table | None:
    """Return the job's counts as the lake has them, or None."""
    key = PartitionKey(experiment=job.experiment, backend=job.requested_backend)
    if not lake.exists(schemas.QPU_RESULT_SETS, key):
        return None
    counts = lake.read(schemas.QPU_RESULT_SETS, key)
    own = counts.filter(pc.equal(counts.column("job_id"), job.job_id)).select(list(_OUTCOME))
    return own if own.num_rows else None


def _shift_indices(counts: pa.Table, sub_batch: SubBatch) -> pa.Table:
    """Return a part's counts with points and repetitions as the whole batch numbers them, like the lake."""
    for column, first in (("point", sub_batch.first_point), ("repetition", sub_batch.first_repetition)):
        moved = pc.add(counts.column(column), pa.scalar(first, counts.column(column).type))
        counts = counts.set_column(counts.column_names.index(column), counts.schema.field(column), moved)
    return counts.select(list(_OUTCOME))


def _has_equal_rows(one: pa.Table, other: pa.Table) -> bool:
    """Tell whether two tables of counts have the same rows, in whatever order."""
    order = [(name, "ascending") for name in ("point", "repetition", "bits", "high_bits")]
    one, other = one.sort_by(order), other.sort_by(order)
    return all(one.column(name).equals(other.column(name)) for name in _OUTCOME)


def _rows(table: pa.Table | None) -> int | None:
    return None if table is None else table.num_rows
