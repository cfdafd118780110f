"""Rows that are written without MLflow are those that MLflow's own client writes, and what it would change is left to it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from qhybrid_pipelines.storage import mlflow_rows, mlflow_schema
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tracking import Tracker
from qhybrid_pipelines.storage.tracking_record import TrackingRecord

# MLflow and what it is built on warn about each other while they are imported and used
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

RECORD = TrackingRecord(
    key="maxcut-square-01234567|local:auto",
    family="maxcut",
    name="größe of a square on local:auto",
    params={"layers": 2, "shots": 1024, "mixer": None, "angle": 0.1, "problem.options/weight": "a b"},
    metrics={"ratio": 0.75, "cost_usd": 0.0, "gain": None, "steps.value": 3.0},
    tags={"verdict": "tie", "owner": "ö"},
    series={
        "energy": [(0, 1.5), (2, 0.5), (1, 9.0)],
        "steps.value": [(0, 2.0), (0, 5.0)],
        "flat": [(0, 1.0), (0, 1.0)],
    },
    specification={"name": "maxcut square"},
    circuit="OPENQASM 3.0;\n",
    counts=(("0101", 600), ("1010", 424)),
    verdict={"verdict": "tie"},
    dagster_run_id="dagster-1",
    parent_run_id="parent-1",
)


def filled_for_mlflow(database, _artifacts):
    """Leave the first experiment to MLflow, which finds its tables made."""
    assert mlflow_schema.fill(database)
    return False


def left(home):
    """Return all rows and files of a store, with times, ids of runs and the home's place taken out."""
    found = []
    with closing(sqlite3.connect(home.mlflow / "mlflow.db")) as connection:
        runs = [row[0] for row in connection.execute("SELECT run_uuid FROM runs ORDER BY name")]
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in names:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            rows = connection.execute(f"SELECT * FROM {table}")
            found += [f"{table} {sorted(zip(columns, row, strict=True))}" for row in rows]
    files = [
        f"{path.relative_to(home.mlflow)} {path.read_bytes()!r}"
        if path.is_file()
        else f"{path.relative_to(home.mlflow)}"
        for path in home.mlflow.rglob("*")
        if path.name != "mlflow.db"
    ]
    place = home.path.as_uri()
    texts = [re.sub(r"\b1[0-9]{12}\b", "TIME", text.replace(place, "HOME")) for text in (*found, *files)]
    for number, run in enumerate(runs):
        texts = [text.replace(run, f"RUN{number}") for text in texts]
    return sorted(texts)


def test_rows_and_files_are_those_of_the_client(tmp_path, monkeypatch):
    records = [RECORD, replace(RECORD, key="second", name="another", parent_run_id=None, dagster_run_id=None)]
    records.append(TrackingRecord(key="third", family="job shop & co", name="the third"))
    ours, theirs = Home(tmp_path / "a home, größer" / "x"), Home(tmp_path / "a home, größer" / "y")
    results = [Tracker(ours).record(record) for record in records]
    assert not any(result.spooled for result in results)
    # The control: without the head of the migrations, every record goes through MLflow.
    monkeypatch.setattr(mlflow_rows, "make_store", filled_for_mlflow)
    monkeypatch.setattr(mlflow_schema, "head", lambda: None)
    by_client = [Tracker(theirs).record(record) for record in records]
    assert not any(result.spooled for result in by_client)
    assert left(ours) == left(theirs)
    assert [result.url.split("/runs/")[0] for result in results] == [
        result.url.split("/runs/")[0] for result in by_client
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"params": {"long": "x" * 6001}},
        {"params": {"empty": ""}},
        {"params": {"bad?name": 1}},
        {"params": {"a/../b": 1}},
        {"params": {"a//b": 1}},
        {"tags": {"long": "x" * 8001}},
        {"tags": {"mlflow.runName": "other"}},
        {"metrics": {"m": float("nan")}},
        {"metrics": {"m": float("inf")}},
        {"series": {"m": [(0, float("-inf"))]}},
        {"metrics": {"n" * 251: 1.0}},
        {"name": ""},
        {"parent_key": "above"},
        {"dataset": {"name": "d"}},
    ],
)
def test_what_mlflow_would_refuse_cut_or_look_up_is_left_to_it(tmp_path, change):
    home = Home(tmp_path).make()
    database = home.mlflow / "mlflow.db"
    assert mlflow_rows.make_store(database, "file:///nowhere/Default")
    before = database.read_bytes()
    artifacts = (tmp_path / "files").as_uri()
    assert mlflow_rows.write_new_run(database, replace(RECORD, **change), artifacts=artifacts, busy_seconds=1) is None
    assert (database.read_bytes(), (tmp_path / "files").exists()) == (before, False)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alembic_version SET version_num = 'unknown'",
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) VALUES (7, 'qhybrid/maxcut', 'file:///x', 'deleted')",
        "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) VALUES (7, 'qhybrid/maxcut', 's3://x', 'active')",
    ],
)
def test_a_store_that_somebody_changed_is_left_to_mlflow(tmp_path, statement):
    home = Home(tmp_path).make()
    database = home.mlflow / "mlflow.db"
    assert mlflow_rows.make_store(database, "file:///nowhere/Default")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)
    artifacts = (tmp_path / "files").as_uri()
    assert mlflow_rows.write_new_run(database, RECORD, artifacts=artifacts, busy_seconds=1) is None


def test_a_run_whose_files_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    home = Home(tmp_path).make()
    database = home.mlflow / "mlflow.db"
    assert mlflow_rows.make_store(database, "file:///nowhere/Default")

    def full(_record, folder):
        (folder / "half").write_text("half")
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(TrackingRecord, "write_files", full)
        with pytest.raises(OSError, match="no space"):
            mlflow_rows.write_new_run(database, RECORD, artifacts=(tmp_path / "files").as_uri(), busy_seconds=1)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    assert list((tmp_path / "files").iterdir()) == []
    assert mlflow_rows.write_new_run(database, RECORD, artifacts=(tmp_path / "files").as_uri(), busy_seconds=1)
