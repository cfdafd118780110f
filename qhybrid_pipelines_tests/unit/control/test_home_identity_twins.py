"""Two homes from one copy that send the same work before the provider lists it; the provider's own book is the judge.

Within the lag of the list nobody can know. Once the list shows both, neither home sends anything until a person decides.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from qhybrid_pipelines.control.home_identity import HomeGuard, read_question
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch

LAG = timedelta(seconds=60)
FREE = SubmitRequest(tier="batch", budget_usd=0.0)


class Twins:
    """A home that has sent a job, and its copy; both work with one vendor and one clock."""

    def __init__(self, folder: Path, dedupe: str) -> None:
        self.now, self.dedupe, self.folder = datetime.now(UTC), dedupe, folder
        first = self.dispatcher("first")
        self.known = first.submit(make_batch(seed=99), FREE)
        first.ledger.close()
        shutil.copytree(folder / "first", folder / "second")
        self.pass_time(10 * LAG)
        self.first, self.second = self.dispatcher("first"), self.dispatcher("second")

    @property
    def vendor(self) -> DurableVendor:
        vendor = DurableVendor(
            self.folder / "vendor", dedupe=self.dedupe, listing_lag_seconds=LAG.total_seconds(), mode="hardware"
        )
        for line in vendor.book():
            vendor.show(line["id"], JobState.QUEUED)
        return vendor

    def dispatcher(self, name: str) -> Dispatcher:
        home = Home(self.folder / name).make()
        ledger = SqlLedger.open_sqlite(home.ledger)
        return Dispatcher(
            ledger,
            {"vendor": self.vendor},
            RawStore(home.raw),
            clock=Clock(now=lambda: self.now, sleep=lambda seconds: None),
            home_id=ledger.identity().home_id,
            guard=HomeGuard(home, ledger, is_shared=False),
        )

    def pass_time(self, passed: timedelta) -> None:
        """For all: what was accepted is older by now."""
        self.now += passed
        self.vendor.accept_earlier(passed.total_seconds())

    def book(self) -> list[str]:
        return [line["token"] for line in self.vendor.book()]


@pytest.fixture
def twins(tmp_path: Path) -> Twins:
    return Twins(tmp_path, "tag_lookup")


def test_within_the_lag_both_are_accepted_and_afterwards_neither_sends_anything(twins: Twins) -> None:
    same = make_batch(seed=1)
    jobs = [one.submit(same, FREE) for one in (twins.first, twins.second)]
    assert [job.state for job in jobs] == [JobState.SUBMITTED] * 2
    assert twins.book()[1:] == [jobs[0].token] * 2, "the list showed neither"
    cursors = [one.poll_due().cursor for one in (twins.first, twins.second)]  # too early to know
    assert twins.first.ledger.identity() == twins.second.ledger.identity()
    assert not read_question(Home(twins.folder / "first")).sentences
    twins.pass_time(2 * LAG)
    paid = len(twins.book())
    for name, one, other, cursor in zip(
        ("first", "second"), (twins.first, twins.second), reversed(jobs), cursors, strict=True
    ):
        one.poll_due(cursor=cursor)
        [sentence] = read_question(Home(twins.folder / name)).sentences
        assert f"vendor/{other.provider_job_id}" in sentence
        with pytest.raises(Refused, match="qhybrid home continue"):
            one.submit(make_batch(seed=2), FREE)
    assert len(twins.book()) == paid


def test_they_are_found_before_the_next_submission_too(twins: Twins) -> None:
    for one in (twins.first, twins.second):
        one.submit(make_batch(seed=1), FREE)
    twins.pass_time(2 * LAG)
    with pytest.raises(Refused, match="qhybrid home continue"):
        twins.second.submit(make_batch(seed=2), FREE)


def test_the_one_that_goes_on_has_decided_about_what_was_found(twins: Twins) -> None:
    for one in (twins.first, twins.second):
        one.submit(make_batch(seed=1), FREE)
    cursor = twins.first.poll_due().cursor
    twins.pass_time(2 * LAG)
    twins.first.poll_due(cursor=cursor)
    assert read_question(Home(twins.folder / "first")).sentences
    home = Home(twins.folder / "first")
    HomeGuard(home, twins.first.ledger, is_shared=False).go_on()
    twins.pass_time(2 * LAG)
    goes_on = twins.dispatcher("first")
    assert goes_on.submit(make_batch(seed=2), FREE).state is JobState.SUBMITTED
    cursor = goes_on.poll_due().cursor
    twins.pass_time(2 * LAG)
    goes_on.poll_due(cursor=cursor)
    assert not read_question(home).sentences


def test_a_home_alone_is_asked_nothing(twins: Twins) -> None:
    """The negative control."""
    twins.first.submit(make_batch(seed=1), FREE)
    cursor = {}
    for _ in range(4):
        twins.pass_time(LAG)
        polled = twins.first.poll_due(cursor=cursor)
        assert polled.problems == ()
        cursor = polled.cursor
    assert not read_question(Home(twins.folder / "first")).sentences
    assert twins.first.submit(make_batch(seed=2), FREE).state is JobState.SUBMITTED


def test_a_provider_that_merges_tokens_is_paid_once(tmp_path: Path) -> None:
    twins = Twins(tmp_path, "token")
    jobs = [one.submit(make_batch(seed=1), FREE) for one in (twins.first, twins.second)]
    assert jobs[0].provider_job_id == jobs[1].provider_job_id
    assert len(twins.book()) == 2
