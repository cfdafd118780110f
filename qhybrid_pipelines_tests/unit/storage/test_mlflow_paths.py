"""A home that is moved or copied keeps its MLflow files, old and new ones below the folder where it lies now."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.mlflow_paths import follow_home
from qhybrid_pipelines.storage.tracking import Tracker
from qhybrid_pipelines_tests.unit.storage.test_tracking import RECORD

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

LATER = replace(RECORD, key="local:auto|later-01234567")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with one record, in a folder whose name an address has to spell."""
    home = Home(tmp_path_factory.mktemp("made") / "a_home & more 100").make()
    assert not Tracker(home).record(RECORD).spooled
    return home


def texts_of_runs(home: Home, folder: Path) -> dict[str, str]:
    """Return, by key, the specification that MLflow itself hands out for each run."""
    client = MlflowClient(tracking_uri=Tracker(home).uri)
    experiment = client.get_experiment_by_name("qhybrid/maxcut")
    return {
        run.data.tags["qhybrid.key"]: Path(
            client.download_artifacts(run.info.run_id, "specification.yaml", str(folder))
        ).read_text()
        for run in client.search_runs([experiment.experiment_id])
    }


@pytest.mark.parametrize("way", ["moved", "copied", "moved twice"])
def test_files_follow_and_nothing_is_written_where_the_home_was(made, tmp_path, way):
    first = Home(tmp_path / "first")
    shutil.copytree(made.path, first.path)
    assert Tracker(first).sync().waiting == 0  # the first move
    second = Home(tmp_path / "second" / "h%me_x")
    second.path.parent.mkdir()
    if way == "copied":
        shutil.copytree(first.path, second.path)
    else:
        first.path.rename(second.path)
    if way == "moved twice":
        second.path.rename(tmp_path / "third")
        second = Home(tmp_path / "third")
    before = sorted(path for path in tmp_path.rglob("*") if second.path not in path.parents)
    assert not Tracker(second).record(LATER).spooled
    assert texts_of_runs(second, make_download_folder(tmp_path)).keys() == {RECORD.key, LATER.key}
    after = {path for path in tmp_path.rglob("*") if second.path not in path.parents}
    assert {path for path in after if "downloaded" not in path.parts} == set(before)
    with closing(sqlite3.connect(second.mlflow / "mlflow.db")) as store:
        addresses = store.execute("SELECT artifact_uri FROM runs UNION ALL SELECT artifact_location FROM experiments")
        assert all(address.startswith(f"{second.mlflow.as_uri()}/artifacts/") for (address,) in addresses)


def make_download_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "downloaded"
    folder.mkdir()
    return folder


def test_what_lies_elsewhere_stays_there_and_a_home_that_stayed_is_left_alone(made, tmp_path):
    store = tmp_path / "mlflow.db"
    shutil.copy(made.mlflow / "mlflow.db", store)
    with closing(sqlite3.connect(store)) as connection:
        here = f"{made.mlflow.as_uri()}/artifacts"
        assert follow_home(connection, here) == 0
        connection.execute("UPDATE experiments SET artifact_location = 's3://far/maxcut' WHERE name = 'qhybrid/maxcut'")
        assert follow_home(connection, "file:///elsewhere/mlflow/artifacts") == 2  # the first experiment, and the run
        located = dict(connection.execute("SELECT name, artifact_location FROM experiments").fetchall())
        assert located == {
            "Default": "file:///elsewhere/mlflow/artifacts/Default/0",
            "qhybrid/maxcut": "s3://far/maxcut",
        }


def test_a_store_that_somebody_else_made_is_left_alone(tmp_path):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER, name TEXT, artifact_location TEXT)")
        assert follow_home(connection, "file:///a/mlflow/artifacts") == 0
        connection.execute("INSERT INTO experiments VALUES (0, 'Default', 'mlflow-artifacts:/0')")
        assert follow_home(connection, "file:///a/mlflow/artifacts") == 0
