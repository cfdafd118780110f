"""What a ledger in a database says where rows are missing or changed, where its server went away, and what a fork leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from qhybrid_pipelines.control.ledger import sql_ledger
from qhybrid_pipelines.control.ledger.errors import LedgerUnreachable
from qhybrid_pipelines.control.ledger.sql import audit
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.ledger_plans import plan
from qhybrid_pipelines_tests.support.tampering import drop_guards, fill, tamper


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    """A ledger in a file, whichever database other tests are run with."""
    made = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    yield made
    made.close()


class TestDamage:
    @pytest.mark.parametrize(
        ("statement", "read", "problem"),
        [
            (
                "DELETE FROM chain_head",
                lambda ledger: ledger.head(),
                "the row with the last link of the chain of events is missing",
            ),
            ("DELETE FROM home", lambda ledger: ledger.identity(), "the row with the home's id is missing"),
            ("UPDATE job SET state = 'NONSENSE'", lambda ledger: ledger.jobs(), "a stored value cannot be read ("),
            ("UPDATE event SET at_us = x'00'", lambda ledger: ledger.events(), "a stored value cannot be read ("),
        ],
    )
    def test_what_every_ledger_has_and_this_one_lacks_is_told(self, ledger, tmp_path, statement, read, problem) -> None:
        ledger.plan(plan("a"))
        drop_guards(ledger)
        tamper(ledger, statement)
        with pytest.raises(CorruptFile) as damage:
            read(ledger)
        told = str(damage.value)
        assert problem in told
        assert ": the ledger was changed from outside" in told
        assert str(tmp_path / "ledger.db") in told
        assert (
            "Put the newest backup of the ledger back; docs/runbook.md says how, under 'The ledger was changed'."
            in told
        )

    def test_one_job_is_audited_with_its_events_and_its_budget(self, ledger) -> None:
        fill(ledger)
        assert ledger.audit_rows(job_id="j-done") == []
        tamper(ledger, "UPDATE budget SET settled_microusd = 5 WHERE experiment = 'maxcut-small-00000000'")
        name = "the budget of experiment 'maxcut-small-00000000'"
        assert ledger.audit_rows(job_id="j-done") == [f"{name}: settled_microusd is 5, and its events say 1100000"]
        assert ledger.audit_rows(job_id="j-alone") == []
        drop_guards(ledger)
        tamper(ledger, "UPDATE event SET clock = 'vendor' WHERE job_id = 'j-done' AND sequence IN (2, 4)")
        broken = [event.position for event in ledger.events("j-done") if event.sequence in (2, 4)]
        said = [f"event {position} does not match its own hash" for position in broken]
        assert ledger.audit_rows(job_id="j-done") == said
        tamper(ledger, "UPDATE event SET at_us = x'00' WHERE job_id = 'j-open' AND sequence = 1")
        assert len(ledger.audit_rows(job_id="j-open")) == 1

    @pytest.mark.parametrize("at_once", [1, 2, 500])
    def test_jobs_are_audited_in_pages_and_their_siblings_count_for_the_budget(
        self, ledger, monkeypatch, at_once
    ) -> None:
        monkeypatch.setattr(audit, "JOBS_PER_PAGE", at_once)
        fill(ledger)
        last = ledger.head().position
        settled = [job for job in ledger.jobs() if job.state is JobState.VERIFIED]
        assert [job.job_id for job in settled] == ["j-done"]
        for after in (0, 1, last - 1, last):
            assert ledger.audit_rows(after=after) == [], after
        tamper(ledger, "UPDATE job SET cost_settled_microusd = 1 WHERE job_id = 'j-done'")
        sentence = "job j-done: cost_settled_microusd is 1, and its events say 1100000"
        assert ledger.audit_rows() == [sentence]
        assert ledger.audit_rows(after=last) == [sentence], "it shares a budget with jobs that are not settled"
        tamper(ledger, "UPDATE budget SET reserved_microusd = 9 WHERE experiment = 'karate-00000000'")
        more = "the budget of experiment 'karate-00000000': reserved_microusd is 9, and its events say 500000"
        assert ledger.audit_rows() == [sentence, more]
        tamper(ledger, "DELETE FROM budget")
        assert len(ledger.audit_rows()) == 3
        tamper(ledger, "INSERT INTO budget VALUES ('nobody-00000000', 1, 0, 0)")
        assert (
            "the budget of experiment 'nobody-00000000' is in the ledger, and no event says so" in ledger.audit_rows()
        )


class TestConnections:
    @pytest.mark.parametrize("lost", [True, False])
    def test_a_server_that_went_away_is_told_and_other_errors_are_what_they_are(self, ledger, lost) -> None:
        error = DBAPIError("SELECT", {}, OSError("gone"), connection_invalidated=lost)
        for enter in (ledger._transaction, ledger._snapshot):
            with pytest.raises(LedgerUnreachable if lost else DBAPIError) as told, enter():
                raise error
            if lost:
                assert told.value.exit_code == 3
                assert str(told.value) == (
                    "the ledger's server went away in the middle of a transaction, which was written whole or not at all. "
                    "Run the same command again: it reads what is there and goes on from it."
                )
            else:
                assert told.value is error

    def test_a_forked_child_leaves_its_parents_connections_alone(self, ledger, monkeypatch) -> None:
        ledger.plan(plan("a"))
        disposed = []
        monkeypatch.setattr(type(ledger._engine), "dispose", lambda _, *, close=True: disposed.append(close))
        parent = ledger._process
        monkeypatch.setattr(sql_ledger.os, "getpid", lambda: parent + 1)
        assert [job.job_id for job in ledger.jobs()] == ["j-a"]
        assert ledger.jobs()
        assert disposed == [False]
        sql_ledger._close(ledger._engine, parent)
        assert disposed == [False], "no handle of SQLite is touched in a fork"
        sql_ledger._close(ledger._engine, parent + 1)
        assert disposed == [False, True]
