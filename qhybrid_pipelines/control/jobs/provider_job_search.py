"""Looking tokens up at a provider: what is there, whose it is, and whether absence can be believed.

One listing serves all jobs of a backend that are about to be sent: it is kept for some seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from qhybrid_pipelines.control.jobs.context import JobContext
from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.control.ledger.port import EventData, EventRecord, JobRecord, Transition
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef, TokenListing
from qhybrid_pipelines.execution.port import calling
from qhybrid_pipelines.execution.token_listing import list_tokens

#: How much longer than the declared listing lag a token is waited for before its absence counts.
LISTING_LAG_FACTOR = 1.5
#: How long one listing answers for jobs that are about to be sent for the first time.
LISTING_SECONDS = 30.0
#: Jobs of ours of which one has to be in a listing before what is not in it counts as absent.
MAX_KNOWN_JOBS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a look-up of one token came to.

    Attributes:
        own: the provider's job that carries it and was sent by this home.
        other: one that another home has sent, and its id; only where there is none of our own.
        other_home_id: that home's id; empty where the label names none.
        shows_known_job: the same listing shows a job of ours, so that what is not in it is absent.
    """

    own: JobRef | None = None
    other: JobRef | None = None
    other_home_id: str = ""
    shows_known_job: bool = False


class TokenSearch:
    """Looks tokens up.

    Args:
        context: ledger, providers and time.
    """

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._expected: dict[str, set[str]] = {}
        self._listings: dict[str, tuple[float, frozenset[str], TokenListing]] = {}

    def expect(self, backend: str, tokens: Iterable[str]) -> None:
        """Note tokens that will be looked up soon, so that the first look-up asks for all of them."""
        self._expected[backend] = set(tokens)
        self._listings.pop(backend, None)

    def before_first_submission(self, backend: str, token: str) -> Found:
        """Return who has sent the work of a token that this ledger has never sent.

        Raises:
            Refused: the list shows jobs with our label that the ledger does not know; a person has to decide.
            ProviderError: the provider could not be asked.
        """
        now = self._context.clock.monotonic()
        listed_at, listed_tokens, listing = self._listings.get(backend, (now, frozenset(), TokenListing(jobs={})))
        if token not in listed_tokens or now - listed_at > LISTING_SECONDS:
            listed_tokens = frozenset({token} | self._expected.get(backend, set()))
            listing = self._list(backend, sorted(listed_tokens))
            self._listings[backend] = (now, listed_tokens, listing)
            if self._context.guard is not None:
                self._context.guard.check()
        # One that merges tokens names no homes, and has accepted the work of a token once, whoever sent it.
        merges_tokens = self._context.capabilities(backend).dedupe == "token"
        return self._judge(token, listing, is_older_program_ours=merges_tokens)

    def in_doubt(self, job: JobRecord) -> Found:
        """Return what the provider lists for the token of a job that may have been sent.

        Raises:
            ProviderError: the provider could not be asked.
        """
        self._listings.pop(job.backend, None)  # what was listed before something was sent says nothing about it
        merges_tokens = self._context.capabilities(job.backend).dedupe == "token"
        listing = self._list(job.backend, [job.token], () if merges_tokens else self._known_jobs(job))
        return self._judge(job.token, listing, is_older_program_ours=True)

    def _list(self, backend: str, tokens: Sequence[str], known_jobs: Sequence[str] = ()) -> TokenListing:
        provider = self._context.provider_for(backend)
        with calling(provider.name, "find"):
            listing = list_tokens(provider, backend, tokens, known_jobs=known_jobs)
        if self._context.guard is not None:
            self._context.guard.check_listing(listing)
        return listing

    def list_labelled(self, backend: str, tokens: Sequence[str] = ()) -> None:
        """Check all jobs of a backend that carry our label; what the ledger does not know becomes a question.

        Args:
            backend: to be asked.
            tokens: of jobs that were sent; each of them must be there once.

        Raises:
            ProviderError: the provider could not be asked.
        """
        self._list(backend, tokens)

    def _judge(self, token: str, listing: TokenListing, *, is_older_program_ours: bool) -> Found:
        """Tell our job from another home's; a label of an older program names no home."""
        ours = {self._context.home_id} | ({""} if is_older_program_ours else set())
        found = listing.jobs.get(token, ())
        own = next((job.ref for job in found if job.home_id in ours), None)
        if own is not None or not found:
            return Found(own=own, shows_known_job=bool(listing.known))
        return Found(other=found[0].ref, other_home_id=found[0].home_id, shows_known_job=bool(listing.known))

    def _known_jobs(self, job: JobRecord) -> list[str]:
        """Return the provider's ids of our newest jobs on a backend, of which the list must show one by now."""
        lag = timedelta(seconds=LISTING_LAG_FACTOR * self._context.capabilities(job.backend).listing_lag_seconds)
        latest: datetime = self._context.time.present() - lag
        return self._context.ledger.newest_accepted(job.backend, planned_before=latest, limit=MAX_KNOWN_JOBS)


def other_homes_job(events: Sequence[EventRecord]) -> str | None:
    """Return the provider's id of another home's job that keeps a job waiting for a person; None where none does."""
    for event in reversed(events):
        if event.event == EVENT_NAMES[Event.MARK_UNKNOWN]:
            return (event.detail or {}).get("provider_job_id")
    return None


def other_homes_jobs(events: Sequence[EventRecord]) -> set[str]:
    """Return the provider's ids of all other homes' jobs that a person was asked about."""
    asked = [
        (event.detail or {}).get("provider_job_id")
        for event in events
        if event.event == EVENT_NAMES[Event.MARK_UNKNOWN]
    ]
    return {str(provider_job_id) for provider_job_id in asked if provider_job_id}


def other_home_detail(found: Found) -> dict[str, Any]:
    """Return what the ledger notes about a job that another home has sent."""
    assert found.other is not None
    return {"provider_job_id": found.other.provider_job_id, "home_id": found.other_home_id or None}


def other_home_problem(job: JobRecord, found: Found) -> str:
    """Return what a person is told about a job whose work another home has sent, and what can be chosen."""
    assert found.other is not None
    sent_by = f"home {found.other_home_id}" if found.other_home_id else "a home that its label does not name"
    there = found.other.provider_job_id
    return (
        f"the provider has this work already, as {there}, sent by {sent_by}, and nothing is sent before you choose: "
        f"`qhybrid jobs resolve {job.job_id} --provider-job-id {there}` adopts it and pays nothing more, "
        f"`qhybrid jobs resolve {job.job_id} --pay-own` sends and pays another one"
    )


def sent_before(job: JobRecord, found: Found, now: datetime, *, new_token: str | None) -> Transition:
    """Return the move of a job whose work is at the provider already, ours or another home's, without anything sent from here.

    Args:
        job: APPROVED.
        found: what carries its token there.
        now: what the move is dated.
        new_token: of a further attempt; None where the job has its token already.
    """
    own = found.own
    detail = {"adopted": True} if own is not None else other_home_detail(found)
    end = EventData(event=Event.MARK_UNKNOWN if own is None else Event.ADOPT, at=now, detail=detail)
    return Transition(
        job=job,
        steps=(EventData(event=Event.SUBMIT, at=now, detail={"sent": False}), end),
        observed_at=now,
        new_token=new_token,
        provider_job_id=None if own is None else own.provider_job_id,
        error=other_home_problem(job, found) if own is None else None,
    )
