"""The tables of a home on objects: what a lake of files promises holds there, for readers, ticks, snapshots and other homes."""

import os
from dataclasses import replace

import pytest

from qhybrid_pipelines.control.experiments.damaged_files import Damage
from qhybrid_pipelines.core.errors import CorruptFile, EnvironmentFailure, InvalidInput, MissingUpstream
from qhybrid_pipelines.steps.operate.due_work import find_due_work
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.analyst import connect, query_rows
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.lake_catalogue import Catalogue
from qhybrid_pipelines.storage.lake_files import inventory
from qhybrid_pipelines.storage.lake_store import FolderStore, open_store
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.settled_marks import stat_files
from qhybrid_pipelines.storage.shared_snapshot import PLACE
from qhybrid_pipelines.storage.tables import empty, from_columns
from qhybrid_pipelines.storage.warehouse import publish
from qhybrid_pipelines_tests.support.object_lakes import ON_S3

KEY = PartitionKey(experiment="maxcut-a-01234567", backend="local:auto")


@pytest.fixture(params=["folder", *ON_S3])
def kind(request):
    return request.param


def counts(*values):
    columns = {
        "experiment": KEY.experiment,
        "backend": KEY.backend,
        "job_id": "j1",
        "point": 0,
        "repetition": 0,
        "bits": list(range(len(values))),
        "high_bits": [None] * len(values),
        "count": list(values),
    }
    return from_columns(schemas.QPU_RESULT_SETS, columns)


@pytest.fixture
def lake(request, address, tmp_path, monkeypatch):
    monkeypatch.setenv("QHYBRID_LAKE", address)
    home = Home(tmp_path / "home")
    yield Lake(home)
    open_store(home).catalogue.close()


def test_tables_read_back_equal_and_no_file_of_them_is_in_the_home(lake):
    written = lake.write(schemas.QPU_RESULT_SETS, KEY, counts(3, 4))
    assert lake.read("qpu_result_sets", KEY).equals(counts(3, 4))
    assert written.address == f"{open_store(lake.home).objects.address}/objects/{written.sha256[:2]}/{written.sha256}"
    assert lake.keys("qpu_result_sets") == (KEY,)
    assert lake.exists("qpu_result_sets", KEY)
    assert lake.find("qpu_result_sets", KEY).bytes == written.bytes
    assert not list(lake.home.path.rglob("*.parquet"))


def test_the_same_rows_have_the_same_bytes_as_in_a_folder(lake, tmp_path, monkeypatch):
    there = lake.write(schemas.QPU_RESULT_SETS, KEY, counts(3, 4))
    with monkeypatch.context() as unset:
        unset.delenv("QHYBRID_LAKE")
        assert there.sha256 == Lake(Home(tmp_path / "other")).write(schemas.QPU_RESULT_SETS, KEY, counts(3, 4)).sha256


def test_what_was_never_written_is_missing_upstream(lake):
    with pytest.raises(MissingUpstream):
        lake.read("qpu_result_sets", KEY)
    assert not lake.exists("qpu_result_sets", KEY)


def test_what_is_asked_together_is_what_each_question_says_and_needs_no_further_one(lake, monkeypatch):
    other = PartitionKey(experiment="maxcut-b-01234567", backend="local:auto")
    lake.write(schemas.QPU_RESULT_SETS, KEY, counts(1))
    lake.write(schemas.QPU_RESULT_SETS, KEY, counts(2))
    lake.write(schemas.EXPERIMENTS, PartitionKey(experiment=other.experiment), empty(schemas.EXPERIMENTS))
    keys = [key for one in (KEY, other) for key in (one, PartitionKey(experiment=one.experiment))]
    each = {(table.name, key): lake.find(table, key) for table in schemas.LAKE_TABLES for key in keys}
    assert sum(found is not None for found in each.values()) == 2
    together = lake.knowing(keys)
    with monkeypatch.context() as silent:
        silent.setattr(Catalogue, "find", lambda *_: pytest.fail("a question of its own"))
        assert {(table, key): together.find(table, key) for table, key in each} == each
    assert together.find(schemas.QPU_RESULT_SETS, PartitionKey(experiment="c")) is None  # asked for now
    assert together.read(schemas.QPU_RESULT_SETS, KEY).equals(counts(2))


def test_a_tick_asks_once_for_the_tables_of_many_experiments(lake, monkeypatch):
    workspace = Workspace(lake.home)
    text = "name: tick {}\nproblem: {{family: maxcut, source: 'networkx:bull'}}\nsweep: {{strategy: fixed_angles, points: 2}}\n"
    for number in range(3):
        workspace.registration.register_text(text.format(number), file="a.yaml", folder=lake.home.path)
    asked = []
    monkeypatch.setattr(Catalogue, "find", lambda _, place, *rest: asked.append(place))
    due = find_due_work(
        workspace.specifications,
        workspace.lake,
        workspace.control_plane,
        workspace.registration,
        Damage(),
        marks=workspace.settled,
    )
    assert len(due) == 3
    assert asked == []


def test_a_reader_that_holds_a_version_sees_nothing_that_came_later(lake):
    lake.write(schemas.QPU_RESULT_SETS, KEY, counts(1))
    held = lake.held()
    lake.write(schemas.QPU_RESULT_SETS, KEY, counts(2))
    lake.write(schemas.FEATURES, PartitionKey(experiment="later"), schemas.FEATURES.schema.empty_table())
    assert held.read("qpu_result_sets", KEY).equals(counts(1))
    assert held.keys("features") == ()
    assert lake.read("qpu_result_sets", KEY).equals(counts(2))
    assert inventory(lake.home, held.version).num_rows == 1
    assert inventory(lake.home).num_rows == 2


