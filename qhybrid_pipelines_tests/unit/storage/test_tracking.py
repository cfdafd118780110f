"""Against a real SQLite store, made once and copied: MLflow's migrations take seconds."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from qhybrid_pipelines.storage import tracking
from qhybrid_pipelines.storage.histogram import MAX_BARS, counts_svg
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.mlflow_rows import StoredRun
from qhybrid_pipelines.storage.tracking import Tracker
from qhybrid_pipelines.storage.tracking_record import TrackingRecord

# MLflow and what it is built on warn about each other while they are imported and used
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

RECORD = TrackingRecord(
    key="local:auto|maxcut-square-01234567",
    family="maxcut",
    name="maxcut-square on local:auto",
    params={"layers": 2, "shots": 1024, "mixer": None, "backend": "local:auto"},
    metrics={"ratio": 0.75, "cost_usd": 0.0, "gain": None},
    tags={"verdict": "tie"},
    specification={"name": "maxcut square", "problem": {"family": "maxcut"}, "backends": ("local:auto",)},
    circuit="OPENQASM 3.0;\n",
    drawing="q_0: ─H─",
    counts=(("0101", 600), ("1010", 424)),
    verdict={"verdict": "tie"},
    provenance={"recorded_at": datetime(2026, 1, 5, tzinfo=UTC), "seed": 7},
    dagster_run_id="dagster-1",
    parent_run_id="parent-1",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home whose store was made by the first record."""
    home = Home(tmp_path_factory.mktemp("made"))
    first = Tracker(home).record(RECORD)
    assert not first.spooled
    return home


@pytest.fixture
def home(made, tmp_path):
    """A home with an empty store."""
    home = Home(tmp_path / "home").make()
    shutil.copy(made.mlflow / "mlflow.db", home.mlflow / "mlflow.db")
    with closing(sqlite3.connect(home.mlflow / "mlflow.db")) as connection, connection:
        for table in ("params", "metrics", "latest_metrics", "tags", "runs", "experiment_tags"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM experiments WHERE experiment_id > 0")
    return home


def client(home):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=Tracker(home).uri)


def runs(home):
    experiment = client(home).get_experiment_by_name("qhybrid/maxcut")
    return list(client(home).search_runs([experiment.experiment_id])) if experiment else []


def files(run):
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    return {path.name: path for path in folder.iterdir()}


def test_a_run_holds_the_whole_record(made):
    (run,) = runs(made)
    assert run.data.params == {"layers": "2", "shots": "1024", "backend": "local:auto"}
    assert run.data.metrics == {"ratio": 0.75, "cost_usd": 0.0}
    tags = {
        "qhybrid.key": RECORD.key,
        "verdict": "tie",
        "dagster/run_id": "dagster-1",
        "mlflow.parentRunId": "parent-1",
    }
    assert run.data.tags.items() >= tags.items()
    assert (run.info.run_name, run.info.status) == (RECORD.name, "FINISHED")
    kept = files(run)
    assert sorted(kept) == [
        "circuit.qasm",
        "circuit.txt",
        "counts.svg",
        "provenance.json",
        "specification.yaml",
        "verdict.json",
    ]
    assert kept["counts.svg"].read_text().startswith("<svg")
    assert yaml.safe_load(kept["specification.yaml"].read_text())["backends"] == ["local:auto"]
    assert json.loads(kept["provenance.json"].read_text())["seed"] == 7
    assert str(made.mlflow / "artifacts" / "maxcut") in run.info.artifact_uri


def test_the_store_is_made_beside_and_leaves_nothing(made):
    assert list(made.tmp.iterdir()) == []
    assert sorted(path.name for path in made.mlflow.iterdir()) == ["artifacts", "mlflow.db"]
    assert not Path("mlruns").exists()


