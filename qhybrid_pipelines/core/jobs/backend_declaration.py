"""What an adapter says about a group of its backends without asking anybody: what people choose a backend by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from qhybrid_pipelines.core.jobs.job_states import JobState

#: Region of what never leaves the caller's machine, and of an emulator on it.
THIS_MACHINE = "this-machine"

#: Kinds of work that a backend takes.
Plane = Literal["gate", "annealing", "hybrid"]
#: Timestamps of a job's life that a provider may report.
ReportedTime = Literal["submitted", "started", "completed"]
#: What a provider may say about its queue, see `core.jobs.circuit_jobs.BackendStatus`.
QueueFigure = Literal["queued_jobs", "queue_seconds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A group of backends that differ in their limits only.

    Attributes:
        backends: glob of their full names, for example ``ionq:qpu.*``.
        vendor: whose they are.
        plane: which kind of work they take.
        price_model: what is billed, a few words.
        price_source: where a quote comes from.
        dedupe: how a repeated submission is recognised, see `core.jobs.circuit_jobs.Capabilities`.
        states: of our life cycle that are reported.
        times: timestamps that the provider reports itself.
        queue_figures: what is said about the queue; empty where nothing waits, or nothing is said.
        queue: how the queue behaves.
        limits: where the limits come from.
        calibration: what is known about the quality of the devices.
        credential: what a caller needs to be let in.
        transport: how requests travel.
        region: how the place where jobs are processed is known.
        sdks: other ways to reach them.
        observability: what is told about a job's life.
        integration: what it takes to use them.
        evidence: what was run against what, and what was not.
        evidence_on: when that was done last.
    """

    backends: str
    vendor: str
    plane: Plane
    price_model: str
    price_source: str
    dedupe: Literal["token", "tag_lookup", "none"]
    states: tuple[JobState, ...]
    times: tuple[ReportedTime, ...]
    queue_figures: tuple[QueueFigure, ...]
    queue: str
    limits: str
    calibration: str
    credential: str
    transport: str
    region: str
    sdks: str
    observability: str
    integration: str
    evidence: str
    evidence_on: date

    @property
    def security(self) -> str:
        """How callers are authenticated, and how requests travel."""
        return f"{self.credential}; {self.transport}"

    def capability_fields(self) -> dict[str, Any]:
        """Return the fields of `core.jobs.circuit_jobs.Capabilities` that are the same for every backend of the group."""
        return {
            "declared": self,
            "dedupe": self.dedupe,
            "states": self.states,
            "queue": self.queue,
            "security": self.security,
            "sdks": self.sdks,
            "observability": self.observability,
            "integration": self.integration,
        }