def test_versions_stand_for_inodes_where_marks_and_snapshots_look_for_changes(lake):
    place = lake.place("qpu_result_sets", KEY)
    assert stat_files(lake.home, [place]).states == ("",)
    lake.write(schemas.QPU_RESULT_SETS, KEY, counts(1))
    first, listed = stat_files(lake.home, [place]), inventory(lake.home)
    assert first.all_there
    lake.write(schemas.QPU_RESULT_SETS, KEY, counts(1))
    assert stat_files(lake.home, [place]).fingerprint != first.fingerprint
    assert not inventory(lake.home).equals(listed)
    assert stat_files(lake.home, ["home.json"]).states == ("",)


def test_the_snapshot_is_opened_where_only_store_and_catalogue_are_reached(lake, tmp_path):
    elsewhere = Home(tmp_path / "elsewhere")
    elsewhere.path.mkdir()
    assert lake.keys("qpu_result_sets") == ()
    if lake.home.lake_catalogue.exists():  # one file on both machines stands for one server
        elsewhere.lake_catalogue.symlink_to(lake.home.lake_catalogue)
    total = "SELECT sum(count)::BIGINT AS n FROM qpu_result_sets"
    with pytest.raises(InvalidInput, match="no warehouse yet"):
        query_rows(elsewhere, total)
    lake.write(schemas.QPU_RESULT_SETS, KEY, counts(3, 4))
    first = publish(lake.home, {})
    with connect(elsewhere) as reader:
        lake.write(schemas.QPU_RESULT_SETS, KEY, counts(30, 40))
        second = publish(lake.home, {})
        assert reader.sql(total).fetchall() == [(7,)]
    assert query_rows(elsewhere, total) == query_rows(lake.home, total) == ([{"n": 70}], ["n"])
    assert (first.rebuild, second.rebuild) == (True, False)
    assert elsewhere.warehouse.read_bytes() == lake.home.warehouse.read_bytes()
    assert len(inventory(lake.home)) == 1
    store = open_store(lake.home)
    elsewhere.warehouse.unlink()
    digest = store.digest(PLACE)
    store.objects.put(f"objects/{digest[:2]}/{digest}", b"damaged")
    with pytest.raises(CorruptFile, match="SHA-256"):
        query_rows(elsewhere, total)
    open_store(elsewhere).catalogue.close()


def test_a_publication_that_cannot_be_put_changes_nothing(lake, monkeypatch):
    lake.write(schemas.QPU_RESULT_SETS, KEY, counts(3, 4))
    publish(lake.home, {})
    before = lake.home.warehouse.read_bytes()
    lake.write(schemas.QPU_RESULT_SETS, KEY, counts(5))

    def refuse(*_):
        raise EnvironmentFailure("the object store cannot be used", remedy="Try again.")

    with monkeypatch.context() as patched:
        patched.setattr("qhybrid_pipelines.storage.objects.Objects.put_file", refuse)
        with pytest.raises(EnvironmentFailure):
            publish(lake.home, {})
    assert lake.home.warehouse.read_bytes() == before
    assert publish(lake.home, {}).tables["qpu_result_sets"] == 1


def test_two_homes_do_not_share_an_address(lake, tmp_path, monkeypatch):
    lake.write(schemas.QPU_RESULT_SETS, KEY, counts(1))
    with monkeypatch.context() as unset:
        unset.delenv("QHYBRID_LEDGER_URL", raising=False)  # with one ledger they would be one home
        with pytest.raises(InvalidInput, match="tables of another home"):
            open_store(Home(tmp_path / "second").make())


def test_a_home_says_when_its_tables_are_elsewhere(lake, tmp_path, monkeypatch):
    lake.write(schemas.QPU_RESULT_SETS, KEY, counts(1))
    address = os.environ["QHYBRID_LAKE"]
    monkeypatch.setenv("QHYBRID_LAKE", f"{address}-empty")
    with pytest.raises(InvalidInput, match="does not hold the tables of this home"):
        lake.keys("qpu_result_sets")
    monkeypatch.delenv("QHYBRID_LAKE")
    with pytest.raises(InvalidInput, match=f"the tables of this home lie at {address}"):
        lake.exists("qpu_result_sets", KEY)
    with pytest.raises(InvalidInput, match=f"the tables of this home lie at {address}"):
        connect(lake.home)
    monkeypatch.setenv("QHYBRID_LAKE", address)


def test_a_home_with_a_folder_of_tables_does_not_begin_a_second_lake(tmp_path, monkeypatch):
    home = Home(tmp_path / "home")
    Lake(home).write(schemas.QPU_RESULT_SETS, KEY, counts(1))
    monkeypatch.setenv("QHYBRID_LAKE", f"file:{tmp_path}/objects")
    with pytest.raises(InvalidInput, match="has tables in its folder"):
        Lake(home).keys("qpu_result_sets")


def test_a_folder_is_the_default(tmp_path):
    store = open_store(Home(tmp_path))
    assert isinstance(store, FolderStore)
    assert (store.current_version(), store.all(), store.versions(["lake/x"])) == (None, None, {})
    assert store.at(3) is store
    assert replace(store) == store
