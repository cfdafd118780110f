"""Eight real processes that race on one budget through the dispatcher: they spend all of it, and not a cent more.

Once on the budget of one experiment, and, each with experiments of its own, on budgets of the policy: of a month, and of one
principal's day.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor
from qhybrid_pipelines_tests.support.matrices import covered

pytestmark = pytest.mark.acceptance

PROCESSES, TRIES = 8, 6
PRICE_USD, BUDGET_USD = 0.3, 3.9  # 13 of the 48 jobs that are wanted
DATABASES = ("sqlite", "postgres")
#: Of the policy. `make test-long` tries each on each database.
BUDGETS = {
    "month": f"{{usd: {BUDGET_USD}}}",
    "day of one": f"{{usd: {BUDGET_USD}, per: day, principal: '*'}}",
}

#: Everything is imported and every process waits at the gate before the race begins.
SPENDER = """
import sys
from pathlib import Path
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.policy.rules import parse_policy
from qhybrid_pipelines.core.errors import Refused
from qhybrid_pipelines.storage.content_store import RawStore
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch

home, url, number, tries, price, budget, policy_text = sys.argv[1:]
home = Path(home)
vendor = DurableVendor(home / "vendor", price_usd=float(price))
ledger = SqlLedger.open_postgres(url) if url else SqlLedger.open_sqlite(home / "ledger.db")
policy = parse_policy(policy_text, file="policy.yaml") if policy_text else None
dispatcher = Dispatcher(ledger, {"vendor": vendor}, RawStore(home / "raw"), policy=policy)
print("ready", flush=True)
sys.stdin.readline()
refused = 0
for attempt in range(int(tries)):
    own = {"experiment": f"own{number}x{attempt}-00000000"} if policy_text else {}
    batch = make_batch(seed=1000 * int(number) + 10 * attempt, **own)
    try:
        job = dispatcher.submit(batch, SubmitRequest(tier="batch", budget_usd=float(budget), principal="ada"))
        if attempt % 2:
            dispatcher.collect(job.job_id, batch)  # some of it is settled during the race
    except Refused:
        refused += 1
print(refused)
"""


@pytest.fixture
def url(database: str, request: pytest.FixtureRequest) -> str:
    return "" if database == "sqlite" else request.getfixturevalue("postgres_url")


def race(url: str, tmp_path: Path, *, budget_usd: float, policy: str) -> int:
    """Let the processes race, and return how often one was refused."""
    figures = [str(TRIES), str(PRICE_USD), str(budget_usd), policy]
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", SPENDER, str(tmp_path), url, str(number), *figures],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )
        for number in range(PROCESSES)
    ]
    try:
        assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * PROCESSES
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        return sum(json.loads(racer.communicate(timeout=300)[0]) for racer in racers)
    finally:
        for racer in racers:
            racer.kill()


@pytest.mark.parametrize(("period", "database"), covered([*BUDGETS], DATABASES))
def test_eight_processes_never_spend_more_than_the_policy_lets_them(url: str, tmp_path: Path, period: str) -> None:
    refused = race(url, tmp_path, budget_usd=100.0, policy=f"budgets: {BUDGETS[period]}")
    accepted = len(DurableVendor(tmp_path / "vendor").book())
    ledger = SqlLedger.open_postgres(url) if url else SqlLedger.open_sqlite(tmp_path / "ledger.db")
    try:
        jobs = ledger.jobs()
        assert accepted == len(jobs) == len({job.experiment for job in jobs}) == 13
        assert accepted + refused == PROCESSES * TRIES
        assert ledger.verify_chain().is_intact
    finally:
        ledger.close()


@pytest.mark.parametrize("database", DATABASES)
def test_eight_processes_never_spend_more_than_one_budget(url: str, tmp_path: Path) -> None:
    refused = race(url, tmp_path, budget_usd=BUDGET_USD, policy="")
    accepted = len(DurableVendor(tmp_path / "vendor").book())
    ledger = SqlLedger.open_postgres(url) if url else SqlLedger.open_sqlite(tmp_path / "ledger.db")
    try:
        [experiment] = {job.experiment for job in ledger.jobs()}
        account = ledger.account(experiment)
        assert accepted == 13
        assert accepted + refused == PROCESSES * TRIES
        assert account.reserved_usd + account.settled_usd == pytest.approx(BUDGET_USD, abs=1e-9)
        assert account.settled_usd > 0
        assert ledger.verify_chain().is_intact
    finally:
        ledger.close()
