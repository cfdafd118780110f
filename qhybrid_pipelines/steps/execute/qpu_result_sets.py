"""Step 8: collect what came back, verified against what was asked for, each part at its place in the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.control.dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.successors import Standing
from qhybrid_pipelines.control.ledger.lifecycle import WITHOUT_RESULT
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.core.errors import JobFailed, QHybridError
from qhybrid_pipelines.core.jobs import CircuitBatch, JobState
from qhybrid_pipelines.core.sub_batches import Part, part_of
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.steps.rows import Row, rows_of
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import conform, empty, with_texts_held_once


def result_sets(batches: pa.Table, submissions: pa.Table, dispatcher: Dispatcher) -> pa.Table:
    """Return the table `counts`.

    An execution has all its counts or none: where the deadline of one of its jobs passed, the results of the others are
    fetched, verified and kept as received, but runs of unequal size are not compared.

    Raises:
        JobFailed: a job is not finished, or ended without a usable result; the others were fetched before.
    """
    tables: list[pa.Table] = []
    for row in batches.to_pylist():
        batch = batch_from_row(row)
        rows = rows_of(submissions, batch.experiment, batch.backend).to_pylist()
        tables += collected(batch, rows, dispatcher)
    # Whoever asked keeps this table, Dagster among them: in a long sweep keys of rows would take more room than counts.
    return with_texts_held_once(conform(schemas.COUNTS, pa.concat_tables(tables or [empty(schemas.COUNTS)])))


def jobs_behind(submissions: Sequence[Row], dispatcher: Dispatcher) -> list[JobRecord]:
    """Return the jobs that stand now for the rows of one execution, in their order.

    Raises:
        InvalidInput: the ledger does not know one of them.
    """
    if not submissions:
        return []
    standing = Standing.of(dispatcher.ledger, submissions[0]["experiment"])
    return [standing.job(row["job_id"]) or dispatcher.ledger.job(row["job_id"]) for row in submissions]


def why_without_counts(jobs: Iterable[JobRecord]) -> str | None:
    """Return which job of an execution was not done in time, as a sentence; None if none was."""
    late = next((job for job in jobs if job.state is JobState.EXPIRED), None)
    if late is None:
        return None
    deadline = f" of {late.deadline_at:%Y-%m-%d %H:%M:%S} UTC" if late.deadline_at else ""
    return f"Job {late.job_id} on {late.backend} was not done by the deadline{deadline} of its tier '{late.tier}'."


def collected(batch: CircuitBatch, rows: Sequence[Row], dispatcher: Dispatcher) -> list[pa.Table]:
    """Return the counts of every part of a batch; none if one of them is not to be had any more.

    Args:
        batch: what was handed over.
        rows: of its parts, as they were handed over.
        dispatcher: collects.

    Raises:
        JobFailed: as `result_sets`.
    """
    tables: list[pa.Table] = []
    failures: list[QHybridError] = []
    jobs = jobs_behind(rows, dispatcher)
    for row, job in zip(rows, jobs, strict=True):
        if job.state is JobState.EXPIRED:
            continue
        try:
            tables.append(_part(_part_of(batch, row), job, batch, dispatcher))
        except QHybridError as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return tables if len(tables) == len(rows) else []


def _part_of(batch: CircuitBatch, row: Mapping[str, int]) -> Part:
    names = ("first_point", "points", "first_repetition", "repetitions")
    return part_of(batch, **{name: row[name] for name in names})


def _part(part: Part, job: JobRecord, whole: CircuitBatch, dispatcher: Dispatcher) -> pa.Table:
    """Return the counts of one part, its points and repetitions counted as in the whole."""
    if job.state in WITHOUT_RESULT:
        raise JobFailed(
            f"job {job.job_id} of experiment '{job.experiment}' on '{job.backend}' is {job.state} and has no result"
            f"{': ' + job.error.rstrip('.') if job.error else ''}. `qhybrid jobs show {job.job_id}` tells its life, "
            f"`qhybrid jobs retry {job.job_id}` runs it again as a new job"
        )
    counts = dispatcher.collect(job.job_id, part.batch).counts
    shift = {"point": part.first_point, "repetition": part.first_repetition}
    columns = {
        "experiment": pa.repeat(whole.experiment, len(counts)),
        "backend": pa.repeat(whole.backend, len(counts)),
        "job_id": pa.repeat(job.job_id, len(counts)),
    }
    for name in counts.column_names:
        column = counts.column(name)
        columns[name] = pc.add(column, pa.scalar(shift[name], column.type)) if name in shift else column
    return pa.table([columns[c.name] for c in schemas.COUNTS.columns], schema=schemas.COUNTS.schema)
