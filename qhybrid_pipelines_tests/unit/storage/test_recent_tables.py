"""Tables that were read last: what is kept is what the opened file holds, and memory stays bounded."""

import io
import os
import time
from pathlib import Path

import pyarrow as pa
import pytest

from qhybrid_pipelines.storage import lake as lake_module
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.recent_tables import MAX_TABLE_BYTES, TICK_SECONDS, RecentTables, identify
from qhybrid_pipelines.storage.tables import from_rows

ONE = (1, 2, 3, 4, 5)
OTHER = (1, 2, 3, 4, 6)
KEY = PartitionKey(experiment="an-experiment")


def some(text: str = "x") -> pa.Table:
    return pa.table({"a": [text]})


def features(value: float) -> pa.Table:
    row = {"experiment": KEY.experiment, "instance": "i", "feature": "f", "value": value}
    return from_rows(schemas.FEATURES, [{c.name: row.get(c.name) for c in schemas.FEATURES.columns}])


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the files that are read, as opposed to those that are only opened."""
    counted: list[int] = []
    read = Lake._read_batches

    def counting(self, handle, table, key):
        counted.append(1)
        return read(self, handle, table, key)

    monkeypatch.setattr(Lake, "_read_batches", counting)
    monkeypatch.setattr(lake_module, "_RECENT", RecentTables())
    return counted


def test_a_table_is_found_for_its_own_file_and_description_only() -> None:
    kept, table = RecentTables(), some()
    kept.keep("place", ONE, schemas.FEATURES, table)
    assert kept.find("place", ONE, schemas.FEATURES) is table
    assert kept.find("place", OTHER, schemas.FEATURES) is None
    assert kept.find("place", None, schemas.FEATURES) is None
    assert kept.find("place", ONE, schemas.BASELINES) is None
    assert kept.find("elsewhere", ONE, schemas.FEATURES) is None


def test_the_one_that_nobody_asked_for_the_longest_goes_first() -> None:
    size = some().nbytes
    kept = RecentTables(max_bytes=2 * size)
    kept.keep("a", ONE, schemas.FEATURES, some())
    kept.keep("b", ONE, schemas.FEATURES, some())
    kept.keep("b", ONE, schemas.FEATURES, some())  # in the place of the one before, not beside it
    kept.find("a", ONE, schemas.FEATURES)
    kept.keep("c", ONE, schemas.FEATURES, some())
    found = [name for name in "abc" if kept.find(name, ONE, schemas.FEATURES) is not None]
    assert found == ["a", "c"]


def test_large_tables_and_files_that_cannot_be_told_apart_are_not_kept() -> None:
    kept = RecentTables()
    kept.keep("large", ONE, schemas.FEATURES, some("x" * (MAX_TABLE_BYTES + 1)))
    kept.keep("unknown", None, schemas.FEATURES, some())
    assert kept.find("large", ONE, schemas.FEATURES) is None
    assert kept.find("unknown", None, schemas.FEATURES) is None


def test_a_file_is_known_by_what_it_is_once_it_is_older_than_a_tick(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"first")
    with file.open("rb") as handle:
        assert identify(handle) is None  # written a moment ago
        time.sleep(TICK_SECONDS)
        first = identify(handle)
        assert first is not None
    file.write_bytes(b"other")  # as many bytes, in place
    time.sleep(TICK_SECONDS)
    with file.open("rb") as handle:
        assert identify(handle) not in (None, first)
    assert identify(io.BytesIO(b"first")) is None


def test_a_lake_reads_a_file_once_and_another_in_its_place_again(tmp_path: Path, seen: list[int]) -> None:
    lake = Lake(Home(tmp_path).make())
    lake.write(schemas.FEATURES, KEY, features(1.0))
    time.sleep(TICK_SECONDS)
    assert [lake.read("features", KEY).equals(features(1.0)) for _ in range(3)] == [True] * 3
    assert len(seen) == 1
    lake.write(schemas.FEATURES, KEY, features(2.0))
    assert lake.read("features", KEY).equals(features(2.0))
    assert lake.read("features", KEY).equals(features(2.0))
    assert len(seen) in (2, 3)  # three where the machine was quicker than a tick


def test_a_file_that_is_damaged_or_gone_is_not_answered_from_memory(tmp_path: Path, seen: list[int]) -> None:
    lake = Lake(Home(tmp_path).make())
    lake.write(schemas.FEATURES, KEY, features(1.0))
    time.sleep(TICK_SECONDS)
    lake.read("features", KEY)
    file = lake.path("features", KEY)
    content, times = file.read_bytes(), file.stat()
    file.write_bytes(content[:-1] + b"?")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(lake_module.CorruptFile):
        lake.read("features", KEY)
    file.unlink()
    with pytest.raises(lake_module.MissingUpstream):
        lake.read("features", KEY)
    assert len(seen) == 2
