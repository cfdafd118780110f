"""The chain of events in a database that somebody edits: by accident, which is refused, and with skill, which shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from qhybrid_pipelines.control.ledger.chain.event_chain import event_hash
from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.sql.queries import iter_event_rows
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.ledger_plans import apply_events, plan


@pytest.fixture(params=["sqlite", "postgres"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlLedger]:
    if request.param == "sqlite":
        ledger = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    else:
        ledger = SqlLedger.open_postgres(request.getfixturevalue("postgres_url"))
    for name in "abcd":
        apply_events(ledger, ledger.plan(plan(name)), Event.ACKNOWLEDGE, provider_job_id=f"p-{name}")
    yield ledger
    ledger.close()


def tamper(ledger: SqlLedger, *statements: str) -> None:
    """As somebody with the rights and the skill to remove triggers would."""
    with ledger._engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for trigger in ("changed", "removed", "replaced"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS event_is_never_{trigger}")
        else:
            connection.exec_driver_sql("ALTER TABLE event DISABLE TRIGGER USER")
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_an_untouched_chain_is_whole(filled: SqlLedger) -> None:
    report = filled.verify_chain(anchor=filled.head())
    assert report.is_intact
    assert report.events == 16


@pytest.mark.parametrize(
    "change", ["to_state = 'VERIFIED'", "at_us = at_us + 1", "detail = '{}'", "sequence = 99", "hash = 'f'"]
)
@pytest.mark.parametrize("position", [1, 9, 16])
def test_the_row_that_was_changed_is_named(filled: SqlLedger, change: str, position: int) -> None:
    tamper(filled, f"UPDATE event SET {change} WHERE position = {position}")
    report = filled.verify_chain()
    assert report.broken_at == position
    assert str(position) in report.problem


@pytest.mark.parametrize("position", [1, 9, 16])
def test_a_value_of_a_kind_that_is_never_written_is_named(position: int, tmp_path: Path) -> None:
    """SQLite takes any value in any column."""
    ledger = SqlLedger.open_sqlite(tmp_path / "ledger.db")
    for name in "abcd":
        apply_events(ledger, ledger.plan(plan(name)), Event.ACKNOWLEDGE, provider_job_id=f"p-{name}")
    tamper(ledger, f"UPDATE event SET at_us = x'00' WHERE position = {position}")
    assert ledger.verify_chain().broken_at == position
    ledger.close()


@pytest.mark.parametrize("position", [1, 9, 16])
def test_the_row_that_was_removed_is_named(filled: SqlLedger, position: int) -> None:
    tamper(filled, f"DELETE FROM event WHERE position = {position}")
    assert filled.verify_chain().broken_at == position


@pytest.mark.parametrize("position", [1, 9, 16])
def test_a_row_that_was_changed_with_its_own_hash_is_named(filled: SqlLedger, position: int) -> None:
    with filled._snapshot() as connection:
        row = list(iter_event_rows(connection))[position - 1]
    forged = event_hash(row | {"clock": "vendor"})
    tamper(filled, f"UPDATE event SET clock = 'vendor', hash = '{forged}' WHERE position = {position}")
    assert filled.verify_chain().broken_at == position


def test_a_rewritten_end_is_told_by_an_anchor_that_was_kept_elsewhere(filled: SqlLedger) -> None:
    anchor = filled.head()
    removed = filled.events()[13]
    tamper(
        filled,
        "DELETE FROM event WHERE position > 14",
        f"UPDATE chain_head SET position = 14, hash = '{removed.hash}'",
    )
    assert filled.verify_chain().is_intact
    assert filled.verify_chain(anchor).broken_at == 15
    apply_events(filled, filled.jobs(states={JobState.SUBMITTED})[0], Event.QUEUE)


#: Edits that a slip of the hand could make, by database.
ACCIDENTAL_EDITS = {
    "sqlite": (
        "UPDATE event SET raw_status = 'done'",
        "DELETE FROM event WHERE position = 3",
        "INSERT OR REPLACE INTO event SELECT * FROM event WHERE position = 3",
    ),
    "postgresql": (
        "UPDATE event SET raw_status = 'done'",
        "DELETE FROM event WHERE position = 3",
        "INSERT INTO event SELECT * FROM event WHERE position = 3 ON CONFLICT (position) DO UPDATE SET clock = 'vendor'",
        "TRUNCATE event",
        "TRUNCATE job CASCADE",
    ),
}


def test_events_cannot_be_edited_by_accident(filled: SqlLedger) -> None:
    for statement in ACCIDENTAL_EDITS[filled._engine.dialect.name]:
        with filled._engine.connect() as connection, pytest.raises(IntegrityError, match="append-only"):
            connection.exec_driver_sql(statement)
    assert filled.verify_chain().is_intact
