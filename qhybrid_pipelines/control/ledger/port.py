"""The ledger port: the durable record of every job, and the small values that go in and out of it.

The ledger is the truth about jobs; Dagster schedules and shows. `control.ledger.sql` keeps it in a database. Nothing
here talks to a provider, and no method waits for one: a transaction is open for milliseconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

from qhybrid_pipelines.control.budget import Account
from qhybrid_pipelines.control.ledger.chain import ChainHead, ChainReport
from qhybrid_pipelines.control.lifecycle import Event
from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.core.jobs import JobRef, JobState

#: Whose clock a timestamp comes from: the provider's, or ours when we saw the thing.
Clock = Literal["vendor", "observed"]


class StaleJob(QHybridError):
    """The job was changed by somebody else after it was read; nothing was written. Read it again."""


class ProviderJobTaken(QHybridError):
    """A provider answered with a job id that belongs to another job of the ledger; nothing was written."""

    exit_code = 3


class Outcome(StrEnum):
    """What became of an attempt to submit."""

    OPEN = "open"  # the provider may be being called right now
    DEFERRED = "deferred"  # not accepted, to be tried again with the same token
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NOT_ACCEPTED = "not_accepted"  # looked up: the provider does not have it


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job as it stands in the ledger.

    Attributes:
        occurrence: 1 for the first job of a payload; a job that is run again counts on.
        version: number of its events; a change is refused when it was made on an older version.
        attempt: number of the last attempt to submit, from 1; ``token``, ``provider_job_id`` and ``outcome`` are its.
        circuits: bound circuits, points x repetitions.
        shots: over all circuits.
        cost_quoted_usd: highest quoted cost.
        cost_usd: what the provider reported.
        cost_settled_usd: what the budget was charged when the job ended.
        result_sha256: of the raw result as received.
    """

    job_id: str
    experiment: str
    backend: str
    provider: str
    payload_sha256: str
    occurrence: int
    tier: str
    circuits: int
    shots: int
    state: JobState
    version: int
    attempt: int
    token: str
    provider_job_id: str | None
    outcome: Outcome
    engine: str | None
    cost_quoted_usd: float
    price_source: str
    cost_usd: float | None
    cost_settled_usd: float | None
    result_sha256: str | None
    error: str | None
    requested_at: datetime | None
    created_at: datetime
    updated_at: datetime

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
    clock: Clock
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
class Step:
    """One step of a job's life, about to be written.

    Attributes:
        at: when it happened, by ``clock``.
        detail: further facts, ready for JSON.
    """

    event: Event
    at: datetime
    clock: Clock = "observed"
    raw_status: str | None = None
    detail: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A job that is to be written down: who asks for what, its token, its quote, and its first steps."""

    job_id: str
    experiment: str
    backend: str
    provider: str
    payload_sha256: str
    occurrence: int
    tier: str
    circuits: int
    shots: int
    token: str
    cost_quoted_usd: float
    price_source: str
    budget_usd: float
    requested_at: datetime | None
    planned_at: datetime
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Steps that a job takes, and the facts that become known with them; None leaves a fact as it is.

    Attributes:
        job: the job as it was read; the move is refused when it has changed since.
        observed_at: now.
        new_token: opens a further attempt with this token.
    """

    job: JobRecord
    steps: tuple[Step, ...]
    observed_at: datetime
    new_token: str | None = None
    provider_job_id: str | None = None
    cost_usd: float | None = None
    engine: str | None = None
    error: str | None = None
    result: StoredResult | None = None

    @classmethod
    def of(
        cls, job: JobRecord, event: Event, now: datetime, *, detail: Mapping[str, Any] | None = None, **facts: Any
    ) -> Move:
        """Return the move of one step that happens now, with the facts that become known with it."""
        return cls(job=job, steps=(Step(event=event, at=now, detail=detail),), observed_at=now, **facts)


class Ledger(Protocol):
    """The durable record of every job."""

    def plan(self, plan: Plan) -> JobRecord:
        """Write a job down and reserve its quote, in one transaction; a job that is there already is returned.

        Raises:
            Refused: the quote does not fit the experiment's budget; nothing was written.
        """

    def advance(self, move: Move) -> JobRecord:
        """Write the steps of one job; a job that has ended settles its budget in the same transaction.

        Raises:
            StaleJob: the job has changed since it was read; nothing was written.
            IllegalTransition: the life cycle has no such step; nothing was written.
            ProviderJobTaken: the provider's id belongs to another job; nothing was written.
        """

    def advance_all(self, moves: Sequence[Move]) -> list[JobRecord]:
        """Write the steps of many jobs and return them as they stand; a stale move is skipped, not an error."""

    def job(self, job_id: str) -> JobRecord:
        """Return one job.

        Raises:
            InvalidInput: there is none of this id.
        """

    def latest(self, experiment: str, backend: str, payload_sha256: str) -> JobRecord | None:
        """Return the last job of a payload, or None."""

    def jobs(self, *, experiment: str | None = None, states: Collection[JobState] | None = None) -> list[JobRecord]:
        """Return jobs in a fixed order, all or those of one experiment or of some states."""

    def events(self, job_id: str | None = None) -> list[EventRecord]:
        """Return the events of the ledger or of one job, in the order they were written."""

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Return the attempts to submit a job, by number."""

    def stored_result(self, job_id: str) -> StoredResult | None:
        """Return where the raw result of a job is kept, or None."""

    def account(self, experiment: str) -> Account | None:
        """Return what an experiment may spend and has spent, or None if it has no job."""

    def holding(self, job_id: str, *, patience_seconds: float) -> AbstractContextManager[None]:
        """Keep every other process and thread from handing this job over; given back when the holder dies.

        Raises:
            LockBusy: somebody else holds it for longer than ``patience_seconds``.
        """

    def head(self) -> ChainHead:
        """Return the last link of the chain of events, to be kept outside the ledger."""

    def verify_chain(self, anchor: ChainHead | None = None) -> ChainReport:
        """Recompute the chain of events; with ``anchor``, also that it still contains that link."""
