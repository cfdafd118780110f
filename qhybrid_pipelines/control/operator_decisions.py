"""What persons decide about jobs: agree, decline, put first, take back, take elsewhere, clear up, give up.

Each decision is one move of the ledger, or a request to a provider that the ledger follows; none of them sends anything twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from qhybrid_pipelines.control.jobs import approval
from qhybrid_pipelines.control.jobs.admission import AdmissionControl, SubmitRequest
from qhybrid_pipelines.control.jobs.cancellation import Cancellation, check_same_work
from qhybrid_pipelines.control.jobs.context import JobContext
from qhybrid_pipelines.control.jobs.job_ids import next_job_id
from qhybrid_pipelines.control.jobs.limits import check_budget
from qhybrid_pipelines.control.jobs.provider_job_search import other_homes_job
from qhybrid_pipelines.control.jobs.state_transitions import open_cancel_request
from qhybrid_pipelines.control.jobs.submitter import Submitter
from qhybrid_pipelines.control.ledger.lifecycle import Event, next_state
from qhybrid_pipelines.control.ledger.port import EventRecord, JobRecord, StaleJob, Transition
from qhybrid_pipelines.core.errors import IllegalTransition, InvalidInput
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.failpoints import failpoint


class OperatorDecisions:
    """Decisions about single jobs, see `Dispatcher.decisions`.

    Args:
        context: ledger, providers and time.
        admission: whether, where and for how much, for work that goes elsewhere.
        submitter: sends what goes elsewhere.
        cancellation: asks providers to let go of a job.
        principal: who decides, where a decision names nobody.
    """

    def __init__(
        self,
        context: JobContext,
        *,
        admission: AdmissionControl,
        submitter: Submitter,
        cancellation: Cancellation,
        principal: str,
    ) -> None:
        self._context, self._ledger, self._principal = context, context.ledger, principal
        self._admission, self._submitter, self._cancellation = admission, submitter, cancellation

    def approve(self, job_id: str, *, by: str) -> JobRecord:
        """Agree to a job: to its payload, on its backend, at its price. The next `submit` of its batch submits it.

        Raises:
            Refused: its deadline has passed, or in prod its own requester agrees.
            IllegalTransition: it does not wait for approval.
        """
        job, now = self._ledger.job(job_id), self._context.clock.now()
        return self._ledger.advance(approval.approve(job, by=by, now=now, present=self._context.time.present()))

    def decline(self, job_id: str, *, by: str, reason: str) -> JobRecord:
        """Say no to a job that waits for approval.

        Raises:
            IllegalTransition: it does not wait for approval.
        """
        job = self._ledger.job(job_id)
        next_state(job.state, Event.APPROVE)  # PLANNED may be rejected as well, but not by a person
        return self._ledger.advance(approval.decline(job, by=by, reason=reason, now=self._context.clock.now()))

    def reprioritise(self, job_id: str, priority: int, *, by: str | None = None) -> JobRecord:
        """Change the place of a job among those that were not sent yet; 0 is normal, higher goes first.

        Args:
            job_id: our id of the job.
            priority: the new one.
            by: who asks; the default is the site's principal.

        Raises:
            IllegalTransition: its provider has it already, and queues by rules of its own.
        """
        while True:
            job = self._ledger.job(job_id)
            detail = {"from": job.priority, "to": priority, "by": by or self._principal}
            try:
                return self._context.advance(job, Event.REPRIORITISE, priority=priority, detail=detail)
            except StaleJob:  # somebody else changed it, or it was sent, which the next reading tells
                continue

    def cancel(self, job_id: str, *, by: str | None = None) -> JobRecord:
        """Ask for a job to be cancelled and return it as it stands.

        A request is only a request: the job is CANCELLED, or CANCELLING until the provider has decided, or unchanged
        when it came too late. A job in SUBMIT_UNKNOWN has to be resolved first; the request is in the ledger and counts then.
        One whose work was taken elsewhere is cancelled there; where no other job has taken it over yet, the work goes nowhere.

        Args:
            job_id: our id of the job.
            by: who asks; the default is the site's principal.

        Raises:
            ProviderError: the provider could not be reached.
        """
        detail = {"by": by or self._principal}
        return self._cancellation.cancel(self._ledger.job(job_id), Event.CANCEL, detail=detail)

    def intend_cancel(self, jobs: Sequence[JobRecord], *, by: str | None = None) -> None:
        """Record that jobs are to be cancelled, all at once, before `cancel` asks for the first; those that nobody may send are left out.

        Args:
            jobs: as they were read.
            by: who asks; the default is the site's principal.
        """
        self._cancellation.intend(jobs, {"by": by or self._principal})

    def reroute(self, job_id: str, batch: Batch, *, reason: str = "", principal: str | None = None) -> JobRecord:
        """Take a job's work to another backend and return the job that stands for it now.

        A job that its provider may hold is cancelled there first. Where that takes time, the job comes back as
        CANCELLING, and the next `submit` of its batch goes on; where it came too late, its result counts. A job that has
        left its backend, and whose work no other job could take over, may be sent to a third backend or back.

        Args:
            job_id: our id of the job.
            batch: its work, for the other backend.
            reason: why; kept with the job.
            principal: who asks; the default is the site's.

        Raises:
            Refused: a limit, the policy or the budget does not let it go there; nothing was changed.
            InvalidInput: it is there already, or the batch is another one.
            IllegalTransition: the job has ended, or nobody knows whether its provider has it.
            ProviderError: a provider could not be reached.
        """
        job = self._submitter.current_job(job_id)
        requested = check_same_work(job, batch)
        account = self._ledger.account(job.experiment)
        terms = job.request_terms | {"principal": principal or self._principal}
        request = SubmitRequest(**terms, budget_usd=account.limit_usd if account else 0.0)
        admission = self._admission.admit([requested], request, [batch.backend])
        check_budget(
            self._ledger,
            job,
            admission.quotes[0].high_usd,
            backend=batch.backend,
            limits=self._context.limits_of(job.experiment, request.principal),
            now=self._context.clock.now(),
        )
        detail = {"backend": batch.backend, "reason": reason, "by": request.principal}
        left = self._cancellation.cancel(job, Event.REROUTE, detail=detail, rerouted_to=next_job_id(job))
        failpoint("cancel.left")
        return self._submitter.submit_jobs([requested], request)[0] if left.state is JobState.REROUTED else left

    def resolve(self, job_id: str, provider_job_id: str | None, *, pay_own: bool = False) -> JobRecord:
        """Record what a person found out, or wants, about a job in SUBMIT_UNKNOWN.

        Args:
            job_id: our id of the job.
            provider_job_id: the provider's id of it, also of one that another home has sent; or None if the provider does
                not have it, and then the next `submit` makes a further attempt, unless somebody wants the job back.
            pay_own: another home has sent this work, and it is to be sent and paid once more all the same.

        Raises:
            IllegalTransition: the job is in another state.
            DuplicateProviderJob: that id belongs to another job.
            InvalidInput: the job is at the provider, sent by another home, and the person does not say to pay again; or says
                so without need; or the job was cancelled meanwhile, and is to be paid for; or it was cancelled, or was to go
                elsewhere, and would take another home's job with it.
        """
        job = self._ledger.job(job_id)
        if job.state is JobState.SUBMIT_UNKNOWN:
            _check_answer(job, self._ledger.events(job_id), provider_job_id, pay_own=pay_own)
        event = Event.CONFIRM_ABSENT if provider_job_id is None else Event.ADOPT
        detail = {"resolved_by": self._principal} | ({"pay_own": True} if pay_own else {})
        cleared = "" if job.error else None
        resolved = self._context.advance(job, event, detail=detail, provider_job_id=provider_job_id, error=cleared)
        return self._cancellation.cancel_unaccepted(job_id) if resolved.state is JobState.APPROVED else resolved

    def give_up_result(self, job_id: str) -> JobRecord:
        """End a job whose result is refused, because a person says so; its work may be run again then, and is paid again.

        Raises:
            IllegalTransition: its result is not refused.
        """
        job = self._ledger.job(job_id)
        if not job.has_doubted_result:
            raise IllegalTransition(f"job {job_id} is {job.state}, and its result was not refused")
        detail = {"given_up_by": self._principal}
        return self._ledger.advance(Transition.single(job, Event.FAIL, self._context.clock.now(), detail=detail))


def _check_answer(job: JobRecord, events: Sequence[EventRecord], found: str | None, *, pay_own: bool) -> None:
    """Return if what a person says about a job in SUBMIT_UNKNOWN fits what is known about it.

    Raises:
        InvalidInput: it does not.
    """
    other = other_homes_job(events)
    end, detail = open_cancel_request(events) or (None, {})
    if end is Event.CANCEL:
        if pay_own or (found is not None and found == other):
            raise InvalidInput(
                f"job {job.job_id} was cancelled while nobody knew whether its provider has it: it is not paid for, and another "
                "home's job is not cancelled in its place",
                remedy=f"`--not-there` ends it here; `qhybrid jobs retry {job.job_id}` then runs its work after all.",
            )
    elif end is Event.REROUTE and other is not None and found in (None, other) and not pay_own:
        raise InvalidInput(
            f"job {job.job_id} is to go to {detail.get('backend')}, and {other}, sent by another home, is not cancelled for that",
            remedy=f"`--pay-own` takes its work there; `qhybrid jobs cancel {job.job_id}`, then `--not-there`, ends it here.",
        )
    elif found is None and pay_own != (other is not None):
        raise InvalidInput(
            f"the work of job {job.job_id} is at the provider as {other}, sent by another home"
            if other
            else f"no other home is known to have sent the work of job {job.job_id}",
            remedy=f"Adopt it with `--provider-job-id {other}`, or pay for an own one with `--pay-own`."
            if other
            else "Say `--not-there` if the provider does not have it.",
        )
