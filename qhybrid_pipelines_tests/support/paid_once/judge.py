"""The verdict on a setup after its last process has ended, read from the provider's book and held against our records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from qhybrid_pipelines.control.jobs.job_ids import job_id_for
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.paid_once.named_places import is_unwanted
from qhybrid_pipelines_tests.support.paid_once.protocols import note_path
from qhybrid_pipelines_tests.support.paid_once.provider_setups import (
    EXPERIMENT,
    KNOWN_SHOTS,
    Accepted,
    ProviderSetup,
    make_dispatcher,
    number_of,
)


@dataclass(slots=True, kw_only=True)
class Tally:
    """Figures of one or more setups.

    Attributes:
        wanted: batches, each a job to be paid once.
        landed: processes that a SIGKILL ended.
        restored: how often an older ledger was put back.
        undone: events that these ledgers lacked.
        copied: how often the home was copied and both worked on.
        asked: how often a person was asked which of them goes on.
        at: how many of them in which state of the request that they were at.
        struck: how often which fault did what to requests.
        accepted: lines of the provider's book.
        lost: accepted, but nobody has noted the provider's id, and no job waits for a person to ask the provider.
        paid_twice: accepted again for a batch that had been accepted before.
        guessed: sent again although nobody could know the end of the first time, or ids noted that the book lacks.
        finished: verified results (of the naive protocol: noted ids).
        taken_back: jobs that somebody wanted back and that ended so.
        places: how many processes died at which named place.
        in_doubt: jobs in SUBMIT_UNKNOWN, for a person.
        broken: what else is not as it must be, in words.
    """

    wanted: int = 0
    landed: int = 0
    restored: int = 0
    undone: int = 0
    copied: int = 0
    asked: int = 0
    at: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    lost: int = 0
    paid_twice: int = 0
    guessed: int = 0
    finished: int = 0
    taken_back: int = 0
    places: Counter[str] = field(default_factory=Counter)
    in_doubt: int = 0
    broken: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        for name in (
            "wanted",
            "landed",
            "restored",
            "undone",
            "copied",
            "asked",
            "accepted",
            "lost",
            "paid_twice",
            "guessed",
            "finished",
            "taken_back",
            "in_doubt",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.at.update(other.at)
        self.places.update(other.places)
        self.struck.update(other.struck)
        self.broken += other.broken


def judge_protocol(setup: ProviderSetup, ledger: SqlLedger, *, has_cancellations: bool = False) -> Tally:
    """Judge our protocol: the book against the ledger, then the ledger, the results and the money by themselves."""
    known = {job.job_id: job for job in ledger.jobs(experiment=EXPERIMENT)}
    by_number = {
        number_of(sub_batch.batch): known.get(job_id_for(sub_batch.batch))
        for sub_batches in setup.requests
        for sub_batch in sub_batches
    }
    in_doubt = {number for number, job in by_number.items() if job and job.state is JobState.SUBMIT_UNKNOWN}
    ids = {job.provider_job_id for job in known.values() if job.provider_job_id is not None}
    book = [line for line in setup.book() if line.number != KNOWN_SHOTS]
    tally = _against(book, by_number, ids, in_doubt)
    tally.guessed += setup.count_unresolved_resubmissions()
    tally.finished = sum(job is not None and job.state is JobState.VERIFIED for job in by_number.values())
    tally.taken_back = sum(job is not None and job.state is JobState.CANCELLED for job in by_number.values())
    tally.struck = setup.struck()
    tally.broken = _broken(setup, ledger, by_number, has_cancellations=has_cancellations)
    return tally


def judge_naive(setup: ProviderSetup) -> Tally:
    """Judge the naive protocol: the book against its notes."""
    by_number = {
        number_of(sub_batch.batch): note_path(setup, sub_batch).read_text()
        for sub_batches in setup.requests
        for sub_batch in sub_batches
    }
    tally = _against(setup.book(), by_number, set(by_number.values()), set())
    tally.finished = len(by_number)
    return tally


def _against(book: list[Accepted], wanted: Mapping[int, object], ids: set[str], in_doubt: set[int]) -> Tally:
    times = Counter(line.number for line in book)
    return Tally(
        wanted=len(wanted),
        accepted=len(book),
        lost=sum(line.provider_job_id not in ids and line.number not in in_doubt for line in book),
        paid_twice=sum(count - 1 for count in times.values()),
        guessed=len(ids - {line.provider_job_id for line in book}),
        in_doubt=len(in_doubt),
    )


def _broken(
    setup: ProviderSetup, ledger: SqlLedger, by_number: Mapping[int, JobRecord | None], *, has_cancellations: bool
) -> list[str]:
    """Return what is wrong beside the book: chain, ends, results, steps that were told twice, money."""
    wrong = [] if ledger.verify_chain().is_intact else ["the chain of events is broken"]
    if len(ledger.jobs(experiment=EXPERIMENT)) != len(by_number):
        wrong.append(f"the ledger has {len(ledger.jobs(experiment=EXPERIMENT))} jobs for {len(by_number)} batches")
    told = Counter((event.job_id, event.event) for event in ledger.events())
    dispatcher = make_dispatcher(setup, ledger)
    for number, sub_batch in (
        (number, sub_batch) for number, sub_batches in enumerate(setup.requests) for sub_batch in sub_batches
    ):
        job = by_number[number_of(sub_batch.batch)]
        if has_cancellations and is_unwanted(number) and job is not None and job.state is JobState.CANCELLED:
            continue
        if job is None or job.state not in (JobState.VERIFIED, JobState.SUBMIT_UNKNOWN):
            wrong.append(f"{number_of(sub_batch.batch)}: {job and job.state}")
            continue
        if job.state is JobState.SUBMIT_UNKNOWN:
            continue
        # A result that came too early is fetched again, once for each time that it was doubted.
        fetched = told[job.job_id, "JobFetched"] - told[job.job_id, "JobResultDoubted"]
        steps = [told[job.job_id, "JobSubmitted"], fetched, told[job.job_id, "JobVerified"]]
        if steps != [1, 1, 1]:
            wrong.append(f"{job.job_id}: submitted, fetched and verified {steps} times")
        counts = dispatcher.collect(job.job_id, sub_batch.batch).counts
        if sum(counts["count"].to_pylist()) != job.shots:
            wrong.append(f"{job.job_id}: shots are missing")
    held = sum(job.cost_quoted_usd for job in by_number.values() if job and job.state is JobState.SUBMIT_UNKNOWN)
    account = ledger.account(EXPERIMENT)
    if account is None or abs(account.reserved_usd - held) > 1e-9:
        wrong.append(f"reserved are {account and account.reserved_usd} dollars, for jobs in doubt {held}")
    return wrong
