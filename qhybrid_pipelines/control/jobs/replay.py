"""Decoding a kept result again, through today's decoder: no provider is asked, and nothing is written."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.control.jobs.result_collector import RawStore
from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs import CircuitBatch, RawResult
from qhybrid_pipelines.execution.port import Provider


def decode_stored(
    job: JobRecord, batch: CircuitBatch, *, ledger: Ledger, provider: Provider, raw_store: RawStore
) -> pa.Table:
    """Return the counts of a job, decoded from what was received, in `execution.port.COUNTS_SCHEMA`.

    Args:
        job: also one that failed because its result was refused.
        batch: what it ran.
        ledger: knows where the result is kept.
        provider: decodes it; nothing else of it is called.
        raw_store: keeps the result.

    Raises:
        InvalidInput: no result of this job was ever received.
        CorruptResult: today's decoder refuses it.
        CorruptFile: the kept bytes are gone or changed.
    """
    stored = ledger.stored_result(job.job_id)
    if stored is None:
        raise InvalidInput(
            f"job {job.job_id} is {job.state}, and no result of it was ever received",
            remedy=f"`qhybrid jobs show {job.job_id}` says what can be done.",
        )
    content = raw_store.get(stored.sha256)
    return provider.decode(RawResult(ref=job.ref, content=content, content_type=stored.content_type), batch)