def test_a_repetition_finds_its_run_and_brings_it_up_to_date(home):
    tracker = Tracker(home)
    first = tracker.record(RECORD)
    later = replace(
        RECORD,
        params={**RECORD.params, "layers": 3, "sweep": "ramp"},
        metrics={"ratio": 0.5},
        dagster_run_id="dagster-2",
        verdict={"verdict": "classical_better"},
    )
    assert tracker.record(RECORD) == first == tracker.record(later)
    (run,) = runs(home)
    assert run.info.run_id == first.run_id
    assert run.data.metrics["ratio"] == 0.5
    assert run.data.params["sweep"] == "ramp"
    assert (run.data.params["layers"], run.data.tags["now.layers"]) == ("2", "3")
    assert run.data.tags["dagster/run_id"] == "dagster-2"
    assert json.loads(files(run)["verdict.json"].read_text()) == {"verdict": "classical_better"}
    history = client(home).get_metric_history(run.info.run_id, "ratio")
    assert [metric.value for metric in history] == [0.75, 0.5]


def test_a_link_names_the_run_and_the_command_that_serves_it(home):
    tracker = Tracker(home)
    tracked = tracker.record(RECORD)
    assert tracked.url.startswith("http://127.0.0.1:5000/#/experiments/")
    assert tracked.url.endswith(f"/runs/{tracked.run_id}")
    assert tracker.ui_command == f"mlflow ui --backend-store-uri sqlite:///{home.mlflow}/mlflow.db"


def test_a_record_with_nothing_to_run_has_no_circuit(home):
    Tracker(home).record(TrackingRecord(key="k", family="maxcut", name="n", verdict={"verdict": "solved_by_reduction"}))
    assert sorted(files(runs(home)[0])) == ["verdict.json"]


def test_more_entries_than_one_request_takes(home):
    many = {f"n{i}": i for i in range(1001)}
    tracked = Tracker(home).record(
        replace(RECORD, params=many, metrics=many, tags={k: str(v) for k, v in many.items()})
    )
    run = client(home).get_run(tracked.run_id)
    assert (len(run.data.params), len(run.data.metrics)) == (1001, 1001)


def corrupt(home):
    (home.mlflow / "mlflow.db").write_bytes(b"garbage" * 1000)


