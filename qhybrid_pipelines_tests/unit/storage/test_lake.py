import os
import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput, MissingUpstream
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import VERSION_FIELD, Lake, PartitionKey, escape
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tables import BATCH_ROWS, SchemaMismatch, empty, from_columns

KEY = PartitionKey(experiment="maxcut-a-01234567", backend="local:auto")
HOSTILE = [
    "../../x",
    "a|b",
    "/etc/passwd",
    "",
    ".",
    "..",
    "~",
    "C:\\x",
    "a\0b",
    "ä",
    "a/../../b",
    "%2E%2E",
    "x" * 200,
    "\udcff",
]


def counts(rows=3, key=KEY, **columns):
    return from_columns(
        schemas.QPU_RESULT_SETS,
        {
            "experiment": key.experiment,
            "backend": key.backend,
            "job_id": "j1",
            "point": 0,
            "repetition": 0,
            "bits": list(range(rows)),
            "high_bits": [None] * rows,
            "count": [1] * rows,
            **columns,
        },
    )


@pytest.fixture
def lake(tmp_path):
    return Lake(Home(tmp_path))


def test_what_was_written_reads_back_equal(lake):
    data = counts(bits=[0, 2**63, 2**64 - 1])
    written = lake.write(schemas.QPU_RESULT_SETS, KEY, data)
    assert lake.read("qpu_result_sets", KEY).equals(data)
    assert lake.read(schemas.QPU_RESULT_SETS, KEY).schema.equals(schemas.QPU_RESULT_SETS.schema)
    assert written.rows == 3
    path = lake.path("qpu_result_sets", KEY)
    assert written.address == str(path)
    assert sha256_hex(path.read_bytes()) == written.sha256
    assert path.stat().st_size == written.bytes


def test_large_tables_read_back_equal(lake):
    data = counts(rows=BATCH_ROWS + 7)
    lake.write(schemas.QPU_RESULT_SETS, KEY, data)
    assert lake.read(schemas.QPU_RESULT_SETS, KEY).equals(data)


def test_the_same_rows_give_the_same_bytes_in_any_order(lake):
    data = counts(bits=[5, 1, 9], high_bits=[b"\1", None, b"\2"])
    first = lake.write(schemas.QPU_RESULT_SETS, KEY, data)
    second = lake.write(schemas.QPU_RESULT_SETS, KEY, data.take([2, 0, 1]))
    assert first == second


def test_no_name_of_the_machine_or_the_folder_enters_the_bytes(tmp_path):
    one, two = (Lake(Home(tmp_path / name)).write(schemas.QPU_RESULT_SETS, KEY, counts()) for name in ("one", "two"))
    assert one.sha256 == two.sha256
    content = Path(one.address).read_bytes()
    assert str(tmp_path).encode() not in content
    assert os.uname().nodename.encode() not in content


def test_encodings_and_statistics(lake):
    written = lake.write(schemas.QPU_RESULT_SETS, KEY, counts(rows=1000))
    group = pq.ParquetFile(written.address).metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert "DELTA_BINARY_PACKED" in columns["bits"].encodings
    assert "RLE_DICTIONARY" in columns["job_id"].encodings
    assert all(c.compression == "ZSTD" and c.is_stats_set for c in columns.values())


@pytest.mark.parametrize("table", schemas.LAKE_TABLES, ids=lambda t: t.name)
def test_a_table_without_rows_is_a_whole_typed_file(lake, table):
    names = [column.name for column in table.columns]
    key = PartitionKey(
        experiment="e" if "experiment" in names else None,
        backend="b" if "experiment" in names and "backend" in names else None,
    )
    assert lake.write(table, key, empty(table)).rows == 0
    assert lake.exists(table.name, key)
    assert lake.read(table.name, key).equals(empty(table))
    assert lake.keys(table.name) == (key,)


def test_a_partition_that_was_never_written_is_named(lake):
    with pytest.raises(MissingUpstream, match=r"qpu_result_sets.*local:auto\|maxcut-a-01234567"):
        lake.read("qpu_result_sets", KEY)
    assert not lake.exists("qpu_result_sets", KEY)
    assert lake.keys("qpu_result_sets") == ()


@pytest.mark.parametrize("column", ["experiment", "backend"])
def test_a_file_in_the_folder_of_another_partition_is_refused(lake, column):
    other = replace(KEY, **{column: "another"})
    data = pa.concat_tables([counts(rows=BATCH_ROWS), counts(key=other)])
    path = Path(lake.write(schemas.QPU_RESULT_SETS, KEY, counts()).address)
    pq.write_table(data, path)
    with pytest.raises(
        CorruptFile, match=f"rows of another {column} .* Materialise 'qpu_result_sets' for '{re.escape(str(KEY))}'"
    ):
        lake.read(schemas.QPU_RESULT_SETS, KEY)


def test_rows_of_another_partition_are_refused(lake):
    with pytest.raises(SchemaMismatch, match="another experiment"):
        lake.write(schemas.QPU_RESULT_SETS, PartitionKey(experiment="other", backend=KEY.backend), counts())
    with pytest.raises(SchemaMismatch, match="another backend"):
        lake.write(schemas.QPU_RESULT_SETS, PartitionKey(experiment=KEY.experiment, backend="other"), counts())
    assert lake.keys("qpu_result_sets") == ()


