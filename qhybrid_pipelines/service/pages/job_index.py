"""All jobs in a few words each, in memory, so that a list of a hundred thousand is filtered and counted at once.

It is read once and follows the ledger's events from there: a list is as new as the ledger at the moment of its request.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger
from qhybrid_pipelines.core.specifications.experiment_key import CANARY_EXPERIMENT

TOGETHER = 5_000


class IndexedJob(NamedTuple):
    """A job, as far as a list shows it; money is in US dollars, times are ISO 8601."""

    created_at: str
    job: str
    experiment: str
    backend: str
    state: str
    principal: str
    shots: int
    cost_quoted_usd: float
    cost_charged_usd: float | None
    updated_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which jobs are listed; what is empty chooses all.

    Attributes:
        state: of the job.
        backend: where it is.
        text: part of the experiment's key, of the job's id or of the principal.
    """

    state: str = ""
    backend: str = ""
    text: str = ""

    def fits(self, job: IndexedJob) -> bool:
        """Tell whether a job is listed, whatever its state."""
        if self.backend and job.backend != self.backend:
            return False
        text = self.text.lower()
        return not text or text in job.experiment.lower() or text in job.job or text in job.principal.lower()


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of jobs, newest first; how many there are by state; and where the next page begins, empty at the end."""

    jobs: list[IndexedJob]
    counts: dict[str, int]
    following: str


class JobIndex:
    """The jobs of a ledger.

    Args:
        ledger: is followed.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._lock = ledger, threading.Lock()
        self._position = -1
        self._jobs: dict[str, IndexedJob] = {}
        self._newest_first: list[IndexedJob] = []
        self._experiments: set[str] = set()

    def listing(self, choice: Choice, *, may_see: Callable[[str], bool], before: str, limit: int) -> Listing:
        """Return a page of jobs.

        Args:
            choice: which ones.
            may_see: tells whether jobs of an experiment are shown.
            before: `following` of the page before; empty for the first page.
            limit: at most so many.
        """
        counts: Counter[str] = Counter()
        found: list[IndexedJob] = []
        seen: dict[str, bool] = {}
        more = False
        for job in self._current():
            experiment = job.experiment
            visible = seen.get(experiment)
            if visible is None:
                visible = seen[experiment] = may_see(experiment)
            if not visible or not choice.fits(job):
                continue
            counts[job.state] += 1
            if (choice.state and job.state != choice.state) or (before and place(job) >= before):
                continue
            if len(found) < limit:
                found.append(job)
            else:
                more = True
        return Listing(found, dict(sorted(counts.items())), place(found[-1]) if more else "")

    def newest(self, backend: str, state: str, limit: int) -> list[IndexedJob]:
        """Return the newest jobs of a backend in a state."""
        found = (job for job in self._current() if job.backend == backend and job.state == state)
        return [job for _, job in zip(range(limit), found, strict=False)]

    def experiments(self) -> frozenset[str]:
        """Return the experiments that have a job."""
        self._current()
        return frozenset(self._experiments)

    def _current(self) -> list[IndexedJob]:
        """Return all jobs as the ledger has them now, newest first."""
        with self._lock:
            head = self._ledger.head().position
            if head != self._position:
                changed = self._all() if self._position < 0 or head < self._position else self._changed()
                for record in changed:
                    if record.experiment != CANARY_EXPERIMENT:
                        self._jobs[record.job_id] = indexed(record)
                        self._experiments.add(record.experiment)
                self._newest_first = sorted(self._jobs.values(), reverse=True)
                self._position = head
            return self._newest_first

    def _all(self) -> Iterator[JobRecord]:
        self._jobs, self._experiments = {}, set()
        last = ""
        while page := self._ledger.page_of_jobs(after=last, limit=TOGETHER):
            yield from page
            last = page[-1].job_id

    def _changed(self) -> Iterator[JobRecord]:
        position = self._position
        changed: set[str] = set()
        while rows := self._ledger.events(after=position, limit=TOGETHER):
            changed |= {row.job_id for row in rows}
            position = rows[-1].position
        for job in changed:
            yield self._ledger.job(job)


def indexed(job: JobRecord) -> IndexedJob:
    """Return a job in a few words."""
    return IndexedJob(
        created_at=job.created_at.isoformat(timespec="microseconds"),
        job=job.job_id,
        experiment=job.experiment,
        backend=job.backend,
        state=str(job.state),
        principal=job.principal,
        shots=job.shots,
        cost_quoted_usd=job.cost_quoted_usd,
        cost_charged_usd=job.cost_settled_usd,
        updated_at=job.updated_at.isoformat(timespec="microseconds"),
    )


def place(job: IndexedJob) -> str:
    """Return what orders jobs: when they were planned, and their id."""
    return f"{job.created_at} {job.job}"
