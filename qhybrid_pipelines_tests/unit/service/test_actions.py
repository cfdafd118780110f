"""Decisions over HTTP are those of the command line, also where nobody knows what became of a job."""

from __future__ import annotations

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.service.actions import Actions
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.job_histories import UNKNOWN, write_job_history

DOUBT = "j" + "2" * 16


def test_a_cancellation_of_a_job_in_doubt_is_noted_once(tmp_path) -> None:
    home = Home(tmp_path / "home").make()
    ledger = SqlLedger.open_sqlite(home.ledger)
    write_job_history(ledger, DOUBT, UNKNOWN)
    actions = Actions(Workspace(home), "ada", lambda _: True)
    first, second = (actions.cancel(DOUBT) for _ in range(2))
    assert first == second
    assert first.state is JobState.SUBMIT_UNKNOWN
    last = ledger.events(DOUBT)[-1]
    assert (last.event, last.detail) == ("JobCancelIntended", {"purpose": "cancel", "by": "ada"})
    ledger.close()
