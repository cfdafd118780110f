"""The chain of events, link by link: each thing that can be wrong with it, and the place and the words by which it is told."""

from __future__ import annotations

import hashlib
import json

import pytest

from qhybrid_pipelines.control.ledger.chain.event_chain import ChainHead, ChainReport, event_hash, verify

COLUMNS = ("position", "job_id", "sequence", "event", "from_state", "to_state", "at_us", "observed_at_us", "clock")
COLUMNS += ("raw_status", "detail", "previous_hash")
NONE = "0" * 64


def sealed(row: dict) -> dict:
    """Return a row with its hash, by the formula of the page and not by the code."""
    values = [row[name] for name in COLUMNS] + ([row["facts"]] if row.get("facts") is not None else [])
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False)
    return row | {"hash": hashlib.sha256(text.encode()).hexdigest()}


def chain(count: int, *, previous: str = NONE) -> list[dict]:
    rows = []
    for position in range(1, count + 1):
        row = {name: f"{name} {position} é" for name in COLUMNS} | {"position": position, "previous_hash": previous}
        row |= {"sequence": position, "at_us": position, "observed_at_us": position, "raw_status": None}
        rows.append(sealed(row | {"facts": f'{{"a":{position}}}' if position % 2 else None}))
        previous = rows[-1]["hash"]
    return rows


ROWS = chain(5)
HEAD = ChainHead(position=5, hash=ROWS[-1]["hash"])


def link(position: int, rows=ROWS) -> ChainHead:
    return ChainHead(position=position, hash=rows[position - 1]["hash"] if position else NONE)


def broken(position: int, what: str) -> ChainReport:
    return ChainReport(events=position - 1, broken_at=position, problem=f"event {position} {what}")


@pytest.mark.parametrize("row", ROWS[:2], ids=["with facts", "without"])
def test_a_hash_covers_every_stored_column(row) -> None:
    assert event_hash(row) == row["hash"]
    for name in (*COLUMNS, "facts"):
        assert event_hash(row | {name: "other"}) != row["hash"], name
    older = {name: value for name, value in ROWS[1].items() if name != "facts"}
    assert event_hash(older) == ROWS[1]["hash"], "an event of before there were facts has the same hash"


def test_a_whole_chain_is_intact_from_anywhere() -> None:
    assert verify(ROWS, HEAD) == ChainReport(events=5)
    assert verify(ROWS, HEAD).is_intact
    assert verify([], ChainHead()) == ChainReport(events=0)
    for position in range(6):
        assert verify(ROWS, HEAD, link(position)) == ChainReport(events=5)
        assert verify(ROWS[position:], HEAD, start=link(position)) == ChainReport(events=5)


@pytest.mark.parametrize("position", range(1, 6))
@pytest.mark.parametrize("column", ["event", "detail", "facts", "hash", "at_us"])
def test_a_changed_cell_is_told_at_its_row(position, column) -> None:
    rows = [row | {column: "other"} if row["position"] == position else row for row in ROWS]
    assert verify(rows, HEAD) == broken(position, "does not match its own hash")
    assert not verify(rows, HEAD).is_intact


@pytest.mark.parametrize("value", [b"\x00", float("nan"), object()])
def test_a_value_that_no_ledger_writes_matches_no_hash(value) -> None:
    assert verify([ROWS[0] | {"at_us": value}], link(1)) == broken(1, "does not match its own hash")


@pytest.mark.parametrize("position", range(1, 6))
def test_a_removed_row_is_told(position) -> None:
    assert verify([row for row in ROWS if row["position"] != position], HEAD) == broken(position, "is missing")


@pytest.mark.parametrize("position", range(1, 5))
def test_a_row_that_was_replaced_with_its_hash_is_told_by_the_one_behind_it(position) -> None:
    rows = list(ROWS)
    rows[position - 1] = sealed(rows[position - 1] | {"event": "other"})
    assert verify(rows, HEAD) == broken(position, "was replaced by another one")


def test_a_first_row_that_follows_something_is_told() -> None:
    rows = chain(2, previous="1" * 64)
    assert verify(rows, link(2, rows)) == broken(1, "was replaced by another one")


def test_a_last_row_that_was_replaced_is_told_by_the_head() -> None:
    rows = [*ROWS[:-1], sealed(ROWS[-1] | {"event": "other"})]
    assert verify(rows, HEAD) == broken(5, "was replaced by another one")


def test_rows_that_were_cut_off_or_added_are_told_by_the_head() -> None:
    assert verify(ROWS[:3], HEAD) == broken(4, "is missing")
    assert verify(ROWS, link(3)) == broken(4, "was inserted")
    assert verify([], link(1)) == broken(1, "is missing")
    assert verify(ROWS[:1], ChainHead()) == broken(1, "was inserted")


def test_a_link_that_was_noted_elsewhere_tells_a_chain_that_is_whole_in_itself() -> None:
    forged = ROWS[:2]
    previous = ROWS[1]["hash"]
    for row in ROWS[2:]:
        forged.append(sealed(row | {"event": "forged", "previous_hash": previous}))
        previous = forged[-1]["hash"]
    head = ChainHead(position=5, hash=previous)
    assert verify(forged, head) == ChainReport(events=5)
    for position in range(3):
        assert verify(forged, head, link(position)).is_intact
    for position in (3, 4, 5):
        assert verify(forged, head, link(position)) == broken(position, "was replaced after the anchor was noted")
    assert verify(ROWS[:4], link(4), HEAD) == broken(5, "is missing")
    assert verify(ROWS[3:4], link(4), HEAD, start=link(3)) == broken(5, "is missing")
