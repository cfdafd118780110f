"""Decisions that an earlier version has written are there with the words of this one."""

from pathlib import Path

import pytest

from qhybrid_pipelines.core.vocabulary.decision_words import CandidateOutcome, DecisionState
from qhybrid_pipelines.storage import decision_database
from qhybrid_pipelines.storage.decision_database import connect, warehouse_rows

#: The word of the first version for each outcome of a candidate.
FIRST_WORDS = {
    "kept_"
    + {"noise_like": "noise_gate", "already_upgraded": "upgraded_before", "already_used": "used_before"}.get(
        one, one
    ): one
    for one in CandidateOutcome
    if one != "upgraded"
} | {"upgraded": "upgraded"}


@pytest.fixture
def first_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with the tables of the first version: a decision for each outcome, and the times of a method."""
    path = tmp_path / "decisions.db"
    with monkeypatch.context() as patched:
        patched.setattr(decision_database, "_VERSIONS", decision_database._VERSIONS[:1])
        connection = connect(path)
    for place, word in enumerate(FIRST_WORDS):
        connection.execute(
            "INSERT INTO decision (id, principal, subject, family, variables, instance_sha256, content_sha256, min_gain, "
            "confidence, uncertain, state, version, reason, boot, deadline, last_outcome, opened_at, expires_at, "
            "deadline_seconds, answer_seconds, quantum, revision) VALUES (?, 'ann', 's', 'maxcut', '[]', 'h', 'h', 0, 0, 0, "
            "'kept', 1, ?, 'b', 1, ?, '2026-01-05T12:00:00+00:00', '2026-01-05T12:00:00+00:00', 1, 1, 'ended', 1)",
            (f"d{place}", word, word),
        )
        connection.execute(
            "INSERT INTO answer (decision, place, source, assignment, feasible, proved, after_seconds, outcome, jobs) "
            "VALUES (?, 0, 'greedy', '1', 1, 0, 0, ?, '[]')",
            (f"d{place}", word),
        )
    connection.execute("INSERT INTO rung_time VALUES ('maxcut', 3, 'greedy', '[0.5]')")
    connection.close()
    return path


def test_states_and_outcomes_get_the_words_of_this_version(first_version: Path) -> None:
    assert warehouse_rows(first_version) == []  # until the service has opened it
    for _ in range(2):
        connection = connect(first_version)
        rows = connection.execute("SELECT state, reason, last_outcome FROM decision ORDER BY number").fetchall()
        assert [tuple(row) for row in rows] == [(DecisionState.RETAINED, new, new) for new in FIRST_WORDS.values()]
        assert [row["family"] for row in connection.execute("SELECT * FROM method_time WHERE method = 'greedy'")] == [
            "maxcut"
        ]
        connection.close()
    rows_now = warehouse_rows(first_version)
    assert {row["outcome"] for row in rows_now} == set(CandidateOutcome)
    assert {row["high_gain"] for row in rows_now} == {None}  # was not judged then
