import os
import subprocess
import sys
import time

import pytest

from qhybrid_pipelines.storage import atomic
from qhybrid_pipelines.storage.layout import Home

LEAVE_A_FILE = """
import os, signal, sys
from pathlib import Path
from qhybrid_pipelines.storage import atomic
with atomic.scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_bytes(b"half")
    print(folder.name, flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def test_home_is_absolute_and_makes_its_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = Home("data").make().make()
    monkeypatch.chdir("/")
    assert home.path == tmp_path / "data"
    assert all(folder.is_dir() and folder.parent == home.path for folder in home.folders)


def test_a_file_is_replaced_whole_and_nothing_is_left_in_tmp(home):
    path = home.lake / "deep" / "er" / "file"
    for content in (b"old", b"new"):
        atomic.write_bytes(path, content, tmp=home.tmp)
        assert path.read_bytes() == content
    assert list(home.tmp.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_no_other(home, monkeypatch):
    path = home.path / "file"
    atomic.write_bytes(path, b"old", tmp=home.tmp)

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic.write_bytes(path, b"new", tmp=home.tmp)
    assert path.read_bytes() == b"old"
    assert list(home.tmp.iterdir()) == []


def test_scratch_is_removed_also_after_an_error(home):
    def fail():
        with atomic.scratch_folder(home.tmp) as folder:
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
    with atomic.scratch_folder(home.tmp) as mine:
        assert atomic.remove_leftovers(home) == ()
        process.communicate("die\n")
        assert atomic.remove_leftovers(home) == (left,)
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
    while not (removed := atomic.remove_leftovers(home)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert removed == (left,)
    process.communicate()


def test_an_id_that_was_given_again_does_not_protect_a_dead_owner(home):
    home.make()
    pid, start, rest = atomic._temporary_name("file").split(".", 2)
    (home.tmp / f"{pid}.{int(start) + 1}.{rest}").touch()
    assert len(atomic.remove_leftovers(home)) == 1


def test_another_machines_files_are_left_for_a_day(home):
    home.make()
    file = home.tmp / f"1.1.{'0' * 12}-{'0' * 16}-data.parquet"
    file.touch()
    assert atomic.remove_leftovers(home) == ()
    long_ago = time.time() - atomic.OTHER_MACHINE_AGE_SECONDS - 60
    os.utime(file, (long_ago, long_ago))
    assert atomic.remove_leftovers(home) == (file.name,)


def test_sweep_of_a_home_that_is_not_there(home):
    assert atomic.remove_leftovers(home) == ()
