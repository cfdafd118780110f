"""Counts and sums over jobs: in SQLite, on Postgres and in memory, which sums one job after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qhybrid_pipelines.control.ledger.port import Ledger
from qhybrid_pipelines.control.ledger.spending import SpendingLimit
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.job_histories import COMPLETE, NOON, noon_plus, write_job_history
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "sqlite":
        made = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    else:
        made = SqlLedger.open_postgres(request.getfixturevalue("postgres_url"), server_clock=False)
    yield made
    made.close()


def totals_of(ledger: Ledger) -> list[object]:
    names = {job.experiment for job in ledger.jobs()}
    return [
        ledger.job_totals(),
        ledger.job_totals(without=min(names, default=None), since=noon_plus(3)),
        ledger.budget_totals(),
        ledger.principals(),
        *(
            ledger.newest_accepted(name, planned_before=noon_plus(late), limit=2)
            for name in ("ionq:simulator", "v:d", "nobody")
            for late in (0, 2, 10_000)
        ),
        *(
            ledger.committed_usd(SpendingLimit(limit_usd=1.0, per="ever"), NOON, without=without)
            for without in ("", *sorted(job.job_id for job in ledger.jobs()))
        ),
    ]


def test_totals_are_those_of_jobs_summed_one_after_the_other(ledger: Ledger) -> None:
    memory = MemoryLedger()
    assert totals_of(ledger) == totals_of(memory)
    for number in range(12):
        for there in (ledger, memory):
            write_job_history(
                there,
                f"j{number:02}",
                COMPLETE[: 2 + number % (len(COMPLETE) - 1)],
                experiment=f"x{number % 3}-00000000",
                cost_quoted_usd=0.1 * number,
                budget_usd=99.0,
            )
    assert totals_of(ledger) == totals_of(memory)
    assert sum(one.jobs for one in ledger.job_totals()) == 12
    verified = [one for one in ledger.job_totals() if one.state is JobState.VERIFIED]
    assert [one.charged_usd for one in verified] == [
        pytest.approx(sum(job.cost_settled_usd or 0 for job in ledger.jobs(states=[JobState.VERIFIED])))
    ]
