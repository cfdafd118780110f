"""Submitting a batch to a provider once: intent, token, submission, acknowledgement, and what to do in doubt.

The protocol (every simpler one was seen to lose jobs or to pay twice when processes are killed):

1. The intent is committed with a token that follows from the content, and the quote is reserved with it.
2. The provider is called outside any transaction, the token attached.
3. Its answer is recorded.

A process may die, and a connection may break, between any two of these. Then the token is looked up, after a quarantine
longer than the provider's listing lag, and the job is adopted if it is there. It is sent again only where that
cannot pay twice: the provider merges equal tokens, or it was looked up and is not there, and so long has passed that
a request which was still under way cannot be accepted any more. A provider that can do neither leaves the job in
SUBMIT_UNKNOWN, for a person.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from qhybrid_pipelines.control.jobs.context import JobContext
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import EventData, JobRecord, Outcome, Transition
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import Ambiguous, ProviderError, Rejected, Throttled
from qhybrid_pipelines.core.failpoints import failpoint
from qhybrid_pipelines.core.jobs import CircuitBatch, JobRef, JobState
from qhybrid_pipelines.core.stop_request import raise_if_stop_requested
from qhybrid_pipelines.execution.port import Provider, calling

#: How much longer than the declared listing lag a token is waited for before its absence counts.
LISTING_LAG_FACTOR = 1.5


def job_id_for(batch: CircuitBatch, run_number: int = 1) -> str:
    """Return the id of a batch's job: ``j`` and 16 hex digits; the same experiment, backend and payload, the same id.

    What counts is the backend that was asked for, wherever the work runs: asking again finds it, and pays nothing.
    """
    return _job_id(batch.experiment, batch.backend, batch.payload_sha256, run_number)


def token_for(job_id: str, attempt: int) -> str:
    """Return the idempotency key of an attempt: opaque, 32 hex digits, which every known provider accepts."""
    return sha256_hex(f"{job_id}|{attempt}")[:32]


def error_detail(error: ProviderError) -> dict[str, Any]:
    """Return what the ledger notes about a provider's refusal or failure."""
    return {"phase": error.phase, "class": type(error).__name__, "retryable": error.retryable}


def job_ids_for(batch: CircuitBatch) -> Iterator[str]:
    """Yield the ids of a batch's first, second, third job, without end."""
    payload = batch.payload_sha256
    return (_job_id(batch.experiment, batch.backend, payload, run_number) for run_number in itertools.count(1))


def next_job_id(job: JobRecord) -> str:
    """Return the id of the job that takes over the work of ``job``: the next one of the same request."""
    return _job_id(job.experiment, job.requested_backend, job.payload_sha256, job.run_number + 1)


def _job_id(experiment: str, requested_backend: str, payload_sha256: str, run_number: int) -> str:
    text = f"{experiment}|{requested_backend}|{payload_sha256}"
    return "j" + sha256_hex(text if run_number == 1 else f"{text}|{run_number}")[:16]


