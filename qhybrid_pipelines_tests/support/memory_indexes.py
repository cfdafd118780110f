"""The two large tables of the ledger in memory, with indexes, so that a look-up costs what it finds and not what there is.

They are changed by single entries only, and the indexes follow: what a transaction takes back, it takes back by entries too.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.control.ledger.records import JobRecord
from qhybrid_pipelines.core.jobs.job_states import JobState


class JobTable(dict[str, JobRecord]):
    """Jobs by id; also by state, by experiment, and by when those that a provider has accepted changed last."""

    def __init__(self) -> None:
        super().__init__()
        self._by_state: dict[JobState, dict[str, None]] = defaultdict(dict)
        self._by_experiment: dict[str, dict[str, None]] = defaultdict(dict)
        self._accepted: dict[str, list[tuple[datetime, str, datetime]]] = defaultdict(list)
        self._backends: Counter[str] = Counter()

    def __setitem__(self, job_id: str, job: JobRecord) -> None:
        if job_id in self:
            self._forget(self[job_id])
        super().__setitem__(job_id, job)
        self._by_state[job.state][job_id] = None
        self._by_experiment[job.experiment][job_id] = None
        self._backends[job.backend] += 1
        if job.provider_job_id is not None:
            insort(self._accepted[job.backend], _accepted_entry(job))

    def __delitem__(self, job_id: str) -> None:
        self._forget(self[job_id])
        super().__delitem__(job_id)

    def matching(
        self, *, experiment: str | None, states: Collection[JobState] | None, ids: Collection[str] | None
    ) -> Iterable[JobRecord]:
        """Return the jobs of an experiment, of some states and of some ids, as far as these are given."""
        if ids is not None:
            found: Iterable[str] = [job_id for job_id in ids if job_id in self]
        elif experiment is not None:
            found = self._by_experiment.get(experiment, ())
        elif states is not None:
            found = [job_id for state in set(states) for job_id in self._by_state.get(state, ())]
        else:
            found = self
        jobs = [self[job_id] for job_id in dict.fromkeys(found)]
        return [
            job
            for job in jobs
            if (experiment is None or job.experiment == experiment) and (states is None or job.state in states)
        ]

    def newest_accepted(self, backend: str) -> Iterator[tuple[datetime, str, datetime]]:
        """Return when a job changed, the provider's id of it and when it was written down, the newest change first."""
        return reversed(self._accepted.get(backend, []))

    @property
    def backends(self) -> set[str]:
        """The backends of all jobs."""
        return {backend for backend, jobs in self._backends.items() if jobs}

    def _forget(self, job: JobRecord) -> None:
        del self._by_state[job.state][job.job_id]
        del self._by_experiment[job.experiment][job.job_id]
        self._backends[job.backend] -= 1
        if job.provider_job_id is not None:
            entries = self._accepted[job.backend]
            del entries[bisect_left(entries, _accepted_entry(job))]


class EventTable(dict[int, dict[str, Any]]):
    """Events by position; also those of each job, and which jobs were ever sent."""

    def __init__(self) -> None:
        super().__init__()
        self._of_jobs: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def __setitem__(self, position: int, row: dict[str, Any]) -> None:
        super().__setitem__(position, row)
        self._of_jobs[row["job_id"]].append(row)

    def __delitem__(self, position: int) -> None:
        self._of_jobs[self[position]["job_id"]].pop()
        super().__delitem__(position)

    def of(self, job_id: str | None, *, after: int, limit: int | None = None) -> list[dict[str, Any]]:
        """Return the events of a job, or of all, after a position: the first so many."""
        if job_id is None:
            last = len(self) if limit is None else min(after + limit, len(self))
            return [self[position] for position in range(after + 1, last + 1)]
        return [row for row in self._of_jobs.get(job_id, ()) if row["position"] > after][:limit]

    def was_sent(self, job_id: str) -> bool:
        """Tell whether a job was ever sent, or meant to be."""
        return any(row["event"] == EVENT_NAMES[Event.SUBMIT] for row in self._of_jobs.get(job_id, ()))


def _accepted_entry(job: JobRecord) -> tuple[datetime, str, datetime]:
    return (job.updated_at, job.provider_job_id or "", job.created_at)
