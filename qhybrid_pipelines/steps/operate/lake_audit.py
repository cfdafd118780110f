"""Whether the lake and the kept results say the same as the ledger about the jobs that were submitted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput, MissingUpstream
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.removals import RemovalStore
from qhybrid_pipelines.storage.schemas import QML_SUBMISSIONS, QPU_SUBMISSIONS, Table

#: Jobs that are in memory at a time.
JOBS_PER_PAGE = 2000
#: What a row of submissions says about its first job, and never changes.
_SAME = ("experiment", "job_id", "payload_sha256")


def compare_lake(home: Home, ledger: Ledger, *, after: int = 0) -> list[str]:
    """Return how rows of submissions in the lake contradict the ledger, one sentence each.

    Args:
        home: where the lake is.
        ledger: of that home.
        after: look only at experiments with a job that has an event after this position; 0 is everything.
    """
    experiments = _changed_experiments(ledger, after) if after else None
    lake = Lake(home)
    findings: list[str] = []
    for table in (QPU_SUBMISSIONS, QML_SUBMISSIONS):
        for key in lake.keys(table):
            if experiments is None or key.experiment in experiments:
                findings += _compare_partition(lake, table, key, ledger)
    return findings


def compare_raw_results(home: Home, ledger: Ledger) -> list[str]:
    """Return which results that the ledger names are missing or changed in the store of raw results."""
    store, findings = RawStore(home.raw, removals=RemovalStore(home)), []
    for job in _every_job(ledger):
        stored = ledger.stored_result(job.job_id)
        if stored is None:
            continue
        try:
            content = store.get(stored.sha256)
        except (CorruptFile, ValueError) as error:
            if store.removal(stored.sha256) is not None:
                continue
            findings.append(f"the result of job {job.job_id}: {error}")
            continue
        if len(content) != stored.size_bytes:
            findings.append(
                f"the result of job {job.job_id} has {len(content)} bytes, and the ledger says {stored.size_bytes}"
            )
    return findings


def _every_job(ledger: Ledger) -> Iterator[JobRecord]:
    """Yield all jobs; memory holds some at a time."""
    after = ""
    while jobs := ledger.page_of_jobs(after=after, limit=JOBS_PER_PAGE):
        yield from jobs
        after = jobs[-1].job_id


def _changed_experiments(ledger: Ledger, after: int) -> set[str]:
    experiments = set()
    for job_id in {event.job_id for event in ledger.events(after=after)}:
        with suppress(InvalidInput):  # a job that is gone is told where its rows are compared
            experiments.add(ledger.job(job_id).experiment)
    return experiments


def _compare_partition(lake: Lake, table: Table, key: PartitionKey, ledger: Ledger) -> Iterator[str]:
    try:
        rows: list[dict[str, Any]] = lake.read(table, key).to_pylist()
    except (CorruptFile, MissingUpstream):  # the damage of a file is told where the file is looked at
        return
    jobs = {job.job_id: job for job in ledger.jobs(experiment=key.experiment)}
    for row in rows:
        job = jobs.get(row["job_id"])
        if job is None:
            yield f"table {table.name} of '{key}' names job {row['job_id']}, which the ledger does not have"
        else:
            yield from _compare_row(table, key, row, job, ledger)


def _compare_row(table: Table, key: PartitionKey, row: dict[str, Any], job: JobRecord, ledger: Ledger) -> Iterator[str]:
    for name in _SAME:
        if name in row and row[name] != getattr(job, name):
            yield f"table {table.name} of '{key}': {name} of job {job.job_id} is {row[name]}, and the ledger says {getattr(job, name)}"
    provider_job_id, token = row.get("provider_job_id"), row.get("token")
    if provider_job_id == job.provider_job_id and token == job.token:
        return
    attempts = ledger.attempts(job.job_id)
    if provider_job_id is not None and provider_job_id not in {attempt.provider_job_id for attempt in attempts}:
        yield (
            f"table {table.name} of '{key}': job {job.job_id} was submitted as '{provider_job_id}', which the ledger does not know"
        )
    if token is not None and token not in {attempt.token for attempt in attempts}:
        yield f"table {table.name} of '{key}': job {job.job_id} has a token that the ledger does not know"
