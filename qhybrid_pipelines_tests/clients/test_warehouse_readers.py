"""The warehouse in the clients that analysts have: the oldest and the newest DuckDB of 1.x, each in an environment of its own.

They see every row of every table and view, and answer every worked question as the pinned release does. ``make test-clients``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from qhybrid_pipelines.storage import warehouse_tables, warehouse_views
from qhybrid_pipelines.storage.analyst_questions import QUESTIONS
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.warehouse import publish
from qhybrid_pipelines_tests.support import sample_lake
from qhybrid_pipelines_tests.support.client_environments import LISTS, check_list, make_environment

READERS = ("duckdb-1.2", "duckdb-1.5")
ASKED = {
    "relations": [relation.name for relation in (*warehouse_tables.TABLES, *warehouse_views.VIEWS)],
    "questions": [question.sql for question in QUESTIONS],
}

pytestmark = pytest.mark.clients


def ask(python: Path | str, warehouse: Path) -> dict:
    """Return what a client in another environment says of a warehouse."""
    ended = subprocess.run(
        [python, "-P", Path(__file__).with_name("life_duckdb.py"), warehouse],
        input=json.dumps(ASKED),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    said: dict = json.loads(ended.stdout)
    return said


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("readers") / "home").make()
    publish(home, sample_lake.write(home))
    return home


@pytest.mark.parametrize("name", READERS)
def test_a_client_of_1_x_sees_what_ours_sees(home, name):
    python = make_environment(name, "3.11")
    ours, theirs = ask(sys.executable, home.warehouse), ask(python, home.warehouse)
    assert theirs["version"].startswith(f"{name.removeprefix('duckdb-')}.")
    assert theirs["relations"] == ours["relations"]
    assert all(
        ours["relations"][table] for table in ("jobs", "verdicts", "changes", "verdict_history", "qpu_result_sets")
    )
    for question, here, there in zip(QUESTIONS, ours["questions"], theirs["questions"], strict=True):
        assert there == here, question.title
    assert not theirs["wrote"]
    print(
        f"DuckDB {theirs['version']}: {len(ASKED['relations'])} relations, {len(QUESTIONS)} questions", file=sys.stderr
    )


def test_every_list_of_a_reader_is_exact():
    assert {path.stem for path in LISTS.glob("duckdb*.txt")} == set(READERS)
    for name in READERS:
        check_list(name, "duckdb")
