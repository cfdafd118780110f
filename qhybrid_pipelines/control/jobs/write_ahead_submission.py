"""Submitting a batch to a provider once: intent, token, submission, acknowledgement, and what to do in doubt.

The protocol (every simpler one was seen to lose jobs or to pay twice when processes are killed):

1. The token follows from the content, never from the home. Where a provider lists tokens, it is looked up before anything
   is sent: a job of ours is adopted, one that another home has sent is for a person to decide on.
2. The intent is committed with the token, and the quote is reserved with it.
3. The provider is called outside any transaction, the token attached.
4. Its answer is recorded. A refusal that came after the request had left is doubted: a gateway in front of the provider may
   have given it.

A process may die, and a connection may break, between any two of these. Then the token is looked up, after a quarantine
longer than the provider's listing lag, and the job is adopted if it is there. It counts as absent only when so long has
passed that a request which was still under way cannot be accepted any more, and when the same listing shows a job of ours
that must be in it. Then it is sent again, or the refusal is believed. A provider that merges equal tokens is just sent the
token again. Where nobody can tell, the job is left in SUBMIT_UNKNOWN, for a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

from qhybrid_pipelines.control.jobs.context import JobContext
from qhybrid_pipelines.control.jobs.deadlines import is_overdue
from qhybrid_pipelines.control.jobs.job_ids import next_job_id, token_for
from qhybrid_pipelines.control.jobs.provider_job_search import (
    LISTING_LAG_FACTOR,
    Found,
    TokenSearch,
    other_home_detail,
    other_home_problem,
    other_homes_jobs,
    sent_before,
)
from qhybrid_pipelines.control.jobs.state_transitions import open_cancel_request
from qhybrid_pipelines.control.jobs.submission_events import SENT_AT, doubted_refusal, error_detail, sent_at
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import EventData, JobRecord, Outcome, StaleJob, Transition
from qhybrid_pipelines.core.errors import Ambiguous, Rejected, Throttled
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.failpoints import failpoint
from qhybrid_pipelines.core.system.stop_request import raise_if_stop_requested
from qhybrid_pipelines.execution.port import Provider, calling


class WriteAheadSubmission:
    """Submits one job at a time to its provider.

    Args:
        context: ledger, providers and time.
        timeout_seconds: how long another process may take over the same job before this one gives up.
    """

    def __init__(self, context: JobContext, *, timeout_seconds: float) -> None:
        self._context, self._timeout_seconds = context, timeout_seconds
        self._search = TokenSearch(context)

    def submit_once(
        self,
        job: JobRecord,
        batch: Batch,
        *,
        pre_submit_check: Callable[[JobRecord], JobRecord],
        detail: Mapping[str, Any],
    ) -> JobRecord:
        """Submit a planned job, or continue where an earlier call was cut off, and return it as it is then.

        Args:
            job: as it was read; a job in another state than APPROVED and SUBMITTING is returned unchanged.
            batch: for the job's own backend.
            pre_submit_check: checks an APPROVED job under its lock, before anything is sent, and may end it or hold it back.
            detail: what the ledger notes with the intent.

        Raises:
            Throttled: the provider takes nothing for now; the job is APPROVED again.
            Ambiguous: still in doubt after the token was looked up; the job stays SUBMITTING, and the next call continues here.
            ProviderError: the provider could not be reached; calling again continues.
            LockBusy: another process is submitting the same job and takes too long.
            Refused: the ledger is not what was written, clocks disagree, or this machine stood still; nothing was sent.
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
            while job.state is JobState.APPROVED:
                try:
                    job = self._intend(job, pre_submit_check, detail)
                except StaleJob:  # a person has said something about it a moment ago; nothing was sent
                    job = self._context.ledger.job(job.job_id)
                else:
                    return self._send(job, batch, provider) if job.state is JobState.SUBMITTING else job
            if job.state is JobState.SUBMITTING:
                return self._recover(job, batch, provider)
            return job

    def settle_unacknowledged(self, job: JobRecord, *, wait: bool = True) -> JobRecord:
        """Find out what became of a submission that was never acknowledged, without sending anything.

        Args:
            job: SUBMITTING; its lock is held.
            wait: until a job that was accepted this very moment has to be listed; else a list that is read too early
                proves nothing, and the next call may know more.

        Returns:
            The job as SUBMITTED, APPROVED (the provider does not have it) or SUBMIT_UNKNOWN (it cannot tell).

        Raises:
            Ambiguous: it may still be accepted; the job stays SUBMITTING.
        """
        settled = self._settle_from_listing(job, wait=wait)
        return self._context.advance_locked(job, Event.CONFIRM_ABSENT) if settled is None else settled

    def _must_be_listed(self, job: JobRecord) -> bool:
        """Tell whether a job is listed by now if it was accepted, as late as its provider may have done so."""
        capabilities = self._context.capabilities(job.backend)
        seconds = capabilities.acceptance_seconds + LISTING_LAG_FACTOR * capabilities.listing_lag_seconds
        seconds += self._context.time.margin_seconds(job.provider, seconds)
        sent = sent_at(job, self._context.ledger.events(job.job_id))
        return self._context.time.present() >= sent + timedelta(seconds=seconds)

    def _end_if_unwanted(self, job: JobRecord) -> JobRecord | None:
        """Let a request to cancel or reroute, or the deadline, count before a job is sent, or sent again.

        Returns:
            The job as it stands then; None where it is still wanted.

        Raises:
            Ambiguous: it may still be accepted; nothing is sent again.
            ClockDisagreement: nobody can tell whether its deadline has passed.
        """
        request = open_cancel_request(self._context.ledger.events(job.job_id))
        if request is None and is_overdue(job.deadline_at, self._context.time.present()):
            self._context.check_clock(job.backend, ask=True)
            request = (Event.EXPIRE, {})
        if request is None:
            return None
        if job.state is JobState.SUBMITTING:
            job = self.settle_unacknowledged(job)
        if job.state is not JobState.APPROVED:
            return job  # its provider has it, and the next round of polls asks for it; or a person has to find out
        failpoint("submit.cancelled_unsent")
        end, detail = request
        rerouted_to = next_job_id(job) if end is Event.REROUTE else None
        return self._context.advance_locked(job, end, detail=detail or None, rerouted_to=rerouted_to)

    def job_lock(self, job_id: str) -> AbstractContextManager[None]:
        """Keep everybody else from submitting this job."""
        return self._context.ledger.job_lock(job_id, timeout_seconds=self._timeout_seconds)

    def expect(self, jobs: Iterable[JobRecord]) -> None:
        """Note which jobs are about to be submitted, so that one listing of each backend answers for all of them."""
        tokens: dict[str, set[str]] = {}
        for job in jobs:
            if job.state is JobState.APPROVED:
                tokens.setdefault(job.backend, set()).update([self._next_token(job), *self._earlier_tokens(job)])
        for backend, expected in tokens.items():
            self._search.expect(backend, expected)

    def list_labelled(self, backend: str, tokens: Sequence[str] = ()) -> None:
        """Check all jobs of a backend that carry our label, see `TokenSearch.list_labelled`."""
        self._search.list_labelled(backend, tokens)

    def _next_token(self, job: JobRecord) -> str:
        """Return the token that an APPROVED job is sent with: a new one where the last proved not to be there."""
        if job.outcome is not Outcome.NOT_ACCEPTED:
            return job.token
        return token_for(job.job_id, job.attempt + 1, tenant=self._context.tenant, backend=job.backend)

    def _earlier_tokens(self, job: JobRecord) -> list[str]:
        """Return the tokens of attempts that proved not to be there, or of which a person said so; the newest first."""
        attempts = range(job.attempt, 0, -1) if job.outcome is Outcome.NOT_ACCEPTED else ()
        return [
            token_for(job.job_id, attempt, tenant=self._context.tenant, backend=job.backend) for attempt in attempts
        ]

    def _find_sent_before(self, job: JobRecord, token: str) -> Found | None:
        """Look for the work of an APPROVED job at its provider; None where it is not there, or nobody can tell.

        An earlier attempt counts as well: it may have been accepted late, and a person who did not find it may be wrong.
        What another home has sent counts until a person has decided to pay for an own one.
        """
        dedupe = self._context.capabilities(job.backend).dedupe
        earlier = self._earlier_tokens(job) if dedupe != "none" else []
        decided = other_homes_jobs(self._context.ledger.events(job.job_id)) if earlier else set()
        for searched in [*([token] if dedupe == "tag_lookup" else []), *earlier]:
            failpoint("submit.before_look_up")
            found = self._search.before_first_submission(job.backend, searched)
            if found.own is not None:
                return found
            if found.other is not None and (searched == token or found.other.provider_job_id not in decided):
                return found
        return None

    def _intend(
        self, job: JobRecord, pre_submit_check: Callable[[JobRecord], JobRecord], detail: Mapping[str, Any]
    ) -> JobRecord:
        """Look whether an APPROVED job is still wanted, and whether its work was sent before, by whomever; if not, commit the intent.

        Raises:
            StaleJob: the job has changed since it was read.
        """
        if (ended := self._end_if_unwanted(job)) is not None:
            return ended
        job = pre_submit_check(job)
        if job.state is not JobState.APPROVED:
            return job
        raise_if_stop_requested()
        token = self._next_token(job)
        new_token = token if token != job.token else None
        found = self._find_sent_before(job, token)
        if found is not None:
            now = self._context.clock.now()
            return self._context.write_locked(sent_before(job, found, now, new_token=new_token))
        raise_if_stop_requested()
        # The look-up may be the first that this process hears of the provider's time; a wrong clock would date the intent.
        self._context.check_clock(job.backend)
        detail = {**detail, **self._misdated(job)}
        return self._context.advance(job, Event.SUBMIT, new_token=new_token, detail=detail or None)

    def _send(self, job: JobRecord, batch: Batch, provider: Provider) -> JobRecord:
        failpoint("submit.intended")
        try:
            return self._submit_to_provider(job, batch, provider, since=job.updated_at)
        except Ambiguous:
            return self._recover(job, batch, provider)

    def _recover(self, job: JobRecord, batch: Batch, provider: Provider) -> JobRecord:
        """Continue where an earlier call may have been accepted: adopt, or send once more where that cannot pay twice.

        Raises:
            Ambiguous: in doubt again, or the request may still be accepted. The job stays SUBMITTING, and the next run
                continues here.
            Throttled: the provider has asked to come back later, and does not have the job.
        """
        job = self._context.ledger.job(job.job_id)
        if (ended := self._end_if_unwanted(job)) is not None:
            return ended
        dedupe = self._context.capabilities(job.backend).dedupe
        refusal = doubted_refusal(self._context.ledger.events(job.job_id))
        # A provider that merges equal tokens cannot be paid twice, so there is nothing to wait for. A refusal would be believed.
        settled = self._settle_from_listing(job, is_merged_when_sent_again=dedupe == "token" and refusal is None)
        if settled is not None:
            return settled
        if refusal is not None:
            return self._believe(job, refusal)
        since = self._context.clock.now()
        if dedupe == "tag_lookup":
            try:
                job = self._record_resubmission(job)
            except StaleJob:  # somebody wants it back, and has said so a moment ago
                return self._recover(job, batch, provider)
        elif (ended := self._end_if_unwanted(job)) is not None:  # or has said so while the list was read
            return ended
        return self._submit_to_provider(job, batch, provider, since=since)

    def _settle_from_listing(
        self, job: JobRecord, *, wait: bool = True, is_merged_when_sent_again: bool = False
    ) -> JobRecord | None:
        """Return the job as SUBMITTED or SUBMIT_UNKNOWN; None where its provider is known not to have it, and not to get it.

        Unless it is merged when it is sent again, and with ``wait``, wait first until even a job that was accepted this very moment has to be listed.

        Raises:
            Ambiguous: it may still be accepted, or was read too early to be listed.
        """
        capabilities = self._context.capabilities(job.backend)
        if capabilities.dedupe == "none":
            return self._context.advance_locked(job, Event.MARK_UNKNOWN)
        is_final = wait or self._must_be_listed(job)
        lag_seconds = LISTING_LAG_FACTOR * capabilities.listing_lag_seconds
        if lag_seconds and wait and not is_merged_when_sent_again:
            self._context.clock.sleep(lag_seconds)
        failpoint("recover.before_look_up")
        found = self._search.in_doubt(job)
        failpoint("recover.looked_up")
        if found.own is not None:
            return self._acknowledge(job, found.own, Event.ADOPT)
        if found.other is not None:
            problem = other_home_problem(job, found)
            return self._context.advance_locked(job, Event.MARK_UNKNOWN, detail=other_home_detail(found), error=problem)
        merges_tokens = capabilities.dedupe == "token"
        if is_merged_when_sent_again:
            return None
        if not merges_tokens or capabilities.acceptance_seconds:
            job = self._check_acceptance_over(job)
        if not is_final:
            raise Ambiguous(f"job {job.job_id} may have been accepted, and its provider may not list it yet")
        if merges_tokens or found.shows_known_job:
            return None
        problem = (
            f"its provider lists no job with token {job.token}, and none of those either that it has accepted before on "
            f"'{job.backend}', so the list proves nothing. Look at the provider's own page"
        )
        return self._context.advance_locked(job, Event.MARK_UNKNOWN, error=problem, detail={"no_known_job": True})

    def _believe(self, job: JobRecord, refusal: Mapping[str, Any]) -> JobRecord:
        """Record a refusal whose token is not at the provider.

        Raises:
            Throttled: it was one for now.
        """
        if refusal["class"] == Rejected.__name__:
            rejected = Rejected(refusal["message"])
            rejected.add_call(job.provider, refusal["phase"])
            return self._context.advance_locked(job, Event.REJECT, error=str(rejected), detail=error_detail(rejected))
        self._context.advance_locked(job, Event.RETRY_LATER, detail=dict(refusal))
        raise Throttled(refusal["message"], retry_after_seconds=refusal.get("retry_after_seconds"))

    def _check_acceptance_over(self, job: JobRecord) -> JobRecord:
        """Return the job if what was sent, and is not listed, cannot be accepted any more; its last step is its sending.

        Raises:
            Ambiguous: it can.
            ClockDisagreement: nobody can tell.
        """
        self._context.check_clock(job.backend)
        seconds = self._context.capabilities(job.backend).acceptance_seconds
        events = self._context.ledger.events(job.job_id)
        window = timedelta(seconds=seconds + self._context.time.margin_seconds(job.provider, seconds))
        sent = sent_at(job, events)
        if self._context.time.is_ahead(sent) and (present := self._context.time.true_present(job.provider)) is not None:
            # A clock that was wrong, or was set at that very moment, has dated it. It was sent before now, and that counts.
            detail = dict(doubted_refusal(events) or {}) | {SENT_AT: present.isoformat()}
            job, sent = self._context.advance_locked(job, Event.DOUBT_ANSWER, detail=detail), present
        over = sent + window
        if self._context.time.present() < over:
            refusal = doubted_refusal(events)
            what = "was lost" if refusal is None else f"was a refusal ({refusal['message'].rstrip('.')})"
            raise Ambiguous(
                f"the answer to job {job.job_id} {what}, and its provider does not list it yet but may still accept it "
                f"until {over:%Y-%m-%d %H:%M:%S} UTC. It is looked up again, and nothing is sent again before that",
            )
        return job

    def _record_resubmission(self, job: JobRecord) -> JobRecord:
        """Commit that the same token is sent once more: from now on this one may be accepted late."""
        now = self._context.clock.now()
        intent = EventData(event=Event.SUBMIT, at=now, detail=self._misdated(job) or None)
        steps = (EventData(event=Event.CONFIRM_ABSENT, at=now), intent)
        return self._context.ledger.advance(Transition(job=job, steps=steps, observed_at=now))

    def _misdated(self, job: JobRecord) -> dict[str, str]:
        """Return what an intent, or the answer to it, notes whose time in the ledger is not the present.

        Without it, a doubted submission would wait until that time comes.
        """
        present = self._context.time.true_present(job.provider)
        return {} if present is None else {SENT_AT: present.isoformat()}

    def _submit_to_provider(self, job: JobRecord, batch: Batch, provider: Provider, *, since: datetime) -> JobRecord:
        self._context.note_intent()
        failpoint("submit.before_call")
        self._context.check_clock(job.backend)
        self._context.check_prompt(job, since)
        try:
            with calling(provider.name, "submit"):
                ref = provider.submit(batch, job.token)
        except (Rejected, Throttled) as error:
            if not error.request_sent:
                return self._record_refusal(job, error)
            after = {"retry_after_seconds": error.retry_after_seconds} if isinstance(error, Throttled) else {}
            detail = error_detail(error) | after | {"message": error.message} | self._misdated(job)
            self._context.advance_locked(job, Event.DOUBT_ANSWER, detail=detail)
            failpoint("submit.doubted")
            problem = f"{error.message.rstrip('.')}. It may have been accepted all the same: its token is looked up"
            raise Ambiguous(problem) from None
        failpoint("submit.accepted")
        return self._acknowledge(job, ref, Event.ACKNOWLEDGE)

    def _record_refusal(self, job: JobRecord, error: Rejected | Throttled) -> JobRecord:
        """Record a refusal of something that never left this machine.

        Raises:
            Throttled: it is one for now.
        """
        if isinstance(error, Rejected):
            return self._context.advance_locked(job, Event.REJECT, error=str(error), detail=error_detail(error))
        after = {"message": str(error), "retry_after_seconds": error.retry_after_seconds}
        self._context.advance_locked(job, Event.RETRY_LATER, detail=error_detail(error) | after)
        raise error

    def _acknowledge(self, job: JobRecord, ref: JobRef, event: Event) -> JobRecord:
        detail = {"adopted": True} if event is Event.ADOPT else None
        acknowledged = self._context.advance_locked(job, event, detail=detail, provider_job_id=ref.provider_job_id)
        failpoint("submit.acknowledged")
        return acknowledged
