"""What a backup may name and hold: every other name and thing is refused in one sentence, and nothing is written."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from qhybrid_pipelines.cli import app
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput, QHybridError
from qhybrid_pipelines.steps.on_demand.backup_manifest import check_contents, read_manifest
from qhybrid_pipelines.steps.on_demand.home_backups import back_up, restore
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home

#: A table of the lake, a problem file and the policy: each kind of place that is backed up.
HELD = {"lake/features/experiment=a/data.parquet": b"PAR1", "blobs/0f": b"3 3", "policy.yaml": b"rules: []\n"}
OTHER = b"somebody else's"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup that is as it should be; tests take a copy."""
    home = Home(tmp_path_factory.mktemp("home") / "home").make()
    for name, content in HELD.items():
        (home.path / name).parent.mkdir(parents=True, exist_ok=True)
        (home.path / name).write_bytes(content)
    control_plane = Workspace(home).control_plane
    folder = tmp_path_factory.mktemp("backups") / "monday"
    control_plane.ledger.close()  # opening it has made it
    back_up(home, control_plane, folder)
    return folder


@pytest.fixture
def backup(whole: Path, tmp_path: Path) -> Path:
    for file in whole.rglob("*"):
        if file.is_file():
            copy = tmp_path / "backup" / file.relative_to(whole)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    return tmp_path / "backup"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def rewrite(backup: Path, change: Callable[[dict[str, Any]], None]) -> None:
    values = json.loads((backup / "backup.json").read_text())
    change(values)
    (backup / "backup.json").write_text(json.dumps(values))


def name_also(name: str, content: bytes = OTHER) -> Callable[[Path], None]:
    def change(backup: Path) -> None:
        rewrite(backup, lambda values: values["files"].update({name: sha256(content)}))

    return change


def name_link(backup: Path) -> None:
    """A link to a file with the very content that the manifest promises."""
    outside = backup.parent / "outside"
    outside.write_bytes(HELD["blobs/0f"])
    (backup / "blobs/0f").unlink()
    (backup / "blobs/0f").symlink_to(outside)


def link_folder(backup: Path) -> None:
    (backup / "blobs").rename(backup.parent / "moved")
    (backup / "blobs").symlink_to(backup.parent / "moved")


def put_pipe(backup: Path) -> None:
    (backup / "blobs/0f").unlink()
    os.mkfifo(backup / "blobs/0f")


def put_socket(backup: Path) -> None:
    (backup / "blobs/0f").unlink()
    os.chdir(backup / "blobs")  # a socket's address is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("0f")


def put_folder(backup: Path) -> None:
    (backup / "blobs/0f").unlink()
    (backup / "blobs/0f").mkdir()


def twice(backup: Path) -> None:
    text = (backup / "backup.json").read_text()
    entry = f'"blobs/0f": "{sha256(HELD["blobs/0f"])}"'
    assert entry in text
    (backup / "backup.json").write_text(text.replace(entry, f'{entry},"blobs/0f":"{sha256(OTHER)}"'))


def set_digest(digest: Any) -> Callable[[Path], None]:
    return lambda backup: rewrite(backup, lambda values: values["files"].update({"blobs/0f": digest}))


def set_value(name: str, value: Any) -> Callable[[Path], None]:
    return lambda backup: rewrite(backup, lambda values: values.update({name: value}))


def nested(backup: Path) -> None:
    (backup / "backup.json").write_text("[" * 100_000)


def manifest_is_a_pipe(backup: Path) -> None:
    (backup / "backup.json").unlink()
    os.mkfifo(backup / "backup.json")


def other_ledger(backup: Path) -> None:
    """The ledger of another home, with the right checksum."""
    home = Home(backup.parent / "other").make()
    control_plane = Workspace(home).control_plane
    control_plane.ledger.close()  # opening it has made it
    back_up(home, control_plane, backup.parent / "tuesday")
    content = (backup.parent / "tuesday/ledger.db").read_bytes()
    (backup / "ledger.db").write_bytes(content)
    name_also("ledger.db", content)(backup)


def no_database(backup: Path) -> None:
    (backup / "ledger.db").write_bytes(OTHER * 1000)
    name_also("ledger.db", OTHER * 1000)(backup)


