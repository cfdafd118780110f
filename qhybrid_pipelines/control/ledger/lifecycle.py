"""The life of a job: one table of steps, and what follows from it.

Pure: nothing here reads a clock, a database or a provider. What one look at a provider means for a job is
`control.jobs.status_changes`; writing steps down is `control.ledger`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from qhybrid_pipelines.core.errors import IllegalTransition
from qhybrid_pipelines.core.jobs import JobState


class Event(StrEnum):
    """What can happen to a job."""

    PLAN = "plan"  # the job is written down
    REQUEST_APPROVAL = "ask_approval"  # a person has to agree first
    APPROVE = "approve"  # policy or a person agreed
    SUBMIT = "submit"  # the intent is written; the provider is called next
    ACKNOWLEDGE = "acknowledge"  # the provider answered with its id
    ADOPT = "adopt"  # the id was found by looking the token up
    RETRY_LATER = "defer"  # the provider asks to come back later and accepted nothing
    MARK_UNKNOWN = "doubt"  # nobody can say whether it was accepted
    CONFIRM_ABSENT = "disprove"  # looked up: the provider has no such job
    REJECT = "reject"  # policy, a person or the provider said no
    QUEUE = "queue"
    START = "start"
    COMPLETE = "complete"
    FETCH = "fetch"  # the raw result is stored
    VERIFY = "verify"  # the raw result was decoded and fits the request
    FAIL = "fail"
    INTEND_CANCEL = "intend_cancel"  # the provider is asked to cancel next, and why is written down
    REQUEST_CANCEL = "ask_cancel"  # the provider was asked to cancel and has not answered yet
    CANCEL = "cancel"
    EXPIRE = "expire"  # the deadline passed
    REROUTE = "reroute"  # another backend gets the work
    REPRIORITISE = "reprioritise"  # a person changed its place among those that wait here
    ARRIVE_LATE = "arrive_late"  # a result came after the job had ended; it is kept, and changes nothing


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
        (_S.SUBMITTING, _E.ACKNOWLEDGE): _S.SUBMITTED,
        (_S.SUBMITTING, _E.ADOPT): _S.SUBMITTED,
        (_S.SUBMITTING, _E.RETRY_LATER): _S.APPROVED,
        (_S.SUBMITTING, _E.CONFIRM_ABSENT): _S.APPROVED,
        (_S.SUBMITTING, _E.MARK_UNKNOWN): _S.SUBMIT_UNKNOWN,
        (_S.SUBMITTING, _E.REJECT): _S.REJECTED,
        (_S.SUBMIT_UNKNOWN, _E.ADOPT): _S.SUBMITTED,
        (_S.SUBMIT_UNKNOWN, _E.CONFIRM_ABSENT): _S.APPROVED,
        (_S.SUBMITTED, _E.QUEUE): _S.QUEUED,
        (_S.SUBMITTED, _E.FAIL): _S.FAILED,
        (_S.SUBMITTED, _E.INTEND_CANCEL): _S.SUBMITTED,
        (_S.SUBMITTED, _E.REQUEST_CANCEL): _S.CANCELLING,
        (_S.SUBMITTED, _E.CANCEL): _S.CANCELLED,
        (_S.QUEUED, _E.START): _S.RUNNING,
        (_S.QUEUED, _E.FAIL): _S.FAILED,
        (_S.QUEUED, _E.INTEND_CANCEL): _S.QUEUED,
        (_S.QUEUED, _E.REQUEST_CANCEL): _S.CANCELLING,
        (_S.QUEUED, _E.CANCEL): _S.CANCELLED,
        (_S.RUNNING, _E.COMPLETE): _S.COMPLETED,
        (_S.RUNNING, _E.FAIL): _S.FAILED,
        (_S.RUNNING, _E.INTEND_CANCEL): _S.RUNNING,
        (_S.RUNNING, _E.REQUEST_CANCEL): _S.CANCELLING,
        (_S.RUNNING, _E.CANCEL): _S.CANCELLED,
        # A request to cancel is only a request: the job may win the race, and then its result counts.
        (_S.CANCELLING, _E.CANCEL): _S.CANCELLED,
        (_S.CANCELLING, _E.COMPLETE): _S.COMPLETED,
        (_S.CANCELLING, _E.FAIL): _S.FAILED,
        (_S.CANCELLING, _E.EXPIRE): _S.EXPIRED,
        (_S.CANCELLING, _E.REROUTE): _S.REROUTED,
        (_S.COMPLETED, _E.FETCH): _S.FETCHED,
        (_S.COMPLETED, _E.FAIL): _S.FAILED,
        (_S.FETCHED, _E.VERIFY): _S.VERIFIED,
        (_S.FETCHED, _E.FAIL): _S.FAILED,
        (_S.REROUTED, _E.REROUTE): _S.REROUTED,  # to another backend, as long as no job has taken the work over
        (_S.EXPIRED, _E.ARRIVE_LATE): _S.EXPIRED,
        (_S.CANCELLED, _E.ARRIVE_LATE): _S.CANCELLED,
    }
)

#: States without an exit.
TERMINAL = frozenset(JobState) - {state for (state, _), after in TRANSITIONS.items() if state not in (None, after)}

#: Ends of a life that left no usable result; only these may be run again, as a new job.
ENDED_WITHOUT_RESULT = TERMINAL - {JobState.VERIFIED}

#: States in which a provider holds the job, so that a look at it can tell something new.
OPEN = frozenset({JobState.SUBMITTED, JobState.QUEUED, JobState.RUNNING, JobState.CANCELLING})

#: States in which nobody waits for a provider or a person any more: the result can be had, or there will be none.
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
        Event.RETRY_LATER: "JobDeferred",
        Event.MARK_UNKNOWN: "JobSubmissionUnknown",
        Event.CONFIRM_ABSENT: "JobSubmissionDisproved",
        Event.REJECT: "JobRejected",
        Event.QUEUE: "JobQueued",
        Event.START: "JobStarted",
        Event.COMPLETE: "JobCompleted",
        Event.FETCH: "JobFetched",
        Event.VERIFY: "JobVerified",
        Event.FAIL: "JobFailed",
        Event.INTEND_CANCEL: "JobCancelIntended",
        Event.REQUEST_CANCEL: "JobCancelRequested",
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


def mermaid() -> str:
    """Return the table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2"]
    lines += [f"    {before or '[*]'} --> {after}: {event}" for (before, event), after in TRANSITIONS.items()]
    lines += [f"    {state} --> [*]" for state in JobState if state in TERMINAL]
    return "\n".join(lines) + "\n"
