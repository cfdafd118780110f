"""Rows that somebody changed behind the ledger's back: each cell follows from the sealed events, and shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.sql import audit
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.jobs.circuit_jobs import Calibration
from qhybrid_pipelines_tests.contract.test_ledger_twins import actions, apply_history
from qhybrid_pipelines_tests.support.ledger_plans import apply_events, plan
from qhybrid_pipelines_tests.support.tampering import cells, drop_guards, fill, older_ledger, set_cell, tamper

Open = Callable[[], SqlLedger]


@pytest.fixture(params=["sqlite", "postgres"])
def open_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    ledgers = []

    def opened() -> SqlLedger:
        if request.param == "sqlite":
            ledgers.append(SqlLedger.open_sqlite(tmp_path / "ledger.db"))
        else:
            ledgers.append(SqlLedger.open_postgres(request.getfixturevalue("postgres_url")))
        return ledgers[-1]

    yield opened
    for ledger in ledgers:
        ledger.close()


@pytest.fixture
def ledger(open_ledger: Open) -> SqlLedger:
    made = open_ledger()
    fill(made)
    return made


def what_differs(ledger: SqlLedger, *, after: int = 0) -> list[str]:
    chain = ledger.verify_chain()
    return ([] if chain.is_intact else [str(chain.problem)]) + ledger.audit_rows(after=after)


def test_nothing_differs_in_a_ledger_that_nobody_touched(ledger: SqlLedger) -> None:
    assert what_differs(ledger) == []
    assert what_differs(ledger, after=3) == []
    assert [ledger.audit_rows(job_id=job.job_id) for job in ledger.jobs()] == [[]] * 5
    assert ledger.missing_guards() == []


#: Jobs of one experiment: what one of them was charged, or that it is gone, makes the budget of all of them wrong.
_SIBLINGS = {"j-done", "j-open", "j-approved", "j-again"}

#: One statement each, the words that name it, and the jobs that are not sent while it stands.
NAMED = {
    "cost": ("UPDATE job SET cost_microusd = 1 WHERE job_id = 'j-done'", "cost_microusd is 1,", {"j-done"}),
    "settled cost": (
        "UPDATE job SET cost_settled_microusd = 0 WHERE job_id = 'j-done'",
        "cost_settled_microusd is 0,",
        _SIBLINGS,
    ),
    "state": ("UPDATE job SET state = 'APPROVED' WHERE job_id = 'j-open'", "state is 'APPROVED'", {"j-open"}),
    "state and version": (
        "UPDATE job SET state = 'APPROVED', version = 2 WHERE job_id = 'j-open'",
        "state is 'APPROVED'",
        {"j-open"},
    ),
    "provider's id": ("UPDATE attempt SET provider_job_id = 'p-9' WHERE job_id = 'j-open'", "'p-9'", {"j-open"}),
    "provider's id gone": ("UPDATE attempt SET provider_job_id = NULL WHERE job_id = 'j-open'", "'p-2'", {"j-open"}),
    "token": ("UPDATE attempt SET token = 'mine' WHERE job_id = 'j-approved'", "token is 'mine'", {"j-approved"}),
    "limit": (
        "UPDATE budget SET limit_microusd = 99000000 WHERE experiment = 'karate-00000000'",
        "limit_microusd is 99000000",
        {"j-alone"},
    ),
    "reserved": (
        "UPDATE budget SET reserved_microusd = 0 WHERE experiment = 'karate-00000000'",
        "reserved_microusd is 0",
        {"j-alone"},
    ),
    "approval": ("UPDATE job SET approved_by = 'ada' WHERE job_id = 'j-approved'", "approved_by", {"j-approved"}),
    "deleted job": ("DELETE FROM job WHERE job_id = 'j-open'", "job j-open is not among the jobs", _SIBLINGS),
    "deleted attempt": ("DELETE FROM attempt WHERE job_id = 'j-open'", "attempt 1 of job j-open", {"j-open"}),
    "deleted result": ("DELETE FROM result_ref", "stored result of job j-done", {"j-done"}),
    "deleted budget": ("DELETE FROM budget WHERE experiment = 'karate-00000000'", "is not in the ledger", {"j-alone"}),
    "foreign attempt": (
        "INSERT INTO attempt VALUES ('j-open', 2, 'other', 'v', NULL, 'open', 5)",
        "attempt 2 of job j-open is in the ledger, and no event says so",
        {"j-open"},
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_changed_row_is_named(ledger: SqlLedger, name: str) -> None:
    statement, words, jobs = NAMED[name]
    tamper(ledger, statement)
    assert words in " ".join(ledger.audit_rows())
    assert ledger.verify_chain().is_intact, "no event was touched"
    assert words in " ".join(ledger.audit_rows(after=1)), "all these jobs have an event after the first"
    refused = {
        f"j-{name}" for name in ("done", "open", "approved", "again", "alone") if ledger.audit_rows(job_id=f"j-{name}")
    }
    assert refused == jobs


def test_a_state_or_a_job_is_missed_however_old_its_last_event_is(ledger: SqlLedger) -> None:
    """What only changed behind a check point is found by the full audit, but for what the database compares quickly."""
    end = ledger.head().position
    tamper(ledger, "UPDATE job SET state = 'APPROVED' WHERE job_id = 'j-done'")
    assert "state is 'APPROVED'" in " ".join(ledger.audit_rows(after=end))
    tamper(ledger, "DELETE FROM job WHERE job_id = 'j-done'")
    assert "job j-done is not among the jobs" in " ".join(ledger.audit_rows(after=end))


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE job SET state = 'FAILED' WHERE job_id = 'j-done'", "state is 'FAILED'"),
        ("UPDATE job SET version = 99 WHERE job_id = 'j-done'", "version is 99"),
        ("DELETE FROM job WHERE job_id = 'j-done'", "job j-done is not among the jobs"),
    ],
)
def test_the_parts_of_a_large_ledger_that_are_looked_at_cover_all_of_it(
    ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch, statement: str, words: str
) -> None:
    """Two of five jobs at a time, and events likewise: one of the parts has what is wrong, and none complains without it."""
    end = ledger.head().position
    monkeypatch.setattr(audit, "SAMPLE", 2)
    monkeypatch.setattr(audit, "EVENTS_PER_JOB", 5)

    def found() -> list[str]:
        said = []
        for part in range(1 + end // 10):
            monkeypatch.setattr(audit.secrets, "randbelow", lambda below, part=part: min(part, below - 1))
            said.append(" ".join(ledger.audit_rows(after=end)))
        return said

    assert not any(found())
    tamper(ledger, statement)
    told = [words in said for said in found()]
    assert any(told)
    # Rows of j-done are compared with those of its open siblings each time; that it is gone is seen in its part only.
    assert all(told) == statement.startswith("UPDATE")


def test_the_tail_that_was_cut_off_with_its_rows_is_told_by_a_note(ledger: SqlLedger) -> None:
    """Cut with skill, down to the head, the ledger is whole in itself; only what was noted elsewhere knows better."""
    before = ledger.head()
    ledger.plan(plan("last", budget=10.0))
    noted = ledger.head()
    tamper(
        ledger,
        *(["DROP TRIGGER event_is_never_removed"] if ledger._engine.dialect.name == "sqlite" else []),
        "DELETE FROM event WHERE job_id = 'j-last'",
        "DELETE FROM attempt WHERE job_id = 'j-last'",
        "DELETE FROM job WHERE job_id = 'j-last'",
        f"UPDATE chain_head SET position = {before.position}, hash = '{before.hash}'",
    )
    assert what_differs(ledger) == []
    assert ledger.contains(before)
    assert not ledger.contains(noted)
    assert not ledger.verify_chain(start=noted).is_intact


def test_emptied_tables_are_told_by_a_note(ledger: SqlLedger) -> None:
    noted = ledger.head()
    drop_guards(ledger)
    tables = ("event", "attempt", "result_ref", "job", "budget")
    start = ChainHead()
    tamper(
        ledger,
        *(f"DELETE FROM {table}" for table in tables),
        f"UPDATE chain_head SET position = 0, hash = '{start.hash}'",
    )
    assert what_differs(ledger) == []
    assert not ledger.contains(noted)


def test_a_trigger_that_is_gone_is_named(ledger: SqlLedger) -> None:
    drop_guards(ledger)
    assert {"event_is_never_changed"} < set(ledger.missing_guards())


#: Ways to keep a trigger's name and take its effect, by database.
SILENCED = {
    "sqlite": [
        (
            "DROP TRIGGER event_is_never_changed; "
            "CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event BEGIN SELECT 1; END"
        )
    ],
    "postgresql": [
        "ALTER TABLE event DISABLE TRIGGER event_is_never_changed",
        (
            "CREATE OR REPLACE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql "
            "AS $$ BEGIN RETURN NEW; END $$"
        ),
    ],
}


@pytest.mark.parametrize("way", [0, -1])
def test_a_trigger_that_does_nothing_is_named(ledger: SqlLedger, way: int) -> None:
    dialect = ledger._engine.dialect.name
    chosen = SILENCED[dialect][way]
    tamper(ledger, *(chosen.split("; ", 1) if dialect == "sqlite" else [chosen]))
    assert "event_is_never_changed" in ledger.missing_guards()


def change(value: object, drawn: st.DataObject) -> object:
    """Another value of the same kind, or none."""
    if isinstance(value, int):
        return drawn.draw(st.integers(0, 2**40).filter(lambda other: other != value) | st.none())
    words = st.sampled_from(["APPROVED", "VERIFIED", "accepted", "open", "x", "0" * 64]).filter(lambda w: w != value)
    if value is None:
        return drawn.draw(words)
    return drawn.draw(words | st.none())


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(history=st.lists(actions, min_size=1, max_size=12), data=st.data())
def test_one_changed_cell_of_any_history_is_found(
    history: list, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On SQLite, whose columns take what they are given; what the database itself refuses was not changed."""
    ledger = SqlLedger.open_sqlite(tmp_path_factory.mktemp("cell") / "ledger.db")
    try:
        apply_history(history, ledger)
        assert what_differs(ledger) == []
        found = cells(ledger)
        table, key, column, value = found[data.draw(st.integers(0, len(found) - 1))]
        drop_guards(ledger)
        try:
            tamper(ledger, set_cell(table, key, column, change(value, data)))
        except Exception as error:  # noqa: BLE001  any refusal of the database will do
            assert "constraint" in str(error).lower() or "datatype" in str(error).lower()  # noqa: PT017
            return
        assert (table, key, column, value) not in cells(ledger)
        assert what_differs(ledger) != []
    finally:
        ledger.close()


