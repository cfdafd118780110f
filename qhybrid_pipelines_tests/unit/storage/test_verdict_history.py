"""What publications said: noted by change, kept through every rebuild, whole after a crash, and answered from by one query."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from qhybrid_pipelines.storage import analyst, schemas, warehouse
from qhybrid_pipelines.storage.analyst_questions import QUESTIONS
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines_tests.support import sample_experiments, sample_lake

SECOND = PartitionKey(experiment=sample_experiments.SECOND.key, backend="local:auto")
LAST_WEEK = next(question.sql for question in QUESTIONS if question.title == "Last week against this week?")


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def history(home):
    return analyst.query(home, "FROM verdict_history ORDER BY ALL").to_pylist()


def change_verdict(home, **facts):
    """Say something else about the second sample."""
    lake = Lake(home)
    [row] = lake.read(schemas.BASELINE_COMPARISONS, SECOND).to_pylist()
    lake.write(schemas.BASELINE_COMPARISONS, SECOND, from_rows(schemas.BASELINE_COMPARISONS, [row | facts]))


def test_only_what_changed_is_noted(home):
    ledger = sample_lake.write(home)
    warehouse.publish(home, ledger)
    first = history(home)
    assert len(first) == analyst.query(home, "FROM verdicts").num_rows > 4
    assert all(row["shown"] for row in first)
    warehouse.publish(home, ledger)
    assert history(home) == first
    change_verdict(home, verdict="quantum_better", gain=0.5)
    warehouse.publish(home, ledger)
    [new] = [row for row in history(home) if row not in first]
    assert (new["experiment"], new["verdict"], new["gain"]) == (SECOND.experiment, "quantum_better", 0.5)
    assert new["published_at"] > first[0]["published_at"]


def test_what_was_said_survives_the_warehouse(home):
    ledger = sample_lake.write(home)
    warehouse.publish(home, ledger)
    change_verdict(home, verdict="quantum_better")
    warehouse.publish(home, ledger)
    kept = history(home)
    warehouse.publish(home, ledger, rebuild=True)
    assert history(home) == kept
    home.warehouse.unlink()
    warehouse.publish(home, ledger)
    assert history(home) == kept
    assert len(kept) == len(home.verdict_history.read_text().splitlines())


def test_a_verdict_that_leaves_is_said_to_have_left_and_may_come_back(home):
    ledger = sample_lake.write(home)
    warehouse.publish(home, ledger)
    path = Lake(home).path(schemas.BASELINE_COMPARISONS, SECOND)
    content = path.read_bytes()
    path.unlink()
    warehouse.publish(home, ledger)
    path.write_bytes(content)
    warehouse.publish(home, ledger)
    told = [(row["shown"], row["verdict"]) for row in history(home) if row["experiment"] == SECOND.experiment]
    assert told == [(True, "tie"), (False, None), (True, "tie")]


def test_the_beginning_of_a_line_that_a_crash_left_is_cut_off(home):
    ledger = sample_lake.write(home)
    warehouse.publish(home, ledger)
    kept = history(home)
    with home.verdict_history.open("a") as file:
        file.write('{"published_at":"2026-')
    warehouse.publish(home, ledger)
    assert history(home) == kept
    assert home.verdict_history.read_text().endswith("}\n")


def test_a_line_that_was_noted_by_a_publication_that_failed_is_shown_by_the_next(home):
    ledger = sample_lake.write(home)
    warehouse.publish(home, ledger)
    older = home.warehouse.read_bytes()
    change_verdict(home, verdict="quantum_better")
    warehouse.publish(home, ledger)
    after, checksum = history(home), home.warehouse_checksum.read_bytes()
    home.warehouse.chmod(0o644)
    home.warehouse.write_bytes(older)
    warehouse.publish(home, ledger)
    assert history(home) == after
    assert home.warehouse_checksum.read_bytes() != checksum or home.warehouse.read_bytes() != older


@pytest.mark.parametrize("line", ["{", "[]", '{"published_at":"yesterday"}', "", '{"published_at":7}'])
def test_a_damaged_line_is_named_and_hurts_itself_only(home, line):
    ledger = sample_lake.write(home)
    warehouse.publish(home, ledger)
    kept = history(home)
    home.verdict_history.write_text(f"{line}\n{home.verdict_history.read_text()}")
    published = warehouse.publish(home, ledger)
    assert history(home) == kept
    [problem] = published.unreadable
    assert problem.startswith("verdict_history.jsonl: line 1: it cannot be read")
    assert warehouse.publish(home, ledger).unreadable == (problem,)
    home.verdict_history.write_text(home.verdict_history.read_text().partition("\n")[2])
    assert warehouse.publish(home, ledger).unreadable == ()
    assert history(home) == kept


def move_back(home, days):
    """Make what was noted so far some days older."""
    lines = []
    for line in home.verdict_history.read_text().splitlines():
        values = json.loads(line)
        at = datetime.fromisoformat(values["published_at"]) - timedelta(days=days)
        lines.append(json.dumps(values | {"published_at": at.isoformat()}) + "\n")
    home.verdict_history.write_text("".join(lines))


def test_last_week_against_this_week_is_one_query(home):
    ledger = sample_lake.write(home)
    warehouse.publish(home, ledger)
    move_back(home, 5)
    change_verdict(home, verdict="classical_better", mean_ratio=0.25)
    warehouse.publish(home, ledger)
    move_back(home, 5)  # the samples were noted ten days ago, the change five days ago
    change_verdict(home, verdict="quantum_better", mean_ratio=1.0)
    for cost in ledger["costs"]:
        cost["reconciled_usd"] = 1.0
    warehouse.publish(home, ledger)
    by_family = {row["family"]: row for row in analyst.query(home, LAST_WEEK).to_pylist()}
    maxcut = by_family["maxcut"]
    assert (maxcut["decided_then"], maxcut["decided_now"]) == (4, 4)
    assert (maxcut["better_then"], maxcut["better_now"]) == (0, 1)
    assert maxcut["ratio_then"] == pytest.approx((0.5 + 1.0 + 0.5 + 1.0) / 4)
    assert maxcut["ratio_now"] == pytest.approx((0.5 + 1.0 + 0.5 + 1.0) / 4)
    assert maxcut["spent_usd"] == pytest.approx(4 * 0.6)
    assert maxcut["new_or_changed"] == [SECOND.experiment]
    assert by_family["qml"]["new_or_changed"] == []


def test_what_is_new_this_week_had_no_verdict_last_week(home):
    warehouse.publish(home, sample_lake.write(home))
    [row] = [row for row in analyst.query(home, LAST_WEEK).to_pylist() if row["family"] == "maxcut"]
    assert (row["decided_then"], row["decided_now"], row["spent_usd"]) == (0, 4, pytest.approx(1.6))
    assert row["new_or_changed"] == sorted({sample.key for sample in sample_experiments.SAMPLES})


def test_moments_are_those_of_the_snapshots(home):
    before = datetime.now(UTC)
    warehouse.publish(home, sample_lake.write(home))
    [snapshot] = analyst.query(home, "SELECT published_at FROM snapshot").to_pylist()
    assert {row["published_at"] for row in history(home)} == {snapshot["published_at"]}
    assert before <= snapshot["published_at"] <= datetime.now(UTC)
