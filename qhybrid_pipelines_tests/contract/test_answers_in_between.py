"""Answers that come from something in front of the service, or too early: paid once, and collected. The emulator's book judges.

The adapter of `ionq` over HTTP, a machine that costs money, a ledger on disk; each case is a job of its own.
"""

from __future__ import annotations

import itertools
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs import status_poller
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.jobs.ledger_clock import LedgerClock
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.policy.deployment import Deployment
from qhybrid_pipelines.control.policy.rules import Policy
from qhybrid_pipelines.core.errors import Ambiguous, JobFailed, ProviderError, Throttled
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines.emulator.process import running_emulator
from qhybrid_pipelines.execution.canary_circuits import canary_batch
from qhybrid_pipelines.execution.providers.ionq import IonQProvider
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.emulator_client import Client

BACKEND = "ionq:qpu.forte-1"
LAG_SECONDS = 0.1
POLICY = Policy.model_validate(
    {
        "rules": [{"name": "all", "then": "allow", "reason": "a test"}],
        "routing": {"calibration": {"stale": "accept"}},
    }
)
REQUEST = SubmitRequest(tier="batch", budget_usd=10_000.0)
STATUSES = (400, 401, 404, 409, 429)


class User:
    """Somebody with a home, who submits until the job stands somewhere, as schedules do."""

    def __init__(self, folder, cloud: Client, *, home_id: str, tenant: str = "") -> None:
        folder.mkdir()
        self.cloud, self.ledger = cloud, SqlLedger.open_sqlite(folder / "ledger.db")
        self.dispatcher = Dispatcher(
            self.ledger,
            {"ionq": IonQProvider(folder / "ionq")},
            RawStore(folder / "raw"),
            deployment=Deployment(principal="ada", tenant=tenant),
            policy=POLICY,
            home_id=home_id,
        )

    def submit(self, batch: CircuitBatch) -> JobRecord:
        for _ in range(20):
            try:
                return self.dispatcher.submit(batch, REQUEST)
            except (Ambiguous, Throttled):
                time.sleep(LAG_SECONDS)
        raise AssertionError("no end")

    def collect(self, job: JobRecord, batch: CircuitBatch) -> JobRecord:
        self.cloud.advance(1e7)
        for _ in range(10):
            try:
                return self.dispatcher.collect(job.job_id, batch).job
            except ProviderError:
                continue
        raise AssertionError("no end")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_emulator(tmp_path_factory.mktemp("between") / "cloud", speed=4000.0, seed=11) as emulator:
        client = Client(emulator)
        yield client
        client.close()


@pytest.fixture
def make_user(cloud, tmp_path, monkeypatch):
    for name, value in cloud.emulator.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IONQ_LISTING_LAG_SECONDS", str(LAG_SECONDS))
    monkeypatch.setattr(LedgerClock, "margin_seconds", lambda *_: 0.0)  # one machine, and nobody sets its clock
    monkeypatch.setattr(status_poller, "FAILURE_CONFIRMED_AFTER", status_poller.FAILURE_CONFIRMED_AFTER * 0)
    cloud.faults()
    made: list[User] = []

    def make(name: str = "home", **facts: Any) -> User:
        user = User(tmp_path / name, cloud, **{"home_id": name} | facts)
        made.append(user)
        return user

    yield make
    cloud.faults()
    for user in made:
        user.ledger.close()


@pytest.fixture
def user(make_user):
    """Somebody whose home has a job that the list must show."""
    somebody = make_user()
    somebody.submit(new_batch())
    time.sleep(2 * LAG_SECONDS)
    return somebody


_WORK = itertools.count(1)


def new_batch() -> CircuitBatch:
    """Work that nobody has sent to this account before: anything else would be found there."""
    batch, _ = canary_batch("batch", width=4, qubit=1, backend=BACKEND, shots=100)
    return replace(batch, seeds=batch.seeds + np.uint64(1000 * next(_WORK)))


def accepted(cloud: Client, before: int) -> list[str]:
    return [entry["id"] for entry in cloud.book()[before:]]


def rule(fault: str, route: str = "POST /jobs", **params: Any) -> dict[str, Any]:
    return {"route": route, "nth": 1, "fault": fault, "params": params}


@pytest.mark.parametrize("status", STATUSES)
def test_accepted_behind_a_gateway_that_refuses(user, cloud, status):
    before = len(cloud.book())
    cloud.faults(rule("gateway", status=status))
    batch = new_batch()
    job = user.submit(batch)
    assert accepted(cloud, before) == [job.provider_job_id]
    assert user.collect(job, batch).state is JobState.VERIFIED


@pytest.mark.parametrize("status", STATUSES)
def test_refused_by_a_gateway_and_not_accepted(user, cloud, status):
    """For now, it is sent again; for good, it is REJECTED. Both only when the list shows that it is not there."""
    before = len(cloud.book())
    cloud.faults(rule("gateway", status=status, accept=False))
    job = user.submit(new_batch())
    for_now = status in (401, 429)
    assert job.state is (JobState.SUBMITTED if for_now else JobState.REJECTED)
    assert len(accepted(cloud, before)) == for_now