@pytest.mark.parametrize("revision", ["0001"])
def test_an_older_ledger_is_sealed_as_it_stands_and_goes_on(open_ledger: Open, revision: str, request) -> None:
    """A kept ledger of the release before: open paid jobs go on, and from now on its rows cannot be changed unseen."""
    make_older(request, revision)
    ledger = open_ledger()
    assert what_differs(ledger) == []
    jobs = {job.job_id: job for job in ledger.jobs()}
    assert {job_id: str(job.state) for job_id, job in jobs.items()} == {
        "j-verified": "VERIFIED",
        "j-open": "SUBMITTED",
        "j-approved": "APPROVED",
        "j-twice": "SUBMITTING",
        "j-other": "SUBMITTING",
    }
    assert [attempt.token for attempt in ledger.attempts("j-twice")] == ["token-twice", "token-twice-2"]
    done = apply_events(ledger, jobs["j-open"], Event.QUEUE, Event.START, Event.COMPLETE, cost_usd=2.0)
    assert done.cost_usd == 2.0
    assert what_differs(ledger) == []
    tamper(ledger, "UPDATE job SET cost_microusd = 1 WHERE job_id = 'j-verified'")
    assert "cost_microusd is 1, and its events say 1100000" in " ".join(what_differs(ledger))


@pytest.mark.parametrize("revision", ["0001"])
def test_a_calibration_of_an_older_ledger_is_kept_and_one_without_a_date_joins_it(
    open_ledger: Open, revision: str, request
) -> None:
    make_older(
        request, revision, "INSERT INTO calibration VALUES ('v:d', 'c', 1700000000000000, 1700000000000001, '{}')"
    )
    ledger = open_ledger()
    [kept] = ledger.calibrations("v:d")
    assert kept.calibration.calibration_id == "c"
    assert kept.calibration.measured_at == datetime.fromtimestamp(1_700_000_000, UTC)
    undated = Calibration(calibration_id="a", measured_at=None, fetched_at=datetime.now(UTC), payload={})
    assert ledger.add_calibration("v:d", undated)
    assert not ledger.add_calibration("v:d", undated)
    assert [stored.calibration.measured_at for stored in ledger.calibrations("v:d")] == [
        kept.calibration.measured_at,
        None,
    ]
    assert what_differs(ledger) == []


def make_older(request: pytest.FixtureRequest, revision: str, *more: str) -> None:
    """Write a ledger of an older release, and what else was in it, where the fixture `open_ledger` opens its own."""
    statements = [*older_ledger(revision), *more]
    if request.node.callspec.params["open_ledger"] == "sqlite":
        import sqlite3

        connection = sqlite3.connect(request.getfixturevalue("tmp_path") / "ledger.db")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()
        return
    from sqlalchemy import create_engine

    engine = create_engine(request.getfixturevalue("postgres_url"))
    with engine.begin() as connection:
        for statement in statements:
            if not statement.startswith("CREATE TRIGGER"):
                connection.exec_driver_sql(statement)
    engine.dispose()
