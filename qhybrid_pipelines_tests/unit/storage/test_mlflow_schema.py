"""MLflow's tables as written down are those that its migrations make, and MLflow works on them."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from qhybrid_pipelines.storage import mlflow_schema

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # MLflow's own


def lines_of(script):
    """Return the lines of a script without their order: MLflow keeps constraints and indices in sets."""
    return sorted(line.strip().rstrip(",") for line in script.splitlines())


def test_the_file_is_what_the_migrations_make(tmp_path):
    mlflow_schema.migrate(tmp_path / "migrated.db")
    assert mlflow_schema.fill(tmp_path / "filled.db")
    expected = mlflow_schema.dump(tmp_path / "migrated.db")
    assert expected.count("CREATE TABLE") > 40  # the control: something was made
    assert lines_of(mlflow_schema.dump(tmp_path / "filled.db")) == lines_of(expected)


def test_nothing_is_taken_for_another_release(tmp_path, monkeypatch):
    monkeypatch.setattr(mlflow_schema, "version", lambda _: "3.18.0")
    assert not mlflow_schema.fill(tmp_path / "mlflow.db")
    assert not (tmp_path / "mlflow.db").exists()


def test_mlflow_runs_no_migration_on_it(tmp_path, monkeypatch):
    from mlflow.store.db import utils
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    def no_migration(engine):
        pytest.fail("MLflow found its tables incomplete")

    monkeypatch.setattr(utils, "_initialize_tables", no_migration)
    path = tmp_path / "mlflow.db"
    mlflow_schema.fill(path)
    store = SqlAlchemyStore(f"sqlite:///{path}", (tmp_path / "artifacts").as_uri())
    assert store.get_experiment(store.create_experiment("qhybrid/maxcut")).name == "qhybrid/maxcut"
    store.engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
