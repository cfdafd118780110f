"""Result files: written once, whole or not at all, whoever races and whoever is killed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from qhybrid_pipelines.core.system.processes import process_name
from qhybrid_pipelines.execution.write_once_store import ResultStore


def test_the_first_content_stays(tmp_path):
    store = ResultStore(tmp_path / "made" / "on demand")
    assert store.read("a") is None
    assert store.write_once("a", b"first") == b"first"
    assert store.write_once("a", b"second") == b"first"
    assert store.read("a") == b"first"
    assert [path.name for path in store.folder.iterdir()] == ["a.arrow"]


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".", "a" * 200, "a\n"])
def test_names_cannot_leave_the_folder(tmp_path, name):
    store = ResultStore(tmp_path / "store")
    assert store.read(name) is None
    with pytest.raises(ValueError, match="not a name"):
        store.write_once(name, b"")


RACE = """
import os, sys, pathlib
from qhybrid_pipelines.execution.write_once_store import ResultStore
store = ResultStore(pathlib.Path(sys.argv[1]))
sys.stdin.readline()
for name in range(200):
    kept = store.write_once(f"n{name}", os.urandom(1000))
    print(hash(kept))
"""


def test_racing_processes_agree_on_every_content(tmp_path):
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    told = [racer.communicate()[0].split() for racer in racers]
    assert told[0] == told[1] == told[2]
    assert len(told[0]) == 200
    assert len(list(tmp_path.iterdir())) == 200


def test_what_a_dead_process_left_is_removed_and_a_living_one_is_left_alone(tmp_path):
    name = "from qhybrid_pipelines.core.system.processes import process_name; print(process_name())"
    dead = subprocess.check_output([sys.executable, "-c", name], text=True).strip()
    left = tmp_path / f"{dead}-{'0' * 16}-x.arrow.tmp"
    busy = tmp_path / f"{process_name()}-{'0' * 16}-x.arrow.tmp"
    foreign = tmp_path / "notes.tmp"
    for path in (left, busy, foreign):
        path.write_bytes(b"half")
    assert ResultStore(tmp_path).sweep_temporary() == 1
    assert not left.exists()
    assert busy.exists()
    assert foreign.exists()
    assert ResultStore(tmp_path / "absent").sweep_temporary() == 0
