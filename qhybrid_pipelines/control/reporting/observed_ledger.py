"""A ledger that tells an observer every step that was written, after it was written.

Observers hear of what is true already: a step that was refused or rolled back is never told. An observer must not
raise, because what it hears of is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.control.ledger.lifecycle import PUBLIC_NAMES, advance
from qhybrid_pipelines.control.ledger.port import JobRecord, Move, Plan, Step
from qhybrid_pipelines.core.jobs import JobState

if TYPE_CHECKING:
    from qhybrid_pipelines.control.ledger.port import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTaken:
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
    step: Step


Observer = Callable[[Sequence[StepTaken]], None]


class WatchedLedger:
    """The port `control.ledger.port.Ledger` over another ledger; everything but writing is passed on as it is."""

    def __init__(self, ledger: Ledger, observer: Observer) -> None:
        self._ledger, self._observer = ledger, observer

    def plan(self, plan: Plan) -> JobRecord:
        """Write a job down, and tell its first steps if it is new."""
        job = self._ledger.plan(plan)
        self._observer(_of_plan(plan, job))
        return job

    def plan_all(self, plans: Sequence[Plan]) -> list[JobRecord]:
        """Write jobs down, and tell the first steps of the new ones."""
        jobs = self._ledger.plan_all(plans)
        self._observer([taken for plan, job in zip(plans, jobs, strict=True) for taken in _of_plan(plan, job)])
        return jobs

    def advance(self, move: Move) -> JobRecord:
        """Write the steps of one job, and tell them."""
        job = self._ledger.advance(move)
        self._observer(_of_move(move, job))
        return job

    def advance_all(self, moves: Sequence[Move]) -> list[JobRecord]:
        """Write the steps of many jobs, and tell those that were not stale."""
        jobs = self._ledger.advance_all(moves)
        self._observer([taken for move, job in zip(moves, jobs, strict=True) for taken in _of_move(move, job)])
        return jobs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def _of_plan(plan: Plan, job: JobRecord) -> list[StepTaken]:
    """Return the first steps of a planned job; none where the job was there before."""
    is_new = job.version == len(plan.steps) and job.created_at == plan.planned_at
    return _taken(job, None, 0, plan.steps) if is_new else []


def _of_move(move: Move, job: JobRecord) -> list[StepTaken]:
    """Return the steps of a move; none where somebody else had moved the job first."""
    if job.version != move.job.version + len(move.steps) or job.updated_at != move.observed_at:
        return []
    taken = _taken(job, move.job.state, move.job.version, move.steps)
    return taken if taken[-1].to_state is job.state else []


def _taken(job: JobRecord, state: JobState | None, sequence: int, steps: Sequence[Step]) -> list[StepTaken]:
    taken = []
    for number, step in enumerate(steps, start=sequence + 1):
        after = advance(state, step.event)
        taken.append(
            StepTaken(
                job=job,
                sequence=number,
                event=PUBLIC_NAMES[step.event],
                from_state=state,
                to_state=after,
                step=step,
            )
        )
        state = after
    return taken
