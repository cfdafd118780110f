"""The ids of jobs and the tokens of attempts: what follows from the content of a request, and from nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.core.canonical import canonical_json, sha256_hex
from qhybrid_pipelines.core.jobs.batch_kinds import Batch


def job_id_for(batch: Batch, run_number: int = 1) -> str:
    """Return the id of a batch's job: ``j`` and 16 hex digits; the same experiment, backend and payload, the same id.

    What counts is the backend that was asked for, wherever the work runs: asking again finds it, and pays nothing.
    """
    return _job_id(batch.experiment, batch.backend, batch.payload_sha256, run_number)


def token_for(job_id: str, attempt: int, *, tenant: str, backend: str) -> str:
    """Return the idempotency key of an attempt: opaque, 32 hex digits, which every known provider accepts.

    It follows from tenant, experiment, backend, payload and attempt (the job's id stands for the middle ones), and from
    nothing of the home: a copy and a restored backup look for what was sent under the same token. Two tenants share none.
    """
    return sha256_hex(canonical_json(["token", tenant, backend, job_id, attempt]))[:32]


def job_ids_for(batch: Batch) -> Iterator[str]:
    """Yield the ids of a batch's first, second, third job, without end."""
    payload = batch.payload_sha256
    return (_job_id(batch.experiment, batch.backend, payload, run_number) for run_number in itertools.count(1))


def next_job_id(job: JobRecord) -> str:
    """Return the id of the job that takes over the work of ``job``: the next one of the same request."""
    return _job_id(job.experiment, job.requested_backend, job.payload_sha256, job.run_number + 1)


def _job_id(experiment: str, requested_backend: str, payload_sha256: str, run_number: int) -> str:
    text = f"{experiment}|{requested_backend}|{payload_sha256}"
    return "j" + sha256_hex(text if run_number == 1 else f"{text}|{run_number}")[:16]
