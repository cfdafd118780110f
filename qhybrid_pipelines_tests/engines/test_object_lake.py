"""The lake on S3: many processes write and read it at once, and an experiment goes from its file to its verdict on it.

`make test-objects`. The S3 server is moto, which imitates it in memory: protocol and conditional puts are real, durability and the load
of a cloud are not.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import yaml

from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.lake_store import open_store
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.schemas import LAKE_TABLES
from qhybrid_pipelines_tests.support.object_lakes import BUCKET, READERS, WRITERS, check_end, race, s3_server

pytestmark = pytest.mark.objects

PLACES = 200
SPECIFICATION = {
    "name": "on-objects",
    "problem": {"family": "maxcut", "source": "networkx:petersen"},
    "shots": 64,
    "repetitions": 2,
    "sweep": {"strategy": "fixed_angles", "points": 2},
    "ansatz": {"layers": 1},
    "rounds": {"max": 1},
    "backends": ["local:auto"],
}


@pytest.fixture(scope="module")
def s3():
    with s3_server() as variables:
        yield variables


@pytest.fixture
def on_s3(s3, tmp_path, monkeypatch):
    for name, value in {**s3, "QHYBRID_LAKE": f"s3://{BUCKET}/{tmp_path.name}"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("catalogue", ["in the home", "on Postgres"])
def test_eight_processes_write_200_partitions_each_while_two_read(on_s3, catalogue, tmp_path, monkeypatch, request):
    if catalogue == "on Postgres":
        monkeypatch.setenv("QHYBRID_LEDGER_URL", request.getfixturevalue("postgres_database"))
    home = Home(tmp_path / "home").make()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WRITERS + READERS, mp_context=context) as processes:
        counted = race(processes, partial(open_store, home), places=PLACES)
    store = open_store(home)
    check_end(store, places=PLACES)
    store.catalogue.close()
    for reads, versions in counted:
        print(f"catalogue {catalogue}: a reader made {reads} reads of {versions} versions, all whole")
        assert versions > 10


def qhybrid(*arguments: str, code: int = 0) -> str:
    command = [str(Path(sys.executable).with_name("qhybrid")), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr + ended.stdout
    return ended.stdout if code == 0 else ended.stderr


def test_an_experiment_runs_to_the_verdict_that_it_has_in_a_folder(on_s3, postgres_database, tmp_path, monkeypatch):
    specification = tmp_path / "experiment.yaml"
    specification.write_text(yaml.safe_dump(SPECIFICATION))
    folder, objects = Home(tmp_path / "folder"), Home(tmp_path / "objects")
    with monkeypatch.context() as unset:
        unset.delenv("QHYBRID_LAKE")
        here = json.loads(qhybrid("run", str(specification), "--home", str(folder.path), "--json"))
    monkeypatch.setenv("QHYBRID_LEDGER_URL", postgres_database)
    there = json.loads(qhybrid("run", str(specification), "--home", str(objects.path), "--json"))
    assert verdicts(there) == verdicts(here)
    assert not list(Path(objects.path).rglob("*.parquet"))
    compare_tables(folder, objects, monkeypatch)
    home = ("--home", str(objects.path))
    jobs = "SELECT count(*) AS n FROM jobs"
    assert json.loads(qhybrid("sql", jobs, *home, "--json")) == [{"n": 1}]
    counts = "SELECT sum(count)::BIGINT AS n FROM qpu_result_sets"
    assert json.loads(qhybrid("sql", counts, *home, "--json")) == [{"n": 64 * 2 * 2}]
    analysts = tmp_path / "analysts"
    analysts.mkdir()
    assert json.loads(qhybrid("sql", counts, "--home", str(analysts), "--json")) == [{"n": 64 * 2 * 2}]
    findings = {row["check"]: row for row in json.loads(qhybrid("doctor", *home, "--json"))}
    assert findings["lake"]["finding"].startswith(f"at s3://{BUCKET}/")
    assert findings["lake and ledger"]["ok"]
    assert findings["warehouse"] == {"check": "warehouse", "ok": True, "finding": "up to date"}
    assert "Of the lake, 0 objects" in qhybrid("retention", *home)
    assert "on a Postgres server" in qhybrid("backup", str(tmp_path / "copy"), *home, code=2)
    again = json.loads(qhybrid("run", str(specification), *home, "--json"))
    assert verdicts(again) == verdicts(there)
    assert json.loads(qhybrid("sql", jobs, *home, "--json")) == [{"n": 1}]
    monkeypatch.delenv("QHYBRID_LAKE")
    assert "QHYBRID_LAKE" in qhybrid("experiments", *home, code=2)


def verdicts(ran: dict[str, list[dict[str, object]]]) -> list[dict[str, object]]:
    assert len(ran["verdicts"]) == 1
    return [{name: value for name, value in row.items() if name != "seconds"} for row in ran["verdicts"]]


def compare_tables(folder: Home, objects: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table has the same partitions in both lakes, and the same values in each column that is not measured."""
    compared = 0
    for table in LAKE_TABLES:
        same = [column.name for column in table.columns if not column.measured]
        there = Lake(objects)
        keys = there.keys(table)
        tables = [there.read(table, key).select(same) for key in keys]
        with monkeypatch.context() as unset:
            unset.delenv("QHYBRID_LAKE")
            here = Lake(folder)
            assert here.keys(table) == keys
            for key, read in zip(keys, tables, strict=True):
                if key.experiment is not None:
                    assert here.read(table, key).select(same).equals(read), (table.name, key)
                    compared += 1
    assert compared > 12
    print(f"{compared} tables of one experiment are the same on S3 as in a folder")
    open_store(objects).catalogue.close()
