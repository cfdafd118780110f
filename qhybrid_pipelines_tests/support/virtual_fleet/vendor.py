"""A vendor in virtual time, with a queue, faults, and the book that is the judge of what was accepted and paid."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.control.jobs.context import SEND_WITHIN_SECONDS
from qhybrid_pipelines.core.errors import Ambiguous, CorruptResult, ProviderError, Rejected, Throttled, Unavailable
from qhybrid_pipelines.core.jobs import provider_time
from qhybrid_pipelines.core.jobs.circuit_jobs import (
    BackendStatus,
    Calibration,
    CancelOutcome,
    Capabilities,
    CircuitBatch,
    Compiled,
    Estimate,
    JobRef,
    ListedJob,
    RawResult,
    Snapshot,
    Template,
    TokenListing,
)
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.abilities import Ability
from qhybrid_pipelines.execution.port import COUNTS_SCHEMA, before_sending
from qhybrid_pipelines_tests.support.virtual_fleet.event_queue import START, EventQueue, current_life

#: What may befall a call, by method; `Vendor` says below what each does.
FAULTS = {
    "submit": (
        "lost",
        "answer lost",
        "late",
        "throttled",
        "throttled unsent",
        "throttled, accepted",
        "refused",
        "refused, accepted",
    ),
    "list": ("away", "empty"),
    "poll": ("away", "one missing", "failed too early", "unknown word"),
    "fetch": ("away", "empty", "short", "other job's"),
    "cancel": ("away", "answer lost"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a vendor promises, and how quick it is.

    Attributes:
        dedupe: see `Capabilities`.
        listing_lag_seconds: the longest time until a list shows a job.
        acceptance_seconds: how long after its intent a request may still be accepted.
        call_seconds: of one call, half of it on the way there.
        patience_seconds: after which the client gives up a call without an answer.
        run_seconds: of one job.
        places: jobs that run at the same time.
        price_usd: of a job.
        failing: share of jobs that fail at the vendor, counted through.
    """

    dedupe: Any = "tag_lookup"
    listing_lag_seconds: float = 5.0
    acceptance_seconds: float = 600.0
    call_seconds: float = 0.2
    patience_seconds: float = 30.0
    run_seconds: float = 40.0
    places: int = 4
    price_usd: float = 0.01
    failing: float = 0.0


@dataclass(slots=True, kw_only=True)
class VendorJob:
    """A line of the book: what was accepted, when it runs, and whether it was cancelled."""

    provider_job_id: str
    work: str
    token: str
    home_id: str
    accepted_at: float
    starts_at: float
    ends_at: float
    shots: int
    points: int
    repetitions: int
    fails: bool = False
    cancelled_at: float | None = None

    def state_at(self, seconds: float) -> JobState:
        """Return what a poll sees."""
        if self.cancelled_at is not None:
            return JobState.CANCELLED
        if seconds < self.starts_at:
            return JobState.QUEUED
        if seconds < self.ends_at:
            return JobState.RUNNING
        return JobState.FAILED if self.fails else JobState.COMPLETED


@dataclass(slots=True, kw_only=True)
class Book:
    """What the vendor knows.

    Attributes:
        jobs: that were accepted, by the vendor's id.
        by_work: the same, by what they are the work of, in the order of acceptance.
        unresolved: works that were sent without an answer, until a person has found out.
        guessed: works that were sent all the same, to a vendor that can tell nothing.
    """

    jobs: dict[str, VendorJob] = field(default_factory=dict)
    by_work: dict[str, list[VendorJob]] = field(default_factory=dict)
    by_token: dict[str, list[VendorJob]] = field(default_factory=dict)
    unresolved: set[str] = field(default_factory=set)
    guessed: list[str] = field(default_factory=list)