def test_a_backend_without_experiment_is_no_partition():
    with pytest.raises(ValueError, match="backend alone"):
        PartitionKey(backend="local:auto")


def inside(root: Path, path: Path) -> bool:
    return Path(os.path.normpath(path)).is_relative_to(root) and len(path.relative_to(root).parts) == 4


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=16) | st.sampled_from(HOSTILE), st.text(max_size=16) | st.sampled_from(HOSTILE))
def test_no_key_leaves_the_lake(experiment, backend):
    lake = Lake(Home(Path("/home-of-nobody")))
    path = lake.path("qpu_result_sets", PartitionKey(experiment=experiment, backend=backend))
    assert inside(lake.home.lake, path)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.text(alphabet="aA.%/|~-_=: é\0", max_size=6), unique=True, min_size=2, max_size=2))
def test_different_keys_have_different_names(keys):
    assert escape(keys[0]) != escape(keys[1])


# Arrow text holds no lone surrogates, so no row can carry the last key; that its path is safe is shown above.
@pytest.mark.parametrize("hostile", HOSTILE[:-1])
def test_hostile_keys_are_written_found_and_read(lake, hostile):
    key = PartitionKey(experiment=hostile, backend=hostile)
    data = counts(key=key)
    lake.write(schemas.QPU_RESULT_SETS, key, data)
    assert lake.keys(schemas.QPU_RESULT_SETS) == (key,)
    assert lake.read(schemas.QPU_RESULT_SETS, key).equals(data)
    assert {p.relative_to(lake.home.path).parts[0] for p in lake.home.path.rglob("*.parquet")} == {"lake"}


def test_a_key_that_no_folder_can_be_named_after(lake):
    with pytest.raises(InvalidInput, match="too long"):
        lake.path("experiments", PartitionKey(experiment="x" * 201))


def test_keys_are_sorted_by_backend_then_experiment_and_strangers_are_passed_over(lake):
    keys = [PartitionKey(experiment=e, backend=b) for b in ("a:x", "b:x") for e in ("e1", "e2")]
    for key in reversed(keys):
        lake.write(schemas.QPU_RESULT_SETS, key, counts(key=key))
    stranger = lake.home.lake / "qpu_result_sets" / "somebody" / "data.parquet"
    stranger.parent.mkdir()
    stranger.touch()
    assert lake.keys("qpu_result_sets") == tuple(keys)


def write_by_hand(lake, data, version=1):
    path = lake.path(schemas.QPU_RESULT_SETS, KEY)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(data.replace_schema_metadata({VERSION_FIELD: str(version)}), path)


def test_a_file_of_an_older_release_lacks_a_nullable_column(lake):
    write_by_hand(lake, counts().drop_columns(["high_bits"]))
    assert lake.read(schemas.QPU_RESULT_SETS, KEY).equals(counts())


def test_a_file_without_a_needed_column_is_damaged(lake):
    write_by_hand(lake, counts().drop_columns(["count"]))
    with pytest.raises(CorruptFile, match="column count is missing"):
        lake.read(schemas.QPU_RESULT_SETS, KEY)


def test_a_file_of_a_newer_release_asks_for_an_update(lake):
    write_by_hand(lake, counts(), version=schemas.SCHEMA_VERSION + 1)
    with pytest.raises(CorruptFile, match="Update"):
        lake.read(schemas.QPU_RESULT_SETS, KEY)


@pytest.mark.parametrize("keep", [0, 3, 200, -9])
def test_a_truncated_file_is_damaged_and_names_the_remedy(lake, keep):
    path = Path(lake.write(schemas.QPU_RESULT_SETS, KEY, counts()).address)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CorruptFile, match=r"Materialise 'qpu_result_sets'"):
        lake.read(schemas.QPU_RESULT_SETS, KEY)


@pytest.mark.parametrize("table", schemas.LAKE_TABLES, ids=lambda table: table.name)
def test_texts_that_an_older_release_did_not_write_are_null(table, lake):
    key = PartitionKey(**{name: name for name in table.partition_columns})
    path = Path(lake.write(table, key, empty(table)).address)
    missing = [column.name for column in table.columns if column.nullable and pa.types.is_string(column.type)]
    pq.write_table(pq.read_table(path).drop_columns(missing), path)
    assert lake.read(table, key).schema.names == table.schema.names


def test_a_file_of_something_else_is_damage(lake):
    path = Path(lake.write(schemas.QPU_RESULT_SETS, KEY, counts()).address)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(CorruptFile, match="column experiment is missing"):
        lake.read(schemas.QPU_RESULT_SETS, KEY)


def test_a_reader_finishes_with_the_file_it_opened(lake):
    old = counts(rows=BATCH_ROWS + 5)
    lake.write(schemas.QPU_RESULT_SETS, KEY, old)
    pieces = lake.batches(schemas.QPU_RESULT_SETS, KEY)
    first = next(pieces)
    lake.write(schemas.QPU_RESULT_SETS, KEY, counts(rows=1))
    assert pa.Table.from_batches([first, *pieces]).equals(old)
    assert lake.read(schemas.QPU_RESULT_SETS, KEY).num_rows == 1
