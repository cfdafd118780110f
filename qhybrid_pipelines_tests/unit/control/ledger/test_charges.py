"""What executions were charged, read past the ledger's own class, is what that class says of its jobs."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from qhybrid_pipelines.control.ledger.charges import read_charges
from qhybrid_pipelines.core.errors import InvalidInput

JOBS = [("a", "ionq:x", 1_500_000), ("a", "ionq:x", 250_000), ("a", "local:auto", None), ("b", "ionq:x", 1)]


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "a # b %.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE job (experiment TEXT, requested_backend TEXT, cost_settled_microusd INTEGER)")
        connection.executemany("INSERT INTO job VALUES (?, ?, ?)", JOBS)
    return path


def test_the_settled_costs_of_an_execution_are_summed_and_none_is_nothing(ledger):
    assert read_charges(ledger) == {("a", "ionq:x"): 1.75, ("a", "local:auto"): 0.0, ("b", "ionq:x"): 1e-6}


def test_what_a_log_holds_counts_too(ledger):
    with closing(sqlite3.connect(ledger)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("INSERT INTO job VALUES ('c', 'ionq:x', 2000000)")
        writer.commit()
        assert read_charges(ledger)["c", "ionq:x"] == 2.0


def test_a_file_of_another_kind_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_text("not a database, and longer than a header of one, so that it is read as what it is" * 8)
    with pytest.raises(InvalidInput, match="cannot be read") as refused:
        read_charges(path)
    assert (refused.value.file, "qhybrid doctor" in str(refused.value)) == (str(path), True)
