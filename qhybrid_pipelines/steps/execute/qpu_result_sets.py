"""Step 8: collect what came back, verified against what was asked for, each part at its place in the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.replacement_jobs import ReplacementJobs
from qhybrid_pipelines.control.ledger.lifecycle import ENDED_WITHOUT_RESULT, OPEN, is_settled
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.core.errors import JobFailed, QHybridError
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch, make_sub_batch
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.steps.values_from_rows import Row, select_rows
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.tables import conform, empty, with_texts_deduplicated


def collect_result_sets(circuit_batches: pa.Table, qpu_submissions: pa.Table, dispatcher: Dispatcher) -> pa.Table:
    """Return the table `qpu_result_sets`.

    An execution has all its counts or none: where the deadline of one of its jobs passed, the results of the others are
    fetched, verified and kept as received, but runs of unequal size are not compared. Circuits that failed one by one are missing.

    Raises:
        JobFailed: a job is not finished, or ended without a usable result; the others were fetched before.
    """
    tables: list[pa.Table] = []
    for (experiment, backend), batches in _by_execution(circuit_batches).items():
        rows = select_rows(qpu_submissions, experiment, backend).to_pylist()
        tables += collect_series(batches, rows, dispatcher, whole=False)
    # Whoever asked keeps this table, Dagster among them: in a long sweep keys of rows would take more room than counts.
    return with_texts_deduplicated(
        conform(schemas.QPU_RESULT_SETS, pa.concat_tables(tables or [empty(schemas.QPU_RESULT_SETS)]))
    )


def get_current_jobs(rows: Sequence[Row], dispatcher: Dispatcher) -> list[JobRecord]:
    """Return the current jobs for the rows of `qpu_submissions` of one execution, in their order.

    Raises:
        InvalidInput: the ledger does not know one of them.
    """
    if not rows:
        return []
    successors = ReplacementJobs.of(dispatcher.ledger, rows[0]["experiment"])
    return [successors.job(row["job_id"]) or dispatcher.ledger.job(row["job_id"]) for row in rows]


def may_be_collected(job: JobRecord, dispatcher: Dispatcher) -> bool:
    """Tell whether nothing is left to wait for: a job is settled, or on a backend that answers at once."""
    return is_settled(job) or (job.state in OPEN and dispatcher.capabilities(job.backend).immediate)


def explain_missing_counts(jobs: Iterable[JobRecord]) -> str | None:
    """Return which job of an execution was not done in time, as a sentence; None if none was."""
    late = next((job for job in jobs if job.state is JobState.EXPIRED), None)
    if late is None:
        return None
    deadline = f" of {late.deadline_at:%Y-%m-%d %H:%M:%S} UTC" if late.deadline_at else ""
    return f"Job {late.job_id} on {late.backend} was not done by the deadline{deadline} of its tier '{late.tier}'."


def explain_failed_circuits(jobs: Iterable[JobRecord]) -> str | None:
    """Return which circuits of an execution failed one by one, as a sentence; None if none did."""
    said = [
        f"job {job.job_id}: {job.error.rstrip('.')}" for job in jobs if job.state is JobState.VERIFIED and job.error
    ]
    if not said:
        return None
    return f"Points with a circuit that failed are left out of every run ({'; '.join(said)})."


def collect_counts(batch: Batch, rows: Sequence[Row], dispatcher: Dispatcher) -> list[pa.Table]:
    """Return the counts of every part of a batch; none if one of them is not to be had any more.

    Args:
        batch: what was submitted.
        rows: of its parts, as they were submitted.
        dispatcher: collects.

    Raises:
        JobFailed: as `qpu_result_sets`.
    """
    return collect_series([(0, batch)], rows, dispatcher)


def _by_execution(circuit_batches: pa.Table) -> dict[tuple[str, str], list[tuple[int, Batch]]]:
    """Return the batches of each execution, each with the number of its first point."""
    found: dict[tuple[str, str], list[tuple[int, Batch]]] = {}
    for row in circuit_batches.to_pylist():
        batch = batch_from_row(row)
        found.setdefault((batch.experiment, batch.backend), []).append((row["first_point"] or 0, batch))
    return found


def collect_series(
    batches: Sequence[tuple[int, Batch]], rows: Sequence[Row], dispatcher: Dispatcher, *, whole: bool = True
) -> list[pa.Table]:
    """Return the counts of every part of some batches of one execution; none if one of them is not to be had any more.

    Args:
        batches: what was submitted, each with the number of its first point.
        rows: of its parts, as they were submitted.
        dispatcher: collects.
        whole: not one circuit may be missing.

    Raises:
        JobFailed: as `collect_result_sets`, or a circuit failed by itself and the counts have to be whole.
    """
    tables: list[pa.Table] = []
    failures: list[QHybridError] = []
    jobs = get_current_jobs(rows, dispatcher)
    for row, job in zip(rows, jobs, strict=True):
        if job.state is JobState.EXPIRED:
            continue
        first_point, batch = next(item for item in reversed(batches) if item[0] <= row["first_point"])
        try:
            part = sub_batch_for(batch, row, first_point)
            tables.append(_fetch_sub_batch(part, job, batch, dispatcher, whole=whole))
        except QHybridError as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return tables if len(tables) == len(rows) else []


def sub_batch_for(batch: Batch, row: Mapping[str, int], first_point: int) -> SubBatch:
    """Return the part of a batch that a row of `qpu_submissions` is about, its first point counted as the row does.

    Args:
        batch: that it is a part of.
        row: of the part.
        first_point: number of the batch's first point.
    """
    names = ("points", "first_repetition", "repetitions")
    part = make_sub_batch(batch, first_point=row["first_point"] - first_point, **{name: row[name] for name in names})
    return replace(part, first_point=first_point + part.first_point)


def _fetch_sub_batch(
    sub_batch: SubBatch, job: JobRecord, batch: Batch, dispatcher: Dispatcher, *, whole: bool
) -> pa.Table:
    """Return the counts of one part, its points and repetitions counted as in the whole."""
    if job.state in ENDED_WITHOUT_RESULT:
        raise JobFailed(
            f"job {job.job_id} of experiment '{job.experiment}' on '{job.backend}' is {job.state} and has no result"
            f"{': ' + job.error.rstrip('.') if job.error else ''}. `qhybrid jobs show {job.job_id}` tells its life, "
            f"`qhybrid jobs retry {job.job_id}` runs it again as a new job"
        )
    collected = dispatcher.collect(job.job_id, sub_batch.batch)
    if whole and collected.details.get("failed_circuits"):
        raise JobFailed(
            f"job {job.job_id} of experiment '{job.experiment}' on '{job.backend}' lacks counts that the next step needs: "
            f"{(collected.job.error or '').rstrip('.')}. The counts of the others are kept; with another seed the experiment runs anew"
        )
    return place_counts(collected.counts, sub_batch, batch, job.job_id)


def place_counts(counts: pa.Table, sub_batch: SubBatch, whole: Batch, job_id: str) -> pa.Table:
    """Return the counts of one part as rows of `qpu_result_sets`, its points and repetitions counted as in the whole.

    Args:
        counts: in `execution.port.COUNTS_SCHEMA`.
        sub_batch: the part.
        whole: the batch that it is a part of.
        job_id: of the job that ran it.
    """
    shift = {"point": sub_batch.first_point, "repetition": sub_batch.first_repetition}
    columns = {
        "experiment": pa.repeat(whole.experiment, len(counts)),
        "backend": pa.repeat(whole.backend, len(counts)),
        "job_id": pa.repeat(job_id, len(counts)),
    }
    for name in counts.column_names:
        column = counts.column(name)
        columns[name] = pc.add(column, pa.scalar(shift[name], column.type)) if name in shift else column
    return pa.table([columns[c.name] for c in schemas.QPU_RESULT_SETS.columns], schema=schemas.QPU_RESULT_SETS.schema)
