"""The ledger port: the durable record of every job. Its values are `control.ledger.records`, and importable from here.

The ledger is the truth about jobs; Dagster schedules and shows. `control.ledger.sql_ledger` keeps it in a database. Nothing
here talks to a provider, and no method waits for one: a transaction is open for milliseconds.

There are no leases. A lease in a table has to outlive the slowest provider call, needs a clock that all machines agree
on, and keeps a restart waiting for a holder who is dead; one that runs out too early lets two processes pay. The
locks of `Ledger.job_lock` belong to their holder's process (a kernel lock beside SQLite, the lock of a session on Postgres),
so they last exactly as long as it lives, and nobody has to guess a time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from qhybrid_pipelines.control.ledger.budget import Account
from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead, ChainReport
from qhybrid_pipelines.control.ledger.errors import (
    DuplicateJob,
    DuplicateProviderJob,
    LedgerUnreachable,
    StaleBreaker,
    StaleJob,
)
from qhybrid_pipelines.control.ledger.records import (
    AttemptRecord,
    Breaker,
    BreakerState,
    ClockSource,
    EventData,
    EventRecord,
    HomeIdentity,
    JobRecord,
    Outcome,
    Plan,
    RequestTerms,
    StoredCalibration,
    StoredResult,
    Transition,
    correlation_id_for,
)
from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.control.ledger.totals import BudgetTotals, JobTotals
from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration
from qhybrid_pipelines.core.jobs.job_states import JobState

__all__ = [
    "AttemptRecord",
    "Breaker",
    "BreakerState",
    "ClockSource",
    "DuplicateJob",
    "DuplicateProviderJob",
    "EventData",
    "EventRecord",
    "HomeIdentity",
    "JobRecord",
    "Ledger",
    "LedgerUnreachable",
    "Outcome",
    "Plan",
    "RequestTerms",
    "StaleBreaker",
    "StaleJob",
    "StoredCalibration",
    "StoredResult",
    "Transition",
    "correlation_id_for",
]


class Ledger(Protocol):
    """The durable record of every job."""

    @property
    def has_server_clock(self) -> bool:
        """Whether the time of this ledger is that of a server, the same for all machines."""

    def close(self) -> None:
        """Close the connections; a ledger that is used again opens new ones."""

    def read_time(self, machine_now: datetime) -> datetime:
        """Return the present by the ledger's clock: the server's, or this machine's but never before the newest event.

        Args:
            machine_now: what the clock of this machine says.
        """

    def plan(self, plan: Plan) -> JobRecord:
        """Write a job down and reserve its quote, in one transaction; a job that is there already is returned.

        Raises:
            Refused: the quote does not fit the experiment's budget; nothing was written.
            DuplicateJob: another job has its token, or its place among the jobs of the payload; nothing was written.
        """

    def plan_all(self, plans: Sequence[Plan]) -> list[JobRecord]:
        """Write many jobs down in one transaction, all or none; jobs that are there already are returned.

        Raises:
            Refused: the quotes together do not fit a budget; nothing was written.
            DuplicateJob: as for `plan`; nothing was written.
            StaleJob: a job whose work one of them takes over has changed since it was read; nothing was written.
        """

    def advance(self, transition: Transition) -> JobRecord:
        """Write the steps of one job; a job that has ended settles its budget in the same transaction.

        Raises:
            StaleJob: the job has changed since it was read, or has left its backend and another one has taken its work over;
                nothing was written.
            IllegalTransition: the life cycle has no such step; nothing was written.
            DuplicateProviderJob: the provider's id belongs to another job; nothing was written.
        """

    def advance_all(self, transitions: Sequence[Transition]) -> list[JobRecord]:
        """Write the steps of many jobs and return them in their present state; a stale move is skipped, not an error."""

    def job(self, job_id: str) -> JobRecord:
        """Return one job.

        Raises:
            InvalidInput: there is none of this id.
        """

    def latest(self, experiment: str, backend: str, payload_sha256: str) -> JobRecord | None:
        """Return the last job of a payload, or None."""

    def jobs(
        self,
        *,
        experiment: str | None = None,
        states: Collection[JobState] | None = None,
        ids: Collection[str] | None = None,
        cancel_intended: bool = False,
    ) -> list[JobRecord]:
        """Return jobs in a fixed order, all or those of one experiment, of some states, or of some ids that there are.

        With ``cancel_intended`` those that somebody meant to have cancelled, without an answer of the provider that it is too late.
        """

    def newest_jobs(
        self,
        *,
        limit: int,
        experiment: str | None = None,
        states: Collection[JobState] | None = None,
        place: str | None = None,
        without: str | None = None,
    ) -> tuple[list[JobRecord], int]:
        """Return up to ``limit`` jobs, those that were written down last first, and how many there are.

        Args:
            limit: at most so many.
            experiment: only those of this one.
            states: only those in one of these.
            place: only those on this backend, or of this provider.
            without: not those of this experiment.
        """

    def backends_used(self) -> set[str]:
        """Return the backends of all jobs; what that costs does not grow with the number of jobs."""

    def page_of_jobs(self, *, after: str = "", limit: int, experiment: str | None = None) -> list[JobRecord]:
        """Return up to ``limit`` jobs by id, those whose id comes after ``after``; all or those of one experiment."""

    def events(self, job_id: str | None = None, *, after: int = 0, limit: int | None = None) -> list[EventRecord]:
        """Return the events of the ledger or of one job after a position, in the order they were written.

        Args:
            job_id: of whose job; None is the whole ledger.
            after: position of the last event that is known already.
            limit: at most so many; None is all.
        """

    def histories(self, job_ids: Collection[str]) -> dict[str, list[EventRecord]]:
        """Return the events of some jobs by job, in the order they were written; a job without events is left out."""

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Return the attempts to submit a job, by number."""

    def stored_result(self, job_id: str) -> StoredResult | None:
        """Return where the raw result of a job is kept, or None."""

    def account(self, experiment: str) -> Account | None:
        """Return what an experiment may spend and has spent, or None if it has no job."""

    def accounts(self, experiments: Collection[str]) -> dict[str, Account]:
        """Return what some experiments may spend and have spent; those without a job are left out."""

    def committed_usd(self, limit: SpendingLimit, at: datetime, *, without: str = "") -> float:
        """Return how much of a limit is used on the day, or in the month, of a moment, in US dollars.

        Args:
            limit: says which jobs count.
            at: says the day or the month.
            without: id of a job that is left out.
        """

    def job_totals(self, *, without: str | None = None, since: datetime | None = None) -> list[JobTotals]:
        """Return how many jobs there are by backend and state, with their sums; no job is read.

        Args:
            without: the jobs of this experiment are left out.
            since: what was charged to jobs that changed since then is summed apart.
        """

    def budget_totals(self) -> BudgetTotals:
        """Return the budgets of all experiments together."""

    def principals(self) -> set[str]:
        """Return who asked for the jobs, each once."""

    def newest_accepted(self, backend: str, *, planned_before: datetime, limit: int) -> list[str]:
        """Return the provider's ids of the jobs of a backend that changed last, newest first.

        Args:
            backend: where they run or ran.
            planned_before: only jobs that were written down at this moment or before.
            limit: at most so many.
        """

    def job_lock(self, job_id: str, *, timeout_seconds: float) -> AbstractContextManager[None]:
        """Keep every other process and thread from submitting this job; given back when the holder dies.

        Raises:
            LockBusy: somebody else holds it for longer than ``timeout_seconds``.
        """

    def breaker(self, backend: str) -> Breaker | None:
        """Return the breaker of a backend, or None if it was never saved."""

    def breakers(self) -> list[Breaker]:
        """Return all breakers, by backend."""

    def save_breaker(self, breaker: Breaker) -> Breaker:
        """Write a breaker that was read, or is new, and return it with its next version; a ledger that may only be read keeps none.

        Raises:
            StaleBreaker: it has changed since it was read; nothing was written.
        """

    def add_calibration(self, backend: str, calibration: Calibration) -> bool:
        """Keep a calibration; False if the one of this id is known already, which stays as it was, or the ledger may only be read."""

    def calibrations(self, backend: str | None = None) -> list[StoredCalibration]:
        """Return the calibrations that were kept, of one backend or of all: by time of measurement, newest last."""

    def calibrated_at(self) -> dict[str, datetime]:
        """Return when each backend's newest calibration that was kept was measured, UTC; what they say is not read."""

    def head(self) -> ChainHead:
        """Return the last link of the chain of events, to be kept outside the ledger."""

    def contains(self, link: ChainHead) -> bool:
        """Tell whether a link that was noted outside the ledger is part of the chain; one event is read."""

    def verify_chain(self, anchor: ChainHead | None = None, *, start: ChainHead | None = None) -> ChainReport:
        """Recompute the chain of events; with ``anchor``, also that it still contains that link.

        Args:
            anchor: a link that was noted outside the ledger.
            start: a link up to which the chain was found whole before: only what comes after it is recomputed.
        """

    def audit_rows(self, *, job_id: str | None = None, after: int = 0) -> list[str]:
        """Rebuild rows from the sealed events and return how those of the ledger differ, one sentence each.

        Args:
            job_id: look at this job and the budget of its experiment only.
            after: look at the jobs with an event after this position, at those that are not settled, and at those whose
                state is not that of their last event, of a large ledger a part of these; 0 is everything.
        """

    def missing_guards(self) -> list[str]:
        """Return what should keep events from being changed or removed and is not in force, by name."""

    def identity(self) -> HomeIdentity:
        """Return which home the ledger belongs to, and how often it was opened to send something."""

    def count_opening(self) -> HomeIdentity:
        """Count that a program opens the ledger to send something, and return the identity with it."""

    def change_identity(self, identity: HomeIdentity) -> None:
        """Let the ledger belong to a home of another id; its jobs stay what they are."""

    def sent_tokens(self, tokens: Collection[str]) -> Mapping[str, str | None]:
        """Return those of some tokens that the ledger has sent, or has meant to send when it was cut off.

        Each with the id that the provider gave its attempt; None as long as nobody knows that.
        """