#: What is done to a backup, and words of the sentence that refuses it.
MEMBERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a name that climbs": (name_also("../../x"), "not the place of a file below"),
    "a name that climbs from a folder that is there": (name_also("lake/../../x"), "not the place of a file below"),
    "an absolute name": (name_also("/tmp/x"), "not the place of a file below"),
    "a name spelt another way": (name_also("blobs/./0f"), "not the place of a file below"),
    "a name with two slashes": (name_also("blobs//0f"), "not the place of a file below"),
    "an empty name": (name_also(""), "not the place of a file below"),
    "a name with a NUL": (name_also("blobs/0f\0"), "not the place of a file below"),
    "half a surrogate": (name_also("blobs/\ud800"), "not the place of a file below"),
    "the home's question": (name_also("home.question.json"), "not one of the places"),
    "the home's note": (name_also("home.json"), "not one of the places"),
    "Dagster's settings": (name_also("dagster/dagster.yaml"), "not one of the places"),
    "a key's pepper": (name_also("service.pepper"), "not one of the places"),
    "a folder's own name": (name_also("lake"), "not one of the places"),
    "a name listed twice": (twice, "twice"),
    "a link to a file": (name_link, "a link, and no file"),
    "a link to a folder": (link_folder, "a link, and no file"),
    "a pipe": (put_pipe, "a pipe, and no file"),
    "a socket": (put_socket, "a socket, and no file"),
    "a folder": (put_folder, "missing from the backup"),
    "a file less": (lambda backup: (backup / "blobs/0f").unlink(), "missing from the backup"),
    "a file more": (lambda backup: (backup / "blobs/1f").write_bytes(OTHER), "not named in backup.json"),
    "a file more beside the ledger": (lambda backup: (backup / "ledger.db-wal").write_bytes(OTHER), "not named in"),
    "other content": (lambda backup: (backup / "blobs/0f").write_bytes(OTHER), "not what was backed up"),
    "another checksum": (set_digest(sha256(OTHER)), "not what was backed up"),
    "a number for a checksum": (set_digest(7), "is not one"),
    "a short checksum": (set_digest("ab"), "is not one"),
    "no ledger": (lambda backup: rewrite(backup, lambda values: values["files"].pop("ledger.db")), "does not name"),
    "files as a number": (set_value("files", 7), "no complete backup here"),
    "a time without a zone": (set_value("made_at", "2026-01-01T00:00:00"), "no zone"),
    "a deep note": (nested, "no complete backup here"),
    "a note that is a pipe": (manifest_is_a_pipe, "no complete backup here"),
    "another home's id": (set_value("home_id", "somebody-else"), "not the one that backup.json speaks of"),
    "another count of openings": (set_value("openings", 7000), "not the one that backup.json speaks of"),
    "another last event": (set_value("head", {"position": 3, "hash": "ab"}), "not the one that backup.json speaks of"),
    "another home's ledger": (other_ledger, "not the one that backup.json speaks of"),
    "a ledger that is no database": (no_database, "ledger.db"),
}


