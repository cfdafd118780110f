"""A ledger that tells an observer every step that was written, after it was written.

Observers hear of what is true already: a step that was refused or rolled back is never told. An observer must not
raise, because what it hears of is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, next_state
from qhybrid_pipelines.control.ledger.port import EventData, JobRecord, Plan, Transition
from qhybrid_pipelines.core.jobs import JobState

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.port import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedEvent:
    """One step of a job, as it stands in the ledger now.

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
    """The port `control.ledger.port.Ledger` over another ledger; everything but writing is passed on as it is."""

    def __init__(self, ledger: Ledger, observer: Observer) -> None:
        self._ledger, self._observer = ledger, observer

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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def _events_of_plan(plan: Plan, job: JobRecord) -> list[ObservedEvent]:
    """Return the first steps of a planned job; none where the job was there before."""
    is_new = job.version == len(plan.steps) and job.created_at == plan.planned_at
    return _observed_events(job, None, 0, plan.steps) if is_new else []


def _events_of_transition(transition: Transition, job: JobRecord) -> list[ObservedEvent]:
    """Return the steps of a move; none where somebody else had moved the job first."""
    if job.version != transition.job.version + len(transition.steps) or job.updated_at != transition.observed_at:
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