def of_another_release(home):
    with closing(sqlite3.connect(home.mlflow / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'unknown'")


def in_the_way(home):
    (home.mlflow / "mlflow.db").unlink()
    (home.mlflow / "mlflow.db").mkdir()


def artefacts_in_the_way(home):
    (home.mlflow / "artifacts").write_text("a file where a folder should be")


@pytest.mark.parametrize("harm", [corrupt, of_another_release, in_the_way, artefacts_in_the_way])
def test_a_broken_store_spools_and_nothing_is_raised(home, harm, caplog):
    harm(home)
    tracker = Tracker(home)
    tracked = tracker.record(RECORD)
    assert (tracked.run_id, tracked.url, tracked.spooled) == (None, None, True)
    assert "waits in the spool" in caplog.text
    assert "Traceback" not in caplog.text
    assert TrackingRecord.from_json((home.spool / RECORD.file_name).read_text()).key == RECORD.key
    assert tracker.sync() == tracking.SyncResult(recorded=(), waiting=1)


def test_a_locked_store_spools_after_a_while(home, monkeypatch):
    monkeypatch.setattr(tracking, "BUSY_SECONDS", 0.2)
    with closing(sqlite3.connect(home.mlflow / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert Tracker(home).record(RECORD).spooled
    assert Tracker(home).sync() == tracking.SyncResult(recorded=(RECORD.key,), waiting=0)


def test_a_server_that_does_not_answer_spools(home, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, "http://127.0.0.1:9")
    assert Tracker(home).uri == "http://127.0.0.1:9"
    assert Tracker(home).record(RECORD).spooled


def test_the_spool_is_replayed_once_and_the_newest_record_stands(home):
    away = Tracker(home, uri="http://127.0.0.1:9")
    away.record(RECORD)
    away.record(replace(RECORD, metrics={"ratio": 0.9}))
    other = replace(RECORD, key="other")
    away.record(other)
    (home.spool / "strange.json").write_text("[]")
    synced = Tracker(home).sync()
    assert sorted(synced.recorded) == sorted([RECORD.key, other.key])
    assert synced.waiting == 1
    assert Tracker(home).sync() == tracking.SyncResult(recorded=(), waiting=1)
    ratios = {run.data.tags["qhybrid.key"]: run.data.metrics["ratio"] for run in runs(home)}
    assert ratios == {RECORD.key: 0.9, "other": 0.75}


def test_a_record_that_gets_through_replaces_the_one_that_waits(home):
    Tracker(home, uri="http://127.0.0.1:9").record(replace(RECORD, metrics={"ratio": 0.1}))
    Tracker(home).record(RECORD)
    assert Tracker(home).sync() == tracking.SyncResult(recorded=(), waiting=0)
    assert [run.data.metrics["ratio"] for run in runs(home)] == [0.75]


def test_without_a_disk_nothing_is_raised_either(tmp_path, caplog):
    (tmp_path / "home").write_text("a file where the home should be")
    tracked = Tracker(Home(tmp_path / "home")).record(RECORD)
    assert (tracked.run_id, tracked.spooled) == (None, False)
    assert "is lost" in caplog.text


def test_records_survive_json_and_other_releases():
    assert TrackingRecord.from_json(RECORD.to_json()).to_json() == RECORD.to_json()
    newer = json.dumps({**json.loads(RECORD.to_json()), "later": 1})
    assert TrackingRecord.from_json(newer).counts == RECORD.counts
    older = TrackingRecord.from_json('{"key": "k", "family": "f", "name": "n"}')
    assert older == TrackingRecord(key="k", family="f", name="n")
    for wrong in ("[]", "{}", "not json"):
        with pytest.raises(ValueError):
            TrackingRecord.from_json(wrong)


@pytest.mark.parametrize("key", ["", 'a"b', "a'b"])
def test_a_key_that_cannot_be_looked_up(key):
    with pytest.raises(ValueError, match="looked up"):
        TrackingRecord(key=key, family="f", name="n")


def test_importing_the_tracker_imports_neither_mlflow_nor_matplotlib():
    code = "import sys, qhybrid_pipelines.storage.tracking as t; print([m for m in ('mlflow', 'matplotlib') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_histogram_is_small_whatever_was_measured():
    counts = [(format(i, "020b"), 1 + i % 7) for i in range(5000)]
    picture = counts_svg(counts, title="<many> & outcomes")
    bars = ET.fromstring(picture).findall(".//{*}rect/{*}title")
    assert len(bars) == MAX_BARS + 1
    assert bars[0].text == f"{6:020b}: 7"
    assert bars[-1].text == f"{5000 - MAX_BARS} others: {sum(count for _, count in counts) - 7 * MAX_BARS}"
    assert len(picture) < 20_000
    assert picture == counts_svg(list(reversed(counts)), title="<many> & outcomes")


def test_the_driver_of_a_postgres_store_is_named(tmp_path):
    assert Tracker(Home(tmp_path), "postgresql://bob@h/m").uri == "postgresql+psycopg2://bob@h/m"


@pytest.mark.parametrize("password", ["hunter2xyz", "with@sign:hunter2xyz"])
def test_the_password_of_a_server_is_neither_shown_nor_kept(home, caplog, password):
    away = Tracker(home, uri=f"http://keeper:{password}@127.0.0.1:9")
    assert away.record(RECORD).spooled
    shown = away._url(StoredRun(run_id="r", experiment_id="1"))
    assert shown == "http://127.0.0.1:9/#/experiments/1/runs/r"
    assert "MLflow is not available" in caplog.text
    assert "hunter2xyz" not in caplog.text + away.ui_command
    assert all(b"hunter2xyz" not in path.read_bytes() for path in home.path.rglob("*") if path.is_file())
