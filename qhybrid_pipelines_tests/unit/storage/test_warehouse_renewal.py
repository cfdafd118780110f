"""A snapshot that was brought up to date holds what one built from nothing holds, whatever happened in between."""

import os
import random
import shutil
import subprocess
import sys

import pytest

from qhybrid_pipelines.core.errors import CorruptFile
from qhybrid_pipelines.storage import analyst, schemas, warehouse, warehouse_tables, warehouse_views
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.lake_files import inventory
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.tables import from_rows
from qhybrid_pipelines.storage.warehouse import LedgerCursor, LedgerDelta
from qhybrid_pipelines_tests.support import (
    sample_execution_tables,
    sample_experiments,
    sample_lake,
    sample_ledger_tables,
)


class LedgerContent:
    """A ledger: rows by table, and which job had an event at which position."""

    def __init__(self, rows):
        self.rows, self.events = {name: list(part) for name, part in rows.items()}, []

    @property
    def jobs(self):
        return [row["job_id"] for row in self.rows["jobs"]] or ["none"]

    def change(self, job_id, **facts):
        for row in self.rows["jobs"]:
            if row["job_id"] == job_id:
                row.update(facts)
        self.events.append(job_id)

    def forget(self, job_id):
        self.rows = {name: [row for row in rows if row["job_id"] != job_id] for name, rows in self.rows.items()}
        self.events.append(job_id)

    def whole(self, _mark=None):
        return LedgerDelta(pages=[self.rows], mark=LedgerCursor(position=len(self.events), hash="book"))

    def since(self, mark):
        if mark is None or not mark.position:
            return self.whole()
        jobs = tuple(sorted(set(self.events[mark.position :])))
        rows = {name: [row for row in rows if row["job_id"] in jobs] for name, rows in self.rows.items()}
        return LedgerDelta(pages=[rows], mark=LedgerCursor(position=len(self.events), hash="book"), jobs=jobs)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def content(home):
    """Return the rows of every table and view, in an order of their own; without when they were published."""
    with analyst.connect(home) as connection:
        relations = [r.name for r in (*warehouse_tables.TABLES, *warehouse_views.VIEWS) if r.name != "snapshot"]
        return {name: sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"').fetchall())) for name in relations}


def from_nothing(home, ledger):
    """Return what a snapshot built from nothing holds, without touching the one that is there."""
    beside = Home(home.path.with_name("beside"))
    shutil.rmtree(beside.path, ignore_errors=True)
    beside.path.mkdir()
    beside.lake.symlink_to(home.lake)
    if home.verdict_history.exists():  # what earlier snapshots said is a source of its own
        shutil.copyfile(home.verdict_history, beside.verdict_history)
    assert warehouse.publish(beside, ledger).rebuild
    return content(beside)


def everything():
    """Return every table of the samples with its partition and rows."""
    parts = []
    for sample in sample_experiments.SAMPLES:
        head = PartitionKey(experiment=sample.key)
        parts += [(table, head, rows) for table, rows in sample_lake.experiment_tables(sample)]
        for backend in sample.spec.backends:
            key = PartitionKey(experiment=sample.key, backend=backend)
            parts += [(table, key, rows) for table, rows in sample_execution_tables.execution_tables(sample, backend)]
    parts.append((schemas.BACKEND_CAPABILITIES, PartitionKey(), [*sample_ledger_tables.capabilities()]))
    parts.append((schemas.BACKEND_CALIBRATIONS, PartitionKey(), [*sample_ledger_tables.calibrations()]))
    return parts


def change_one_partition_or_job(choose, lake, ledger, parts):
    """Write, write again, remove or damage one partition, or change or remove one job."""
    table, key, rows = choose.choice(parts)
    path = lake.path(table, key)
    match choose.choice(["write", "write", "remove", "damage", "job", "gone"]):
        case "write":
            rows = choose.sample(rows, choose.randint(0, len(rows)))
            if table is schemas.CIRCUIT_BATCHES:  # counts show the width of their circuit
                rows = [row | {"n_qubits": choose.randint(4, 9)} for row in rows]
            lake.write(table, key, from_rows(table, rows))
        case "remove":
            shutil.rmtree(path.parent, ignore_errors=True)
        case "damage" if path.exists():
            path.write_bytes(path.read_bytes()[:-7])
        case "job":
            ledger.change(choose.choice(ledger.jobs), attempt=choose.randint(1, 9))
        case "gone":
            ledger.forget(choose.choice(ledger.jobs))


def damaged_files(lake, parts):
    """Return the paths of files that cannot be read."""
    paths = []
    for table, key, _rows in parts:
        try:
            if lake.exists(table, key):
                lake.read(table, key)
        except CorruptFile:
            paths.append(lake.path(table, key))
    return paths


@pytest.mark.parametrize("seed", range(2))
def test_after_any_changes_it_is_what_one_from_nothing_is(home, seed):
    choose, lake, parts = random.Random(seed), Lake(home), everything()
    ledger = LedgerContent(sample_lake.write(home))
    assert warehouse.publish(home, ledger.since).rebuild
    for _ in range(3):
        for _ in range(choose.randint(4, 12)):
            change_one_partition_or_job(choose, lake, ledger, parts)
        assert warehouse.lake_has_changed(home)
        published = warehouse.publish(home, ledger.since)
        assert not published.rebuild
        assert len(published.unreadable) == len(damaged_files(lake, parts))
        assert content(home) == from_nothing(home, ledger.whole)
        assert not warehouse.lake_has_changed(home)


def test_only_what_changed_is_read(home):
    lake, ledger = Lake(home), sample_lake.write(home)
    files = warehouse.publish(home, ledger).files
    assert files == inventory(home).num_rows == len(list(home.lake.rglob("*.parquet")))
    assert warehouse.publish(home, ledger).files == 0
    key = lake.keys(schemas.QPU_RESULT_SETS)[0]
    lake.write(schemas.QPU_RESULT_SETS, key, lake.read(schemas.QPU_RESULT_SETS, key))
    result = warehouse.publish(home, ledger)
    assert (result.files, result.rebuild) == (1, False)


def test_a_file_too_new_to_be_told_from_its_successor_is_read_again(home, monkeypatch):
    sample_lake.write(home)
    monkeypatch.setattr("qhybrid_pipelines.storage.lake_files.SCAN_INTERVAL_SECONDS", 60.0)
    monkeypatch.setattr("qhybrid_pipelines.storage.lake_files.MAX_SCANS", 1)
    files = inventory(home)
    assert files.column("changed_ns").null_count == files.num_rows
    monkeypatch.setattr(warehouse, "inventory", lambda *_: files)
    assert warehouse.publish(home, {}).files == warehouse.publish(home, {}).files == files.num_rows
    assert warehouse.lake_has_changed(home)


def damage(path, at):
    """Overwrite 4 KiB in place, as a disk would: nothing but the content tells."""
    status = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xaa" * 4096)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:20_000]),
        lambda path: subprocess.run(
            [
                sys.executable,
                "-c",
                f"import duckdb; duckdb.connect({str(path)!r}).execute('DELETE FROM qpu_result_sets')",
            ],
            check=True,
        ),
        lambda path: damage(path, path.stat().st_size // 2),
    ],
    ids=["cut off", "written by somebody", "damaged"],
)
def test_a_snapshot_that_is_not_as_it_was_published_is_built_from_nothing(home, spoil):
    ledger = sample_lake.write(home)
    warehouse.publish(home, ledger)
    whole = content(home)
    home.warehouse.chmod(0o644)
    spoil(home.warehouse)
    assert not warehouse.matches_published_checksum(home)
    assert warehouse.publish(home, ledger).rebuild
    assert content(home) == whole
    assert warehouse.matches_published_checksum(home)
    assert not warehouse.publish(home, ledger).rebuild