class Vendor:
    """Keeps the promises of the provider port, in virtual time; many workers call the same object.

    Args:
        queue: of virtual time.
        name: of the vendor.
        terms: what it promises.
        next_fault: says what befalls a call of a method; an empty text is nothing.
        work_of: what a batch is the work of, whichever vendor gets it.
    """

    abilities = frozenset({Ability.LIST_TOKENS, Ability.LABEL_JOBS})
    home_id = ""

    def __init__(
        self,
        queue: EventQueue,
        name: str,
        terms: Terms,
        *,
        next_fault: Callable[[str], str],
        work_of: Callable[[CircuitBatch], str],
    ) -> None:
        self.name, self.backend, self.terms, self.book = name, f"{name}:device", terms, Book()
        self._queue, self._fault, self._work_of = queue, next_fault, work_of
        self._free_places = [0.0] * terms.places

    # -- the port --------------------------------------------------------------------------------------------------

    def backends(self) -> tuple[str, ...]:
        return (self.backend,)

    def capabilities(self, backend: str) -> Capabilities:
        return Capabilities(
            backend=backend,
            max_qubits=20,
            max_shots=1_000_000,
            max_circuits_per_job=100,
            native_gates=("rx", "rzz"),
            parametric=True,
            simulator=True,
            noisy=False,
            dedupe=self.terms.dedupe,
            listing_lag_seconds=self.terms.listing_lag_seconds if self.terms.dedupe == "tag_lookup" else 0.0,
            acceptance_seconds=self.terms.acceptance_seconds,
            queue="first come, first served",
            security="none",
            states=(JobState.QUEUED, JobState.RUNNING, JobState.COMPLETED),
            mode="hardware",
        )

    def calibration(self, backend: str) -> Calibration | None:
        return None

    def status(self, backend: str) -> BackendStatus:
        self._call("status")
        return BackendStatus(online=True)

    def prepare(self, template: Template, backend: str, *, level: int, seed: int) -> Compiled:
        known = template.template_id
        return Compiled(template_id=known, compiled_sha256=known[::-1], depth=7, two_qubit_gates=3, compile_seconds=0.0)

    def estimate(self, batch: CircuitBatch) -> Estimate:
        return Estimate(low_usd=0.0, high_usd=self.terms.price_usd, assumptions="flat price", source="price list")

    def label_jobs(self, home_id: str) -> None:
        """All workers are of one home."""

    def submit(self, batch: CircuitBatch, token: str) -> JobRef:
        fault, work = self._fault("submit"), self._work_of(batch)
        if fault == "throttled unsent":
            with before_sending():
                raise Throttled("too many requests of ours a minute", retry_after_seconds=5.0)
        if self.terms.dedupe == "none" and work in self.book.unresolved:
            self.book.guessed.append(work)
        self.book.unresolved.add(work)
        self._reach("vendor.called")
        self._queue.wait(self.terms.call_seconds / 2)
        self._reach("vendor.received")
        if fault == "late":
            under_way = max(self.terms.acceptance_seconds - SEND_WITHIN_SECONDS, 0.0)
            self._queue.call_after(under_way, lambda: self._accept(batch, token, work))
            self._queue.wait(self.terms.patience_seconds)
            raise Ambiguous("no answer came")
        is_accepted = fault in ("", "answer lost") or fault.endswith("accepted")
        accepted = self._accept(batch, token, work) if is_accepted else None
        self._reach("vendor.decided")
        if fault in ("lost", "answer lost"):
            self._queue.wait(self.terms.patience_seconds)
            raise Ambiguous("no answer came")
        self._queue.wait(self.terms.call_seconds / 2)
        self._note_time()
        if fault.startswith("throttled"):
            raise Throttled("slow down", retry_after_seconds=5.0)
        if fault.startswith("refused"):
            raise Rejected("400 from the gateway")
        assert accepted is not None, fault
        self._reach("vendor.answered")
        self.book.unresolved.discard(work)
        return self._ref(accepted)

    def find(self, backend: str, token: str) -> JobRef | None:
        self._call("list")
        found = self.book.by_token.get(token, [])
        return self._ref(found[0]) if found else None

    def list_tokens(self, backend: str, tokens: Sequence[str], *, known_jobs: Sequence[str] = ()) -> TokenListing:
        if self._call("list") == "empty":
            return TokenListing(jobs={})
        until = self._queue.seconds - self.terms.listing_lag_seconds
        jobs = {}
        for token in tokens:
            if listed := [job for job in self.book.by_token.get(token, ()) if job.accepted_at <= until]:
                jobs[token] = tuple(ListedJob(ref=self._ref(job), home_id=job.home_id) for job in listed)
        known = {name for name in known_jobs if name in self.book.jobs and self.book.jobs[name].accepted_at <= until}
        return TokenListing(jobs=jobs, known=frozenset(known))

    def poll(self, refs: Sequence[JobRef]) -> list[Snapshot]:
        fault = self._call("poll")
        snapshots = [self._snapshot(self.book.jobs[ref.provider_job_id], ref) for ref in refs]
        if fault == "one missing":
            error = ProviderError("one job is not in the answer")
            error.seen = snapshots[1:]
            raise error
        if fault in ("failed too early", "unknown word") and snapshots[0].state in (
            JobState.QUEUED,
            JobState.RUNNING,
            JobState.COMPLETED,
        ):
            state = JobState.FAILED if fault == "failed too early" else JobState.VERIFIED
            snapshots[0] = Snapshot(ref=refs[0], state=state, raw_status=fault, cost_usd=0.0)
        return snapshots

    def fetch(self, ref: JobRef) -> RawResult:
        fault, job = self._call("fetch"), self.book.jobs[ref.provider_job_id]
        if job.state_at(self._queue.seconds) is not JobState.COMPLETED:
            raise Rejected("404: there is no result")
        if fault == "other job's":
            ref = JobRef(provider=ref.provider, backend=ref.backend, provider_job_id="another")
        counts = [job.shots] * (job.points * job.repetitions - (fault == "short"))
        said = {} if fault == "empty" else {"id": job.provider_job_id, "work": job.work, "counts": counts}
        return RawResult(ref=ref, content=json.dumps(said).encode(), content_type="application/json")

    def decode(self, raw: RawResult, batch: CircuitBatch) -> pa.Table:
        said = json.loads(raw.content)
        if said.get("work") != self._work_of(batch) or said["id"] != raw.ref.provider_job_id:
            raise CorruptResult("this is not the result of the job")
        if len(said["counts"]) != batch.points * batch.repetitions:
            raise CorruptResult("circuits are missing")
        size = len(said["counts"])
        columns = [
            pa.array([place // batch.repetitions for place in range(size)], pa.int32()),
            pa.array([place % batch.repetitions for place in range(size)], pa.int32()),
            pa.array([3] * size, pa.uint64()),
            pa.nulls(size, pa.binary()),
            pa.array(said["counts"], pa.int64()),
        ]
        return pa.Table.from_arrays(columns, schema=COUNTS_SCHEMA)

    def details(self, raw: RawResult) -> dict[str, Any]:
        return {"engine": self.name}

    def cancel(self, ref: JobRef) -> CancelOutcome:
        fault, job = self._call("cancel"), self.book.jobs[ref.provider_job_id]
        state = job.state_at(self._queue.seconds)
        if state is JobState.QUEUED:
            job.cancelled_at = self._queue.seconds
        if fault == "answer lost":
            raise Unavailable("no answer came")
        if state in (JobState.QUEUED, JobState.CANCELLED):
            return CancelOutcome.CANCELLED
        return CancelOutcome.TOO_LATE

    # -- within ----------------------------------------------------------------------------------------------------

    def _call(self, method: str) -> str:
        """Let a call take its time, and return what befalls it; a vendor that is away is so for this call."""
        fault = self._fault(method)
        self._queue.wait(self.terms.call_seconds)
        if fault == "away":
            raise Unavailable("no answer came")
        self._note_time()
        return fault

    def _note_time(self) -> None:
        headers = {"Date": format_datetime(self._queue.now, usegmt=True)}
        provider_time.note_answer(headers, sent=self._queue.seconds, received=self._queue.seconds)

    def _accept(self, batch: CircuitBatch, token: str, work: str) -> VendorJob:
        if self.terms.dedupe == "token" and token in self.book.by_token:
            return self.book.by_token[token][0]
        now = self._queue.seconds
        starts_at = max(now, heapq.heappop(self._free_places)) + 1.0
        ends_at = starts_at + self.terms.run_seconds
        heapq.heappush(self._free_places, ends_at)
        number = len(self.book.jobs) + 1
        job = VendorJob(
            provider_job_id=f"{self.name}-{number}",
            work=work,
            token=token,
            home_id=self.home_id,
            accepted_at=now,
            starts_at=starts_at,
            ends_at=ends_at,
            shots=batch.shots,
            points=batch.points,
            repetitions=batch.repetitions,
            fails=int(number * self.terms.failing) > int((number - 1) * self.terms.failing),
        )
        self.book.jobs[job.provider_job_id] = job
        self.book.by_work.setdefault(work, []).append(job)
        self.book.by_token.setdefault(token, []).append(job)
        return job

    def _snapshot(self, job: VendorJob, ref: JobRef) -> Snapshot:
        now = self._queue.seconds
        state = job.state_at(now)
        cost = {JobState.COMPLETED: self.terms.price_usd, JobState.CANCELLED: 0.0, JobState.FAILED: 0.0}.get(state)
        ended = state in (JobState.COMPLETED, JobState.FAILED)
        return Snapshot(
            ref=ref,
            state=state,
            raw_status=state.lower(),
            submitted_at=START + timedelta(seconds=job.accepted_at),
            started_at=START + timedelta(seconds=job.starts_at) if ended or state is JobState.RUNNING else None,
            completed_at=START + timedelta(seconds=job.ends_at) if ended else None,
            cost_usd=cost,
        )

    def _ref(self, job: VendorJob) -> JobRef:
        return JobRef(provider=self.name, backend=self.backend, provider_job_id=job.provider_job_id)

    def _reach(self, place: str) -> None:
        if (life := current_life()) is not None:
            life.reach(place)