@pytest.mark.parametrize("member", MEMBERS)
def test_it_is_refused_in_a_sentence_before_anything_is_written(
    member: str, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    change, words = MEMBERS[member]
    change(backup)
    there = sorted(path for path in tmp_path.rglob("*"))
    result = CliRunner().invoke(app, ["restore", str(backup), "--home", str(tmp_path / "restored" / "home")])
    assert isinstance(result.exception, InvalidInput | CorruptFile), result.exc_info
    assert words in str(result.exception)
    assert str(backup) in str(result.exception), "it says where"
    assert sorted(path for path in tmp_path.rglob("*")) == there, "nothing is written, not even the home's folder"


@pytest.mark.skipif(not Path("/dev/null").is_char_device() or os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_refused_unopened(backup: Path, tmp_path: Path) -> None:
    (backup / "blobs/0f").unlink()
    try:
        os.mknod(backup / "blobs/0f", 0o20600, os.makedev(1, 5))  # /dev/zero: who reads it never ends
    except PermissionError:
        pytest.skip("this container makes no devices")
    with pytest.raises(CorruptFile, match="a device, and no file"):
        restore(backup, Home(tmp_path / "home"))


def test_a_whole_backup_is_restored(backup: Path, tmp_path: Path) -> None:
    """The negative control of all of the above: nothing was wrong with the backup before."""
    home = Home(tmp_path / "home")
    restore(backup, home)
    for name, content in HELD.items():
        assert (home.path / name).read_bytes() == content


@pytest.mark.parametrize("name", [b"no text \xff.yaml", b"new\nline.yaml", "composé.yaml".encode(), b"..yaml"])
def test_a_file_of_any_name_that_was_refused_comes_back(name: bytes, tmp_path: Path) -> None:
    """Whoever may drop files into the inbox decides what they are called; that keeps nobody from making backups."""
    home, restored = Home(tmp_path / "home").make(), Home(tmp_path / "restored")
    refused = os.path.join(os.fsencode(home.quarantine), name)  # noqa: PTH118 - bytes
    with open(refused, "wb") as file:  # noqa: PTH123 - bytes
        file.write(OTHER)
    control_plane = Workspace(home).control_plane
    control_plane.ledger.close()
    back_up(home, control_plane, tmp_path / "backup")
    restore(tmp_path / "backup", restored)
    assert [os.fsencode(file.name) for file in restored.quarantine.iterdir()] == [name]


def test_a_backup_is_named_by_a_link(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(backup)
    restore(tmp_path / "latest", Home(tmp_path / "home"))
    assert (tmp_path / "home/blobs/0f").read_bytes() == HELD["blobs/0f"]


def test_files_of_the_place_are_never_replaced(backup: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home").make()
    (home.path / "policy.yaml").write_bytes(OTHER)
    with pytest.raises(InvalidInput, match="something else at this place"):
        restore(backup, home)
    assert (home.path / "policy.yaml").read_bytes() == OTHER
    assert not home.question.exists()


def test_a_link_at_the_place_is_not_written_through(backup: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home").make()
    (tmp_path / "shared.yaml").write_bytes(OTHER)
    (home.path / "policy.yaml").symlink_to(tmp_path / "shared.yaml")
    with pytest.raises(InvalidInput, match="something else at this place"):
        restore(backup, home)
    assert (tmp_path / "shared.yaml").read_bytes() == OTHER


def test_an_interrupted_restore_is_done_again(backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")
    with monkeypatch.context() as patch:
        patch.setattr("qhybrid_pipelines.steps.on_demand.home_backups.write_note", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            restore(backup, home)
    (home.path / "blobs/0f").write_bytes(b"3")  # as far as it was written
    restore(backup, home)
    assert (home.path / "blobs/0f").read_bytes() == HELD["blobs/0f"]


FOLDERS = {"lake", "specifications", "blobs", "raw", "providers", "stops", "labels", "scheduled", "requesters"}
FOLDERS |= {"checkpoints", "spool", "quarantine", "uploads", "retention"}
FILES = {"ledger.db", "webhooks.db", "decisions.db", "service.db", "service.keys.json", "verdict_history.jsonl"}
FILES |= {"removals.db", "home.decisions.jsonl", "policy.yaml", "service.yaml"}
parts = st.one_of(
    st.sampled_from(["", ".", "..", "...", "~", "lake", "blobs", "raw", "home.json", "tmp", "a b", "data.parquet"]),
    st.text(alphabet=string.ascii_letters + "./\\\0\n\u202eé", max_size=6),
)


@given(name=st.lists(parts, min_size=1, max_size=4).map("/".join))
@example(name="lake/../lake/x")
@example(name="lake\\..\\..\\x")
@settings(max_examples=300, deadline=None)
def test_no_name_leads_out_of_the_folders_that_are_backed_up(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Judged by the system's own reading of a path, not by looking at the name's parts."""
    folder = tmp_path_factory.getbasetemp() / "names"
    folder.mkdir(exist_ok=True)
    values = {"format": 2, "home_id": "h", "openings": 1, "head": {"position": 0, "hash": ""}}
    values |= {"made_at": "2026-01-01T00:00:00+00:00", "files": {"ledger.db": "0" * 64, name: "0" * 64}}
    (folder / "backup.json").write_text(json.dumps(values))
    landing = os.path.relpath(os.path.normpath(os.path.join(folder, name)), folder)  # noqa: PTH118 - reads `..` as the system does
    is_one_spelling = landing == name and "\0" not in name
    is_backed_up = landing in FILES or (landing.split("/")[0] in FOLDERS and landing not in FOLDERS)
    if is_one_spelling and is_backed_up:
        manifest = read_manifest(Home(folder))
        with pytest.raises(QHybridError, match="missing from the backup"):
            check_contents(Home(folder), manifest)
    else:
        with pytest.raises(InvalidInput):
            read_manifest(Home(folder))
