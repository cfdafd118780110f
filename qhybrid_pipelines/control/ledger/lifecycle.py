"""The life of a job: one table of steps, and what follows from it.

Pure: nothing here reads a clock, a database or a provider. What one poll of a provider means for a job is
`control.jobs.state_transitions`; writing steps down is `control.ledger`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from qhybrid_pipelines.core.errors import IllegalTransition
from qhybrid_pipelines.core.jobs.job_states import JobState


class Event(StrEnum):
    """What can happen to a job; `EVENT_NAMES` says what it is called in tables, logs and notifications."""

    PLAN = "plan"
    """The job is written down.

    By: the submitter, after limits, price, policy and budget have been asked.

    Next: APPROVE, REQUEST_APPROVAL or REJECT, usually in the same transaction.
    """
    REQUEST_APPROVAL = "request_approval"
    """A person has to agree first.

    By: the submitter: policy wants it, or the price has risen since somebody agreed.

    Next: a person approves or declines.
    """
    APPROVE = "approve"
    """Policy or a person agreed.

    By: the submitter for the policy; `qhybrid jobs approve` for a person, whose name is kept.

    Next: SUBMIT, when the stage runs.
    """
    SUBMIT = "submit"
    """The intent and its token are committed; the provider is called next.

    By: the submission protocol, right before the call.

    Next: ACKNOWLEDGE, RETRY_LATER or REJECT with the answer; without one, the token is looked up.
    """
    ACKNOWLEDGE = "acknowledge"
    """The provider answered with its id.

    By: the submission protocol.

    Next: the status poller takes over.
    """
    ADOPT = "adopt"
    """The provider's id became known by looking the token up, or a person named it.

    By: the submission protocol after a crash or a lost answer; `qhybrid jobs resolve`.

    Next: the status poller takes over.
    """
    DOUBT_ANSWER = "doubt_answer"
    """The submission was refused after it had left, and the refusal alone is not believed: a gateway may have given it.

    Also written where a wrong clock has dated a submission that is in doubt, with the present as the time that counts.

    By: the submission protocol.

    Next: the token is looked up. ADOPT where it is there; REJECT or RETRY_LATER once the provider is known not to have it.
    """
    RETRY_LATER = "retry_later"
    """The provider asks to come back later and has accepted nothing.

    By: the submission protocol.

    Next: SUBMIT with the same token, at once where the tier is patient enough, else when the stage runs again.
    """
    MARK_UNKNOWN = "mark_unknown"
    """Nobody can say whether the job was accepted, or another home has sent the same work.

    By: the submission protocol, where the provider neither merges tokens nor can look them up; where its list shows no job
    that must be there; where it shows one of another home.

    Next: a person resolves it.
    """
    CONFIRM_ABSENT = "confirm_absent"
    """The provider does not have the job, and can no longer accept what was sent.

    By: the submission protocol, by looking the token up after the listing lag; `qhybrid jobs resolve --not-there`.

    Next: SUBMIT, once more.
    """
    REJECT = "reject"
    """The request was refused for good.

    By: the submitter where no backend takes the batch; the provider, by its answer; `qhybrid jobs decline`.

    Next: nothing; its reservation is released.
    """
    QUEUE = "queue"
    """The provider has put the job into its queue.

    By: the status poller, with the provider's time where it gives one.

    Next: START.
    """
    START = "start"
    """The provider has begun to execute the job.

    By: the status poller, with the provider's time where it gives one.

    Next: COMPLETE or FAIL.
    """
    COMPLETE = "complete"
    """The provider has a result.

    By: the status poller, with the provider's time where it gives one.

    Next: FETCH, when the stage runs.
    """
    FETCH = "fetch"
    """The raw result is stored.

    By: the result collector, after the bytes are on disk.

    Next: VERIFY or FAIL.
    """
    VERIFY = "verify"
    """The raw result was decoded and fits the request.

    By: the result collector.

    Next: the counts go into the lake; the budget is charged what the job cost.
    """
    DOUBT_RESULT = "doubt_result"
    """What came is not whole, or contradicts the request. It is kept, and is not believed yet.

    By: the result collector, where the result is refused or the provider says that it has none.

    Next: FETCH again, which is free, whenever the stage runs; a person, once that has gone on for too long.
    """
    REPORT_FAILURE = "report_failure"
    """The provider reports a failure for the first time, and one answer alone is not believed.

    By: the status poller.

    Next: FAIL, if a later poll says the same; else the job goes on.
    """
    RECOVER = "recover"
    """A job that counted as failed has a result at its provider.

    By: the poll schedule, which asks about failed jobs once more; `qhybrid jobs fetch`.

    Next: FETCH.
    """
    FAIL = "fail"
    """The job ended without a usable result.

    By: the status poller where the provider has said so twice; the result collector on a backend of this machine; a person
    who gives a doubtful result up.

    Next: nothing, unless a person retries it, or its provider has a result after all.
    """
    INTEND_CANCEL = "intend_cancel"
    """The provider is asked to cancel next; the purpose (cancel, expire, reroute) is kept, and who asked.

    By: the cancellation, right before the call, so that a crash loses neither; for a job that is being submitted, that another
    process is about to submit, or of which nobody knows yet whether it was accepted, as soon as a person wants it back; for one
    that the provider was asked to cancel for another purpose.

    Next: REQUEST_CANCEL, CANCEL_TOO_LATE, or the end that was wanted; where that process died, the next round of polls asks. A
    job is never sent after it: CANCEL where the provider does not have it.
    """
    REQUEST_CANCEL = "request_cancel"
    """The provider was asked to cancel and has not decided yet.

    By: the cancellation; the status poller where the provider reports it.

    Next: the end that was wanted, or COMPLETE where the request came too late.
    """
    CANCEL_TOO_LATE = "cancel_too_late"
    """The provider was asked to cancel, and answered that it is too late.

    By: the cancellation, so that nobody asks again by itself.

    Next: COMPLETE or FAIL; the result counts.
    """
    CANCEL = "cancel"
    """The job is cancelled.

    By: the cancellation, for `qhybrid jobs cancel`; the status poller where the provider confirms it later.

    Next: nothing; what the provider charges all the same is booked.
    """
    EXPIRE = "expire"
    """The deadline passed.

    By: the cancellation, for jobs that are overdue; the submission protocol, right before it would have sent one.

    Next: nothing; a result that comes later is stored.
    """
    REROUTE = "reroute"
    """Another backend gets the work.

    By: the submitter, by the written failover policy; `qhybrid jobs reroute`; the status poller where the old provider
    confirms it later.

    Next: the submitter plans a job for the other backend.
    """
    REPRIORITISE = "reprioritise"
    """The place among those that wait here has changed.

    By: a person, with `qhybrid jobs reprioritise`.

    Next: as before; higher priorities are submitted first.
    """
    ARRIVE_LATE = "arrive_late"
    """A result came after the job had ended.

    By: the poll schedule, which asks about jobs that ended early once more.

    Next: it is stored, and changes nothing.
    """


_S, _E = JobState, Event

#: Every step that a job may take; the state before the first event is None.
#: A job that a provider may hold expires or moves elsewhere only by way of CANCELLING, so nothing is paid twice.
TRANSITIONS: Mapping[tuple[JobState | None, Event], JobState] = MappingProxyType(
    {
        (None, _E.PLAN): _S.PLANNED,
        (_S.PLANNED, _E.REQUEST_APPROVAL): _S.AWAITING_APPROVAL,
        (_S.PLANNED, _E.APPROVE): _S.APPROVED,
        (_S.PLANNED, _E.REJECT): _S.REJECTED,
        (_S.PLANNED, _E.CANCEL): _S.CANCELLED,
        (_S.PLANNED, _E.EXPIRE): _S.EXPIRED,
        (_S.AWAITING_APPROVAL, _E.APPROVE): _S.APPROVED,
        (_S.AWAITING_APPROVAL, _E.REJECT): _S.REJECTED,
        (_S.AWAITING_APPROVAL, _E.CANCEL): _S.CANCELLED,
        (_S.AWAITING_APPROVAL, _E.EXPIRE): _S.EXPIRED,
        (_S.AWAITING_APPROVAL, _E.REROUTE): _S.REROUTED,
        (_S.AWAITING_APPROVAL, _E.REPRIORITISE): _S.AWAITING_APPROVAL,
        (_S.APPROVED, _E.SUBMIT): _S.SUBMITTING,
        (_S.APPROVED, _E.REQUEST_APPROVAL): _S.AWAITING_APPROVAL,  # the price has risen since
        (_S.APPROVED, _E.CANCEL): _S.CANCELLED,
        (_S.APPROVED, _E.EXPIRE): _S.EXPIRED,
        (_S.APPROVED, _E.REROUTE): _S.REROUTED,
        (_S.APPROVED, _E.REPRIORITISE): _S.APPROVED,
        (_S.APPROVED, _E.INTEND_CANCEL): _S.APPROVED,  # it is in the hands of whoever is about to send it
        (_S.SUBMITTING, _E.ACKNOWLEDGE): _S.SUBMITTED,
        (_S.SUBMITTING, _E.ADOPT): _S.SUBMITTED,
        (_S.SUBMITTING, _E.DOUBT_ANSWER): _S.SUBMITTING,
        (_S.SUBMITTING, _E.INTEND_CANCEL): _S.SUBMITTING,
        (_S.SUBMITTING, _E.RETRY_LATER): _S.APPROVED,
        (_S.SUBMITTING, _E.CONFIRM_ABSENT): _S.APPROVED,
        (_S.SUBMITTING, _E.MARK_UNKNOWN): _S.SUBMIT_UNKNOWN,
        (_S.SUBMITTING, _E.REJECT): _S.REJECTED,
        (_S.SUBMIT_UNKNOWN, _E.ADOPT): _S.SUBMITTED,
        (_S.SUBMIT_UNKNOWN, _E.CONFIRM_ABSENT): _S.APPROVED,
        (_S.SUBMIT_UNKNOWN, _E.INTEND_CANCEL): _S.SUBMIT_UNKNOWN,  # counts as soon as a person has found out
        (_S.SUBMITTED, _E.QUEUE): _S.QUEUED,
        (_S.SUBMITTED, _E.FAIL): _S.FAILED,
        (_S.SUBMITTED, _E.INTEND_CANCEL): _S.SUBMITTED,
        (_S.SUBMITTED, _E.REQUEST_CANCEL): _S.CANCELLING,
        (_S.SUBMITTED, _E.CANCEL_TOO_LATE): _S.SUBMITTED,
        (_S.SUBMITTED, _E.CANCEL): _S.CANCELLED,
        (_S.QUEUED, _E.START): _S.RUNNING,
        (_S.QUEUED, _E.FAIL): _S.FAILED,
        (_S.QUEUED, _E.INTEND_CANCEL): _S.QUEUED,
        (_S.QUEUED, _E.REQUEST_CANCEL): _S.CANCELLING,
        (_S.QUEUED, _E.CANCEL_TOO_LATE): _S.QUEUED,
        (_S.QUEUED, _E.CANCEL): _S.CANCELLED,
        (_S.RUNNING, _E.COMPLETE): _S.COMPLETED,
        (_S.RUNNING, _E.FAIL): _S.FAILED,
        (_S.RUNNING, _E.INTEND_CANCEL): _S.RUNNING,
        (_S.RUNNING, _E.REQUEST_CANCEL): _S.CANCELLING,
        (_S.RUNNING, _E.CANCEL_TOO_LATE): _S.RUNNING,
        (_S.RUNNING, _E.CANCEL): _S.CANCELLED,
        # A request to cancel is only a request: the job may win the race, and then its result counts.
        (_S.CANCELLING, _E.INTEND_CANCEL): _S.CANCELLING,  # for another purpose than the provider was asked for
        (_S.CANCELLING, _E.CANCEL): _S.CANCELLED,
        (_S.CANCELLING, _E.COMPLETE): _S.COMPLETED,
        (_S.CANCELLING, _E.FAIL): _S.FAILED,
        (_S.CANCELLING, _E.EXPIRE): _S.EXPIRED,
        (_S.CANCELLING, _E.REROUTE): _S.REROUTED,
        (_S.COMPLETED, _E.FETCH): _S.FETCHED,
        (_S.COMPLETED, _E.FAIL): _S.FAILED,
        (_S.COMPLETED, _E.DOUBT_RESULT): _S.COMPLETED,
        (_S.FETCHED, _E.VERIFY): _S.VERIFIED,
        (_S.FETCHED, _E.FAIL): _S.FAILED,
        # What was paid is there until somebody has it: a result that is refused is fetched again.
        (_S.FETCHED, _E.DOUBT_RESULT): _S.COMPLETED,
        **{(state, _E.REPORT_FAILURE): state for state in (_S.SUBMITTED, _S.QUEUED, _S.RUNNING, _S.CANCELLING)},
        (_S.FAILED, _E.RECOVER): _S.COMPLETED,
        # As long as no job has taken the work over, it may go to another backend, or nowhere.
        (_S.REROUTED, _E.REROUTE): _S.REROUTED,
        (_S.REROUTED, _E.CANCEL): _S.CANCELLED,
        (_S.EXPIRED, _E.ARRIVE_LATE): _S.EXPIRED,
        (_S.CANCELLED, _E.ARRIVE_LATE): _S.CANCELLED,
    }
)

#: Ends of a life: states without an exit, but for a failure that turns out to be none, and for work that goes nowhere after all.
TERMINAL = frozenset(JobState) - {
    state
    for (state, event), after in TRANSITIONS.items()
    if state not in (None, after, JobState.REROUTED) and event is not Event.RECOVER
}

#: Ends of a life that left no usable result; only these may be run again, as a new job.
ENDED_WITHOUT_RESULT = TERMINAL - {JobState.VERIFIED}

#: States in which a provider holds the job, so that a poll can tell something new.
OPEN = frozenset({JobState.SUBMITTED, JobState.QUEUED, JobState.RUNNING, JobState.CANCELLING})

#: States in which a provider holds the job and was not asked, as far as the ledger knows, to let go of it.
UNCANCELLED = OPEN - {JobState.CANCELLING}

#: States in which somebody may have wanted a job back without an answer: the provider was not asked, or may not have the job.
CANCEL_REQUEST_MAY_WAIT = UNCANCELLED | {JobState.SUBMITTING, JobState.APPROVED}

#: States in which nobody waits for a provider or a person any more: the result is available, or there will be none.
SETTLED = ENDED_WITHOUT_RESULT | {JobState.COMPLETED, JobState.FETCHED, JobState.VERIFIED}


class HasJobState(Protocol):
    """A job, as far as its state goes."""

    @property
    def state(self) -> JobState:
        """Where it is in its life."""


def is_settled(job: HasJobState) -> bool:
    """Tell whether there is nothing more to wait for."""
    return job.state in SETTLED


#: What the events are called in tables, logs and notifications.
EVENT_NAMES: Mapping[Event, str] = MappingProxyType(
    {
        Event.PLAN: "JobPlanned",
        Event.REQUEST_APPROVAL: "JobApprovalRequested",
        Event.APPROVE: "JobApproved",
        Event.SUBMIT: "JobSubmitting",
        # The way by which the id became known is a detail: a job is submitted once, however often a process died.
        Event.ACKNOWLEDGE: "JobSubmitted",
        Event.ADOPT: "JobSubmitted",
        Event.DOUBT_ANSWER: "JobAnswerDoubted",
        Event.RETRY_LATER: "JobDeferred",
        Event.MARK_UNKNOWN: "JobSubmissionUnknown",
        Event.CONFIRM_ABSENT: "JobConfirmedAbsent",
        Event.REJECT: "JobRejected",
        Event.QUEUE: "JobQueued",
        Event.START: "JobStarted",
        Event.COMPLETE: "JobCompleted",
        Event.FETCH: "JobFetched",
        Event.VERIFY: "JobVerified",
        Event.FAIL: "JobFailed",
        Event.DOUBT_RESULT: "JobResultDoubted",
        Event.REPORT_FAILURE: "JobFailureReported",
        Event.RECOVER: "JobRecovered",
        Event.INTEND_CANCEL: "JobCancelIntended",
        Event.REQUEST_CANCEL: "JobCancelRequested",
        Event.CANCEL_TOO_LATE: "JobCancelTooLate",
        Event.CANCEL: "JobCancelled",
        Event.EXPIRE: "JobExpired",
        Event.REROUTE: "JobRerouted",
        Event.REPRIORITISE: "JobReprioritised",
        Event.ARRIVE_LATE: "JobResultArrivedLate",
    }
)


def next_state(state: JobState | None, event: Event) -> JobState:
    """Return the state after ``event``.

    Raises:
        IllegalTransition: the table has no such step.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(f"a job that is {state or 'not planned'} cannot {event}") from None
