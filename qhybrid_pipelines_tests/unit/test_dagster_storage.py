"""Our stores of Dagster's state against Dagster's own: the same files, the same answers, and what was removed is gone."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
from alembic.util import CommandError
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from sqlalchemy.exc import DatabaseError

from qhybrid_pipelines.dagster_storage import (
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


JOB = dg.Definitions(assets=[thing], jobs=[dg.define_asset_job("make", [thing])]).resolve_job_def("make")


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
