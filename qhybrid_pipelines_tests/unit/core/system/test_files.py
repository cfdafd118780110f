import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qhybrid_pipelines.core.system import files
from qhybrid_pipelines.core.system.processes import process_name
from qhybrid_pipelines.storage.layout import Home

LEAVE_A_FILE = """
import os, signal, sys
from pathlib import Path
from qhybrid_pipelines.core.system import files
with files.scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_bytes(b"half")
    print(folder.name, flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def test_a_file_is_replaced_whole_and_nothing_is_left_in_tmp(home):
    path = home.lake / "deep" / "er" / "file"
    for content in (b"old", b"new"):
        files.write_bytes(path, content, tmp=home.tmp)
        assert path.read_bytes() == content
    assert list(home.tmp.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_no_other(home, monkeypatch):
    path = home.path / "file"
    files.write_bytes(path, b"old", tmp=home.tmp)

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_bytes(path, b"new", tmp=home.tmp)
    assert path.read_bytes() == b"old"
    assert list(home.tmp.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which nobody may make another one")
def test_a_folder_that_takes_no_scratch_is_named_itself():
    with pytest.raises(OSError, match=r"/proc'$") as refused, files.scratch_folder(Path("/proc")):
        pass
    assert refused.value.filename == "/proc"


def test_scratch_is_removed_also_after_an_error(home):
    def fail():
        with files.scratch_folder(home.tmp) as folder:
            (folder / "file").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(home.tmp.iterdir()) == []


def test_sweep_removes_what_a_killed_process_left_and_nothing_of_a_living_one(home):
    process = subprocess.Popen(
        [sys.executable, "-c", LEAVE_A_FILE, str(home.tmp)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    left = process.stdout.readline().strip()
    (home.tmp / "not-ours").touch()
    with files.scratch_folder(home.tmp) as mine:
        assert files.remove_leftovers(home.tmp) == ()
        process.communicate("die\n")
        assert files.remove_leftovers(home.tmp) == (left,)
        assert sorted(home.tmp.iterdir()) == sorted([mine, home.tmp / "not-ours"])


def test_sweep_counts_a_process_that_nobody_waited_for_as_dead(home):
    process = subprocess.Popen(
        [sys.executable, "-c", LEAVE_A_FILE, str(home.tmp)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    left = process.stdout.readline().strip()
    process.stdin.write("die\n")
    process.stdin.flush()
    process.stdout.read()  # ends when the process does; it is a zombie until `wait`
    deadline = time.monotonic() + 5
    while not (removed := files.remove_leftovers(home.tmp)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert removed == (left,)
    process.communicate()


def test_an_id_that_was_given_again_does_not_protect_a_dead_owner(home):
    home.make()
    pid, start, machine = process_name().split(".")
    (home.tmp / f"{pid}.{int(start) + 1}.{machine}-{'0' * 16}-file.tmp").touch()
    (home.tmp / f"{pid}.{start}.{machine}-{'0' * 16}-file.tmp").touch()
    assert len(files.remove_leftovers(home.tmp)) == 1


@pytest.mark.parametrize("age_seconds", [0, 2 * 86_400, 400 * 86_400, -2 * 86_400])
def test_another_machines_files_are_never_removed(home, age_seconds):
    """Nobody here can ask about it, and its clock may be days away from ours; people are told instead."""
    home.make()
    file = home.tmp / f"1.1.{'0' * 12}-{'0' * 16}-data.parquet"
    file.touch()
    moment = time.time() - age_seconds
    os.utime(file, (moment, moment))
    (home.tmp / "not-ours").touch()
    with files.scratch_folder(home.tmp):
        assert files.remove_leftovers(home.tmp) == ()
        assert files.foreign_leftovers(home.tmp) == (file,)


def test_sweep_of_a_home_that_is_not_there(home):
    assert files.remove_leftovers(home.tmp) == ()


def write_noting_what_is_flushed(monkeypatch, write):
    """Return, for each wait for the disk, what was waited for and whether the file had its name by then."""
    waits, flush = [], os.fsync

    def note(descriptor):
        waits.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), write.path.exists()))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    write()
    return waits


class Write:
    def __init__(self, path, call):
        self.path, self._call = path, call

    def __call__(self):
        self._call(self.path, b"content")


@pytest.mark.parametrize("call", [files.write_bytes, files.write_once])
def test_content_is_on_the_disk_before_the_name_and_the_name_before_the_answer(call, tmp_path, monkeypatch):
    file, folder = write_noting_what_is_flushed(monkeypatch, Write(tmp_path / "file", call))
    assert file[0].startswith(f"{tmp_path}/{process_name()}-")
    assert not file[1]
    assert folder == (str(tmp_path), True)


def test_a_folder_is_on_the_disk_before_a_file_in_it(tmp_path, monkeypatch):
    waits = write_noting_what_is_flushed(monkeypatch, Write(tmp_path / "a" / "b" / "file", files.write_once))
    assert [place for place, _ in waits[:2]] == [str(tmp_path), str(tmp_path / "a")]


def test_what_can_be_made_again_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    def write(path, data):
        files.write_bytes(path, data, durable=False)

    assert write_noting_what_is_flushed(monkeypatch, Write(tmp_path / "file", write)) == []
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_file_that_is_written_once_stays_as_it_is(tmp_path):
    assert files.write_once(tmp_path / "file", b"first") == b"first"
    assert files.write_once(tmp_path / "file", b"second") == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
