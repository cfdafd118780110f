"""A ledger that tells an observer every step that was written, after it was written.

Observers are told what is true already: a step that was refused or rolled back is never told. An observer must not
raise, because what it is told is done.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, next_state

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.budget import Account
    from qhybrid_pipelines.control.ledger.event_chain import ChainHead, ChainReport
    from qhybrid_pipelines.control.ledger.port import (
        AttemptRecord,
        Breaker,
        EventData,
        EventRecord,
        HomeIdentity,
        JobRecord,
        Ledger,
        Plan,
        StoredCalibration,
        StoredResult,
        Transition,
    )
    from qhybrid_pipelines.control.ledger.spending import SpendingLimit
    from qhybrid_pipelines.control.ledger.totals import BudgetTotals, JobTotals
    from qhybrid_pipelines.core.job_states import JobState
    from qhybrid_pipelines.core.jobs import Calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedEvent:
    """One step of a job, as it is in the ledger now.

    Attributes:
        job: the job after the last step that was written together with this one.
        sequence: number of the event over the job, from 1.
    """

    job: JobRecord
    sequence: int
    event: str
    from_state: JobState | None
    to_state: JobState
    step: EventData


Observer = Callable[[Sequence[ObservedEvent]], None]


class ObservedLedger:
    """The port `control.ledger.port.Ledger` over another ledger; what writes no step of a job is passed on as it is."""

    def __init__(self, ledger: Ledger, observer: Observer) -> None:
        self._ledger, self._observer = ledger, observer

    def close(self) -> None:
        """Close the connections of the other ledger."""
        self._ledger.close()

    @property
    def has_server_clock(self) -> bool:
        """Whether the time of this ledger is that of a server."""
        return self._ledger.has_server_clock

    def read_time(self, machine_now: datetime) -> datetime:
        """Return the present by the ledger's clock."""
        return self._ledger.read_time(machine_now)

    def plan(self, plan: Plan) -> JobRecord:
        """Write a job down, and tell its first steps if it is new."""
        job = self._ledger.plan(plan)
        self._observer(_events_of_plan(plan, job))
        return job

    def plan_all(self, plans: Sequence[Plan]) -> list[JobRecord]:
        """Write jobs down, and tell the first steps of the new ones."""
        jobs = self._ledger.plan_all(plans)
        self._observer(
            [observed for plan, job in zip(plans, jobs, strict=True) for observed in _events_of_plan(plan, job)]
        )
        return jobs

    def advance(self, transition: Transition) -> JobRecord:
        """Write the steps of one job, and tell them."""
        job = self._ledger.advance(transition)
        self._observer(_events_of_transition(transition, job))
        return job

    def advance_all(self, transitions: Sequence[Transition]) -> list[JobRecord]:
        """Write the steps of many jobs, and tell those that were not stale."""
        jobs = self._ledger.advance_all(transitions)
        self._observer(
            [
                observed
                for transition, job in zip(transitions, jobs, strict=True)
                for observed in _events_of_transition(transition, job)
            ]
        )
        return jobs

    def job(self, job_id: str) -> JobRecord:
        """Return one job."""
        return self._ledger.job(job_id)

    def latest(self, experiment: str, backend: str, payload_sha256: str) -> JobRecord | None:
        """Return the last job of a payload, or None."""
        return self._ledger.latest(experiment, backend, payload_sha256)

    def jobs(
        self,
        *,
        experiment: str | None = None,
        states: Collection[JobState] | None = None,
        ids: Collection[str] | None = None,
        cancel_intended: bool = False,
    ) -> list[JobRecord]:
        """Return jobs, all or those of one experiment, of some states or of some ids, or those that are wanted back."""
        return self._ledger.jobs(experiment=experiment, states=states, ids=ids, cancel_intended=cancel_intended)

    def newest_jobs(
        self,
        *,
        limit: int,
        experiment: str | None = None,
        states: Collection[JobState] | None = None,
        place: str | None = None,
        without: str | None = None,
    ) -> tuple[list[JobRecord], int]:
        """Return the jobs that were written down last, and how many there are."""
        return self._ledger.newest_jobs(limit=limit, experiment=experiment, states=states, place=place, without=without)

    def backends_used(self) -> set[str]:
        """Return the backends of all jobs."""
        return self._ledger.backends_used()

    def page_of_jobs(self, *, after: str = "", limit: int, experiment: str | None = None) -> list[JobRecord]:
        """Return up to ``limit`` jobs by id, those after one."""
        return self._ledger.page_of_jobs(after=after, limit=limit, experiment=experiment)

    def events(self, job_id: str | None = None, *, after: int = 0, limit: int | None = None) -> list[EventRecord]:
        """Return the events of the ledger or of one job after a position."""
        return self._ledger.events(job_id, after=after, limit=limit)

    def histories(self, job_ids: Collection[str]) -> dict[str, list[EventRecord]]:
        """Return the events of some jobs by job."""
        return self._ledger.histories(job_ids)

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Return the attempts to submit a job."""
        return self._ledger.attempts(job_id)

    def stored_result(self, job_id: str) -> StoredResult | None:
        """Return where the raw result of a job is kept, or None."""
        return self._ledger.stored_result(job_id)

    def account(self, experiment: str) -> Account | None:
        """Return what an experiment may spend and has spent, or None."""
        return self._ledger.account(experiment)

    def accounts(self, experiments: Collection[str]) -> dict[str, Account]:
        """Return what some experiments may spend and have spent."""
        return self._ledger.accounts(experiments)

    def committed_usd(self, limit: SpendingLimit, at: datetime, *, without: str = "") -> float:
        """Return how much of a limit is used, in US dollars."""
        return self._ledger.committed_usd(limit, at, without=without)

    def job_totals(self, *, without: str | None = None, since: datetime | None = None) -> list[JobTotals]:
        """Return how many jobs there are by backend and state."""
        return self._ledger.job_totals(without=without, since=since)

    def budget_totals(self) -> BudgetTotals:
        """Return the budgets of all experiments together."""
        return self._ledger.budget_totals()

    def principals(self) -> set[str]:
        """Return who asked for the jobs."""
        return self._ledger.principals()

    def newest_accepted(self, backend: str, *, planned_before: datetime, limit: int) -> list[str]:
        """Return the provider's ids of the jobs of a backend that changed last."""
        return self._ledger.newest_accepted(backend, planned_before=planned_before, limit=limit)

    def job_lock(self, job_id: str, *, timeout_seconds: float) -> AbstractContextManager[None]:
        """Keep every other process and thread from submitting this job."""
        return self._ledger.job_lock(job_id, timeout_seconds=timeout_seconds)

    def breaker(self, backend: str) -> Breaker | None:
        """Return the breaker of a backend, or None."""
        return self._ledger.breaker(backend)

    def breakers(self) -> list[Breaker]:
        """Return all breakers."""
        return self._ledger.breakers()

    def save_breaker(self, breaker: Breaker) -> Breaker:
        """Write a breaker; it is a backend's, and no job's step."""
        return self._ledger.save_breaker(breaker)

    def add_calibration(self, backend: str, calibration: Calibration) -> bool:
        """Keep a calibration, if it is not known."""
        return self._ledger.add_calibration(backend, calibration)

    def calibrations(self, backend: str | None = None) -> list[StoredCalibration]:
        """Return the calibrations of one backend or of all."""
        return self._ledger.calibrations(backend)

    def calibrated_at(self) -> dict[str, datetime]:
        """Return when each backend's newest calibration was measured."""
        return self._ledger.calibrated_at()

    def head(self) -> ChainHead:
        """Return the last link of the chain of events."""
        return self._ledger.head()

    def contains(self, link: ChainHead) -> bool:
        """Tell whether a link is part of the chain."""
        return self._ledger.contains(link)

    def verify_chain(self, anchor: ChainHead | None = None, *, start: ChainHead | None = None) -> ChainReport:
        """Recompute the chain of events."""
        return self._ledger.verify_chain(anchor, start=start)

    def audit_rows(self, *, job_id: str | None = None, after: int = 0) -> list[str]:
        """Compare rows with the events."""
        return self._ledger.audit_rows(job_id=job_id, after=after)

    def missing_guards(self) -> list[str]:
        """Return what should keep events from being changed and is not there."""
        return self._ledger.missing_guards()

    def identity(self) -> HomeIdentity:
        """Return which home the ledger belongs to."""
        return self._ledger.identity()

    def count_opening(self) -> HomeIdentity:
        """Count that a program opens the ledger to send something."""
        return self._ledger.count_opening()

    def change_identity(self, identity: HomeIdentity) -> None:
        """Let the ledger belong to a home of another id."""
        self._ledger.change_identity(identity)

    def sent_tokens(self, tokens: Collection[str]) -> Mapping[str, str | None]:
        """Return those of some tokens that the ledger has sent, with the provider's ids."""
        return self._ledger.sent_tokens(tokens)


def _events_of_plan(plan: Plan, job: JobRecord) -> list[ObservedEvent]:
    """Return the first steps of a planned job; none where the job was there before."""
    is_new = job.version == len(plan.steps) and job.created_at == plan.planned_at
    return _observed_events(job, None, 0, plan.steps) if is_new else []


def _events_of_transition(transition: Transition, job: JobRecord) -> list[ObservedEvent]:
    """Return the steps of a move; none where somebody else had moved the job first."""
    if job.version != transition.job.version + len(transition.steps) or job.updated_at < transition.observed_at:
        return []
    observed = _observed_events(job, transition.job.state, transition.job.version, transition.steps)
    return observed if observed[-1].to_state is job.state else []


def _observed_events(
    job: JobRecord, state: JobState | None, sequence: int, steps: Sequence[EventData]
) -> list[ObservedEvent]:
    observed = []
    for number, step in enumerate(steps, start=sequence + 1):
        after = next_state(state, step.event)
        observed.append(
            ObservedEvent(
                job=job,
                sequence=number,
                event=EVENT_NAMES[step.event],
                from_state=state,
                to_state=after,
                step=step,
            )
        )
        state = after
    return observed
