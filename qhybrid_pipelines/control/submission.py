"""Handing a batch to a provider once: intent, token, submission, acknowledgement, and what to do in doubt.

The protocol (every simpler one was seen to lose jobs or to pay twice when processes are killed):

1. The intent is committed with a token that follows from the content, and the quote is reserved with it.
2. The provider is called outside any transaction, the token attached.
3. Its answer is recorded.

A process may die, and a connection may break, between any two of these. Then the token is looked up, after a quarantine
longer than the provider's listing lag, and the job is adopted if it is there. It is sent again only where that
cannot pay twice: the provider merges equal tokens, or it was looked up and is not there. A provider that can do
neither leaves the job in SUBMIT_UNKNOWN, for a person.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from qhybrid_pipelines.control.ledger.port import JobRecord, Ledger, Move, Outcome, Plan, Step
from qhybrid_pipelines.control.lifecycle import WITHOUT_RESULT, Event
from qhybrid_pipelines.control.limits import check_limits
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import Ambiguous, InvalidInput, ProviderError, Rejected, Throttled
from qhybrid_pipelines.core.failpoints import failpoint
from qhybrid_pipelines.core.jobs import CircuitBatch, JobRef, JobState
from qhybrid_pipelines.execution.port import Provider

#: How much longer than the declared listing lag a token is waited for before its absence counts.
QUARANTINE_FACTOR = 1.5


def job_id_of(batch: CircuitBatch, occurrence: int = 1) -> str:
    """Return the id of a batch's job: ``j`` and 16 hex digits; the same experiment, backend and payload, the same id."""
    text = f"{batch.experiment}|{batch.backend}|{batch.payload_sha256}"
    return "j" + sha256_hex(text if occurrence == 1 else f"{text}|{occurrence}")[:16]


def token_of(job_id: str, attempt: int) -> str:
    """Return the idempotency key of an attempt: opaque, 32 hex digits, which every known provider accepts."""
    return sha256_hex(f"{job_id}|{attempt}")[:32]


