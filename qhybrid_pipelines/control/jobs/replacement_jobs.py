"""Find the latest job for each part of a batch.

The table `qpu_submissions` names the job that a part was submitted as. The work may since have been moved to another
backend, or run again; each is a further job of the same request, and the last one counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger


@dataclass(frozen=True)
class ReplacementJobs:
    """The jobs of one experiment, read once."""

    by_id: dict[str, JobRecord]
    newest: dict[tuple[str, str], JobRecord]

    @classmethod
    def of(cls, ledger: Ledger, experiment: str) -> ReplacementJobs:
        """Read the jobs of an experiment."""
        jobs = sorted(ledger.jobs(experiment=experiment), key=lambda job: job.run_number)
        return cls(
            {job.job_id: job for job in jobs}, {(job.requested_backend, job.payload_sha256): job for job in jobs}
        )

    def job(self, job_id: str) -> JobRecord | None:
        """Return the job that stands for ``job_id`` now; None where the ledger does not know it."""
        job = self.by_id.get(job_id)
        return None if job is None else self.newest[job.requested_backend, job.payload_sha256]

    def jobs(self, job_ids: Iterable[str]) -> list[JobRecord]:
        """Return the jobs that stand for some ids; those that the ledger does not know are left out."""
        return [job for job in map(self.job, job_ids) if job is not None]