@pytest.mark.parametrize("status", STATUSES)
def test_a_home_whose_first_job_is_refused_that_way_waits_for_a_person_or_finds_it(make_user, cloud, status):
    for accept in (True, False):
        before, newcomer = len(cloud.book()), make_user(f"new-{status}-{accept}", tenant=f"{status}-{accept}")
        cloud.faults(rule("gateway", status=status, accept=accept))
        job = newcomer.submit(new_batch())
        assert job.state is (JobState.SUBMITTED if accept else JobState.SUBMIT_UNKNOWN)
        assert len(accepted(cloud, before)) == accept


@pytest.mark.parametrize("status", STATUSES)
def test_a_list_that_lags_behind_a_gateway(user, cloud, monkeypatch, status):
    monkeypatch.setenv("IONQ_LISTING_LAG_SECONDS", "0.4")
    before = len(cloud.book())
    cloud.faults(rule("gateway", status=status), {"fault": "listing_lag", "params": {"seconds": 0.4}})
    job = user.submit(new_batch())
    assert accepted(cloud, before) == [job.provider_job_id]


EARLY = {
    "results {}": rule("early_answer", "GET /jobs/{id}/results", what="empty"),
    "results a circuit short": rule("early_answer", "GET /jobs/{id}/results", what="short"),
    "results missing": {"fault": "result_missing", "params": {"n": 2}},
    "children half": {"fault": "children_lag", "params": {"seconds": 1e12}},
    "shots missing": rule("early_answer", "GET /jobs/{id}", what="no_shots"),
    "failed once, in the list": rule("early_answer", "GET /jobs", what="failed"),
    "failed once, by itself": rule("early_answer", "GET /jobs/{id}", what="failed"),
    "list lags": {"fault": "listing_lag", "params": {"seconds": 1e9}},
}


@pytest.mark.parametrize("early", EARLY)
def test_an_answer_that_comes_too_early_is_not_yet(user, cloud, early):
    before, batch = len(cloud.book()), new_batch()
    job_fate = EARLY[early]["fault"] == "result_missing"
    cloud.faults(*([EARLY[early]] if job_fate else []))
    job = user.submit(batch)
    cloud.advance(1e7)
    cloud.faults(*([] if job_fate else [EARLY[early]]))
    for _ in range(2):
        with suppress(ProviderError, JobFailed):  # not yet, or a failure that is not believed yet
            user.dispatcher.collect(job.job_id, batch)
        assert user.ledger.job(job.job_id).state is not JobState.FAILED
    cloud.faults()
    collected = user.collect(job, batch)
    assert collected.state is JobState.VERIFIED
    assert accepted(cloud, before) == [job.provider_job_id]
    account = user.ledger.account(job.experiment)
    charged = cloud.get(f"/jobs/{job.provider_job_id}/cost").json()["cost"]["value"]
    assert collected.cost_settled_usd == pytest.approx(charged, abs=1e-6)
    assert account.settled_usd == pytest.approx(collected.cost_settled_usd)


def test_a_copy_finds_what_the_other_has_sent_and_a_restored_home_its_own(make_user, cloud):
    before, batch = len(cloud.book()), new_batch()
    original, restored, copy = make_user("one", home_id="h1"), make_user("two", home_id="h1"), make_user("three")
    paid = original.submit(batch)
    assert restored.submit(batch).provider_job_id == paid.provider_job_id
    held = copy.submit(batch)
    assert (held.state, f"as {paid.provider_job_id}, sent by home h1" in held.error) == (JobState.SUBMIT_UNKNOWN, True)
    assert accepted(cloud, before) == [paid.provider_job_id]
    copy.dispatcher.decisions.resolve(held.job_id, paid.provider_job_id)
    assert copy.collect(copy.ledger.job(held.job_id), batch).state is JobState.VERIFIED
    assert make_user("four", tenant="others").submit(batch).state is JobState.SUBMITTED
    assert len(accepted(cloud, before)) == 2


def test_one_listing_for_many_jobs(user, cloud):
    """On an account with more than a page of jobs: as many requests as pages for all of them, not for each."""
    before = cloud.admin("GET", "/requests")["requests"].get("GET /jobs", 0)
    for _ in range(10):
        user.dispatcher.submit(new_batch(), REQUEST)
    alone = cloud.admin("GET", "/requests")["requests"]["GET /jobs"] - before
    parts = [SubBatch(batch=new_batch(), first_point=0, first_repetition=number) for number in range(20)]
    user.dispatcher.submit_all(parts, REQUEST)
    together = cloud.admin("GET", "/requests")["requests"]["GET /jobs"] - before - alone
    pages = -(-len(cloud.book()) // 25)
    assert together <= pages
    assert alone >= 10
