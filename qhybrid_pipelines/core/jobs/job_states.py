"""The states of a job: what each means, who moves it on, and what happens next."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where a job is in its life; `control.ledger.lifecycle` holds the table of transitions between the states."""

    PLANNED = "PLANNED"
    """The job is written down with its price, and the quote is reserved in its experiment's budget; nothing was sent.

    By: the submitter, in the same transaction or right after it.

    Next: APPROVED where policy allows it, AWAITING_APPROVAL where it wants a person, REJECTED where no backend takes
    the batch; CANCELLED or EXPIRED if its process died here and somebody cancels it or its deadline passes.

    If it stays: its process died; run the experiment again.
    """
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    """Policy wants a person to agree to this payload, on this backend, at this price; nothing was sent.

    By: a person, with `qhybrid jobs approve` or `decline`, `cancel`, `reroute` and `reprioritise`; the deadline.

    Next: APPROVED and sent by the next run of its stage, REJECTED, CANCELLED, REROUTED, or EXPIRED at the deadline of
    its tier.

    If it stays: see *A job waits for approval*.
    """
    APPROVED = "APPROVED"
    """Policy or a person has agreed; nothing was sent, or what was sent is known not to have been accepted.

    By: the submitter, when its stage runs; a person, with `qhybrid jobs cancel`, `reroute` and `reprioritise`; the
    deadline.

    Next: SUBMITTING; back to AWAITING_APPROVAL where the price has risen since; CANCELLED, REROUTED or EXPIRED.

    If it stays: its process died, or its provider takes nothing now. Run the experiment again, or wait for the
    schedules.
    """
    SUBMITTING = "SUBMITTING"
    """The intent and its token are committed, and the provider is called next or was called: from here on it may have
    the job.

    By: the submitter, and after a crash the next run, which looks the token up at the provider before it sends
    anything.

    Next: SUBMITTED when the provider's id is known, by its answer or by looking it up; APPROVED when it accepted
    nothing; REJECTED; SUBMIT_UNKNOWN where the provider cannot tell, or has the work from another home.

    If it stays: its process died, or the request may still be accepted. Run the experiment again: the submission is
    looked up at the provider before anything is sent.
    """
    SUBMITTED = "SUBMITTED"
    """The provider has acknowledged the job, and its id is in the ledger.

    By: the status poller; a person or the deadline, by asking the provider to cancel.

    Next: QUEUED, also where a provider reports later states only; FAILED; CANCELLING or CANCELLED.

    If it stays: its provider has it. The sensor `qpu_poll` polls it: is it on, and the daemon alive (`make ui`,
    *Automation*)? `qhybrid run SPEC --wait` polls as well.
    """
    QUEUED = "QUEUED"
    """The job waits in the provider's queue.

    By: the status poller; a person or the deadline, by asking the provider to cancel.

    Next: RUNNING, FAILED, CANCELLING or CANCELLED.

    If it stays: as SUBMITTED. `qhybrid jobs reroute` takes its work to another backend.
    """
    RUNNING = "RUNNING"
    """The provider executes the job.

    By: the status poller; a person or the deadline, by asking the provider to cancel.

    Next: COMPLETED, FAILED, CANCELLING or CANCELLED.

    If it stays: as SUBMITTED.
    """
    COMPLETED = "COMPLETED"
    """The provider has a result, which is not stored here yet, or was refused when it came; `error` says why then. It is paid
    for.

    By: the result collector, when its stage runs; a person, with `qhybrid jobs fetch`.

    Next: FETCHED. A result that is refused is fetched again; only a person ends the job as FAILED, with `qhybrid jobs retry`.

    If it stays: see *A result is refused*; fetching it again is free.
    """
    FETCHED = "FETCHED"
    """The result is stored byte for byte as it was received, but for secrets of ours that it repeats, and was not decoded yet.

    By: the result collector, right after.

    Next: VERIFIED, or COMPLETED again where the result is not whole or contradicts what was asked for; FAILED where a person
    gives it up.

    If it stays: the result is stored; run the experiment again.
    """
    VERIFIED = "VERIFIED"
    """The result was decoded and fits the request: job, circuits, shots and bit order.

    By: nobody; this is the end.

    Next: its stage writes the counts into the lake.
    """
    REJECTED = "REJECTED"
    """Policy, a person or the provider said no; nothing ran and nothing is paid.

    By: nobody; this is the end.

    Next: `qhybrid jobs retry` makes a new job of the same work.
    """
    SUBMIT_UNKNOWN = "SUBMIT_UNKNOWN"
    """The job may or may not have been accepted, and its provider cannot tell; or another home has sent the same work.

    By: a person who looks at the provider's page, with `qhybrid jobs resolve`.

    Next: SUBMITTED under the id that was found, or APPROVED for another attempt where there is none, or where an own one is
    wanted.

    If it stays: see *A job is SUBMIT_UNKNOWN*; nothing goes on without a person, because sending it again may pay
    twice.
    """
    FAILED = "FAILED"
    """The provider has reported a failure twice, or a person gave a refused result up; `error` says which.

    By: nobody; this is the end, unless the provider has a result after all: for a while the status poller asks it again, and
    `qhybrid jobs fetch` asks at any time.

    Next: nothing; COMPLETED, where the provider turns out to have its result, which `qhybrid jobs fetch` asks.
    """
    CANCELLING = "CANCELLING"
    """The provider was asked to cancel and has not decided yet. The job may win the race, and then its result counts.

    By: the status poller; the deadline, once the tier's time of grace is over.

    Next: CANCELLED, EXPIRED or REROUTED, whatever the request was for; COMPLETED where it came too late; FAILED.

    If it stays: its provider has not answered; after the deadline and the tier's time of grace it ends EXPIRED.
    """
    CANCELLED = "CANCELLED"
    """The job was cancelled, here or at its provider.

    By: nobody; this is the end. A result that comes all the same is stored and changes nothing.

    Next: `qhybrid jobs retry` makes a new job of the same work.
    """
    EXPIRED = "EXPIRED"
    """The deadline of its tier passed before the job was done.

    By: nobody; this is the end. A result that comes later is stored and changes nothing.

    Next: its experiment falls back to the classical answer; `qhybrid jobs retry` makes a new job of the same work.
    """
    REROUTED = "REROUTED"
    """The work was taken to another backend; `rerouted_to` names the job that took it over.

    By: nobody, once that job is written down; until then the submitter, when its stage runs, or a person who names a
    third backend or wants the work nowhere.

    Next: the other job lives its own life; CANCELLED where a person says so before there is one.
    """
