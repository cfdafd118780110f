"""The small values that go in and out of a ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration, JobRef
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.storage import home_note

if TYPE_CHECKING:
    from qhybrid_pipelines.core.specifications.experiment_specification import DataClass

#: Whose clock a timestamp comes from: the provider's, or ours when we saw the thing.
ClockSource = Literal["vendor", "observed"]


class Outcome(StrEnum):
    """What became of an attempt to submit."""

    OPEN = "open"  # the provider may be being called right now
    DEFERRED = "deferred"  # not accepted, to be tried again with the same token
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NOT_ACCEPTED = "not_accepted"  # looked up: the provider does not have it


#: What an event says about the attempt to submit that is under way.
ATTEMPT_OUTCOMES: Mapping[Event, Outcome] = {
    Event.SUBMIT: Outcome.OPEN,
    Event.ACKNOWLEDGE: Outcome.ACCEPTED,
    Event.ADOPT: Outcome.ACCEPTED,
    Event.RETRY_LATER: Outcome.DEFERRED,
    Event.REJECT: Outcome.REJECTED,
    Event.MARK_UNKNOWN: Outcome.UNKNOWN,
    Event.CONFIRM_ABSENT: Outcome.NOT_ACCEPTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTerms:
    """On whose behalf work is done, and how: what a person or service asks for, and what its jobs keep.

    Attributes:
        tier: interactive, batch or scheduled.
        principal: who asks, as the policy names people and services.
        requested_at: when, as seen by whoever asked, the first part of the jobs' latency; None if nobody noted it.
        data_class: how sensitive the data behind the circuits is, in the policy's words.
        priority: 0 is normal, higher goes first.
    """

    tier: str
    principal: str = "unknown"
    requested_at: datetime | None = None
    data_class: DataClass = "internal"
    priority: int = 0

    @property
    def request_terms(self) -> dict[str, Any]:
        """These terms alone, by name, for another record that has them too."""
        return {field.name: getattr(self, field.name) for field in fields(RequestTerms)}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTerms(RequestTerms):
    """What one job runs, where, and at which price: the same when it is planned and ever after, but for its last attempt.

    Attributes:
        backend: where the job runs.
        provider: the first part of that name.
        run_number: 1 for the first job of a payload; a job that is run again counts on.
        circuits: bound circuits, points x repetitions.
        shots: over all circuits.
        token: of the last attempt to submit.
        cost_quoted_usd: highest quoted cost.
        environment: dev, test or prod.
        deadline_at: when the result is no longer useful.
        policy_sha256: of the policy that admitted the job.
    """

    job_id: str
    experiment: str
    backend: str
    provider: str
    payload_sha256: str
    run_number: int
    circuits: int
    shots: int
    token: str
    cost_quoted_usd: float
    price_source: str
    environment: str = "dev"
    deadline_at: datetime | None = None
    policy_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord(JobTerms):
    """A job as it is in the ledger: its terms, and what has become of it.

    Attributes:
        version: number of its events; a change is refused when it was made on an older version.
        attempt: number of the last attempt to submit, from 1; ``token``, ``provider_job_id`` and ``outcome`` are its.
        cost_usd: what the provider reported.
        cost_settled_usd: what the budget was charged when the job ended.
        result_sha256: of the raw result as received.
        requested_backend: where the work was asked for; ``backend`` is where this job runs.
        correlation_id: what all jobs and log lines of one piece of work share, see `correlation_id_for`.
        approved_by: the person who agreed, where one had to.
        rerouted_to: the job that took this one's work over.
    """

    state: JobState
    version: int
    attempt: int
    provider_job_id: str | None
    outcome: Outcome
    engine: str | None
    cost_usd: float | None
    cost_settled_usd: float | None
    result_sha256: str | None
    error: str | None
    created_at: datetime
    updated_at: datetime
    requested_backend: str
    correlation_id: str
    approved_by: str | None
    rerouted_to: str | None

    @property
    def has_doubted_result(self) -> bool:
        """Whether its provider has a result that was refused, or that it would not deliver, when it was fetched last."""
        return self.state is JobState.COMPLETED and bool(self.error)

    @property
    def ref(self) -> JobRef:
        """What the provider calls this job.

        Raises:
            ValueError: no provider has acknowledged it.
        """
        if self.provider_job_id is None:
            raise ValueError(f"job {self.job_id} was not acknowledged by a provider")
        return JobRef(provider=self.provider, backend=self.backend, provider_job_id=self.provider_job_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """One event of one job. ``position`` counts over the whole ledger, ``sequence`` over the job, both from 1."""

    position: int
    job_id: str
    sequence: int
    event: str
    from_state: JobState | None
    to_state: JobState
    at: datetime
    observed_at: datetime
    clock: ClockSource
    raw_status: str | None
    detail: Mapping[str, Any] | None
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One attempt to submit: the token that the provider was given, and what became of it."""

    job_id: str
    number: int
    token: str
    provider: str
    provider_job_id: str | None
    outcome: Outcome
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """Where the raw result of a job is kept: its hash in the raw store, and what it was received as."""

    sha256: str
    size_bytes: int
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventData:
    """One step of a job's life, about to be written.

    Attributes:
        at: when it happened, by ``clock``.
        detail: further facts, ready for JSON.
    """

    event: Event
    at: datetime
    clock: ClockSource = "observed"
    raw_status: str | None = None
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(JobTerms):
    """A job that is to be written down: its terms, the budget that has to hold its quote, and its first steps.

    Attributes:
        requested_backend: where the work was asked for, if that is not ``backend``.
        correlation_id: None follows from experiment and requested backend.
        spending_limits: what all experiments together may spend; each that applies has to hold the quote as well.
        takes_over: the job whose work it takes over, as it was read; the plan is refused when that has changed since.
    """

    budget_usd: float
    planned_at: datetime
    steps: tuple[EventData, ...]
    requested_backend: str | None = None
    correlation_id: str | None = None
    spending_limits: tuple[SpendingLimit, ...] = ()
    takes_over: JobRecord | None = None

    @property
    def resolved_requested_backend(self) -> str:
        """Where the work was asked for."""
        return self.requested_backend or self.backend

    @property
    def resolved_correlation_id(self) -> str:
        """What all jobs and log lines of this piece of work share."""
        return self.correlation_id or correlation_id_for(self.experiment, self.resolved_requested_backend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """Steps that a job takes, and the facts that become known with them; None leaves a fact as it is.

    Attributes:
        job: the job as it was read; the move is refused when it has changed since.
        observed_at: now.
        new_token: opens a further attempt with this token.
        cost_quoted_usd: a new quote, reserved in place of the one before.
        spending_limits: as those of a `Plan`, for a new quote.
    """

    job: JobRecord
    steps: tuple[EventData, ...]
    observed_at: datetime
    new_token: str | None = None
    provider_job_id: str | None = None
    cost_quoted_usd: float | None = None
    cost_usd: float | None = None
    engine: str | None = None
    error: str | None = None
    result: StoredResult | None = None
    approved_by: str | None = None
    rerouted_to: str | None = None
    priority: int | None = None
    deadline_at: datetime | None = None
    spending_limits: tuple[SpendingLimit, ...] = ()

    def observed_not_before(self, earliest: datetime) -> Transition:
        """Return the same move, observed at ``earliest`` if it says an earlier time; so are steps of that very moment."""
        if self.observed_at >= earliest:
            return self
        steps = (
            replace(step, at=earliest) if step.clock == "observed" and step.at == self.observed_at else step
            for step in self.steps
        )
        return replace(self, steps=tuple(steps), observed_at=earliest)

    @classmethod
    def single(
        cls, job: JobRecord, event: Event, now: datetime, *, detail: Mapping[str, Any] | None = None, **fields: Any
    ) -> Transition:
        """Return the move of one step that happens now, with the facts that become known with it."""
        return cls(job=job, steps=(EventData(event=event, at=now, detail=detail),), observed_at=now, **fields)


#: What a breaker lets through: everything, nothing, or one attempt to see whether the backend is back.
BreakerState = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Whether jobs may go to a backend; kept here because every process has to know what the others saw.

    Attributes:
        failures: in a row.
        opened_at: when it opened last.
        retry_at: when an open breaker lets one attempt through.
        reason: why it opened.
        version: number of changes; 0 for a breaker that was never saved.
    """

    backend: str
    state: BreakerState = "closed"
    failures: int = 0
    opened_at: datetime | None = None
    retry_at: datetime | None = None
    reason: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCalibration:
    """A calibration of a backend."""

    backend: str
    calibration: Calibration


def correlation_id_for(experiment: str, requested_backend: str) -> str:
    """Return the correlation id of all work of an experiment for a backend: ``c`` and 16 hexadecimal digits."""
    return "c" + sha256_hex(f"{experiment}|{requested_backend}")[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeIdentity:
    """What a ledger says about its home; all machines on one Postgres ledger work in the same home.

    Attributes:
        home_id: 16 hex digits, drawn once; copies and restored backups keep it.
        openings: how often a program has opened the ledger to send something.
        accepted_jobs: providers' jobs with the home's label that the ledger has not sent, and that a person has decided about:
            ``provider/id``.
        format: newest format of homes, see `storage.home_note`, whose release has opened the ledger to send.
        collects_from: oldest format whose releases may collect beside that one.
    """

    home_id: str
    openings: int
    accepted_jobs: frozenset[str] = frozenset()
    format: int = home_note.FORMAT
    collects_from: int = home_note.COLLECTS_FROM
