"""Changing a ledger behind its back, as somebody who may write to its database can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.port import Ledger, StoredResult
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines_tests.support.ledger_plans import apply_events, plan

#: Tables of which every cell follows from the events, and what names a row of each.
SEALED_TABLES = {
    "job": ("job_id",),
    "attempt": ("job_id", "number"),
    "event": ("position",),
    "chain_head": ("id",),
    "budget": ("experiment",),
    "result_ref": ("job_id",),
}


def drop_guards(ledger: SqlLedger) -> None:
    """Take the triggers away."""
    with ledger._engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for trigger in ("changed", "removed", "replaced"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS event_is_never_{trigger}")
        else:
            for trigger in ("changed", "emptied"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS event_is_never_{trigger} ON event")


def tamper(ledger: SqlLedger, *statements: str) -> None:
    """Run statements without the checks of foreign keys, which whoever owns the database can switch off."""
    with ledger._engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        cursor = raw.cursor()
        is_sqlite = connection.dialect.name == "sqlite"
        cursor.execute("PRAGMA foreign_keys=OFF" if is_sqlite else "SET session_replication_role = replica")
        for statement in statements:
            cursor.execute(statement)
        raw.commit()
        cursor.execute("PRAGMA foreign_keys=ON" if is_sqlite else "SET session_replication_role = DEFAULT")
        raw.commit()


def fill(ledger: Ledger) -> None:
    """Write four lives: one that ended with a result, one with its provider, one approved, one sent for a second time."""
    terms = {"quote": 1.25, "budget": 10.0}
    done = apply_events(ledger, ledger.plan(plan("done", **terms)), Event.ACKNOWLEDGE, provider_job_id="p-1")
    done = apply_events(ledger, done, Event.QUEUE, Event.START, Event.COMPLETE, cost_usd=1.1)
    kept = StoredResult(sha256="5" * 64, size_bytes=321, content_type="application/json")
    apply_events(ledger, apply_events(ledger, done, Event.FETCH, result=kept), Event.VERIFY)
    apply_events(ledger, ledger.plan(plan("open", **terms)), Event.ACKNOWLEDGE, provider_job_id="p-2")
    ledger.plan(plan("approved", events=(Event.PLAN, Event.APPROVE), **terms))
    again = apply_events(ledger, ledger.plan(plan("again", **terms)), Event.MARK_UNKNOWN)
    again = apply_events(ledger, again, Event.CONFIRM_ABSENT)
    apply_events(ledger, again, Event.SUBMIT, new_token="token-again-2")
    ledger.plan(plan("alone", experiment="karate-00000000", quote=0.5, budget=0.5))


def cells(ledger: SqlLedger) -> list[tuple[str, dict[str, Any], str, Any]]:
    """Return every cell of the sealed tables: table, what names its row, column, value."""
    found = []
    with ledger._engine.connect() as connection:
        for table, key in SEALED_TABLES.items():
            rows = connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY {', '.join(key)}").mappings().all()
            found += [
                (table, {name: row[name] for name in key}, column, value)
                for row in rows
                for column, value in row.items()
            ]
    return found


def set_cell(table: str, key: dict[str, Any], column: str, value: Any) -> str:
    """Return the statement that puts another value into a cell."""
    where = " AND ".join(f"{name} = {literal(known)}" for name, known in key.items())
    return f"UPDATE {table} SET {column} = {literal(value)} WHERE {where}"


def literal(value: Any) -> str:
    """Return a value as SQL."""
    return "NULL" if value is None else repr(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def older_ledger(revision: str) -> list[str]:
    """Return the statements that make a ledger as an older release wrote it."""
    file = Path(__file__).parents[1] / "contract" / "older_ledgers" / f"{revision}.sql"
    text = "\n".join(line for line in file.read_text().splitlines() if not line.startswith("-- "))
    return [statement.strip() for statement in text.split("\n--\n") if statement.strip()]


def book(folder: Path) -> list[dict[str, Any]]:
    """Return what a provider on disk was ever asked to run."""
    path = folder / "book.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