class SubmissionProtocol:
    """Submits one job at a time to its provider.

    Args:
        context: ledger, providers and time.
        timeout_seconds: how long another process may take over the same job before this one gives up.
    """

    def __init__(self, context: JobContext, *, timeout_seconds: float) -> None:
        self._context, self._timeout_seconds = context, timeout_seconds

    def submit_once(
        self,
        job: JobRecord,
        batch: CircuitBatch,
        *,
        pre_submit_check: Callable[[JobRecord], JobRecord],
        detail: Mapping[str, Any],
    ) -> JobRecord:
        """Submit a planned job, or continue where an earlier call was cut off, and return it as it stands then.

        Args:
            job: as it was read; a job in another state than APPROVED and SUBMITTING is returned as it stands.
            batch: for the job's own backend.
            pre_submit_check: looks at an APPROVED job under its lock, before anything is sent, and may end it or hold it back.
            detail: what the ledger notes with the intent.

        Raises:
            Throttled: the provider takes nothing for now; the job is APPROVED again.
            Ambiguous: in doubt, even after looking; the job stays SUBMITTING, and the next call continues here.
            ProviderError: the provider could not be reached; calling again continues.
            LockBusy: another process is submitting the same job and takes too long.
            Refused: the ledger is not what was written; nothing was sent.
            StopRequested: somebody stopped this process; nothing was sent, and the next call continues.
        """
        if job.state not in (JobState.APPROVED, JobState.SUBMITTING):
            return job
        provider = self._context.provider_for(job.backend)
        with self.job_lock(job.job_id):
            job = self._context.ledger.job(job.job_id)  # whoever held it before may have finished
            raise_if_stop_requested()
            if job.state in (JobState.APPROVED, JobState.SUBMITTING):
                self._context.check_untouched(job)
            if job.state is JobState.APPROVED:
                job = pre_submit_check(job)
                if job.state is not JobState.APPROVED:
                    return job
                raise_if_stop_requested()
                return self._send_or_recover(self._record_intent(job, detail), batch, provider)
            if job.state is JobState.SUBMITTING:
                return self._recover(job, batch, provider)
            return job

    def settle_unacknowledged(self, job: JobRecord) -> JobRecord:
        """Find out what became of a submission that was never acknowledged, without sending anything.

        Returns:
            The job as SUBMITTED, APPROVED (the provider does not have it) or SUBMIT_UNKNOWN (it cannot tell).

        Raises:
            Ambiguous: it may still be accepted; the job stays SUBMITTING.
        """
        provider = self._context.provider_for(job.backend)
        if self._context.capabilities(job.backend).dedupe == "none":
            return self._context.advance(job, Event.MARK_UNKNOWN)
        ref = self._find_by_token(job, provider, wait_for_listing=True)
        if ref is not None:
            return self._acknowledge(job, ref, Event.ADOPT)
        self._check_acceptance_over(job)
        return self._context.advance(job, Event.CONFIRM_ABSENT)

    def job_lock(self, job_id: str) -> AbstractContextManager[None]:
        """Keep everybody else from submitting this job."""
        return self._context.ledger.job_lock(job_id, timeout_seconds=self._timeout_seconds)

    def _record_intent(self, job: JobRecord, detail: Mapping[str, Any]) -> JobRecord:
        """Commit the intent of a job that is new or was deferred (same token) or proved not to be there (new attempt)."""
        confirmed_absent = job.outcome is Outcome.NOT_ACCEPTED
        token = token_for(job.job_id, job.attempt + 1) if confirmed_absent else None
        intended = self._context.advance(job, Event.SUBMIT, new_token=token, detail=detail or None)
        failpoint("submit.intended")
        return intended

    def _send_or_recover(self, job: JobRecord, batch: CircuitBatch, provider: Provider) -> JobRecord:
        try:
            return self._send(job, batch, provider)
        except Ambiguous:
            return self._recover(job, batch, provider)

    def _recover(self, job: JobRecord, batch: CircuitBatch, provider: Provider) -> JobRecord:
        """Continue where an earlier call may have been accepted: adopt, or send once more where that cannot pay twice.

        Raises:
            Ambiguous: in doubt again, or the request may still be accepted. The job stays SUBMITTING, and the next run
                continues here.
        """
        dedupe = self._context.capabilities(job.backend).dedupe
        if dedupe == "none":
            return self._context.advance(job, Event.MARK_UNKNOWN)
        # A provider that merges equal tokens cannot be paid twice, so there is nothing to wait for.
        ref = self._find_by_token(job, provider, wait_for_listing=dedupe == "tag_lookup")
        if ref is not None:
            return self._acknowledge(job, ref, Event.ADOPT)
        if dedupe == "tag_lookup":
            self._check_acceptance_over(job)
            job = self._record_resubmission(job)
        return self._send(job, batch, provider)

    def _check_acceptance_over(self, job: JobRecord) -> None:
        """Return if what was sent, and is not listed, cannot be accepted any more; the job's last step is its sending.

        Raises:
            Ambiguous: it can.
        """
        over = job.updated_at + timedelta(seconds=self._context.capabilities(job.backend).acceptance_seconds)
        if self._context.clock.now() < over:
            raise Ambiguous(
                f"the answer to job {job.job_id} was lost, and its provider does not list it yet but may still accept it "
                f"until {over:%Y-%m-%d %H:%M:%S} UTC. It is looked up again, and sent again only after that",
            )

    def _record_resubmission(self, job: JobRecord) -> JobRecord:
        """Commit that the same token is sent once more: from now on this one may be accepted late."""
        now = self._context.clock.now()
        steps = (EventData(event=Event.CONFIRM_ABSENT, at=now), EventData(event=Event.SUBMIT, at=now))
        return self._context.ledger.advance(Transition(job=job, steps=steps, observed_at=now))

    def _send(self, job: JobRecord, batch: CircuitBatch, provider: Provider) -> JobRecord:
        failpoint("submit.before_call")
        try:
            with calling(provider.name, "submit"):
                ref = provider.submit(batch, job.token)
        except Rejected as error:
            return self._context.advance(job, Event.REJECT, error=str(error), detail=error_detail(error))
        except Throttled as error:
            after = {"message": str(error), "retry_after_seconds": error.retry_after_seconds}
            self._context.advance(job, Event.RETRY_LATER, detail=error_detail(error) | after)
            raise
        failpoint("submit.accepted")
        return self._acknowledge(job, ref, Event.ACKNOWLEDGE)

    def _find_by_token(self, job: JobRecord, provider: Provider, *, wait_for_listing: bool) -> JobRef | None:
        """Return the provider's job that carries the token, or None.

        With ``wait_for_listing``, wait first until even a job that was accepted this very moment has to be listed.
        """
        if wait_for_listing:
            self._context.clock.sleep(LISTING_LAG_FACTOR * self._context.capabilities(job.backend).listing_lag_seconds)
        failpoint("recover.before_look_up")
        with calling(provider.name, "find"):
            ref = provider.find(job.backend, job.token)
        failpoint("recover.looked_up")
        return ref

    def _acknowledge(self, job: JobRecord, ref: JobRef, event: Event) -> JobRecord:
        detail = {"adopted": True} if event is Event.ADOPT else None
        acknowledged = self._context.advance(job, event, detail=detail, provider_job_id=ref.provider_job_id)
        failpoint("submit.acknowledged")
        return acknowledged
