"""Temporary files of tests lie in memory where there is plenty, and the memory is given back."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from qhybrid_pipelines_tests.support import temporary_files
from qhybrid_pipelines_tests.support.temporary_files import A_DAY_SECONDS, FOLDER_VARIABLE, LOCK_NAME, choose

ROOT = Path(__file__).resolve().parents[2]

#: A run that is killed before it can remove anything.
KILLED = """
import os, signal, sys
from pathlib import Path
from qhybrid_pipelines_tests.support.temporary_files import choose
chosen = choose({}, Path(sys.argv[1]), 0)
(chosen.folder / "data").write_bytes(b"x")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    folder = tmp_path / "memory"
    folder.mkdir()
    return folder


def test_a_run_has_a_folder_of_its_own_until_it_ends(memory: Path) -> None:
    first, second = choose({}, memory, 0), choose({}, memory, 0)
    assert first.folder != second.folder
    assert first.folder is not None
    assert first.folder.is_dir(), "the second run must not remove what the first one uses"
    first.end(keep=False)
    second.end(keep=True)
    assert [*memory.iterdir()] == [second.folder]
    choose({}, memory, 2**70)
    assert [*memory.iterdir()] == [], "what a failed run has left is removed by the next one"


def test_what_a_killed_run_has_left_is_removed_by_the_next_one(memory: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, memory], cwd=ROOT, check=False, timeout=60)
    [left] = memory.iterdir()
    assert (left / "data").exists()
    foreign = memory / f"{temporary_files.PREFIX}without-a-lock"
    foreign.mkdir()
    choose({}, memory, 2**70)
    assert [*memory.iterdir()] == [foreign]
    a_day_ago = time.time() - A_DAY_SECONDS - 60
    os.utime(foreign, (a_day_ago, a_day_ago))
    choose({}, memory, 2**70)
    assert [*memory.iterdir()] == [], "what was written after a run had ended has no lock"


def test_a_folder_that_another_run_removes_meanwhile(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda folder, _: [folder / f"{temporary_files.PREFIX}gone"])
    assert "of memory left" in choose({}, memory, 2**70).reason


@pytest.mark.parametrize(
    ("environment", "least_free_bytes", "folder", "reason"),
    [
        ({}, 2**70, None, "of memory left, less than"),
        ({FOLDER_VARIABLE: "/some/disk"}, 0, Path("/some/disk"), f"named by {FOLDER_VARIABLE}"),
    ],
)
def test_the_disk_is_used(memory, environment, least_free_bytes, folder, reason):
    chosen = choose(environment, memory, least_free_bytes)
    assert chosen.folder == folder
    assert reason in chosen.reason
    assert [*memory.iterdir()] == []


def test_no_such_file_system(tmp_path: Path) -> None:
    assert choose({}, tmp_path / "none", 0).folder is None


def test_this_run_and_what_it_starts_write_where_it_was_chosen(tmp_path: Path) -> None:
    if not (named := os.environ.get(FOLDER_VARIABLE)):
        pytest.skip("this run uses the folder of the system")
    program = "import tempfile; print(tempfile.gettempdir())"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert {tempfile.gettempdir(), told.stdout.strip()} == {named}
    assert LOCK_NAME not in {path.name for path in tmp_path.iterdir()}
