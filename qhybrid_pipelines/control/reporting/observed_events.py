"""What an observer of the ledger is told, step by step; see `SqlLedger.observer`.

A step that was refused or rolled back is never told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, next_state
from qhybrid_pipelines.control.ledger.records import Plan

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.records import EventData, JobRecord, Transition
    from qhybrid_pipelines.core.jobs.job_states import JobState


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


def observed_events(written: Iterable[tuple[Plan | Transition, JobRecord]]) -> list[ObservedEvent]:
    """Return the steps of what was written: none where the job was there before, or somebody else had moved it first."""
    found: list[ObservedEvent] = []
    for what, job in written:
        found += _events_of_plan(what, job) if isinstance(what, Plan) else _events_of_transition(what, job)
    return found


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
