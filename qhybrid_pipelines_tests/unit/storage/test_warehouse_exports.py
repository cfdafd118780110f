"""The warehouse as files: each table whole, by readers of other people, and a folder that appears whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.storage import analyst, warehouse, warehouse_tables, warehouse_views
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.warehouse_exports import export_warehouse
from qhybrid_pipelines_tests.support import sample_lake

NAMES = [one.name for one in (*warehouse_tables.TABLES, *warehouse_views.VIEWS)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    filled = Home(tmp_path_factory.mktemp("exported") / "home")
    warehouse.publish(filled, sample_lake.write(filled))
    return filled


@pytest.fixture(scope="module")
def folders(home: Home) -> dict[str, Path]:
    made = {form: home.path.parent / form for form in ("parquet", "csv")}
    for form, folder in made.items():
        export_warehouse(home, folder, form)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_parquet_holds_every_row(home: Home, folders: dict[str, Path], name: str) -> None:
    def sorted_rows(rows: list[dict]) -> list[str]:
        return sorted(repr(row) for row in rows)

    expected = analyst.query(home, f"SELECT * FROM {name}")
    found = pq.read_table(folders["parquet"] / f"{name}.parquet")
    assert found.schema.names == expected.schema.names
    assert sorted_rows(found.to_pylist()) == sorted_rows(expected.to_pylist())


@pytest.mark.parametrize("name", NAMES)
def test_csv_has_every_row_and_column(home: Home, folders: dict[str, Path], name: str) -> None:
    expected = analyst.query(home, f"SELECT * FROM {name}")
    with (folders["csv"] / f"{name}.csv").open(newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    assert header == expected.schema.names
    assert len(rows) == expected.num_rows
    assert all(len(row) == len(header) for row in rows)


def test_lists_are_json_and_numbers_are_exact(home: Home, folders: dict[str, Path]) -> None:
    table = pd.read_csv(folders["csv"] / "parameter_sweeps.csv")
    expected = analyst.query(home, "SELECT * FROM parameter_sweeps ORDER BY experiment, point").to_pylist()
    assert [json.loads(text) for text in table["angles"]] == [row["angles"] for row in expected]
    with (folders["csv"] / "costs.csv").open(newline="", encoding="utf-8") as stream:
        costs = [float(row["quoted_usd"]) for row in csv.DictReader(stream)]
    assert costs == analyst.query(home, "SELECT quoted_usd FROM costs ORDER BY job_id").column("quoted_usd").to_pylist()


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_the_manifest_names_every_file_with_its_checksum(folders: dict[str, Path], form: str) -> None:
    manifest = json.loads((folders[form] / "manifest.json").read_text())
    assert [one["name"] for one in manifest["tables"]] == NAMES
    assert {path.name for path in folders[form].iterdir()} == {"manifest.json", *(f"{name}.{form}" for name in NAMES)}
    for one in manifest["tables"]:
        content = (folders[form] / one["file"]).read_bytes()
        assert (one["bytes"], one["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_same_snapshot_gives_the_same_files(home: Home, folders: dict[str, Path], tmp_path: Path) -> None:
    export_warehouse(home, tmp_path / "again", "csv")
    for path in folders["csv"].iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_folder_with_something_in_it_is_refused_and_left_alone(home: Home, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="not an empty folder"):
        export_warehouse(home, tmp_path, "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    (tmp_path / "empty").mkdir()
    assert export_warehouse(home, tmp_path / "empty", "csv")


def test_nothing_is_left_of_an_export_that_failed(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no warehouse yet"):
        export_warehouse(Home(tmp_path / "nothing").make(), tmp_path / "out", "csv")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change",
    ["DROP VIEW changes", "CREATE OR REPLACE TABLE circuit_batches AS SELECT template FROM circuit_batches"],
)
def test_a_snapshot_of_another_release_is_named_and_nothing_is_left(tmp_path: Path, change: str) -> None:
    """Tables and columns come with releases; what a newer program finds is what an older one has published."""
    older = Home(tmp_path / "home")
    warehouse.publish(older, {})
    older.warehouse.chmod(0o644)
    with duckdb.connect(str(older.warehouse)) as connection:
        connection.execute(change)
    with pytest.raises(InvalidInput, match=r"published by another release .*Publish it again"):
        export_warehouse(older, tmp_path / "files", "csv")
    assert not (tmp_path / "files").exists()