def test_a_snapshot_without_its_checksum_or_with_that_of_another_is_built_from_nothing(home, monkeypatch):
    warehouse.publish(home, {})
    home.warehouse_checksum.unlink()
    assert warehouse.publish(home, {}).rebuild
    before = home.warehouse.read_bytes()
    monkeypatch.setattr(warehouse, "promote", power_cut)
    with pytest.raises(InterruptedError):
        warehouse.publish(home, {})
    monkeypatch.undo()
    assert home.warehouse.read_bytes() == before
    assert not warehouse.matches_published_checksum(home)
    assert warehouse.publish(home, {}).rebuild
    assert warehouse.matches_published_checksum(home)


def power_cut(*_):
    """End between the new checksum and the new snapshot."""
    raise InterruptedError


def test_a_snapshot_of_other_tables_or_mostly_free_blocks_is_built_from_nothing(home, monkeypatch):
    warehouse.publish(home, {})
    monkeypatch.setattr(warehouse, "_schema_sha256", lambda: "another")
    assert warehouse.publish(home, {}).rebuild
    assert not warehouse.publish(home, {}).rebuild
    monkeypatch.setattr(warehouse, "_is_mostly_free", lambda _connection: True)
    assert warehouse.publish(home, {}).rebuild


def test_rows_of_another_partition_are_named_and_never_shown(home):
    lake, ledger = Lake(home), sample_lake.write(home)
    warehouse.publish(home, ledger)
    first, second, *_ = (lake.path(schemas.QPU_RESULT_SETS, key) for key in lake.keys(schemas.QPU_RESULT_SETS))
    whole = second.read_bytes()
    second.write_bytes(first.read_bytes())
    for rebuild in (False, True):
        [problem] = warehouse.publish(home, ledger, rebuild=rebuild).unreadable
        assert "it holds rows of another" in problem
        assert str(second.relative_to(home.path)) in problem
    second.write_bytes(whole)
    assert not warehouse.publish(home, ledger).rebuild
    assert content(home) == from_nothing(home, ledger)


def test_a_file_where_its_table_has_no_partition_is_still_shown(home):
    ledger = sample_lake.write(home)
    warehouse.publish(home, ledger)
    stray = PartitionKey(experiment=sample_experiments.FIRST.key)
    table = dict(sample_execution_tables.execution_tables(sample_experiments.FIRST, "local:auto"))[
        schemas.QPU_RESULT_SETS
    ]
    Lake(home).write(schemas.QPU_RESULT_SETS, stray, from_rows(schemas.QPU_RESULT_SETS, table))
    assert warehouse.publish(home, ledger).rebuild
    assert content(home) == from_nothing(home, ledger)
