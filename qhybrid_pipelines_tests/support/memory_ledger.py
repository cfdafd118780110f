"""The ledger in the memory of one process: the port in plain Python, without a database.

It shares with the SQL ledgers what is pure (the tables of the life cycle and of the attempts' outcomes, the sealing of
events, the arithmetic of budgets, the form of stored values) and none of the code that reads and writes, so that the two
check each other; and it is quick, for tests of many lives.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from qhybrid_pipelines.control.ledger.budget import Account
from qhybrid_pipelines.control.ledger.chain import event_chain
from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead, ChainReport
from qhybrid_pipelines.control.ledger.databases.file_locks import LockBusy
from qhybrid_pipelines.control.ledger.errors import StaleBreaker, StaleJob
from qhybrid_pipelines.control.ledger.records import (
    AttemptRecord,
    Breaker,
    EventRecord,
    HomeIdentity,
    JobRecord,
    Plan,
    StoredCalibration,
    StoredResult,
    Transition,
)
from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.control.ledger.sql.row_audit import rebuild
from qhybrid_pipelines.control.ledger.sql.stored_values import from_microseconds, stored_json, to_microseconds
from qhybrid_pipelines.control.ledger.totals import BudgetTotals, JobTotals
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.storage import home_note
from qhybrid_pipelines_tests.support.memory_facts import job_values
from qhybrid_pipelines_tests.support.memory_tables import MemoryTables


class MemoryLedger:
    """The ledger behind the port `control.ledger.port.Ledger`, which says what each method does.

    One object may be used by many threads; a forked child has a ledger of its own.
    """

    def __init__(self) -> None:
        self._tables = MemoryTables()
        self._identity = HomeIdentity(home_id=secrets.token_hex(8), openings=0)
        self._held: set[str] = set()
        self._released = threading.Condition()

    has_server_clock = False

    def read_time(self, machine_now: datetime) -> datetime:
        """Return the present, never before the newest event."""
        with self._tables.read_lock():
            last = self._tables.events.get(len(self._tables.events))
        return max(machine_now, from_microseconds(last["observed_at_us"])) if last else machine_now

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def plan(self, plan: Plan) -> JobRecord:
        """Write a job down and reserve its quote."""
        return self.plan_all([plan])[0]

    def plan_all(self, plans: Sequence[Plan]) -> list[JobRecord]:
        """Write many jobs down, all or none."""
        with self._tables.transaction():
            return [self._tables.jobs.get(plan.job_id) or self._tables.write_plan(plan) for plan in plans]

    def advance(self, transition: Transition) -> JobRecord:
        """Write the steps of one job."""
        with self._tables.transaction():
            return self._tables.write_transition(transition)

    def advance_all(self, transitions: Sequence[Transition]) -> list[JobRecord]:
        """Write the steps of many jobs, skipping stale moves."""
        with self._tables.transaction():
            return [job for transition in transitions if (job := self._write_or_skip(transition))]

    def job(self, job_id: str) -> JobRecord:
        """Return one job."""
        with self._tables.read_lock():
            found = self._tables.jobs.get(job_id)
        if found is None:
            raise InvalidInput(f"the ledger has no job '{job_id}'", remedy="`qhybrid jobs list` shows those it has.")
        return found

    def latest(self, experiment: str, backend: str, payload_sha256: str) -> JobRecord | None:
        """Return the last job of a payload, or None."""
        jobs = self.jobs(experiment=experiment)
        found = [job for job in jobs if (job.backend, job.payload_sha256) == (backend, payload_sha256)]
        return found[-1] if found else None

    def jobs(
        self,
        *,
        experiment: str | None = None,
        states: Collection[JobState] | None = None,
        ids: Collection[str] | None = None,
        cancel_intended: bool = False,
    ) -> list[JobRecord]:
        """Return jobs, all or those of one experiment, of some states or of some ids, or those that are wanted back."""
        with self._tables.read_lock():
            jobs = self._tables.jobs.matching(experiment=experiment, states=states, ids=ids)
            found = sorted(jobs, key=lambda job: (job.run_number, job.job_id))
        return [job for job in found if not cancel_intended or self._is_wanted_back(job.job_id)]

    def _is_wanted_back(self, job_id: str) -> bool:
        names = [event.event for event in self.events(job_id)]
        _, meant, after = " ".join(names).rpartition("JobCancelIntended")
        return bool(meant) and "JobCancelTooLate" not in after

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
        found = [
            job
            for job in self.jobs(experiment=experiment, states=states)
            if place in (None, job.backend, job.provider) and (without is None or job.experiment != without)
        ]
        return sorted(found, key=lambda job: job.created_at, reverse=True)[:limit], len(found)

    def backends_used(self) -> set[str]:
        """Return the backends of all jobs."""
        with self._tables.read_lock():
            return self._tables.jobs.backends

    def page_of_jobs(self, *, after: str = "", limit: int, experiment: str | None = None) -> list[JobRecord]:
        """Return up to ``limit`` jobs by id, those after one."""
        found = sorted(self.jobs(experiment=experiment), key=lambda job: job.job_id)
        return [job for job in found if job.job_id > after][:limit]

    def events(self, job_id: str | None = None, *, after: int = 0, limit: int | None = None) -> list[EventRecord]:
        """Return the events of the ledger or of one job after a position."""
        with self._tables.read_lock():
            return [_event(row) for row in self._tables.events.of(job_id, after=after, limit=limit)]

    def histories(self, job_ids: Collection[str]) -> dict[str, list[EventRecord]]:
        """Return the events of some jobs by job."""
        return {job_id: events for job_id in job_ids if (events := self.events(job_id))}

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Return the attempts to submit a job."""
        with self._tables.read_lock():
            job = self._tables.jobs.get(job_id)
            return [self._tables.attempts[job_id, number + 1] for number in range(job.attempt if job else 0)]

    def stored_result(self, job_id: str) -> StoredResult | None:
        """Return where the raw result of a job is kept, or None."""
        with self._tables.read_lock():
            return self._tables.results.get(job_id)

    def account(self, experiment: str) -> Account | None:
        """Return what an experiment may spend and has spent, or None."""
        with self._tables.read_lock():
            return self._tables.accounts.get(experiment)

    def accounts(self, experiments: Collection[str]) -> dict[str, Account]:
        """Return what some experiments may spend and have spent."""
        return {name: account for name in experiments if (account := self.account(name)) is not None}

    def committed_usd(self, limit: SpendingLimit, at: datetime, *, without: str = "") -> float:
        """Return how much of a limit is used."""
        with self._tables.read_lock():
            return float(self._tables.committed(limit, at, without=without))

    def job_totals(self, *, without: str | None = None, since: datetime | None = None) -> list[JobTotals]:
        """Return how many jobs there are by backend and state, summed one after the other."""
        groups: dict[tuple[str, JobState], list[JobRecord]] = {}
        for job in self.jobs():
            if job.experiment != without:
                groups.setdefault((job.backend, job.state), []).append(job)
        return [
            JobTotals(
                backend=backend,
                state=state,
                jobs=len(jobs),
                shots=sum(job.shots for job in jobs),
                attempts=sum(job.attempt for job in jobs),
                oldest_created_at=min(job.created_at for job in jobs),
                last_updated_at=max(job.updated_at for job in jobs),
                quoted_usd=_sum_usd(job.cost_quoted_usd for job in jobs),
                reported_usd=_sum_usd(job.cost_usd for job in jobs),
                charged_usd=_sum_usd(job.cost_settled_usd for job in jobs),
                charged_lately_usd=_sum_usd(
                    job.cost_settled_usd for job in jobs if since is not None and job.updated_at >= since
                ),
            )
            for (backend, state), jobs in sorted(groups.items())
        ]

    def budget_totals(self) -> BudgetTotals:
        """Return the budgets of all experiments together."""
        with self._tables.read_lock():
            accounts = list(self._tables.accounts.values())
        return BudgetTotals(
            limit_usd=_sum_usd(account.limit_usd for account in accounts),
            reserved_usd=_sum_usd(account.reserved_usd for account in accounts),
            settled_usd=_sum_usd(account.settled_usd for account in accounts),
        )

    def principals(self) -> set[str]:
        """Return who asked for the jobs."""
        return {job.principal for job in self.jobs()}

    def newest_accepted(self, backend: str, *, planned_before: datetime, limit: int) -> list[str]:
        """Return the provider's ids of the jobs of a backend that changed last."""
        with self._tables.read_lock():
            accepted = self._tables.jobs.newest_accepted(backend)
            return list(islice((name for _, name, written_at in accepted if written_at <= planned_before), limit))

    def breaker(self, backend: str) -> Breaker | None:
        """Return the breaker of a backend, or None."""
        with self._tables.read_lock():
            return self._tables.breakers.get(backend)

    def breakers(self) -> list[Breaker]:
        """Return all breakers."""
        with self._tables.read_lock():
            return [self._tables.breakers[backend] for backend in sorted(self._tables.breakers)]

    def save_breaker(self, breaker: Breaker) -> Breaker:
        """Write a breaker and return it with its next version."""
        with self._tables.transaction():
            known = self._tables.breakers.get(breaker.backend)
            if (known.version if known else 0) != breaker.version:
                raise StaleBreaker(
                    f"the breaker of '{breaker.backend}' has changed since version {breaker.version} was read"
                )
            saved = replace(breaker, version=breaker.version + 1)
            self._tables.put(self._tables.breakers, breaker.backend, saved)
            return saved

    def add_calibration(self, backend: str, calibration: Calibration) -> bool:
        """Keep a calibration, if it is not known."""
        key = (backend, calibration.calibration_id)
        with self._tables.transaction():
            if key in self._tables.calibrations:
                return False
            payload = json.loads(stored_json(calibration.payload) or "null")
            stored = StoredCalibration(backend=backend, calibration=replace(calibration, payload=payload))
            self._tables.put(self._tables.calibrations, key, stored)
            return True

    def calibrations(self, backend: str | None = None) -> list[StoredCalibration]:
        """Return the calibrations of one backend or of all."""
        with self._tables.read_lock():
            found = [stored for stored in self._tables.calibrations.values() if backend in (None, stored.backend)]
        return sorted(
            found,
            key=lambda stored: (
                stored.calibration.dated,
                stored.calibration.fetched_at,
                stored.backend,
                stored.calibration.calibration_id,
            ),
        )

    def calibrated_at(self) -> dict[str, datetime]:
        """Return when each backend's newest calibration was measured."""
        dated = (stored for stored in self.calibrations() if stored.calibration.measured_at is not None)
        return {stored.backend: stored.calibration.measured_at for stored in dated}

    def head(self) -> ChainHead:
        """Return the last link of the chain of events."""
        with self._tables.read_lock():
            return self._tables.head

    def contains(self, link: ChainHead) -> bool:
        """Tell whether a link is part of the chain."""
        with self._tables.read_lock():
            return not link.position or self._tables.events.get(link.position, {}).get("hash") == link.hash

    def verify_chain(self, anchor: ChainHead | None = None, *, start: ChainHead | None = None) -> ChainReport:
        """Recompute the chain of events."""
        begin = start.position if start else 0
        with self._tables.read_lock():
            rows = self._tables.events.of(None, after=begin)
            return event_chain.verify(rows, self.head(), anchor, start=start)

    def audit_rows(self, *, job_id: str | None = None, after: int = 0) -> list[str]:
        """Compare all jobs with what the events seal; one alone is not looked at: nobody can change it from outside."""
        if job_id is not None or after:
            return []
        with self._tables.read_lock():
            events: dict[str, list[Mapping[str, Any]]] = {}
            for row in self._tables.events.values():
                events.setdefault(row["job_id"], []).append(row)
            return [
                f"job {job.job_id} is not what its events say"
                for job in self._tables.jobs.values()
                if rebuild(job.job_id, events[job.job_id]).job != _job_row(job)
            ]

    def missing_guards(self) -> list[str]:
        """Return nothing: there are no triggers."""
        return []

    def identity(self) -> HomeIdentity:
        """Return which home the ledger belongs to."""
        return self._identity

    def count_opening(self) -> HomeIdentity:
        """Count that a program opens the ledger to send something."""
        with self._tables.transaction():
            self._identity = replace(
                self._identity,
                openings=self._identity.openings + 1,
                format=max(self._identity.format, home_note.FORMAT),
                collects_from=max(self._identity.collects_from, home_note.COLLECTS_FROM),
            )
            return self._identity

    def change_identity(self, identity: HomeIdentity) -> None:
        """Let the ledger belong to a home of another id."""
        self._identity = identity

    def sent_tokens(self, tokens: Collection[str]) -> dict[str, str | None]:
        """Return those of some tokens that the ledger has sent, with the provider's ids."""
        with self._tables.read_lock():
            attempts = [made for token in tokens if (made := self._tables.attempt_of(token)) is not None]
            return {made.token: made.provider_job_id for made in attempts if self._tables.events.was_sent(made.job_id)}

    @contextmanager
    def job_lock(self, job_id: str, *, timeout_seconds: float) -> Iterator[None]:
        """Keep every other thread from handing this job over."""
        with self._released:
            if not self._released.wait_for(lambda: job_id not in self._held, timeout=timeout_seconds):
                raise LockBusy(f"'{job_id}' has been locked by another thread for more than {timeout_seconds:g} s")
            self._held.add(job_id)
        try:
            yield
        finally:
            with self._released:
                self._held.discard(job_id)
                self._released.notify_all()

    def _write_or_skip(self, transition: Transition) -> JobRecord | None:
        try:
            return self._tables.write_transition(transition)
        except StaleJob:
            return self._tables.jobs.get(transition.job.job_id)


def _sum_usd(values: Iterable[float | None]) -> float:
    return float(sum((Decimal(str(usd)) for usd in values if usd is not None), Decimal(0)))


def _job_row(job: JobRecord) -> dict[str, Any]:
    implied = {"state": job.state.value, "version": job.version, "updated_at_us": to_microseconds(job.updated_at)}
    return job_values(job) | implied


def _event(row: Mapping[str, Any]) -> EventRecord:
    return EventRecord(
        position=row["position"],
        job_id=row["job_id"],
        sequence=row["sequence"],
        event=row["event"],
        from_state=row["from_state"] and JobState(row["from_state"]),
        to_state=JobState(row["to_state"]),
        at=from_microseconds(row["at_us"]),
        observed_at=from_microseconds(row["observed_at_us"]),
        clock=row["clock"],
        raw_status=row["raw_status"],
        detail=row["detail"] and json.loads(row["detail"]),
        hash=row["hash"],
    )