def failure(error: ProviderError) -> dict[str, Any]:
    """Return what the ledger notes about a provider's refusal or failure."""
    return {"phase": error.phase, "class": type(error).__name__, "retryable": error.retryable}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asks for.

    Attributes:
        requested_at: when, as seen by whoever asked; None if nobody noted it.
        repeat: run the batch again, as a new job, if its last job ended without a result.
    """

    batch: CircuitBatch
    tier: str
    budget_usd: float
    requested_at: datetime | None
    repeat: bool


class Submission:
    """The submission protocol, over a ledger.

    Args:
        clock: now, in UTC.
        sleep: waits for some seconds.
        patience_seconds: how long another process may take over the same job before this one gives up.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
        patience_seconds: float,
    ) -> None:
        self._ledger, self._clock, self._sleep, self._patience = ledger, clock, sleep, patience_seconds

    def run(self, request: Request, provider: Provider) -> JobRecord:
        """Return the job of a request, submitted if it was not before; `Dispatcher.submit` says the rest."""
        batch = request.batch
        known = self._ledger.latest(batch.experiment, batch.backend, batch.payload_sha256)
        occurrence = known.occurrence if known else 1
        if known is not None and request.repeat and known.state in WITHOUT_RESULT:
            known, occurrence = None, occurrence + 1
        if known is not None and known.state not in (JobState.APPROVED, JobState.SUBMITTING):
            return known
        with self.holding(job_id_of(batch, occurrence)):
            # Whoever held it before may have finished; so read again.
            known = self._ledger.latest(batch.experiment, batch.backend, batch.payload_sha256)
            if known is None or known.occurrence < occurrence:
                job = self._intend(request, occurrence, provider)
                return self._hand_over(job, batch, provider)
            if known.occurrence > occurrence:  # run again meanwhile, which is another job and another lock
                return known
            if known.state is JobState.APPROVED:
                return self._hand_over(self._intend_again(known), batch, provider)
            if known.state is JobState.SUBMITTING:
                return self._recover(known, batch, provider)
            return known

    def clear_up(self, job: JobRecord, provider: Provider) -> JobRecord:
        """Find out what became of a submission that was never acknowledged, without sending anything.

        Returns:
            The job as SUBMITTED, APPROVED (the provider does not have it) or SUBMIT_UNKNOWN (it cannot tell).
        """
        if provider.capabilities(job.backend).dedupe == "none":
            return self._record(job, Event.DOUBT)
        ref = self._look_up(job, provider, quarantine=True)
        return self._record(job, Event.DISPROVE) if ref is None else self._acknowledge(job, ref, Event.ADOPT)

    def holding(self, job_id: str) -> AbstractContextManager[None]:
        """Keep everybody else from handing this job over."""
        return self._ledger.holding(job_id, patience_seconds=self._patience)

    def _intend(self, request: Request, occurrence: int, provider: Provider) -> JobRecord:
        """Check limits, ask for the price, and commit the intent with its token and reservation."""
        batch = request.batch
        try:
            capabilities = provider.capabilities(batch.backend)
        except Rejected as error:
            raise InvalidInput(
                f"there is no backend '{batch.backend}'",
                remedy=f"Choose one of {', '.join(provider.backends())}.",
                field="backends",
            ) from error
        check_limits(batch, capabilities)
        estimate = provider.estimate(batch)
        job_id, now = job_id_of(batch, occurrence), self._clock()
        circuits = batch.points * batch.repetitions
        plan = Plan(
            job_id=job_id,
            experiment=batch.experiment,
            backend=batch.backend,
            provider=provider.name,
            payload_sha256=batch.payload_sha256,
            occurrence=occurrence,
            tier=request.tier,
            circuits=circuits,
            shots=circuits * batch.shots,
            token=token_of(job_id, 1),
            cost_quoted_usd=estimate.high_usd,
            price_source=estimate.source,
            budget_usd=request.budget_usd,
            requested_at=request.requested_at,
            planned_at=now,
            steps=tuple(Step(event=event, at=now) for event in (Event.PLAN, Event.APPROVE, Event.SUBMIT)),
        )
        failpoint("submit.before_intent")
        job = self._ledger.plan(plan)
        failpoint("submit.intended")
        return job

    def _intend_again(self, job: JobRecord) -> JobRecord:
        """Commit the intent of a job that was deferred (same token) or proved not to be there (new attempt)."""
        disproved = job.outcome is Outcome.NOT_ACCEPTED
        return self._record(job, Event.SUBMIT, new_token=token_of(job.job_id, job.attempt + 1) if disproved else None)

    def _hand_over(self, job: JobRecord, batch: CircuitBatch, provider: Provider) -> JobRecord:
        try:
            return self._send(job, batch, provider)
        except Ambiguous:
            return self._recover(job, batch, provider)

    def _recover(self, job: JobRecord, batch: CircuitBatch, provider: Provider) -> JobRecord:
        """Continue where an earlier call may have been accepted: adopt, or send once more where that cannot pay twice.

        Raises:
            Ambiguous: in doubt again. The job stays SUBMITTING, and the next run continues here.
        """
        dedupe = provider.capabilities(job.backend).dedupe
        if dedupe == "none":
            return self._record(job, Event.DOUBT)
        # A provider that merges equal tokens cannot be paid twice, so there is nothing to wait for.
        ref = self._look_up(job, provider, quarantine=dedupe == "tag_lookup")
        if ref is not None:
            return self._acknowledge(job, ref, Event.ADOPT)
        return self._send(job, batch, provider)

    def _send(self, job: JobRecord, batch: CircuitBatch, provider: Provider) -> JobRecord:
        failpoint("submit.before_call")
        try:
            ref = provider.submit(batch, job.token)
        except Rejected as error:
            return self._record(job, Event.REJECT, error=str(error), detail=failure(error))
        except Throttled as error:
            self._record(job, Event.DEFER, detail=failure(error) | {"message": str(error)})
            raise
        failpoint("submit.accepted")
        return self._acknowledge(job, ref, Event.ACKNOWLEDGE)

    def _look_up(self, job: JobRecord, provider: Provider, *, quarantine: bool) -> JobRef | None:
        """Return the provider's job that carries the token, or None.

        With ``quarantine``, wait first until even a job that was accepted this very moment has to be listed.
        """
        if quarantine:
            self._sleep(QUARANTINE_FACTOR * provider.capabilities(job.backend).listing_lag_seconds)
        failpoint("recover.before_look_up")
        ref = provider.find(job.backend, job.token)
        failpoint("recover.looked_up")
        return ref

    def _acknowledge(self, job: JobRecord, ref: JobRef, event: Event) -> JobRecord:
        detail = {"adopted": True} if event is Event.ADOPT else None
        acknowledged = self._record(job, event, detail=detail, provider_job_id=ref.provider_job_id)
        failpoint("submit.acknowledged")
        return acknowledged

    def _record(self, job: JobRecord, event: Event, **facts: Any) -> JobRecord:
        return self._ledger.advance(Move.of(job, event, self._clock(), **facts))
