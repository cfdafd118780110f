"""Our stores of Dagster's state against Dagster's own: the same files, the same answers, and what was removed is gone."""

import os
import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from alembic.util import CommandError
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from sqlalchemy.exc import DatabaseError

from qhybrid_pipelines.dagster_storage import (
    BATCH_VARIABLE,
    MAX_ENGINES,
    Engines,
    EventLogStorage,
    RunStorage,
    ScheduleStorage,
    sqlite_settings,
)


@dg.asset(partitions_def=dg.DynamicPartitionsDefinition(name="things"))
def thing(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """An asset with a partition for each thing."""
    return dg.MaterializeResult(metadata={"name": context.partition_key})


#: Where another test of this process has imported JAX, which has threads, Python 3.12 and later warn at each fork; the child uses none of it.
FORKS = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")

JOB = dg.Definitions(assets=[thing], jobs=[dg.define_asset_job("make", [thing])]).resolve_job_def("make")


THINGS = dg.DynamicPartitionsDefinition(name="things")
MANY = [f"thing-{number}" for number in range(7)]


@dg.multi_asset(
    outs={"left": dg.AssetOut(dagster_type=dg.Nothing), "right": dg.AssetOut(dagster_type=dg.Nothing)},
    check_specs=[dg.AssetCheckSpec("whole", asset="left", partitions_def=THINGS)],
    partitions_def=THINGS,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def sides(context: dg.AssetExecutionContext):
    """Two assets with many partitions in one run, and a check."""
    yield dg.Output(None, output_name="left", metadata={"things": len(context.partition_keys)}, tags={"a": "b"})
    yield dg.Output(None, output_name="right")
    yield dg.AssetCheckResult(asset_key="left", check_name="whole", passed=True)


MANY_JOB = dg.Definitions(assets=[sides], jobs=[dg.define_asset_job("sides", [sides])]).resolve_job_def("sides")


def open_instance(folder: Path, *, own: bool) -> dg.DagsterInstance:
    settings = sqlite_settings(folder) if own else {}
    return dg.DagsterInstance.from_ref(
        InstanceRef.from_dir(str(folder), overrides={"telemetry": {"enabled": False}, **settings})
    )


def run(instance: dg.DagsterInstance, key: str) -> str:
    instance.add_dynamic_partitions("things", [key])
    result = JOB.execute_in_process(instance=instance, partition_key=key)
    assert result.success
    return result.run_id


def events(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [entry.dagster_event_type.value for entry in instance.all_logs(run_id) if entry.is_dagster_event]


def test_who_shares_a_home_may_write_to_the_history_of_each_run(tmp_path: Path) -> None:
    """Of a run that another user of the group began too: it may have to be ended."""
    before = os.umask(0o002)
    try:
        with open_instance(tmp_path, own=True) as instance:
            run_id = run(instance, "one")
    finally:
        os.umask(before)
    assert (tmp_path / "history" / "runs" / f"{run_id}.db").stat().st_mode & 0o777 == 0o664


@pytest.mark.parametrize("writer", ["ours", "Dagster's"])
def test_what_one_writes_the_other_reads(tmp_path: Path, writer: str) -> None:
    folder = tmp_path / "dagster"
    folder.mkdir()
    with open_instance(folder, own=writer == "ours") as instance:
        assert isinstance(instance.event_log_storage, EventLogStorage) == (writer == "ours")
        assert isinstance(instance.run_storage, RunStorage) == (writer == "ours")
        run_id = run(instance, "a")
        wrote = events(instance, run_id)
    with open_instance(folder, own=writer != "ours") as instance:
        assert isinstance(instance.event_log_storage, SqliteEventLogStorage)
        assert isinstance(instance.run_storage, SqliteRunStorage)
        assert events(instance, run_id) == wrote
        assert instance.get_run_by_id(run_id).status is dg.DagsterRunStatus.SUCCESS
        assert instance.get_dynamic_partitions("things") == ["a"]
        assert instance.get_materialized_partitions(dg.AssetKey("thing")) == {"a"}
        run(instance, "b")
        assert sorted(instance.get_dynamic_partitions("things")) == ["a", "b"]


def test_a_partition_is_there_from_when_it_is_added_until_it_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "dagster"
    folder.mkdir()
    with open_instance(folder, own=True) as instance:
        assert not instance.has_dynamic_partition("things", "a")
        with open_instance(folder, own=False) as elsewhere:  # another process adds it
            elsewhere.add_dynamic_partitions("things", ["a"])
        assert instance.has_dynamic_partition("things", "a")
        assert not instance.has_dynamic_partition("others", "a")
        instance.delete_dynamic_partition("things", "a")
        assert not instance.has_dynamic_partition("things", "a")


def test_a_run_that_is_deleted_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "dagster"
    folder.mkdir()
    with open_instance(folder, own=True) as instance:
        first, second = run(instance, "a"), run(instance, "b")
        instance.delete_run(first)
        assert [record.run_id for record in instance.get_runs()] == [second]
        assert instance.all_logs(first) == []
        assert instance.all_logs(second)


def test_few_engines_are_kept_and_each_is_used_again(tmp_path: Path) -> None:
    engines = Engines()
    addresses = [f"sqlite:///{tmp_path}/{number}.db" for number in range(MAX_ENGINES + 1)]
    first = engines.get(addresses[0])
    assert engines.get(addresses[0]) is first
    for address in addresses:
        engines.get(address)
    assert len(engines) == MAX_ENGINES
    assert engines.get(addresses[0]) is not first


def open_all_at_once(store, folder: Path, count: int = 6) -> list[BaseException | None]:
    """Open a new store from several threads at the same moment; return what each met."""
    barrier = threading.Barrier(count)

    def open_one(_: int) -> BaseException | None:
        barrier.wait()
        try:
            store.from_config_value(None, {"base_dir": f"{folder}/"}).dispose()
        except (DatabaseError, CommandError) as error:
            return error
        return None

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(open_one, range(count)))


@pytest.mark.parametrize("store", [RunStorage, EventLogStorage, ScheduleStorage])
def test_whoever_opens_a_new_home_while_another_makes_it_waits(tmp_path: Path, store) -> None:
    for attempt in range(3):
        assert open_all_at_once(store, tmp_path / str(attempt)) == [None] * 6


def test_without_waiting_it_fails(tmp_path: Path) -> None:
    """The control: Dagster's own class, given as many chances as it takes."""
    assert any(any(open_all_at_once(SqliteRunStorage, tmp_path / str(attempt))) for attempt in range(20))


@FORKS
def test_a_forked_child_opens_files_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "dagster"
    folder.mkdir()
    with open_instance(folder, own=True) as instance:
        first = run(instance, "a")
        child = os.fork()
        if child == 0:
            found = instance.get_run_by_id(first)
            instance.add_dynamic_partitions("things", ["from the child"])
            os._exit(0 if found is not None and found.is_success else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert "from the child" in instance.get_dynamic_partitions("things")
        assert events(instance, run(instance, "b"))


def open_files(folder: Path) -> set[str]:
    """Return the database files below a folder that this process has open."""
    links = [str(place.readlink()) for place in Path("/proc/self/fd").iterdir() if place.is_symlink()]
    return {name for name in links if name.startswith(str(folder))}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed by Linux only")
def test_files_are_closed_with_the_instance(tmp_path: Path) -> None:
    folder = tmp_path / "dagster"
    folder.mkdir()
    with open_instance(folder, own=True) as instance:
        run(instance, "a")
        assert any(name.endswith("runs.db") for name in open_files(folder))  # the control: they were open
    assert not {name for name in open_files(folder) if name.endswith(".db")}


@FORKS
def test_a_killed_process_loses_no_event(tmp_path: Path) -> None:
    folder = tmp_path / "dagster"
    folder.mkdir()
    with open_instance(folder, own=True) as instance:
        child = os.fork()
        if child == 0:
            instance.add_dynamic_partitions("things", ["told before death"])
            os.kill(os.getpid(), signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
    with open_instance(folder, own=False) as instance:
        assert instance.get_dynamic_partitions("things") == ["told before death"]


def test_after_a_wipe_all_is_new(tmp_path: Path) -> None:
    folder = tmp_path / "dagster"
    folder.mkdir()
    with open_instance(folder, own=True) as instance:
        run(instance, "a")
        instance.wipe()
        second = run(instance, "b")
    with open_instance(folder, own=False) as instance:
        assert [record.run_id for record in instance.get_runs()] == [second]
        assert events(instance, second)


def run_many(folder: Path, *, own: bool) -> list[object]:
    """Run many partitions at once; return what Dagster then knows, without times and names of runs."""
    folder.mkdir()
    with open_instance(folder, own=own) as instance:
        instance.add_dynamic_partitions("things", MANY)
        for _ in range(2):  # the second time, the assets are known
            tags = {"dagster/asset_partition_range_start": MANY[0], "dagster/asset_partition_range_end": MANY[-1]}
            result = MANY_JOB.execute_in_process(instance=instance, tags=tags)
            assert result.success
        storage, found = instance.event_log_storage, []
        for name in ("left", "right"):
            key = dg.AssetKey(name)
            [record] = instance.get_asset_records([key])
            entry = record.asset_entry
            stored = instance.fetch_materializations(key, limit=100, ascending=True).records
            planned = storage.get_latest_planned_materialization_info(key)
            found += [
                instance.get_materialized_partitions(key),
                [(one.storage_id, one.partition_key, one.asset_materialization.metadata) for one in stored],
                [sorted(one.asset_materialization.tags) for one in stored],
                storage.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION),
                entry.last_materialization_storage_id,
                entry.last_run_id == result.run_id,
                entry.last_materialization_record.timestamp == stored[-1].timestamp,
                planned is not None and planned.run_id == result.run_id,
            ]
        checks = storage.get_asset_check_execution_history(dg.AssetCheckKey(dg.AssetKey("left"), "whole"), limit=100)
        found.append([(check.status, check.partition, check.run_id == result.run_id) for check in checks])
        found.append(sorted(events(instance, result.run_id)))
    return found


def test_events_that_are_stored_together_are_those_of_dagster_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, single = [], EventLogStorage.store_event_batch
    monkeypatch.setattr(
        EventLogStorage, "store_event_batch", lambda self, batch: (together.append(len(batch)), single(self, batch))
    )
    ours = run_many(tmp_path / "ours", own=True)
    assert sorted(set(together)) == [len(MANY), 2 * len(MANY) + 1]  # of an asset, and all that is planned
    monkeypatch.setenv(BATCH_VARIABLE, "0")
    assert ours == run_many(tmp_path / "Dagster's", own=False)


def definition(database: Path) -> list[tuple[str, ...]]:
    """Return what a file of SQLite has: tables and indexes, how it is written, and the revision that Dagster gave it."""
    with closing(sqlite3.connect(database)) as connection:
        return [
            *sorted(connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall(), key=str),
            *connection.execute("SELECT version_num FROM alembic_version"),
            *connection.execute("PRAGMA journal_mode"),
            *connection.execute("PRAGMA integrity_check"),
        ]


def test_the_file_of_every_run_is_as_dagster_makes_it(tmp_path):
    """Those of later runs are copies of the first, also where somebody has only begun to make one."""
    for name in ("theirs", "ours"):
        (tmp_path / name).mkdir()
    with open_instance(tmp_path / "theirs", own=False) as instance:
        [theirs] = {Path(instance.event_log_storage.path_for_shard(run(instance, "a")))}
    with open_instance(tmp_path / "ours", own=True) as instance:
        Path(instance.event_log_storage.path_for_shard("begun")).touch()
        assert not instance.event_log_storage.get_logs_for_run("begun")
        assert not instance.event_log_storage.get_logs_for_run("not-begun")
        ours = [instance.event_log_storage.path_for_shard(one) for one in (run(instance, "a"), run(instance, "b"))]
        files = [
            Path(path) for path in (*ours, *map(instance.event_log_storage.path_for_shard, ("begun", "not-begun")))
        ]
        assert [definition(file) for file in files] == [definition(theirs)] * 4
