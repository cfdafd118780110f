"""Columns that are read together are those that each file has, read by itself; whatever is odd about one is left to the lake."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import VERSION_FIELD, Lake, PartitionKey
from qhybrid_pipelines.storage.lake_columns import read_columns
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tables import from_columns

TABLE = schemas.QPU_RESULT_SETS
KEYS = [PartitionKey(experiment=f"maxcut-{name}-01234567", backend="local:auto") for name in ("a", "b", "it's")]
COLUMNS = ["bits", "count"]


def write(lake, key, rows):
    lake.write(
        TABLE,
        key,
        from_columns(
            TABLE,
            {
                "experiment": key.experiment,
                "backend": key.backend,
                "job_id": "j1",
                "point": 0,
                "repetition": 0,
                "bits": [2**64 - 1 - row for row in reversed(range(rows))],
                "high_bits": [None] * rows,
                "count": list(range(1, rows + 1)),
            },
        ),
    )
    return lake.path(TABLE, key)


def one_by_one(lake):
    return {key: lake.read(TABLE, key).select(COLUMNS).to_pylist() for key in KEYS if lake.exists(TABLE, key)}


@pytest.fixture
def lake(tmp_path):
    lake = Lake(Home(tmp_path / "a home's"))
    for number, key in enumerate(KEYS):
        write(lake, key, 5 * number)  # one without rows
    return lake


def test_they_are_those_of_each_file(lake):
    found = read_columns(lake, TABLE.name, COLUMNS, KEYS)
    assert found == one_by_one(lake)
    assert list(map(len, found.values())) == [0, 5, 10]


def test_what_was_not_written_has_no_rows(lake):
    lake.path(TABLE, KEYS[1]).unlink()
    assert read_columns(lake, TABLE.name, COLUMNS, KEYS) == one_by_one(lake)
    assert read_columns(lake, "decisions", ["decision"], KEYS) == {}


def changed(lake, key, *, metadata=None, **columns):
    path = lake.path(TABLE, key)
    data = pq.ParquetFile(path).read()
    for name, values in columns.items():
        data = data.set_column(data.column_names.index(name), name, pa.array(values))
    pq.write_table(data.replace_schema_metadata(metadata or data.schema.metadata), path)


ODD = {
    "cut off": lambda lake: lake.path(TABLE, KEYS[2]).write_bytes(b"PAR1"),
    "of a newer release": lambda lake: changed(lake, KEYS[1], metadata={VERSION_FIELD: b"99"}),
    "of another experiment": lambda lake: changed(lake, KEYS[1], experiment=["maxcut-z-01234567"] * 5),
    "of something else": lambda lake: pq.write_table(pa.table({"a": [1]}), lake.path(TABLE, KEYS[1])),
    "without a value": lambda lake: changed(lake, KEYS[1], count=[None] * 5),
}


@pytest.mark.parametrize("what", ODD)
def test_an_odd_file_is_left_to_the_lake(what, lake):
    ODD[what](lake)
    assert read_columns(lake, TABLE.name, COLUMNS, KEYS) is None


@pytest.mark.parametrize("name", ["what?", "all*", "[1]", "\udcff"])
def test_a_home_whose_path_is_a_pattern_is_left_to_the_lake(name, tmp_path):
    lake = Lake(Home(tmp_path / name))
    write(lake, KEYS[0], 2)
    assert read_columns(lake, TABLE.name, COLUMNS, KEYS[:1]) is None
    assert Path(lake.path(TABLE, KEYS[0])).is_file()
