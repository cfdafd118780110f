"""Lists and counts are those of the ledger at every moment, page by page, against the plain answer over all its jobs."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.service.pages import job_index
from qhybrid_pipelines.service.pages.job_index import Choice, JobIndex
from qhybrid_pipelines_tests.support.ledger_plans import NOW, apply_events, plan


@pytest.fixture
def ledger(tmp_path):
    opened = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    yield opened
    opened.close()


def fill(ledger, numbers) -> None:
    for number in numbers:
        ledger.plan(
            plan(
                f"{number:03}",
                experiment=f"maxcut-{'own' if number % 3 else 'others'}-0000000{number % 5}",
                backend=("v:d", "v:e")[number % 2],
                planned_at=NOW + timedelta(seconds=number // 4),
                principal=("ada", "bob")[number % 3 == 0],
            )
        )


def listed(index, choice, may_see=lambda key: True, limit=7):
    """Return all jobs of a choice, page by page."""
    found, before, counts = [], "", None
    while True:
        listing = index.listing(choice, may_see=may_see, before=before, limit=limit)
        assert counts in (None, listing.counts)
        counts, before = listing.counts, listing.following
        found += listing.jobs
        if not before:
            return found, counts


def expected(ledger, choice, may_see=lambda key: True):
    """The plain answer: over all records of the ledger."""
    jobs = [
        job
        for job in ledger.jobs()
        if may_see(job.experiment)
        and choice.backend in ("", job.backend)
        and any(choice.text.lower() in part for part in (job.experiment, job.job_id, job.principal))
    ]
    counts = Counter(str(job.state) for job in jobs)
    shown = [job for job in jobs if choice.state in ("", str(job.state))]
    shown.sort(key=lambda job: (job.created_at, job.job_id), reverse=True)
    return [job.job_id for job in shown], dict(sorted(counts.items()))


@pytest.mark.parametrize(
    "choice",
    [
        Choice(),
        Choice(state="SUBMITTED"),
        Choice(backend="v:e"),
        Choice(text="OWN-00000001"),
        Choice(text="ada", backend="v:d", state="SUBMITTING"),
        Choice(text="nobody"),
    ],
)
def test_a_list_is_the_ledgers_page_by_page_while_it_changes(ledger, choice):
    index, draw = JobIndex(ledger), random.Random(5)
    fill(ledger, range(40))
    for round_ in range(4):
        for may_see in (lambda key: True, lambda key: "own" in key):
            jobs, counts = listed(index, choice, may_see)
            assert ([job.job for job in jobs], counts) == expected(ledger, choice, may_see)
        for job in draw.sample(ledger.jobs(), 8):
            if str(job.state) == "SUBMITTING":
                apply_events(ledger, job, Event.ACKNOWLEDGE, provider_job_id=f"v-{job.job_id}")
        fill(ledger, range(40 + 10 * round_, 50 + 10 * round_))


def test_the_first_read_is_in_pages_too(ledger, monkeypatch):
    monkeypatch.setattr(job_index, "TOGETHER", 7)
    fill(ledger, range(20))
    index = JobIndex(ledger)
    assert len(listed(index, Choice())[0]) == 20
    fill(ledger, range(20, 40))
    assert len(listed(index, Choice())[0]) == 40
    assert len(index.newest("v:d", "SUBMITTING", 5)) == 5
    assert index.experiments() == {job.experiment for job in ledger.jobs()}
