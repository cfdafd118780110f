"""Which of the stages that are due rest, because their provider is away: nothing is begun that could only fail.

What is known of a provider is in the circuit breakers. While a backend's is open, no stage is asked for that would send work
to it, or fetch a result from it. When its time has come, one stage goes first, and the others follow once it is through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from qhybrid_pipelines.control.backends.circuit_breaker import blocks_calls, poll_breaker_name
from qhybrid_pipelines.control.experiments.due_stages import TO_COLLECT, TO_SUBMIT, Stage
from qhybrid_pipelines.control.ledger.lifecycle import OPEN
from qhybrid_pipelines.control.ledger.port import Breaker, JobRecord, Ledger
from qhybrid_pipelines.control.policy.rules import Policy
from qhybrid_pipelines.core.jobs.job_states import JobState

SENDS = frozenset({"submit", "execute", "infer", "fit"})
FETCHES = frozenset({"collect", "measure"})


class ControlPlaneView(Protocol):
    """As much of the control plane as is needed here."""

    @property
    def ledger(self) -> Ledger:
        """The durable record of every job, and of what is known of backends."""

    @property
    def policy(self) -> Policy:
        """What is allowed, and which backends stand in for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Why a stage is not begun.

    Attributes:
        breaker: the backend, or the provider's jobs, that is left alone.
        until: when it may be tried; None where another stage is the one that tries.
    """

    breaker: str
    until: datetime | None

    def __str__(self) -> str:
        return f"resting until {self.until:%H:%M:%S} UTC" if self.until else "resting until another stage is through"


def find_resting(stages: Sequence[Stage], control_plane: ControlPlaneView, now: datetime) -> dict[Stage, Rest]:
    """Return those of the stages that rest, and until when; the others may be begun, in the order given.

    Work that the policy lets go elsewhere does not wait.
    """
    breakers = {b.backend: b for b in control_plane.ledger.breakers() if b.state != "closed"}
    found: dict[Stage, Rest] = {}
    tried: set[str] = set()
    if not breakers:
        return found
    for stage in stages:
        names = _breaker_names(stage, control_plane)
        known = [breakers[name] for name in names if name in breakers]
        if not names or len(known) < len(names):  # nobody is needed, or somebody who answers
            continue
        if open_breakers := [breaker for breaker in known if blocks_calls(breaker, now)]:
            found[stage] = _rest(open_breakers)
        elif tried.isdisjoint(names):
            tried.update(names)
        else:
            found[stage] = Rest(breaker=names[0], until=None)
    return found


def _breaker_names(stage: Stage, control_plane: ControlPlaneView) -> list[str]:
    """Return the breakers all of which have to be open for a stage to rest."""
    if stage.backend is None:
        return []
    if stage.job in SENDS:
        stand_ins = control_plane.policy.routing.failover.get(stage.backend, ())
        return sorted({stage.backend, *stand_ins, *(job.backend for job in _jobs(stage, control_plane, TO_SUBMIT))})
    if stage.job in FETCHES:
        return sorted({poll_breaker_name(job.provider) for job in _jobs(stage, control_plane, TO_COLLECT | OPEN)})
    return []


def _jobs(stage: Stage, control_plane: ControlPlaneView, states: frozenset[JobState]) -> list[JobRecord]:
    jobs = control_plane.ledger.jobs(states=states)
    return [job for job in jobs if job.experiment == stage.experiment and job.requested_backend == stage.backend]


def _rest(breakers: Sequence[Breaker]) -> Rest:
    first = min(breakers, key=lambda breaker: breaker.retry_at or datetime.max.replace(tzinfo=UTC))
    return Rest(breaker=first.backend, until=first.retry_at)
