"""The tables of a new ledger are what a released one becomes: columns, keys, constraints, indexes and triggers, one by one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from qhybrid_pipelines.control.ledger.records import Outcome
from qhybrid_pipelines.control.ledger.sql.stored_values import (
    from_microseconds,
    stored_json,
    stored_text,
    to_microseconds,
)
from qhybrid_pipelines.control.ledger.sql.tables import JobStateText, OutcomeText, UsdAmount, UtcTimestamp
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines_tests.support.tampering import older_ledger


def description(path: Path) -> dict[str, Any]:
    """Return what a database says of its tables; what was added by a later release stands behind what was there."""
    with closing(sqlite3.connect(path)) as database:
        found = {}
        for kind, name, text in database.execute("SELECT type, name, sql FROM sqlite_master").fetchall():
            if kind == "table":
                columns = [tuple(row[1:]) for row in database.execute(f"PRAGMA table_info({name})")]
                rules = sorted(
                    " ".join(line.split()).rstrip(", ") for line in text.splitlines() if "CONSTRAINT" in line
                )
                found[name] = (sorted(columns, key=lambda column: column[0]), rules)
            elif text:
                found[name] = " ".join(text.split())
        return found


def test_a_new_ledger_has_what_a_released_one_has_after_its_upgrade(tmp_path: Path) -> None:
    older, new = tmp_path / "older.db", tmp_path / "new.db"
    with closing(sqlite3.connect(older)) as database:
        for statement in older_ledger("0001"):
            database.execute(statement)
        database.commit()
    before = description(older)
    for path in (older, new):
        SqlLedger.open_sqlite(path).close()
    expected, found = description(older), description(new)
    assert set(found) == set(expected)
    # The upgrade has put the name of the table in front of this constraint once more.
    columns, rules = expected["home"]
    expected["home"] = columns, [rule.replace("home_home_", "home_") for rule in rules]
    for name in expected:
        assert found[name] == expected[name], name
    assert set(before) < set(expected), "the upgrade has added something"
    assert before["attempt"] == expected["attempt"] == found["attempt"]


AT = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        (UtcTimestamp(), AT, 1_777_636_800_123_456),
        (UtcTimestamp(), datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
        (UsdAmount(), 1.25, 1_250_000),
        (UsdAmount(), 0.000001, 1),
    ],
)
def test_a_value_is_stored_as_a_whole_number_and_comes_back(kind, value, stored) -> None:
    assert kind.process_bind_param(value, None) == stored
    assert kind.process_result_value(stored, None) == value
    assert kind.process_bind_param(None, None) is None
    assert kind.process_result_value(None, None) is None


@pytest.mark.parametrize(("kind", "names"), [(JobStateText(), JobState), (OutcomeText(), Outcome)])
def test_names_come_back_as_what_they_name(kind, names) -> None:
    for name in names:
        assert kind.process_result_value(str(name), None) is name
    assert kind.process_result_value(None, None) is None
    with pytest.raises(ValueError, match="nonsense"):
        kind.process_result_value("nonsense", None)


def test_times_are_counted_in_microseconds_of_utc() -> None:
    assert from_microseconds(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert to_microseconds(datetime(1970, 1, 2, tzinfo=UTC)) == 86_400_000_000
    assert from_microseconds(to_microseconds(AT) + 1) - AT == timedelta(microseconds=1)


def test_characters_that_no_database_holds_are_replaced_and_others_stay() -> None:
    assert stored_text("a\x00b\ud800c\udfffd") == "a\ufffdb\ufffdc\ufffdd"
    assert stored_text("\x01 \ud7ff \ue000 é \U0001f600") == "\x01 \ud7ff \ue000 é \U0001f600"
    assert stored_json(None) is None
    assert stored_json({"b": 1.5, "a": "x\ud800y"}) == '{"a":"x\ufffdy","b":1.5}'
    with pytest.raises(ValueError, match="JSON"):
        stored_json({"a": float("nan")})
