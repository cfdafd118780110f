"""What was paid and not collected: jobs that a provider was paid for, and whose result nobody here has.

It does not matter how a job was submitted: what counts is what the ledger knows of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from qhybrid_pipelines.control.jobs.replacement_jobs import ReplacementJobs
from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger
from qhybrid_pipelines.core.jobs.job_states import JobState

#: A result is fetched within moments where something runs the stages; later, nobody does.
COLLECTING_LIMIT = timedelta(hours=1)

_FINISHED = (JobState.COMPLETED, JobState.FETCHED)
_CHARGED = (JobState.FAILED,)


def uncollected_jobs(ledger: Ledger, now: datetime) -> list[JobRecord]:
    """Return the jobs that were paid and whose result is not here, in the ledger's order.

    These are results that were refused, results that nobody has fetched for an hour, and failed jobs that were charged all
    the same; a job whose work a later one has taken over is not among them.
    """
    found = [
        job
        for job in ledger.jobs(states=_FINISHED)
        if job.has_doubted_result or now - job.updated_at > COLLECTING_LIMIT
    ]
    charged = [job for job in ledger.jobs(states=_CHARGED) if job.provider_job_id is not None and job.cost_settled_usd]
    successors = {name: ReplacementJobs.of(ledger, name) for name in {job.experiment for job in charged}}
    for job in charged:
        newest = successors[job.experiment].job(job.job_id)
        if newest is not None and newest.job_id == job.job_id:
            found.append(job)
    return found


def describe(job: JobRecord) -> str:
    """Return one uncollected job as a sentence: what it is, what was paid, and what to do first, which is free."""
    cost = next(cost for cost in (job.cost_settled_usd, job.cost_usd, job.cost_quoted_usd) if cost is not None)
    why = f" ({job.error.rstrip('.')})" if job.error else ""
    return (
        f"job {job.job_id} of '{job.experiment}' on '{job.backend}' is {job.state}{why} and was paid with ${cost:.2f}: "
        f"`qhybrid jobs fetch {job.job_id}` fetches its result, which is free"
    )
