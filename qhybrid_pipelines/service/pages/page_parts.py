"""What the pages of a running service need: who has signed in, and all jobs in a few words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.control.ledger.port import Ledger
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.service.pages.expected_times import ExpectedTimes
from qhybrid_pipelines.service.pages.job_index import JobIndex
from qhybrid_pipelines.service.pages.sessions import Sessions
from qhybrid_pipelines.service.resources import event_fields, job_fields

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.port import JobRecord

#: States in which a job waits on this side, and with its provider.
WAITING_HERE = (JobState.APPROVED,)
WAITING_THERE = (JobState.SUBMITTED, JobState.QUEUED)


@dataclass(frozen=True, slots=True)
class PageParts:
    """Parts of the pages.

    Attributes:
        ledger: has the jobs.
        sessions: who has signed in.
        index: all jobs.
        times: what to expect.
    """

    ledger: Ledger
    sessions: Sessions
    index: JobIndex
    times: ExpectedTimes

    @classmethod
    def of(cls, ledger: Ledger) -> PageParts:
        """Return the parts for a ledger."""
        index = JobIndex(ledger)
        return cls(ledger, Sessions(), index, ExpectedTimes(ledger, index))

    def jobs_of(self, experiment: str) -> list[dict[str, Any]]:
        """Return the jobs of an experiment with their events, what to expect of each, and how many are before it."""
        return [self.job(job) for job in self.ledger.jobs(experiment=experiment)]

    def job(self, job: JobRecord) -> dict[str, Any]:
        """Return a job with its events, what to expect of it, and how many of this home's jobs are before it."""
        events = [event_fields(event, job.experiment) for event in self.ledger.events(job.job_id)]
        raw = next((event["raw_status"] for event in reversed(events) if event["raw_status"]), None)
        return job_fields(job) | {
            "events": events,
            "state_since": events[-1]["at"] if events else job.created_at.isoformat(),
            "raw_status": raw,
            "expected": self.times.on(job.backend)
            if job.state in (*WAITING_HERE, *WAITING_THERE, JobState.RUNNING)
            else None,
            "before_it": self._before(job),
        }

    def experiment_of(self, job_id: str) -> str | None:
        """Return the experiment of a job, or None."""
        try:
            return self.ledger.job(job_id).experiment
        except InvalidInput:
            return None

    def _before(self, job: JobRecord) -> int | None:
        """Return how many of this home's jobs wait before a job on its backend; None where it does not wait."""
        states = WAITING_HERE if job.state in WAITING_HERE else WAITING_THERE if job.state in WAITING_THERE else ()
        if not states:
            return None
        here = [one for one in self.ledger.jobs(states=states) if one.backend == job.backend]
        if job.state in WAITING_HERE:
            return sum((-one.priority, one.created_at) < (-job.priority, job.created_at) for one in here)
        return sum(one.updated_at < job.updated_at for one in here)
