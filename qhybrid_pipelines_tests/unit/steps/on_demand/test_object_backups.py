"""Backups of homes whose tables are objects: they hold the tables of one version, and come back in a folder or on objects."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.steps.on_demand.home_backups import back_up, restore
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.lake_catalogue import Catalogue
from qhybrid_pipelines.storage.lake_store import LAKE_VARIABLE, object_store, open_store
from qhybrid_pipelines.storage.layout import Home

PLACES = [f"lake/features/experiment=e{number}/data.parquet" for number in range(3)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home on objects with three tables, of which one was replaced and a fourth removed, and a snapshot."""
    monkeypatch.setenv(LAKE_VARIABLE, f"file:{tmp_path}/objects")
    made = Home(tmp_path / "home").make()
    store = object_store(made)
    assert store is not None
    for place in [*PLACES, "lake/features/experiment=gone/data.parquet", "published/warehouse/warehouse.duckdb"]:
        store.write(place, b"first " + place.encode())
    store.write(PLACES[1], b"second")
    store.remove("lake/features/experiment=gone/data.parquet")
    return made


def backed_up(home: Home, folder: Path) -> Path:
    control_plane = Workspace(home).control_plane
    control_plane.ledger.close()  # opening it has made it
    back_up(home, control_plane, folder)
    return folder


def content(place: str) -> bytes:
    return b"second" if place == PLACES[1] else b"first " + place.encode()


def test_a_backup_holds_the_tables_as_they_are_now_and_nothing_else_of_the_store(home: Home, tmp_path: Path) -> None:
    backup = backed_up(home, tmp_path / "backup")
    there = {str(file.relative_to(backup)) for file in backup.rglob("*") if file.is_file()}
    assert {name for name in there if name.startswith(("lake", "objects", "published"))} == set(PLACES)
    assert [(backup / place).read_bytes() for place in PLACES] == [content(place) for place in PLACES]
    noted = json.loads((backup / "backup.json").read_text())["files"]
    assert {place: noted[place] for place in PLACES} == {
        place: hashlib.sha256(content(place)).hexdigest() for place in PLACES
    }
    written = open_store(home).find(PLACES[0])
    assert written is not None
    assert (backup / PLACES[0]).stat().st_mtime == pytest.approx(written.written_at, abs=1e-3)


@pytest.mark.parametrize("on_objects", [True, False])
def test_it_comes_back_as_objects_and_as_files(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, on_objects: bool
) -> None:
    backup = backed_up(home, tmp_path / "backup")
    if on_objects:
        monkeypatch.setenv(LAKE_VARIABLE, f"file:{tmp_path}/others")
    else:
        monkeypatch.delenv(LAKE_VARIABLE)
    new = Home(tmp_path / "new")
    restore(backup, new)
    assert any(new.lake.rglob("*.parquet")) != on_objects
    store = open_store(new)
    for place in PLACES:
        with store.open(place) as file:
            assert file.read() == content(place)
    assert sorted(store.places("features")) == PLACES


def test_a_backup_of_a_folder_comes_back_as_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home").make()
    (home.path / PLACES[0]).parent.mkdir(parents=True)
    (home.path / PLACES[0]).write_bytes(b"PAR1")
    backup = backed_up(home, tmp_path / "backup")
    monkeypatch.setenv(LAKE_VARIABLE, f"file:{tmp_path}/objects")
    new = Home(tmp_path / "new")
    restore(backup, new)
    with open_store(new).open(PLACES[0]) as file:
        assert file.read() == b"PAR1"
    assert not any(new.lake.rglob("*.parquet"))


def test_the_prefix_of_the_home_that_was_backed_up_is_not_that_of_the_restored_one(home: Home, tmp_path: Path) -> None:
    backup = backed_up(home, tmp_path / "backup")
    with pytest.raises(InvalidInput, match="holds the tables of another home"):
        restore(backup, Home(tmp_path / "new"))
    assert not Home(tmp_path / "new").ledger.exists()


def test_a_restore_that_was_cut_off_is_done_again(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = backed_up(home, tmp_path / "backup")
    monkeypatch.setenv(LAKE_VARIABLE, f"file:{tmp_path}/others")
    new = Home(tmp_path / "new")
    written: list[object] = []

    def commit(self: Catalogue, *arguments: object, **options: object) -> int:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(arguments)
        return committed(self, *arguments, **options)  # type: ignore[arg-type]

    committed = Catalogue.commit
    monkeypatch.setattr(Catalogue, "commit", commit)
    with pytest.raises(KeyboardInterrupt):
        restore(backup, new)
    assert not new.ledger.exists(), "a home that is half restored sends nothing"
    monkeypatch.setattr(Catalogue, "commit", committed)
    restore(backup, new)
    assert sorted(open_store(new).places("features")) == PLACES


def test_tables_that_are_written_while_a_backup_is_made_are_those_of_its_moment(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Catalogue.version

    def version(self: Catalogue) -> int:
        found = read(self)
        monkeypatch.setattr(Catalogue, "version", read)
        for place in PLACES:
            open_store(home).write(place, b"too late")
        return found

    control_plane = Workspace(home).control_plane
    control_plane.ledger.close()
    open_store(home)
    monkeypatch.setattr(Catalogue, "version", version)
    back_up(home, control_plane, tmp_path / "backup")
    assert [(tmp_path / "backup" / place).read_bytes() for place in PLACES] == [content(place) for place in PLACES]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_missing_or_damaged_object_is_named_and_no_backup_is_left(
    home: Home, tmp_path: Path, *, is_there: bool
) -> None:
    digest = hashlib.sha256(b"second").hexdigest()
    (found,) = (tmp_path / "objects").rglob(digest)
    found.unlink()
    if is_there:
        found.write_bytes(b"third")
    with pytest.raises(CorruptFile, match="do not have the SHA-256" if is_there else "e1.* is missing"):
        backed_up(home, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_home_whose_setting_is_missing_says_where_its_tables_are(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control_plane = Workspace(home).control_plane
    control_plane.ledger.close()
    monkeypatch.delenv(LAKE_VARIABLE)
    with pytest.raises(InvalidInput, match=r"the tables of this home lie at file:.*objects, and nothing says so"):
        back_up(home, control_plane, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()
