"""Checks of a job's life: tokens, searching, looking, cancelling, and batches in parts."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.compute as pc

from qhybrid_pipelines.core.errors import ProviderError, Rejected, UnknownProviderStatus
from qhybrid_pipelines.core.jobs.circuit_jobs import CancelOutcome, JobRef
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import split
from qhybrid_pipelines.execution.abilities import Ability, with_ability
from qhybrid_pipelines.execution.conformance.provider_under_test import (
    OPEN_STATES,
    ProviderUnderTest,
    assert_raises,
    await_end,
    fetch_when_completed,
    run_parts,
)
from qhybrid_pipelines.execution.counts import verify_counts


def check_token_twice_gives_one_job(subject: ProviderUnderTest) -> None:
    """The same token gives the same job, also to a fresh process; another token gives another job.

    Where the provider merges equal tokens, by submitting again; where jobs can only be searched for, by looking the token
    up as soon as the job has to be listed, and by finding nothing under a token that was never sent. Where it can do neither,
    nothing is promised but that it says so.
    """
    batch = subject.batch()
    first = subject.connect().submit(batch, "token-once")
    dedupe = subject.connect().capabilities(subject.backend).dedupe
    if dedupe == "token":
        assert subject.connect().submit(batch, "token-once") == first
    elif dedupe == "tag_lookup":
        subject.wait_until_listed()
        assert subject.connect().find(subject.backend, "token-once") == first
        assert subject.connect().find(subject.backend, "token-once-more") is None
    assert subject.connect().submit(batch, "token-other").provider_job_id != first.provider_job_id


def check_token_of_another_batch_is_rejected(subject: ProviderUnderTest) -> None:
    """Where the provider merges equal tokens, one that was used for a payload is not accepted for another."""
    provider = subject.connect()
    if provider.capabilities(subject.backend).dedupe == "token":
        provider.submit(subject.batch(), "token-payload")
        assert_raises(Rejected, provider.submit, subject.batch(shots=63), "token-payload")


def check_find(subject: ProviderUnderTest) -> None:
    """A job is found by its token from a fresh process; an unknown token gives None.

    Where no token can be looked up, the search refuses to answer: None would mean that the job is not there.
    """
    provider = subject.connect()
    if provider.capabilities(subject.backend).dedupe == "none":
        assert_raises(ProviderError, provider.find, subject.backend, "token-unknown")
        return
    assert provider.find(subject.backend, "token-find") is None
    ref = provider.submit(subject.batch(), "token-find")
    subject.wait_until_listed()
    assert subject.connect().find(subject.backend, "token-find") == ref
    assert subject.connect().find(subject.backend, "token-unknown") is None


def check_requests_per_poll(subject: ProviderUnderTest) -> None:
    """One poll asks about all jobs and answers in their order, whatever their states.

    Where requests are counted, it makes one, and at most one more for each job that has ended (its cost).
    """
    provider = subject.connect()
    refs = [provider.submit(subject.batch(), f"token-poll-{index}") for index in range(3)]
    subject.wait_until_listed()
    counted = with_ability(provider, Ability.REQUESTS)
    before = counted.requests if counted is not None else 0
    polls = provider.poll(refs)
    assert [snapshot.ref for snapshot in polls] == refs
    if counted is not None:
        ended = sum(snapshot.state not in OPEN_STATES for snapshot in polls)
        made = counted.requests - before
        assert made <= 1 + ended, f"{made} requests for one poll of {len(refs)} jobs, {ended} of them ended"


def check_unknown_status_is_loud(subject: ProviderUnderTest) -> None:
    """A word that is in no table raises and names itself; it is not taken for any state."""
    if subject.with_status_word is None:
        return
    ref = subject.connect().submit(subject.batch(), "token-word")
    subject.wait_until_listed()
    try:
        seen = subject.with_status_word("transmogrified").poll([ref])
    except UnknownProviderStatus as error:
        seen, message = list(error.seen), str(error)
    else:
        message = ""
    assert not seen, f"an unknown status was read as {seen}"
    assert "transmogrified" in message


def check_finished_job_is_stable(subject: ProviderUnderTest) -> None:
    """Polling a finished job changes nothing, its times are in order, and its result is the same bytes each time."""
    provider = subject.connect()
    ref = provider.submit(subject.batch(), "token-stable")
    raw = fetch_when_completed(subject, provider, ref)
    polls = [subject.connect().poll([ref, ref]) for _ in range(2)]
    assert polls[0] == polls[1]
    assert polls[0][0] == polls[0][1]
    times = [t for t in (polls[0][0].submitted_at, polls[0][0].started_at, polls[0][0].completed_at) if t]
    assert times == sorted(times)
    assert all(t.tzinfo is not None for t in times)
    assert subject.connect().fetch(ref).content == raw.content
    assert subject.connect().poll([]) == []


def check_unknown_job_is_not_waited_for(subject: ProviderUnderTest) -> None:
    """A reference that the provider does not know raises, or is reported as failed; it has no result."""
    provider = subject.connect()
    ref = JobRef(provider=provider.name, backend=subject.backend, provider_job_id="no-such-job")
    try:
        [snapshot] = provider.poll([ref])
    except ProviderError:
        pass
    else:
        assert snapshot.state is JobState.FAILED, snapshot
    assert_raises(ProviderError, provider.fetch, ref)


def check_failed_poll_keeps_what_it_saw(subject: ProviderUnderTest) -> None:
    """A poll that fails for one job raises with the snapshots of the jobs that it saw before."""
    provider = subject.connect()
    known = provider.submit(subject.batch(), "token-seen")
    subject.wait_until_listed()
    unknown = replace(known, provider_job_id="no-such-job")
    try:
        seen = provider.poll([known, unknown])
    except ProviderError as error:
        seen = list(error.seen)
    assert known in [snapshot.ref for snapshot in seen], "the snapshot of another job was lost"


def check_cancelling_a_finished_job_is_too_late(subject: ProviderUnderTest) -> None:
    """A finished job cannot be cancelled, and keeps its result."""
    provider = subject.connect()
    ref = provider.submit(subject.batch(), "token-cancel")
    raw = fetch_when_completed(subject, provider, ref)
    assert provider.cancel(ref) is CancelOutcome.TOO_LATE
    assert provider.fetch(ref).content == raw.content


def check_cancel_races(subject: ProviderUnderTest) -> None:
    """However a cancellation and a completion race, the job ends; as cancelled without a result, or with a right one."""
    provider, batch = subject.connect(), subject.batch()
    for attempt in range(4):
        ref = provider.submit(batch, f"token-race-{attempt}")
        for _ in range(attempt):
            provider.poll([ref])
        outcome = provider.cancel(ref)
        end = await_end(subject, provider, ref)
        if end.state is JobState.CANCELLED:
            assert outcome is not CancelOutcome.TOO_LATE
            assert_raises(ProviderError, provider.fetch, ref, what="the result of a cancelled job")
        else:
            assert outcome is not CancelOutcome.CANCELLED
            assert end.state is JobState.COMPLETED, end
            provider.decode(provider.fetch(ref), batch)


def check_parts_make_the_whole(subject: ProviderUnderTest) -> None:
    """A batch that is too large for one job runs in parts, and these put together are its answer."""
    provider = subject.connect()
    batch, outcomes = subject.canary(subject.shapes[-1], qubit=1)
    most = max(1, batch.points * batch.repetitions - 2)
    parts = split(batch, replace(provider.capabilities(subject.backend), max_circuits_per_job=most))
    assert len(parts) > 1
    assert sum(part.batch.points * part.batch.repetitions for part in parts) == batch.points * batch.repetitions
    whole = run_parts(subject, provider, batch, "token-part", max_circuits=most)
    verify_counts(whole, batch)
    for point, expected in enumerate(outcomes):
        rows = whole.filter(pc.equal(whole.column("point"), point)).to_pylist()
        assert max(rows, key=lambda row: row["count"])["bits"] == expected
